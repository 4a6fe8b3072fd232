package acr_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/containers/azcontainerregistry"
	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	productacr "github.com/slipway-cd/slipway/internal/azure/acr"
	"github.com/slipway-cd/slipway/sandbox/internal/azure/acr"
	"github.com/slipway-cd/slipway/sandbox/internal/azure/entra"
	"github.com/slipway-cd/slipway/sandbox/internal/azure/faulty"
	"github.com/slipway-cd/slipway/sandbox/internal/azure/insights/fault"
)

func TestAnImageIsPushedAndPulledWithAnEntraIdentity(t *testing.T) {
	w := newWorld(t, acr.Push)
	k := w.keychain()
	tag := w.tag("team/calculator:v1")
	digest, err := w.push(tag, k)
	if err != nil {
		t.Fatal(err)
	}
	got, err := remote.Head(tag, w.options(k)...)
	if err != nil || got.Digest.String() != digest {
		t.Errorf("got %v, %v", got, err)
	}
	if n := w.asked.Count("/oauth2/exchange"); n != 1 {
		t.Errorf("%d exchanges: the refresh token was not kept", n)
	}
}

func TestMicrosoftsOwnClientGetsIn(t *testing.T) {
	w := newWorld(t, acr.Push)
	if _, err := w.push(w.tag("team/calculator:v1"), w.keychain()); err != nil {
		t.Fatal(err)
	}
	client, err := azcontainerregistry.NewClient("https://"+w.host, w.credential, &azcontainerregistry.ClientOptions{ClientOptions: w.client})
	if err != nil {
		t.Fatal(err)
	}
	answer, err := client.GetManifest(t.Context(), "team/calculator", "v1", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.ManifestData.Close()
	var manifest struct{ Layers []any }
	if err := json.NewDecoder(answer.ManifestData).Decode(&manifest); err != nil || len(manifest.Layers) != 3 {
		t.Errorf("the manifest has %d layers, %v", len(manifest.Layers), err)
	}
}

func TestDockersFormOfLoggingInWorks(t *testing.T) {
	w := newWorld(t, acr.Push)
	token, err := w.keychain().RefreshToken(t.Context(), w.host)
	if err != nil {
		t.Fatal(err)
	}
	basic := authn.NewMultiKeychain(static{authn.AuthConfig{Username: productacr.User, Password: token}})
	if _, err := w.push(w.tag("team/calculator:v1"), basic); err != nil {
		t.Error(err)
	}
	wrong := authn.NewMultiKeychain(static{authn.AuthConfig{Username: "jane", Password: token}})
	if _, err := w.push(w.tag("team/calculator:v1"), wrong); status(err) != http.StatusUnauthorized {
		t.Errorf("another user name: %v", err)
	}
}

type static struct{ authn.AuthConfig }

func (s static) Resolve(authn.Resource) (authn.Authenticator, error) {
	return authn.FromConfig(s.AuthConfig), nil
}

// status of a registry's refusal, or 0.
func status(err error) int {
	var refused *transport.Error
	if errors.As(err, &refused) {
		return refused.StatusCode
	}
	return 0
}

func TestNobodyGetsInWithoutAToken(t *testing.T) {
	w := newWorld(t, acr.Push)
	anonymous := authn.NewMultiKeychain()
	if _, err := w.push(w.tag("team/calculator:v1"), anonymous); status(err) != http.StatusUnauthorized {
		t.Errorf("got %v", err)
	}
}

func TestAPullerCannotPush(t *testing.T) {
	w := newWorld(t, acr.Pull)
	if _, err := w.push(w.tag("team/calculator:v1"), w.keychain()); status(err) != http.StatusUnauthorized {
		t.Errorf("got %v", err)
	}
	_, err := remote.Head(w.tag("team/calculator:v1"), w.options(w.keychain())...)
	if status(err) != http.StatusNotFound {
		t.Errorf("pulling: %v", err)
	}
}

func TestARefusedIdentityIsToldWithTheRoles(t *testing.T) {
	w := newWorld(t) // no role at all
	_, err := w.keychain().RefreshToken(t.Context(), w.host)
	var refused *productacr.Error
	if !errors.As(err, &refused) || refused.Status != http.StatusUnauthorized || !strings.Contains(err.Error(), "AcrPull") || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v", err)
	}
}

// newLogIn is a credential that keeps no token: the SDK's own caches go by the real clock.
type newLogIn struct{ w *world }

func (n newLogIn) GetToken(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	if err := n.w.entra.WriteSubjectToken(n.w.token, clientID); err != nil {
		return azcore.AccessToken{}, err
	}
	return n.w.logIn().GetToken(ctx, o)
}

