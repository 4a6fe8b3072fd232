package azure

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

const (
	tenantID = "11111111-1111-4111-8111-111111111111"
	clientID = "22222222-2222-4222-8222-222222222222"
)

func quiet() *log.Logger { return log.New(io.Discard, "", 0) }

// machine is a machine on which some identities are set up.
type machine struct {
	env     map[string]string
	az      bool   // on the PATH
	profile string // what az login wrote
	tag     string // the chassis asset tag
	options Options
}

// logsIn makes the credential without asking anybody for a token.
func (m machine) logsIn(t *testing.T) (Source, error) {
	t.Helper()
	dir := t.TempDir()
	cloud, err := NewCloud("", Endpoints{})
	if err != nil {
		t.Fatal(err)
	}
	o := m.options
	o.Cloud, o.AssetTag = cloud, filepath.Join(dir, "tag")
	for name, content := range map[string]string{"tag": m.tag, "azureProfile.json": m.profile, "token": "a.b.c"} {
		if content != "" {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	o.Getenv = func(name string) string {
		if name == "AZURE_CONFIG_DIR" {
			return dir
		}
		return strings.ReplaceAll(m.env[name], "$DIR", dir)
	}
	o.LookPath = func(string) (string, error) {
		if m.az {
			return "/usr/bin/az", nil
		}
		return "", errors.New("not found")
	}
	_, source, err := Credential(o)
	return source, err
}

func with(sets ...map[string]string) map[string]string {
	all := map[string]string{}
	for _, set := range sets {
		for k, v := range set {
			all[k] = v
		}
	}
	return all
}

var (
	ids       = map[string]string{"AZURE_TENANT_ID": tenantID, "AZURE_CLIENT_ID": clientID}
	federated = map[string]string{"AZURE_FEDERATED_TOKEN_FILE": "$DIR/token"}
	pipeline  = map[string]string{
		"SYSTEM_OIDCREQUESTURI": "https://dev.azure.example/oidc", "SYSTEM_ACCESSTOKEN": "t", "AZURESUBSCRIPTION_SERVICE_CONNECTION_ID": "c",
		"AZURESUBSCRIPTION_CLIENT_ID": clientID, "AZURESUBSCRIPTION_TENANT_ID": tenantID,
	}
	password = map[string]string{"AZURE_CLIENT_SECRET": "swordfish"}
	profile  = "\xef\xbb\xbf" + `{"subscriptions":[{"id":"x"}]}`
)

func TestTheFirstIdentityInTheOrderIsUsed(t *testing.T) {
	t.Setenv("SYSTEM_OIDCREQUESTURI", "https://dev.azure.example/oidc") // the SDK reads it from the process
	for _, c := range []struct {
		what string
		m    machine
		want Kind
	}{
		{"everything", machine{env: with(ids, federated, pipeline, password), az: true, profile: profile, tag: azureAssetTag}, WorkloadIdentity},
		{"no federated token", machine{env: with(ids, pipeline, password), az: true, profile: profile, tag: azureAssetTag}, AzurePipelines},
		{"a pipeline whose token is not mapped", machine{env: with(pipeline, map[string]string{"SYSTEM_ACCESSTOKEN": ""}), az: true, profile: profile}, AzureCLI},
		{"a pipeline step without a connection", machine{env: map[string]string{"SYSTEM_OIDCREQUESTURI": "u", "SYSTEM_ACCESSTOKEN": "t"}, az: true, profile: profile}, AzureCLI},
		{"a password", machine{env: with(ids, password), az: true, profile: profile, tag: azureAssetTag}, Environment},
		{"az", machine{az: true, profile: profile, tag: azureAssetTag}, AzureCLI},
		{"az without an account, on a virtual machine", machine{az: true, profile: `{"subscriptions":[]}`, tag: azureAssetTag + "\n"}, ManagedIdentity},
		{"an account without az, on a virtual machine", machine{profile: profile, tag: azureAssetTag}, ManagedIdentity},
		{"a host that gives identities", machine{env: map[string]string{"IDENTITY_ENDPOINT": "http://localhost", "IDENTITY_HEADER": "h"}}, ManagedIdentity},
		{"asked for", machine{env: with(ids, federated), options: Options{Use: ManagedIdentity}}, ManagedIdentity},
		{"asked for by azidentity's variable", machine{env: with(ids, federated, password, map[string]string{"AZURE_TOKEN_CREDENTIALS": "EnvironmentCredential"})}, Environment},
		{"named in the configuration", machine{options: Options{Tenant: tenantID, ClientID: clientID, TokenFile: os.Args[0]}}, WorkloadIdentity},
	} {
		source, err := c.m.logsIn(t)
		if err != nil || source.Kind != c.want {
			t.Errorf("%s: %s, %v", c.what, source, err)
		}
		if strings.Contains(fmt.Sprintf("%+v", source), "swordfish") {
			t.Errorf("%s: the source tells the password: %+v", c.what, source)
		}
	}
}

func TestWhatWasPassedOverIsSaid(t *testing.T) {
	source, err := machine{az: true, profile: profile}.logsIn(t)
	if err != nil {
		t.Fatal(err)
	}
	var kinds []Kind
	for _, p := range source.Passed {
		kinds = append(kinds, p.Kind)
		if p.Reason == "" {
			t.Errorf("%s was passed over without a reason", p.Kind)
		}
	}
	if fmt.Sprint(append(kinds, source.Kind, ManagedIdentity)) != fmt.Sprint(Order()) {
		t.Errorf("passed %v", kinds)
	}
}

func TestNoIdentityAtAllNamesAllThatWasLookedFor(t *testing.T) {
	_, err := machine{}.logsIn(t)
	var none *NoIdentityError
	if !errors.As(err, &none) || len(none.Passed) != len(Order()) || len(none.Next()) == 0 {
		t.Fatalf("got %v", err)
	}
	for _, kind := range Order() {
		if !strings.Contains(err.Error(), string(kind)) {
			t.Errorf("the error does not name %s: %v", kind, err)
		}
	}
}

func TestHalfAnIdentityIsNotPassedOver(t *testing.T) {
	for _, c := range []struct {
		what string
		m    machine
		kind Kind
		say  string
	}{
		{"a federated token alone", machine{env: federated, az: true, profile: profile}, WorkloadIdentity, "AZURE_CLIENT_ID (azure.clientID) and no AZURE_TENANT_ID (azure.tenant)"},
		{"a token file that is not there", machine{env: with(ids, map[string]string{"AZURE_FEDERATED_TOKEN_FILE": "$DIR/none"})}, WorkloadIdentity, "no such file"},
		{"a password alone", machine{env: password, az: true, profile: profile}, Environment, "AZURE_CLIENT_ID"},
		{"a certificate that is not there", machine{env: with(ids, map[string]string{"AZURE_CLIENT_CERTIFICATE_PATH": "$DIR/none"})}, Environment, "no such file"},
		{"a certificate that is none", machine{env: with(ids, map[string]string{"AZURE_CLIENT_CERTIFICATE_PATH": "$DIR/token"})}, Environment, "reading the certificate"},
		{"a tenant that is none", machine{env: with(federated, ids, map[string]string{"AZURE_TENANT_ID": "my tenant"})}, WorkloadIdentity, "tenant"},
		{"asked for and not there", machine{options: Options{Use: AzureCLI}}, AzureCLI, "not on the PATH"},
		{"a word that azidentity knows and Slipway does not", machine{env: map[string]string{"AZURE_TOKEN_CREDENTIALS": "prod"}}, Environment, `"prod"`},
		{"a kind that there is not", machine{options: Options{Use: "magic"}}, "magic", "no such kind"},
	} {
		_, err := c.m.logsIn(t)
		var setup *SetupError
		if !errors.As(err, &setup) || setup.Kind != c.kind || !strings.Contains(err.Error(), c.say) || strings.Contains(err.Error(), "swordfish") {
			t.Errorf("%s: %v", c.what, err)
		}
	}
}

func TestAServiceOfAnotherTenantIsNotAskedFor(t *testing.T) {
	c := &credential{source: Source{Kind: WorkloadIdentity, Tenant: tenantID}}
	_, err := c.GetToken(t.Context(), policy.TokenRequestOptions{TenantID: clientID})
	var refused *IdentityError
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), clientID) {
		t.Errorf("got %v", err)
	}
	var final interface{ NonRetriable() }
	if !errors.As(err, &final) {
		t.Error("the SDK would ask again")
	}
}

