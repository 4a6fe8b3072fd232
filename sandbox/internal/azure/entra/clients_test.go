package entra_test

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"github.com/slipway-cd/slipway/internal/azure"
	"github.com/slipway-cd/slipway/sandbox/internal/azure/entra"
)

// The product's credentials, which are those of the Azure SDK for Go, log in here over TLS.

const (
	tenantID = "11111111-1111-4111-8111-111111111111"
	clientID = "22222222-2222-4222-8222-222222222222"
	objectID = "33333333-3333-4333-8333-333333333333"
)

// tenantServer is the stand-in behind TLS, with what a client needs to know of it.
type tenantServer struct {
	*entra.Server
	options azure.Options
	env     map[string]string
}

func serve(t *testing.T) *tenantServer {
	t.Helper()
	var handler http.Handler
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { handler.ServeHTTP(w, r) }))
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	srv.StartTLS()
	t.Cleanup(srv.Close)
	dir := t.TempDir()
	s, err := entra.New(entra.Options{
		Tenant: tenantID, URL: srv.URL, Dir: entra.KeyDir(),
		Apps: []entra.App{{ClientID: clientID, ObjectID: objectID, Secret: "open sesame", Federated: []entra.Federated{{Subject: "system:serviceaccount:a:b"}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	handler = s.Handler()
	caFile := filepath.Join(dir, "ca.crt")
	if err := os.WriteFile(caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: srv.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	cloud, err := azure.NewCloud("", azure.Endpoints{Authority: srv.URL})
	if err != nil {
		t.Fatal(err)
	}
	client, err := cloud.ClientOptions(caFile)
	if err != nil {
		t.Fatal(err)
	}
	ts := &tenantServer{Server: s, env: map[string]string{}}
	ts.options = azure.Options{
		Cloud: cloud, Client: client, AssetTag: filepath.Join(dir, "none"),
		Getenv:   func(name string) string { return ts.env[name] },
		LookPath: func(string) (string, error) { return "", errors.New("not found") },
	}
	return ts
}

// federated sets workload identity up, as a pod has it.
func (ts *tenantServer) federated(t *testing.T) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "token")
	if err := ts.WriteSubjectToken(file, clientID); err != nil {
		t.Fatal(err)
	}
	ts.env["AZURE_FEDERATED_TOKEN_FILE"], ts.env["AZURE_CLIENT_ID"], ts.env["AZURE_TENANT_ID"] = file, clientID, tenantID
}

func (ts *tenantServer) describe(t *testing.T) (azure.Source, azure.Identity, error) {
	t.Helper()
	cred, source, err := azure.Credential(ts.options)
	if err != nil {
		t.Fatal(err)
	}
	id, err := azure.Describe(context.Background(), cred, ts.options.Cloud)
	return source, id, err
}

func TestTheSDKLogsInWithoutAPassword(t *testing.T) {
	ts := serve(t)
	ts.federated(t)
	source, id, err := ts.describe(t)
	if err != nil {
		t.Fatal(err)
	}
	if source.Kind != azure.WorkloadIdentity || id.ObjectID != objectID || id.Tenant != tenantID || id.ClientID != clientID {
		t.Errorf("%s is %+v", source, id)
	}
}

func TestTheSDKLogsInWithASecret(t *testing.T) {
	ts := serve(t)
	ts.env["AZURE_CLIENT_SECRET"], ts.env["AZURE_CLIENT_ID"], ts.env["AZURE_TENANT_ID"] = "open sesame", clientID, tenantID
	source, id, err := ts.describe(t)
	if err != nil || source.Kind != azure.Environment || id.ObjectID != objectID {
		t.Errorf("%s is %+v, %v", source, id, err)
	}
	if strings.Contains(source.String(), "sesame") {
		t.Errorf("the source tells the secret: %s", source)
	}
}

func TestAPipelineLogsInThroughItsServiceConnection(t *testing.T) {
	ts := serve(t)
	const connection, systemToken = "55555555-5555-4555-8555-555555555555", "system-token"
	pipelines := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if r.Method != http.MethodPost || r.Header.Get("Authorization") != "Bearer "+systemToken || q.Get("serviceConnectionId") != connection || q.Get("api-version") != "7.1" {
			http.Error(w, "refused", http.StatusUnauthorized)
			return
		}
		token, err := ts.SubjectToken(clientID)
		if err != nil {
			t.Error(err)
		}
		_ = json.NewEncoder(w).Encode(map[string]string{"oidcToken": token})
	}))
	defer pipelines.Close()
	t.Setenv("SYSTEM_OIDCREQUESTURI", pipelines.URL) // the SDK reads it from the process
	ts.env["SYSTEM_OIDCREQUESTURI"] = pipelines.URL
	ts.env["AZURESUBSCRIPTION_SERVICE_CONNECTION_ID"] = connection
	ts.env["AZURESUBSCRIPTION_CLIENT_ID"], ts.env["AZURESUBSCRIPTION_TENANT_ID"] = clientID, tenantID
	ts.env["SYSTEM_ACCESSTOKEN"] = systemToken
	source, id, err := ts.describe(t)
	if err != nil || source.Kind != azure.AzurePipelines || id.ObjectID != objectID {
		t.Errorf("%s is %+v, %v", source, id, err)
	}
}

// tokenFor logs in with the secret, to have a token that another platform could have given.
func (ts *tenantServer) tokenFor(t *testing.T, audience string) string {
	t.Helper()
	cred, err := azidentity.NewClientSecretCredential(tenantID, clientID, "open sesame", &azidentity.ClientSecretCredentialOptions{
		ClientOptions: ts.options.Client, DisableInstanceDiscovery: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	token, err := cred.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{audience + "/.default"}})
	if err != nil {
		t.Fatal(err)
	}
	return token.Token
}

