package keyvault_test

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
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/slipway-cd/slipway/internal/azure"
	"github.com/slipway-cd/slipway/internal/vault"
	"github.com/slipway-cd/slipway/sandbox/internal/azure/entra"
	"github.com/slipway-cd/slipway/sandbox/internal/azure/keyvault"
)

// network is the stand-ins on the real network, over TLS with an authority of their own.
type network struct {
	authority, vaultURL, caFile, token string
	vault                              *keyvault.Vault
}

func serve(t *testing.T) *network {
	t.Helper()
	n := &network{}
	listen := func(handler *http.Handler) *httptest.Server {
		srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*handler).ServeHTTP(w, r) }))
		srv.Config.ErrorLog = log.New(io.Discard, "", 0)
		srv.StartTLS()
		t.Cleanup(srv.Close)
		return srv
	}
	var login, secrets http.Handler
	loginServer, vaultServer := listen(&login), listen(&secrets)
	n.authority, n.vaultURL = loginServer.URL, vaultServer.URL
	e, err := entra.New(entra.Options{
		Tenant: tenantID, URL: n.authority, Dir: keyDir(),
		Apps: []entra.App{{ClientID: clientID, ObjectID: objectID, Federated: []entra.Federated{{Subject: "system:serviceaccount:a:b"}}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	if n.vault, err = keyvault.New(keyvault.Options{
		Name: "dev1", URL: n.vaultURL, Authority: n.authority, Tenant: tenantID, Verifier: e.Verifier(),
		Roles: map[string]keyvault.Role{objectID: keyvault.Officer}, Dir: t.TempDir(),
	}); err != nil {
		t.Fatal(err)
	}
	login, secrets = e.Handler(), n.vault.Handler()
	dir := t.TempDir()
	n.caFile, n.token = filepath.Join(dir, "ca.crt"), filepath.Join(dir, "token")
	if err := os.WriteFile(n.caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: vaultServer.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := e.WriteSubjectToken(n.token, clientID); err != nil {
		t.Fatal(err)
	}
	return n
}

// store is the product's, made as the product makes it. logInWith and readWith are the authorities that each trusts.
func (n *network) store(t *testing.T, logInWith, readWith string) *vault.KeyVault {
	t.Helper()
	cloud, err := azure.NewCloud("", azure.Endpoints{Authority: n.authority})
	if err != nil {
		t.Fatal(err)
	}
	login, err := cloud.ClientOptions(logInWith)
	if err != nil {
		t.Fatal(err)
	}
	cred, _, err := azure.Credential(azure.Options{
		Cloud: cloud, Client: login, Tenant: tenantID, ClientID: clientID, TokenFile: n.token, Getenv: func(string) string { return "" },
	})
	if err != nil {
		t.Fatal(err)
	}
	client, err := cloud.ClientOptions(readWith)
	if err != nil {
		t.Fatal(err)
	}
	url, err := cloud.VaultURL(n.vaultURL)
	if err != nil {
		t.Fatal(err)
	}
	store, err := vault.NewKeyVault(vault.KeyVaultOptions{URL: url, Credential: cred, Client: client, AnyHost: cloud.Private})
	if err != nil {
		t.Fatal(err)
	}
	return store
}

func TestFortyVariablesAreReadOverTLS(t *testing.T) {
	n := serve(t)
	var names []string
	for i := range 40 {
		names = append(names, fmt.Sprintf("variable-%02d", i))
		if _, err := n.vault.Set(names[i], names[i], keyvault.Attributes{}); err != nil {
			t.Fatal(err)
		}
	}
	begin := time.Now()
	values, err := n.store(t, n.caFile, n.caFile).Read(t.Context(), refs(names...))
	if err != nil || len(values) != 40 {
		t.Fatal(len(values), err)
	}
	t.Logf("40 variables over TLS, log-in and all: %s", time.Since(begin).Round(time.Millisecond))
}

func TestAVaultWhoseCertificateIsNotBelievedIsTold(t *testing.T) {
	n := serve(t)
	_, err := n.store(t, n.caFile, "").Read(t.Context(), refs("redis-host"))
	var trouble *vault.StoreError
	if !errors.As(err, &trouble) || trouble.Trouble != vault.Unreachable || !strings.Contains(err.Error(), "azure.caFile") {
		t.Errorf("got %v", err)
	}
}

// clients has Microsoft's npm packages.
const clients = "../../../../tools/azureclients/node_modules"

func TestMicrosoftsJavaScriptClientWorks(t *testing.T) {
	if _, err := os.Stat(clients); err != nil {
		const notice = "*** SKIPPED: Microsoft's npm packages are not installed; `npm ci` in tools/azureclients does it ***"
		if os.Getenv("CI") == "true" {
			t.Fatal(notice)
		}
		t.Skip(notice)
	}
	n := serve(t)
	for i := range keyvault.MaxPage { // so that a list has two pages
		if _, err := n.vault.Set(fmt.Sprintf("variable-%02d", i), "x", keyvault.Attributes{}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := n.vault.Set("off", "x", keyvault.Attributes{Disabled: true}); err != nil {
		t.Fatal(err)
	}
	modules, err := filepath.Abs(clients)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "node", "testdata/secrets.js", n.authority, tenantID, clientID, n.token, n.vaultURL)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "NODE_PATH=" + modules, "NODE_EXTRA_CA_CERTS=" + n.caFile}
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr.String())
	}
	var got struct {
		Pinned, Tag, Latest                                 string
		Current                                             bool
		Names                                               []string
		Versions                                            int
		Missing, Disabled, BadName, Stranger, Deleted, Gone string
	}
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if got.Pinned != "ü \"quoted\" \n value" || got.Tag != "js" || got.Latest != "second" || !got.Current || len(got.Names) != keyvault.MaxPage+2 || got.Versions != 2 ||
		got.Missing != "404 SecretNotFound" || got.Disabled != "403 Forbidden" || got.BadName != "400 BadParameter" || got.Stranger != "AuthenticationRequiredError" ||
		got.Deleted != "from-js" || got.Gone != "404 SecretNotFound" {
		t.Errorf("the client got %s", out)
	}
}