func TestARefreshTokenIsRenewedBeforeItEnds(t *testing.T) {
	w := newWorld(t, acr.Push)
	w.credential = newLogIn{w}
	k := w.keychain()
	first, err := k.RefreshToken(t.Context(), w.host)
	if err != nil {
		t.Fatal(err)
	}
	w.now = w.now.Add(acr.RefreshLifetime - 11*time.Minute)
	if again, err := k.RefreshToken(t.Context(), w.host); err != nil || again != first {
		t.Errorf("eleven minutes before: another one, %v", err)
	}
	w.now = w.now.Add(2 * time.Minute)
	if again, err := k.RefreshToken(t.Context(), w.host); err != nil || again == first {
		t.Errorf("nine minutes before: the same one, %v", err)
	}
}

func TestATokenGoesToNoOtherHost(t *testing.T) {
	w := newWorld(t, acr.Push)
	k := productacr.NewKeychain(productacr.Options{Cloud: w.cloud, Client: w.client, Credential: w.credential})
	auth, err := k.Resolve(w.tag("team/calculator:v1").Registry)
	if err != nil || auth != authn.Anonymous {
		t.Errorf("got %v, %v", auth, err)
	}
	if _, err := k.RefreshToken(t.Context(), w.host); err == nil || w.asked.Count("") != 0 {
		t.Errorf("got %v after %d requests", err, w.asked.Count(""))
	}
	acme, err := name.NewRegistry("acme.azurecr.io")
	if err != nil || !k.Has(acme.RegistryStr()) || k.Has("docker.io") {
		t.Errorf("a registry is known by its name: %v", err)
	}
}

func TestFaultsOfTheRegistryAreTold(t *testing.T) {
	for _, c := range []struct {
		what   string
		rule   fault.Rule
		status int
		say    string
	}{
		{"forbidden", fault.Rule{Rate: 1, Status: 403}, 403, "firewall"},
		{"not an Azure registry", fault.Rule{Rate: 1, Status: 404}, 404, "no Azure Container Registry"},
		{"throttled", fault.Rule{Rate: 1, Status: 429}, 429, "too many requests"},
		{"an internal error", fault.Rule{Rate: 1, Status: 500}, 500, "500"},
		{"a cut connection", fault.Rule{Rate: 1, Status: faulty.StatusCut}, 0, "cannot be reached"},
	} {
		w := newWorld(t, acr.Push)
		if err := w.acr.Faults.Set(c.rule); err != nil {
			t.Fatal(err)
		}
		_, err := w.keychain().RefreshToken(t.Context(), w.host)
		var refused *productacr.Error
		if !errors.As(err, &refused) || refused.Status != c.status || !strings.Contains(err.Error(), c.say) {
			t.Errorf("%s: %v", c.what, err)
		}
	}
	w := newWorld(t, acr.Push)
	if err := w.acr.Faults.Set(fault.Rule{Rate: 1, Times: 2, Status: 503}); err != nil {
		t.Fatal(err)
	}
	if _, err := w.keychain().RefreshToken(t.Context(), w.host); err != nil {
		t.Errorf("a fault that passes: %v", err)
	}
}

func TestEachWrongRequestToTheTokenServiceIsRefused(t *testing.T) {
	w := newWorld(t, acr.Push)
	refresh, err := w.keychain().RefreshToken(t.Context(), w.host)
	if err != nil {
		t.Fatal(err)
	}
	entraToken := func(audience string) string {
		token, err := w.credential.GetToken(t.Context(), policy.TokenRequestOptions{Scopes: []string{audience + "/.default"}})
		if err != nil {
			t.Fatal(err)
		}
		return token.Token
	}
	ask := func(path string, form url.Values) (int, string) {
		r := httptest.NewRequest("POST", path, strings.NewReader(form.Encode()))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		rec := httptest.NewRecorder()
		w.acr.Handler().ServeHTTP(rec, r)
		return rec.Code, rec.Body.String()
	}
	exchange := func(change ...string) url.Values {
		return form(url.Values{"grant_type": {"access_token"}, "service": {w.host}, "access_token": {entraToken(entra.RegistryAudience)}}, change)
	}
	token := func(change ...string) url.Values {
		return form(url.Values{"grant_type": {"refresh_token"}, "service": {w.host}, "refresh_token": {refresh}, "scope": {"repository:a/b:pull"}}, change)
	}
	for _, c := range []struct {
		what, path string
		form       url.Values
		status     int
	}{
		{"an exchange", "/oauth2/exchange", exchange(), 200},
		{"an exchange with a token for Azure Resource Manager", "/oauth2/exchange", exchange("access_token", entraToken(entra.ARMAudience)), 200},
		{"another grant", "/oauth2/exchange", exchange("grant_type", "password"), 400},
		{"no service", "/oauth2/exchange", exchange("service", ""), 400},
		{"another registry", "/oauth2/exchange", exchange("service", "other.azurecr.io"), 400},
		{"no token", "/oauth2/exchange", exchange("access_token", ""), 400},
		{"a token that is none", "/oauth2/exchange", exchange("access_token", "abc"), 401},
		{"a token for another service", "/oauth2/exchange", exchange("access_token", entraToken(entra.VaultAudience)), 401},
		{"a refresh token as an Entra token", "/oauth2/exchange", exchange("access_token", refresh), 401},
		{"an access token", "/oauth2/token", token(), 200},
		{"two scopes", "/oauth2/token", token("scope", "repository:a/b:pull,push repository:c:pull"), 200},
		{"an unknown grant", "/oauth2/token", token("grant_type", "magic"), 400},
		{"an Entra token as a refresh token", "/oauth2/token", token("refresh_token", entraToken(entra.RegistryAudience)), 401},
		{"a scope that cannot be read", "/oauth2/token", token("scope", "everything"), 400},
		{"a scope that the role does not allow", "/oauth2/token", token("scope", "repository:a/b:delete"), 401},
	} {
		if status, body := ask(c.path, c.form); status != c.status {
			t.Errorf("%s: answered %d %s", c.what, status, body)
		}
	}
}