func TestAHostsManagedIdentityIsUsed(t *testing.T) {
	ts := serve(t)
	token := ts.tokenFor(t, ts.options.Cloud.Management.Audience)
	host := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if r.Header.Get("X-IDENTITY-HEADER") != "header" || q.Get("resource") != ts.options.Cloud.Management.Audience || q.Get("client_id") != clientID {
			http.Error(w, "refused: "+r.URL.RawQuery, http.StatusBadRequest)
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]string{"access_token": token, "token_type": "Bearer", "resource": q.Get("resource"), "expires_on": strconv.FormatInt(time.Now().Add(time.Hour).Unix(), 10)})
	}))
	defer host.Close()
	for name, value := range map[string]string{"IDENTITY_ENDPOINT": host.URL, "IDENTITY_HEADER": "header"} {
		t.Setenv(name, value) // the SDK reads them from the process
		ts.env[name] = value
	}
	ts.options.ClientID = clientID
	source, id, err := ts.describe(t)
	if err != nil || source.Kind != azure.ManagedIdentity || id.ObjectID != objectID {
		t.Errorf("%s is %+v, %v", source, id, err)
	}
}

func TestTheAccountOfTheAzureCLIIsUsed(t *testing.T) {
	ts := serve(t)
	dir := t.TempDir()
	token := ts.tokenFor(t, ts.options.Cloud.Management.Audience)
	answer := fmt.Sprintf(`{"accessToken":%q,"expires_on":%d}`, token, time.Now().Add(time.Hour).Unix())
	az := func(script string) { overwrite(filepath.Join(dir, "az"), "#!/bin/sh\n"+script) }
	az(`case "$*" in "account get-access-token -o json --resource ` + ts.options.Cloud.Management.Audience + `") echo '` + answer + `';; *) echo "az $*" >&2; exit 1;; esac`)
	if err := os.Chmod(filepath.Join(dir, "az"), 0o700); err != nil {
		t.Fatal(err)
	}
	overwrite(filepath.Join(dir, "azureProfile.json"), `{"subscriptions":[{}]}`)
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	ts.env["AZURE_CONFIG_DIR"] = dir
	ts.options.LookPath = nil
	source, id, err := ts.describe(t)
	if err != nil || source.Kind != azure.AzureCLI || id.ObjectID != objectID {
		t.Errorf("%s is %+v, %v", source, id, err)
	}
	az(`echo "ERROR: Please run 'az login' to setup account." >&2; exit 1`)
	_, _, err = ts.describe(t)
	var refused *azure.IdentityError
	if !errors.As(err, &refused) || !strings.Contains(refused.Advice, "az login") {
		t.Errorf("got %v", err)
	}
}

func TestWhatEntraRefusesIsToldWithWhatToDo(t *testing.T) {
	for _, c := range []struct {
		what   string
		change func(ts *tenantServer)
		code   string
		say    []string
	}{
		{"another tenant", func(ts *tenantServer) { ts.env["AZURE_TENANT_ID"] = objectID }, "AADSTS90002", []string{objectID, "correct the tenant"}},
		{"an unknown client", func(ts *tenantServer) { ts.env["AZURE_CLIENT_ID"] = objectID }, "AADSTS700016", []string{objectID, "correct the client id"}},
		{"a service of another cloud", func(ts *tenantServer) {
			ts.options.Cloud.Management.Audience = "https://management.core.chinacloudapi.cn/"
		}, "AADSTS500011", []string{"azure.cloud"}},
		{"an assertion that is garbage", func(ts *tenantServer) { overwrite(ts.env["AZURE_FEDERATED_TOKEN_FILE"], "garbage") }, "AADSTS50027", nil},
	} {
		t.Run(c.what, func(t *testing.T) {
			ts := serve(t)
			ts.federated(t)
			c.change(ts)
			_, _, err := ts.describe(t)
			var refused *azure.IdentityError
			if !errors.As(err, &refused) || refused.Code != c.code {
				t.Fatalf("got %v", err)
			}
			for _, want := range append(c.say, "workload identity") {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the error does not say %q: %v", want, err)
				}
			}
			if strings.ContainsAny(err.Error(), "\n\r") || strings.Contains(err.Error(), "Trace ID") {
				t.Errorf("the error is not one plain sentence: %v", err)
			}
		})
	}
}

func overwrite(path, content string) {
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		panic(err)
	}
}

func TestAnAuthorityThatIsNotBelievedIsToldWithTheSetting(t *testing.T) {
	ts := serve(t)
	ts.federated(t)
	client, err := ts.options.Cloud.ClientOptions("")
	if err != nil {
		t.Fatal(err)
	}
	ts.options.Client = client
	_, _, err = ts.describe(t)
	if err == nil || !strings.Contains(err.Error(), "azure.caFile") {
		t.Errorf("got %v", err)
	}
}

func TestAnAuthorityThatIsAwayIsToldAsTheNetwork(t *testing.T) {
	ts := serve(t)
	ts.federated(t)
	cloud, err := azure.NewCloud("", azure.Endpoints{Authority: "https://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	ts.options.Cloud = cloud
	if ts.options.Client, err = cloud.ClientOptions(""); err != nil {
		t.Fatal(err)
	}
	ts.options.Client.Retry.MaxRetries = -1
	_, _, err = ts.describe(t)
	if err == nil || !strings.Contains(err.Error(), "Entra cannot be reached") {
		t.Errorf("got %v", err)
	}
}
