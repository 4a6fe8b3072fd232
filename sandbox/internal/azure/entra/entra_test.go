package entra

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	tenant  = "11111111-1111-4111-8111-111111111111"
	client  = "22222222-2222-4222-8222-222222222222"
	object  = "33333333-3333-4333-8333-333333333333"
	secretC = "44444444-4444-4444-8444-444444444444" // a client that logs in with a secret
	subject = "system:serviceaccount:calculator:slipway"
	foreign = "https://cluster.example"
)

var start = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

// keyDir holds signing keys for all tests: making them takes long.
var keyDir = sync.OnceValue(func() string {
	dir, err := os.MkdirTemp("", "entra")
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

// world is a stand-in with a clock.
type world struct {
	*Server
	now time.Time
	// clusterKey signs the assertions of the foreign issuer.
	clusterKey *ecdsa.PrivateKey
}

func newWorld(t *testing.T) *world {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	w := &world{now: start, clusterKey: key}
	w.Server, err = New(Options{
		Tenant: tenant, URL: "https://entra.example/", Dir: keyDir(),
		Apps: []App{
			{ClientID: client, ObjectID: object, Federated: []Federated{{Subject: subject}, {Issuer: foreign, Subject: subject}}},
			{ClientID: secretC, ObjectID: object, Secret: "open sesame"},
		},
		Issuers: map[string]crypto.PublicKey{foreign: &key.PublicKey, "https://known.example": &key.PublicKey},
		Now:     func() time.Time { return w.now },
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// answer is what the token endpoint says.
type answer struct {
	status      int
	AccessToken string `json:"access_token"`
	TokenType   string `json:"token_type"`
	ExpiresIn   int    `json:"expires_in"`
	Error       string `json:"error"`
	Description string `json:"error_description"`
	Codes       []int  `json:"error_codes"`
}

func (w *world) ask(t *testing.T, path string, form url.Values) answer {
	t.Helper()
	r := httptest.NewRequest("POST", path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	rec := httptest.NewRecorder()
	w.Handler().ServeHTTP(rec, r)
	a := answer{status: rec.Code}
	if err := json.Unmarshal(rec.Body.Bytes(), &a); err != nil {
		t.Fatalf("the answer is no JSON: %v: %s", err, rec.Body)
	}
	return a
}

func (w *world) form(t *testing.T) url.Values {
	t.Helper()
	assertion, err := w.SubjectToken(client)
	if err != nil {
		t.Fatal(err)
	}
	return url.Values{
		"grant_type": {"client_credentials"}, "client_id": {client}, "scope": {VaultAudience + "/.default openid offline_access profile"},
		"client_assertion_type": {assertionType}, "client_assertion": {assertion},
	}
}

// signed is an assertion of the stand-in's issuer with one thing changed.
func (w *world) signed(t *testing.T, change func(*jwt.RegisteredClaims)) string {
	t.Helper()
	claims := jwt.RegisteredClaims{
		Issuer: w.Issuer(), Subject: subject, Audience: jwt.ClaimStrings{ExchangeAudience}, ExpiresAt: jwt.NewNumericDate(w.now.Add(time.Hour)),
	}
	change(&claims)
	token, err := w.SignSubject(claims)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

const tokenPath = "/" + tenant + "/oauth2/v2.0/token"

func TestAFederatedAssertionIsChangedIntoAnAccessToken(t *testing.T) {
	w := newWorld(t)
	a := w.ask(t, tokenPath, w.form(t))
	if a.status != 200 || a.TokenType != "Bearer" || a.ExpiresIn != 3600 {
		t.Fatalf("answered %+v", a)
	}
	claims, err := w.Verifier().Read(a.AccessToken, VaultAudience)
	if err != nil {
		t.Fatal(err)
	}
	if claims.ObjectID != object || claims.Tenant != tenant || claims.ClientID != client || !claims.ExpiresAt.Equal(start.Add(time.Hour)) {
		t.Errorf("the token says %+v", claims)
	}
}

func TestAForeignIssuerIsBelievedByItsKey(t *testing.T) {
	w := newWorld(t)
	token := jwt.NewWithClaims(jwt.SigningMethodES256, jwt.RegisteredClaims{
		Issuer: foreign, Subject: subject, Audience: jwt.ClaimStrings{ExchangeAudience}, ExpiresAt: jwt.NewNumericDate(start.Add(time.Minute)),
	})
	assertion, err := token.SignedString(w.clusterKey)
	if err != nil {
		t.Fatal(err)
	}
	form := w.form(t)
	form.Set("client_assertion", assertion)
	if a := w.ask(t, tokenPath, form); a.status != 200 {
		t.Errorf("answered %+v", a)
	}
}

func TestASecretLogsIn(t *testing.T) {
	w := newWorld(t)
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {secretC}, "scope": {ARMAudience + "//.default"}, "client_secret": {"open sesame"}}
	a := w.ask(t, tokenPath, form)
	if a.status != 200 {
		t.Fatalf("answered %+v", a)
	}
	claims, err := w.Verifier().Read(a.AccessToken, ARMAudience)
	if err != nil {
		t.Fatal(err)
	}
	if got := claims.Audience[0]; got != ARMAudience+"/" {
		t.Errorf("a scope with two slashes gave the audience %q", got)
	}
}

func TestEachRefusalHasEntrasNumber(t *testing.T) {
	w := newWorld(t)
	set := func(name, value string) func(url.Values) { return func(f url.Values) { f.Set(name, value) } }
	without := func(name string) func(url.Values) { return func(f url.Values) { f.Del(name) } }
	assert := func(change func(*jwt.RegisteredClaims)) func(url.Values) {
		return func(f url.Values) { f.Set("client_assertion", w.signed(t, change)) }
	}
	none := jwt.NewWithClaims(jwt.SigningMethodNone, jwt.RegisteredClaims{
		Issuer: w.Issuer(), Subject: subject, Audience: jwt.ClaimStrings{ExchangeAudience}, ExpiresAt: jwt.NewNumericDate(start.Add(time.Hour)),
	})
	unsigned, err := none.SignedString(jwt.UnsafeAllowNoneSignatureType)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		what   string
		change func(url.Values)
		status int
		code   int
		oauth  string
	}{
		{"no grant type", without("grant_type"), 400, 900144, "invalid_request"},
		{"another grant type", set("grant_type", "password"), 400, 70003, "unsupported_grant_type"},
		{"no client id", without("client_id"), 400, 900144, "invalid_request"},
		{"no scope", without("scope"), 400, 900144, "invalid_request"},
		{"an unknown client", set("client_id", tenant), 400, 700016, "unauthorized_client"},
		{"a scope without /.default", set("scope", VaultAudience), 400, 1002012, "invalid_scope"},
		{"two resources", set("scope", VaultAudience+"/.default "+LogsAudience+"/.default"), 400, 1002012, "invalid_scope"},
		{"an unknown resource", set("scope", "https://vault.azure.cn/.default"), 400, 500011, "invalid_resource"},
		{"neither assertion nor secret", without("client_assertion"), 400, 7000216, "invalid_request"},
		{"a wrong assertion type", set("client_assertion_type", "jwt"), 400, 900144, "invalid_request"},
		{"an assertion that is no JWT", set("client_assertion", "abc"), 401, 50027, "invalid_client"},
		{"an unknown issuer", assert(func(c *jwt.RegisteredClaims) { c.Issuer = "https://elsewhere.example" }), 401, 700211, "invalid_client"},
		{"an issuer that is another app's", assert(func(c *jwt.RegisteredClaims) { c.Issuer = "https://known.example" }), 401, 700211, "invalid_client"},
		{"an issuer that did not sign", assert(func(c *jwt.RegisteredClaims) { c.Issuer = foreign }), 401, 50013, "invalid_client"},
		{"an assertion without a signature", set("client_assertion", unsigned), 401, 50013, "invalid_client"},
		{"another subject", assert(func(c *jwt.RegisteredClaims) { c.Subject = "system:serviceaccount:other:slipway" }), 401, 700213, "invalid_client"},
		{"a subject in another case", assert(func(c *jwt.RegisteredClaims) { c.Subject = strings.ToUpper(subject) }), 401, 700213, "invalid_client"},
		{"another audience", assert(func(c *jwt.RegisteredClaims) { c.Audience = jwt.ClaimStrings{VaultAudience} }), 401, 700212, "invalid_client"},
		{"an expired assertion", assert(func(c *jwt.RegisteredClaims) { c.ExpiresAt = jwt.NewNumericDate(start.Add(-skew - time.Second)) }), 401, 700024, "invalid_client"},
		{"an assertion of the future", assert(func(c *jwt.RegisteredClaims) { c.NotBefore = jwt.NewNumericDate(start.Add(skew + time.Second)) }), 401, 700024, "invalid_client"},
		{"an assertion without an end", assert(func(c *jwt.RegisteredClaims) { c.ExpiresAt = nil }), 401, 50027, "invalid_client"},
		{"a wrong secret", func(f url.Values) { f.Del("client_assertion"); f.Set("client_secret", "guess") }, 401, 7000215, "invalid_client"},
	} {
		t.Run(c.what, func(t *testing.T) {
			form := w.form(t)
			c.change(form)
			a := w.ask(t, tokenPath, form)
			if a.status != c.status || len(a.Codes) != 1 || a.Codes[0] != c.code || a.Error != c.oauth || a.AccessToken != "" {
				t.Fatalf("answered %+v", a)
			}
			if want := fmt.Sprintf("AADSTS%d: ", c.code); !strings.HasPrefix(a.Description, want) || !strings.Contains(a.Description, " Trace ID: ") {
				t.Errorf("the description is %q", a.Description)
			}
		})
	}
}

func TestAnotherTenantIsNotServed(t *testing.T) {
	w := newWorld(t)
	for _, path := range []string{"/" + client + "/oauth2/v2.0/token", "/common/oauth2/v2.0/token"} {
		if a := w.ask(t, path, w.form(t)); a.status != 400 || a.Codes[0] != 90002 {
			t.Errorf("%s answered %+v", path, a)
		}
	}
}

func TestAClockThatIsSlightlyOffIsAllowedToAnIssuer(t *testing.T) {
	w := newWorld(t)
	form := w.form(t)
	form.Set("client_assertion", w.signed(t, func(c *jwt.RegisteredClaims) { c.ExpiresAt = jwt.NewNumericDate(start.Add(-skew + time.Second)) }))
	if a := w.ask(t, tokenPath, form); a.status != 200 {
		t.Errorf("answered %+v", a)
	}
}

func TestATokenIsRefusedForItsOwnReason(t *testing.T) {
	w := newWorld(t)
	good := w.ask(t, tokenPath, w.form(t)).AccessToken
	sign := func(change func(jwt.MapClaims)) string {
		claims := jwt.MapClaims{"aud": VaultAudience, "iss": w.tokenIssuer(), "exp": start.Add(time.Hour).Unix(), "tid": tenant, "oid": object}
		change(claims)
		token, err := jwt.NewWithClaims(jwt.SigningMethodRS256, claims).SignedString(w.signing)
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	head, _, _ := strings.Cut(good, ".")
	body := strings.TrimPrefix(sign(func(jwt.MapClaims) {}), head)
	for _, c := range []struct {
		what  string
		token string
		want  error
	}{
		{"not a token", "abc", ErrMalformed},
		{"a claim of the wrong type", sign(func(c jwt.MapClaims) { c["exp"] = "soon" }), ErrMalformed},
		{"no end", sign(func(c jwt.MapClaims) { delete(c, "exp") }), ErrMalformed},
		{"another content under the signature", good[:len(good)-8] + body[len(body)-8:], ErrSignature},
		{"an assertion instead of a token", w.form(t).Get("client_assertion"), ErrSignature},
		{"expired", sign(func(c jwt.MapClaims) { c["exp"] = start.Add(-time.Second).Unix() }), ErrExpired},
		{"of the future", sign(func(c jwt.MapClaims) { c["nbf"] = start.Add(time.Second).Unix() }), ErrNotYetValid},
		{"another audience", sign(func(c jwt.MapClaims) { c["aud"] = ARMAudience }), ErrAudience},
		{"another tenant", sign(func(c jwt.MapClaims) { c["tid"] = client }), ErrTenant},
	} {
		if err := w.Verifier().Verify(c.token, VaultAudience); !errors.Is(err, c.want) {
			t.Errorf("%s: %v", c.what, err)
		}
	}
	if err := w.Verifier().Verify(good, VaultAudience+"/"); err != nil {
		t.Errorf("an audience with a closing slash: %v", err)
	}
	w.now = start.Add(time.Hour + time.Second)
	if err := w.Verifier().Verify(good, VaultAudience); !errors.Is(err, ErrExpired) {
		t.Errorf("an hour later: %v", err)
	}
}

func TestTokensOutliveARestart(t *testing.T) {
	dir := t.TempDir()
	o := Options{Tenant: tenant, URL: "https://entra.example", Dir: dir, Apps: []App{{ClientID: client, ObjectID: object}}}
	before, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	token, err := before.accessToken(before.options.Apps[0], VaultAudience, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	after, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := after.Verifier().Verify(token, VaultAudience); err != nil {
		t.Error(err)
	}
	info, err := os.Stat(filepath.Join(dir, "entra-signing.key"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's mode is %v, %v", info.Mode(), err)
	}
}

func TestABrokenKeyIsToldNotReplaced(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "entra-signing.key")
	if err := os.WriteFile(path, []byte("nonsense"), 0o600); err != nil {
		t.Fatal(err)
	}
	_, err := New(Options{Tenant: tenant, URL: "https://entra.example", Dir: dir})
	if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "remove it") {
		t.Errorf("got %v", err)
	}
}

func TestASubjectTokenIsWrittenAgainBeforeItEnds(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		path := filepath.Join(dir, "token")
		w.options.Now = time.Now // the bubble's
		done := make(chan error, 1)
		go func() { done <- w.KeepSubjectToken(t.Context(), path, client) }()
		for range 3 {
			synctest.Wait()
			raw, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			form := w.form(t)
			form.Set("client_assertion", string(raw))
			if a := w.ask(t, tokenPath, form); a.status != 200 {
				t.Fatalf("at %s: %+v", time.Now(), a)
			}
			time.Sleep(SubjectLifetime + 2*skew)
		}
	})
}

func TestNoSubjectTokenWithoutACredential(t *testing.T) {
	w := newWorld(t)
	for _, id := range []string{secretC, tenant} {
		if err := w.WriteSubjectToken(filepath.Join(t.TempDir(), "token"), id); err == nil || !strings.Contains(err.Error(), id) {
			t.Errorf("%s: %v", id, err)
		}
	}
}

func TestTheTenantsDocumentNamesItsEndpoints(t *testing.T) {
	w := newWorld(t)
	get := func(path string, into any) {
		t.Helper()
		rec := httptest.NewRecorder()
		w.Handler().ServeHTTP(rec, httptest.NewRequest("GET", path, nil))
		if rec.Code != http.StatusOK {
			t.Fatalf("%s answered %d", path, rec.Code)
		}
		if err := json.Unmarshal(rec.Body.Bytes(), into); err != nil {
			t.Fatal(err)
		}
	}
	var doc struct {
		Issuer        string `json:"issuer"`
		TokenEndpoint string `json:"token_endpoint"`
		Keys          string `json:"jwks_uri"`
	}
	get("/"+tenant+"/v2.0/.well-known/openid-configuration", &doc)
	const base = "https://entra.example/" + tenant
	if doc.Issuer != base+"/v2.0" || doc.TokenEndpoint != base+"/oauth2/v2.0/token" || doc.Keys != base+"/discovery/v2.0/keys" {
		t.Errorf("the document is %+v", doc)
	}
	var set struct{ Keys []map[string]string }
	get("/"+tenant+"/discovery/v2.0/keys", &set)
	if len(set.Keys) != 1 || set.Keys[0]["kid"] != keyID(&w.signing.PublicKey) || set.Keys[0]["e"] != "AQAB" {
		t.Errorf("the keys are %v", set.Keys)
	}
}
