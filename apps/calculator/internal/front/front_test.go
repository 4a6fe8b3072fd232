package front

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/slipway-cd/slipway/apps/calculator/internal/back"
	"github.com/slipway-cd/slipway/apps/calculator/internal/fault"
	"github.com/slipway-cd/slipway/apps/calculator/internal/wire"
)

var (
	frontID = wire.Identity{Host: "f1", Version: "v2", Slot: "green"}
	backID  = wire.Identity{Host: "b1", Version: "v2", Slot: "green"}
)

// memory is a cache that works, or does not.
type memory struct {
	kept   map[wire.Number]wire.Factors
	broken bool
}

func (m *memory) Get(_ context.Context, n wire.Number) (wire.Factors, bool, bool) {
	if m.broken {
		return wire.Factors{}, false, false
	}
	f, found := m.kept[n]
	return f, found, true
}

func (m *memory) Put(_ context.Context, f wire.Factors) bool {
	if !m.broken {
		m.kept[f.Number] = f
	}
	return !m.broken
}

func handler(t *testing.T, backend http.Handler, cache Cache, faults fault.Config) http.Handler {
	t.Helper()
	server := httptest.NewServer(backend)
	t.Cleanup(server.Close)
	client := NewClient()
	t.Cleanup(client.CloseIdleConnections)
	f := &Frontend{Identity: frontID, Backend: server.URL, Cache: cache, Faults: fault.NewInjector(faults),
		Log: slog.New(slog.DiscardHandler), Client: client}
	h, err := f.Handler()
	if err != nil {
		t.Fatal(err)
	}
	return h
}

func calculate(t *testing.T, h http.Handler, body string) (int, wire.Answer, string) {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/api/calculate", strings.NewReader(body)))
	var a wire.Answer
	if w.Code == http.StatusOK {
		if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
			t.Fatal(err)
		}
	}
	return w.Code, a, w.Body.String()
}

func TestAnAnswerNamesFactorsAndWhoFoundThem(t *testing.T) {
	h := handler(t, back.Handler(backID, fault.NewInjector(fault.Config{})), nil, fault.Config{})
	code, a, body := calculate(t, h, `{"number":"5040"}`)
	if code != 200 || !slices.Equal(a.Factors, []wire.Number{2, 2, 2, 2, 3, 3, 5, 7}) ||
		a.Frontend != frontID || a.Backend != backID || a.Cached || a.Cache != wire.CacheOff || a.Milliseconds <= 0 {
		t.Errorf("%d %s", code, body)
	}
}

func TestTheSecondAnswerComesFromTheCache(t *testing.T) {
	var asked atomic.Int32
	backend := back.Handler(backID, fault.NewInjector(fault.Config{}))
	h := handler(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { asked.Add(1); backend.ServeHTTP(w, r) }),
		&memory{kept: map[wire.Number]wire.Factors{}}, fault.Config{})
	_, first, _ := calculate(t, h, `{"number":"91"}`)
	_, second, _ := calculate(t, h, `{"number":"91"}`)
	if first.Cached || !second.Cached || second.Cache != wire.CacheOK || asked.Load() != 1 || second.Backend != backID ||
		!slices.Equal(second.Factors, []wire.Number{7, 13}) {
		t.Errorf("first %+v, second %+v, backend asked %d times", first, second, asked.Load())
	}
}

func TestABrokenCacheIsToldButIsNoError(t *testing.T) {
	h := handler(t, back.Handler(backID, fault.NewInjector(fault.Config{})), &memory{broken: true}, fault.Config{})
	code, a, body := calculate(t, h, `{"number":"91"}`)
	if code != 200 || a.Cached || a.Cache != wire.CacheDown || !slices.Equal(a.Factors, []wire.Number{7, 13}) {
		t.Errorf("%d %s", code, body)
	}
}

func TestAFailingBackendIsToldApartFromAFailingFrontend(t *testing.T) {
	failing := fault.Config{FailureRate: 1}
	code, _, body := calculate(t, handler(t, back.Handler(backID, fault.NewInjector(failing)), nil, fault.Config{}), `{"number":"91"}`)
	if code != http.StatusBadGateway || !strings.Contains(body, "the backend answered 500") || !strings.Contains(body, "injected failure") {
		t.Errorf("failing backend: %d %s, want 502 and why", code, body)
	}
	h := handler(t, back.Handler(backID, fault.NewInjector(fault.Config{})), nil, failing)
	if code, _, body = calculate(t, h, `{"number":"91"}`); code != http.StatusInternalServerError {
		t.Errorf("failing frontend: %d %s, want 500", code, body)
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	if w.Code != http.StatusOK {
		t.Errorf("the page of a failing frontend: %d, want 200: faults are for API calls only", w.Code)
	}
}

func TestABackendThatIsGoneOrSlowGivesAGatewayError(t *testing.T) {
	released := make(chan struct{})
	hanging := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { <-released }))
	defer hanging.Close()
	defer close(released)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for url, want := range map[string]int{hanging.URL: http.StatusGatewayTimeout, gone.URL: http.StatusBadGateway} {
		client := NewClient()
		f := &Frontend{Backend: url, Faults: fault.NewInjector(fault.Config{}), Log: slog.New(slog.DiscardHandler), Client: client,
			Timeout: 100 * time.Millisecond}
		h, err := f.Handler()
		if err != nil {
			t.Fatal(err)
		}
		if code, _, body := calculate(t, h, `{"number":"91"}`); code != want || !strings.Contains(body, "asking the backend") {
			t.Errorf("%d %s, want %d", code, body, want)
		}
	}
}

func TestACallerThatHasGoneIsNoGatewayError(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	h := handler(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body) // a server sees that a caller has gone once it has read the body
		cancel()
		<-r.Context().Done()
	}), nil, fault.Config{})
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodPost, "/api/calculate", strings.NewReader(`{"number":"91"}`)))
	if w.Code != wire.StatusCallerGone {
		t.Errorf("status %d, want %d", w.Code, wire.StatusCallerGone)
	}
}

func TestBadInputIsRefusedWithoutAskingTheBackend(t *testing.T) {
	h := handler(t, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the backend was asked") }), nil, fault.Config{})
	for _, body := range []string{`{"number":"x"}`, `{"number":"0"}`, `{}`, ``, `[]`} {
		if code, _, said := calculate(t, h, body); code != 400 || !strings.Contains(said, `"error":`) {
			t.Errorf("%q: %d %s, want 400 and why", body, code, said)
		}
	}
}

func TestThePageLoadsNothingFromElsewhere(t *testing.T) {
	h := handler(t, http.NotFoundHandler(), nil, fault.Config{})
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	body, err := io.ReadAll(w.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	page := strings.ReplaceAll(string(body), "http://www.w3.org/2000/svg", "") // a name, not an address
	if found := regexp.MustCompile(`(?i)(https?:)?//[a-z]|@import|<script src|<link rel="?stylesheet`).FindString(
		strings.ReplaceAll(page, "// ", "")); found != "" {
		t.Errorf("the page refers to something outside: %q", found)
	}
	if policy := w.Header().Get("Content-Security-Policy"); !strings.HasPrefix(policy, "default-src 'none'; style-src 'sha256-") {
		t.Errorf("content security policy %q", policy)
	}
	if strings.Contains(page, "/*page.") {
		t.Error("style or script was not put in")
	}
}
