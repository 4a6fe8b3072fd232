package keyvault_test

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"

	"github.com/slipway-cd/slipway/internal/azure"
	"github.com/slipway-cd/slipway/internal/vault"
	"github.com/slipway-cd/slipway/sandbox/internal/azure/entra"
	"github.com/slipway-cd/slipway/sandbox/internal/azure/keyvault"
	"github.com/slipway-cd/slipway/sandbox/internal/azure/wire"
)

const (
	tenantID = "11111111-1111-4111-8111-111111111111"
	clientID = "22222222-2222-4222-8222-222222222222"
	objectID = "33333333-3333-4333-8333-333333333333"
	authURL  = "https://login.example"
	vaultURL = "https://dev1.vault.example"
)

// keyDir holds signing keys for all tests: making them takes long.
var keyDir = sync.OnceValue(func() string {
	dir, err := os.MkdirTemp("", "keyvault")
	if err != nil {
		panic(err)
	}
	return dir
})

func TestMain(m *testing.M) {
	code := m.Run()
	os.RemoveAll(keyDir())
	os.Exit(code)
}

// world is Entra and one vault, reached by the product's own clients, which are those of the Azure SDK for Go, without a
// network: so that a test can have its own time.
type world struct {
	t     *testing.T
	entra *entra.Server
	vault *keyvault.Vault
	// options of the vault before it is made
	options keyvault.Options
	cloud   azure.Cloud
	token   string // the file of the federated token
	wire    wire.Wire
}

func newWorld(t *testing.T, change ...func(*keyvault.Options)) *world {
	t.Helper()
	w := &world{t: t, token: filepath.Join(t.TempDir(), "token")}
	var err error
	w.entra, err = entra.New(entra.Options{
		Tenant: tenantID, URL: authURL, Dir: keyDir(),
		Apps:      []entra.App{{ClientID: clientID, ObjectID: objectID, Federated: []entra.Federated{{Subject: "system:serviceaccount:a:b"}}}},
		Resources: []string{entra.VaultAudience, entra.CoreARMAudience, "https://vault.azure.cn"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.entra.WriteSubjectToken(w.token, clientID); err != nil {
		t.Fatal(err)
	}
	w.options = keyvault.Options{
		Name: "dev1", URL: vaultURL, Authority: authURL, Tenant: tenantID, Verifier: w.entra.Verifier(),
		Roles: map[string]keyvault.Role{objectID: keyvault.User}, Dir: t.TempDir(),
	}
	for _, c := range change {
		c(&w.options)
	}
	if w.vault, err = keyvault.New(w.options); err != nil {
		t.Fatal(err)
	}
	if w.cloud, err = azure.NewCloud("", azure.Endpoints{Authority: authURL}); err != nil {
		t.Fatal(err)
	}
	w.wire.Handle("login.example", w.entra.Handler())
	w.wire.Handle("dev1.vault.example", w.vault.Handler())
	return w
}

func (w *world) client() azcore.ClientOptions {
	w.t.Helper()
	options, err := w.cloud.ClientOptions("")
	if err != nil {
		w.t.Fatal(err)
	}
	options.Transport, options.Retry.RetryDelay = &w.wire, time.Millisecond
	return options
}

func (w *world) credential() azcore.TokenCredential {
	w.t.Helper()
	cred, _, err := azure.Credential(azure.Options{
		Cloud: w.cloud, Client: w.client(), Tenant: tenantID, ClientID: clientID, TokenFile: w.token, Getenv: func(string) string { return "" },
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return cred
}

// store is the product's client of the vault.
func (w *world) store() *vault.KeyVault {
	w.t.Helper()
	store, err := vault.NewKeyVault(vault.KeyVaultOptions{URL: vaultURL, Credential: w.credential(), Client: w.client(), AnyHost: true})
	if err != nil {
		w.t.Fatal(err)
	}
	return store
}

func (w *world) set(name, value string, a keyvault.Attributes) string {
	w.t.Helper()
	version, err := w.vault.Set(name, value, a)
	if err != nil {
		w.t.Fatal(err)
	}
	return version
}

func refs(names ...string) []vault.Ref {
	var all []vault.Ref
	for _, name := range names {
		all = append(all, vault.Ref{Name: name})
	}
	return all
}
