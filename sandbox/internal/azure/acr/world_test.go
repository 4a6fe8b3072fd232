package acr_test

import (
	"encoding/pem"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/slipway-cd/slipway/internal/azure"
	productacr "github.com/slipway-cd/slipway/internal/azure/acr"
	"github.com/slipway-cd/slipway/sandbox/internal/azure/acr"
	"github.com/slipway-cd/slipway/sandbox/internal/azure/entra"
	"github.com/slipway-cd/slipway/sandbox/internal/azure/wire"
)

const (
	tenantID = "11111111-1111-4111-8111-111111111111"
	clientID = "22222222-2222-4222-8222-222222222222"
	objectID = "33333333-3333-4333-8333-333333333333"
)

// keyDir holds Entra's signing keys for all tests: making them takes long.
var keyDir = sync.OnceValue(func() string {
	dir, err := os.MkdirTemp("", "acr")
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

// world is Entra and a registry over TLS, and the product's log-in.
type world struct {
	t          *testing.T
	entra      *entra.Server
	acr        *acr.Server
	host       string
	client     azcore.ClientOptions
	cloud      azure.Cloud
	credential azcore.TokenCredential
	token      string // the file of the federated token
	now        time.Time

	asked wire.Asked
}

func newWorld(t *testing.T, roles ...acr.Role) *world {
	t.Helper()
	w := &world{t: t, now: time.Now()}
	dir := t.TempDir()
	serve := func(handler *http.Handler) *httptest.Server {
		srv := httptest.NewUnstartedServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
			w.asked.Add(r)
			(*handler).ServeHTTP(rw, r)
		}))
		srv.Config.ErrorLog = log.New(io.Discard, "", 0)
		srv.StartTLS()
		t.Cleanup(srv.Close)
		return srv
	}
	var login, door http.Handler
	loginServer, doorServer := serve(&login), serve(&door)
	w.host = strings.TrimPrefix(doorServer.URL, "https://")
	clock := func() time.Time { return w.now }
	var err error
	if w.entra, err = entra.New(entra.Options{
		Tenant: tenantID, URL: loginServer.URL, Dir: keyDir(), Now: clock,
		Apps: []entra.App{{ClientID: clientID, ObjectID: objectID, Federated: []entra.Federated{{Subject: "system:serviceaccount:a:b"}}}},
	}); err != nil {
		t.Fatal(err)
	}
	behind := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	t.Cleanup(behind.Close)
	target, err := url.Parse(behind.URL)
	if err != nil {
		t.Fatal(err)
	}
	if w.acr, err = acr.New(acr.Options{
		Host: w.host, Verifier: w.entra.Verifier(), Roles: map[string][]acr.Role{objectID: roles}, Registry: acr.Behind(target), Dir: dir, Now: clock,
	}); err != nil {
		t.Fatal(err)
	}
	login, door = w.entra.Handler(), w.acr.Handler()
	caFile := filepath.Join(dir, "ca.crt")
	w.token = filepath.Join(dir, "token")
	if err := os.WriteFile(caFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: doorServer.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := w.entra.WriteSubjectToken(w.token, clientID); err != nil {
		t.Fatal(err)
	}
	if w.cloud, err = azure.NewCloud("", azure.Endpoints{Authority: loginServer.URL}); err != nil {
		t.Fatal(err)
	}
	if w.client, err = w.cloud.ClientOptions(caFile); err != nil {
		t.Fatal(err)
	}
	w.client.Retry = policy.RetryOptions{MaxRetries: 2, RetryDelay: time.Millisecond}
	w.credential = w.logIn()
	return w
}

// logIn is a credential as the product has it.
func (w *world) logIn() azcore.TokenCredential {
	w.t.Helper()
	cred, _, err := azure.Credential(azure.Options{
		Cloud: w.cloud, Client: w.client, Tenant: tenantID, ClientID: clientID, TokenFile: w.token, Getenv: func(string) string { return "" },
	})
	if err != nil {
		w.t.Fatal(err)
	}
	return cred
}

func (w *world) keychain() *productacr.Keychain {
	return productacr.NewKeychain(productacr.Options{Cloud: w.cloud, Client: w.client, Credential: w.credential, Hosts: []string{w.host}, Now: func() time.Time { return w.now }})
}

// options of a registry client that logs in with the keychain.
func (w *world) options(k authn.Keychain) []remote.Option {
	w.t.Helper()
	client, ok := w.client.Transport.(*http.Client)
	if !ok {
		w.t.Fatalf("the transport is a %T", w.client.Transport)
	}
	return []remote.Option{remote.WithContext(w.t.Context()), remote.WithTransport(client.Transport), remote.WithAuthFromKeychain(k)}
}

func (w *world) tag(text string) name.Tag {
	w.t.Helper()
	tag, err := name.NewTag(w.host + "/" + text)
	if err != nil {
		w.t.Fatal(err)
	}
	return tag
}

// push pushes a new image.
func (w *world) push(tag name.Tag, k authn.Keychain) (digest string, err error) {
	w.t.Helper()
	img, err := random.Image(1<<16, 3)
	if err != nil {
		w.t.Fatal(err)
	}
	hash, err := img.Digest()
	if err != nil {
		w.t.Fatal(err)
	}
	return hash.String(), remote.Write(tag, img, w.options(k)...)
}