func form(f url.Values, change []string) url.Values {
	for i := 0; i+1 < len(change); i += 2 {
		if f.Set(change[i], change[i+1]); change[i+1] == "" {
			f.Del(change[i])
		}
	}
	return f
}

func TestAnAccessTokenOpensItsOwnDoorOnly(t *testing.T) {
	w := newWorld(t, acr.Push)
	refresh, err := w.keychain().RefreshToken(t.Context(), w.host)
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("POST", "/oauth2/token", strings.NewReader(url.Values{
		"grant_type": {"refresh_token"}, "service": {w.host}, "refresh_token": {refresh}, "scope": {"repository:mine:pull"},
	}.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	rec := httptest.NewRecorder()
	w.acr.Handler().ServeHTTP(rec, r)
	var answer struct {
		Token string `json:"access_token"`
	}
	if err := json.Unmarshal(rec.Body.Bytes(), &answer); err != nil || answer.Token == "" {
		t.Fatal(rec.Body, err)
	}
	ask := func(method, path, token string) (int, string) {
		r := httptest.NewRequest(method, "https://"+w.host+path, nil)
		r.Header.Set("Authorization", "Bearer "+token)
		rec := httptest.NewRecorder()
		w.acr.Handler().ServeHTTP(rec, r)
		return rec.Code, rec.Header().Get("WWW-Authenticate")
	}
	for _, c := range []struct {
		what, method, path, token string
		status                    int
		challenge                 string
	}{
		{"its repository", "GET", "/v2/mine/manifests/v1", answer.Token, 404, ""},
		{"the root", "GET", "/v2/", answer.Token, 200, ""},
		{"another repository", "GET", "/v2/other/manifests/v1", answer.Token, 401, `scope="repository:other:pull",error="insufficient_scope"`},
		{"a push", "PUT", "/v2/mine/manifests/v1", answer.Token, 401, `scope="repository:mine:pull,push"`},
		{"an upload", "POST", "/v2/mine/blobs/uploads/", answer.Token, 401, `scope="repository:mine:pull,push"`},
		{"a deletion", "DELETE", "/v2/mine/manifests/v1", answer.Token, 401, `scope="repository:mine:delete"`},
		{"the catalogue", "GET", "/v2/_catalog", answer.Token, 401, `scope="registry:catalog:*"`},
		{"a refresh token at the door", "GET", "/v2/", refresh, 401, `error="invalid_token"`},
		{"garbage at the door", "GET", "/v2/", "abc", 401, `error="invalid_token"`},
	} {
		status, challenge := ask(c.method, c.path, c.token)
		if status != c.status || !strings.Contains(challenge, c.challenge) || c.status == 401 && !strings.Contains(challenge, `realm="https://`+w.host+`/oauth2/token",service="`+w.host+`"`) {
			t.Errorf("%s: answered %d, %s", c.what, status, challenge)
		}
	}
	w.now = w.now.Add(acr.AccessLifetime + time.Second)
	if status, challenge := ask("GET", "/v2/", answer.Token); status != 401 || !strings.Contains(challenge, "invalid_token") {
		t.Errorf("an expired token: answered %d, %s", status, challenge)
	}
}