// asked is a credential that notes the claims it is asked for.
type asked struct{ claims *string }

func (a asked) GetToken(_ context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	*a.claims = o.Claims
	return azcore.AccessToken{Token: "t"}, nil
}

func TestARenewalAsksNobodyToLogInAgain(t *testing.T) {
	const revoked = `{"access_token":{"nbf":{"essential":true,"value":"1700000000"}}}`
	for kind, want := range map[Kind]string{WorkloadIdentity: renewal, ManagedIdentity: renewal, AzureCLI: ""} {
		var claims string
		c := &credential{inner: asked{&claims}, source: Source{Kind: kind}}
		if _, err := Renew(t.Context(), c, "scope"); err != nil || claims != want {
			t.Errorf("%s was asked for %q, want %q (%v)", kind, claims, want, err)
		}
		if _, err := c.GetToken(t.Context(), policy.TokenRequestOptions{Claims: revoked}); err != nil || claims != revoked {
			t.Errorf("%s was asked for %q, but the service wants %q (%v)", kind, claims, revoked, err)
		}
	}
}

func TestATokenSaysWhoItIsFor(t *testing.T) {
	token := func(claims string) string {
		return "e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".sig"
	}
	id, err := describe(token(`{"oid":"o","tid":"t","appid":"a","exp":60}`))
	if err != nil || id.String() != "client a, object id o, tenant t" || id.Expires.Unix() != 60 {
		t.Errorf("%s, %v", id, err)
	}
	id, err = describe(token(`{"oid":"o","tid":"t","azp":"a","upn":"jane@example.org"}`))
	if err != nil || id.String() != "jane@example.org, object id o, tenant t" || id.ClientID != "a" {
		t.Errorf("%s, %v", id, err)
	}
	for _, bad := range []string{"", "abc", "a.!.c", "a." + base64.RawURLEncoding.EncodeToString([]byte("{")) + ".c"} {
		if _, err := describe(bad); err == nil {
			t.Errorf("%q says something", bad)
		}
	}
}
