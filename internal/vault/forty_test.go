package vault

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// answerTime is what the vault takes over each request.
const answerTime = 20 * time.Millisecond

// loggedIn is a credential that has its token.
type loggedIn struct{}

func (loggedIn) GetToken(context.Context, policy.TokenRequestOptions) (azcore.AccessToken, error) {
	return azcore.AccessToken{Token: "t", ExpiresOn: time.Now().Add(time.Hour)}, nil
}

// remote is a vault at a distance of [answerTime] that counts what it is asked. How strict a vault is, the stand-in shows, in
// sandbox/internal/azure/keyvault.
type remote struct {
	*httptest.Server

	mu       sync.Mutex
	read     map[string]int // by name
	asked    int            // with the requests before the first token
	now, max int            // under way
}

func newRemote(tb testing.TB) *remote {
	r := &remote{read: map[string]int{}}
	r.Server = httptest.NewTLSServer(r)
	tb.Cleanup(r.Close)
	return r
}

// ServeHTTP implements http.Handler.
func (r *remote) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	name := strings.Split(q.URL.Path, "/")[2]
	known := q.Header.Get("Authorization") == "Bearer t"
	r.mu.Lock()
	r.asked++
	if known {
		r.read[name]++
	}
	r.now++
	r.max = max(r.max, r.now)
	r.mu.Unlock()
	defer func() {
		r.mu.Lock()
		r.now--
		r.mu.Unlock()
	}()
	time.Sleep(answerTime)
	w.Header().Set("Content-Type", "application/json")
	if !known {
		w.Header().Set("WWW-Authenticate", `Bearer authorization="https://login.example/11111111-1111-4111-8111-111111111111", resource="https://vault.azure.net"`)
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	fmt.Fprintf(w, `{"value":"value of %s","id":"%s/secrets/%s/0123456789abcdef0123456789abcdef"}`, name, r.URL, name)
}

// readForty reads 40 variables as a release does, from a client that has never asked.
func (r *remote) readForty(tb testing.TB) (Values, time.Duration) {
	tb.Helper()
	store, err := NewKeyVault(KeyVaultOptions{URL: r.URL, Credential: loggedIn{}, AnyHost: true, Client: azcore.ClientOptions{Transport: r.Client()}})
	if err != nil {
		tb.Fatal(err)
	}
	var refs []Ref
	for i := range 40 {
		refs = append(refs, Ref{Name: fmt.Sprintf("variable-%02d", i)})
	}
	began := time.Now()
	values, err := store.Read(tb.Context(), refs)
	took := time.Since(began)
	if err != nil || len(values) != 40 {
		tb.Fatalf("%d variables, %v", len(values), err)
	}
	return values, took
}

// Each variable is read once, and no more than eight requests are under way: 40 variables are five rounds of eight. A client
// that does not know yet where to log in asks eight more times.
func TestFortyVariablesAreReadOnceEachEightAtATime(t *testing.T) {
	r := newRemote(t)
	values, _ := r.readForty(t)
	for ref, v := range values {
		if r.read[ref.Name] != 1 || v.Secret.Reveal() != "value of "+ref.Name {
			t.Errorf("%s was read %d times", ref, r.read[ref.Name])
		}
	}
	if r.max != 8 || r.asked > 48 {
		t.Errorf("%d requests, %d of them under way at once; want at most 48, and 8", r.asked, r.max)
	}
}

// BenchmarkForty says what 40 variables add to a release when the vault takes 20 ms over each request. Five rounds of eight
// would take 100 ms; one more is the first log-in.
func BenchmarkForty(b *testing.B) {
	const ideal = 40 / 8 * answerTime
	r := newRemote(b)
	var total, worst time.Duration
	for b.Loop() {
		_, took := r.readForty(b)
		total += took
		worst = max(worst, took)
	}
	n := float64(b.N)
	b.ReportMetric(float64(total.Milliseconds())/n, "ms/release")
	b.ReportMetric(float64(worst.Milliseconds()), "ms-worst")
	b.ReportMetric(float64(total)/n/float64(ideal), "x-ideal")
	b.ReportMetric(float64(r.asked)/n, "requests/release")
	b.ReportMetric(float64(r.max), "at-once")
	b.ReportMetric(0, "ns/op")
	if worst > 300*time.Millisecond {
		b.Errorf("40 variables took %s, but at most 300 ms are promised", worst)
	}
}
