package prometheus_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/common/model"

	"github.com/slipway-cd/slipway/internal/evidence"
	"github.com/slipway-cd/slipway/internal/promql"
	"github.com/slipway-cd/slipway/internal/telemetry/prometheus"
)

var (
	noon  = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	green = promql.Arm{Namespace: "shop", Slot: "green", Release: "web-green", Service: "web-green-http"}
	blue  = promql.Arm{Namespace: "shop", Slot: "blue", Release: "web-blue", Service: "web-blue-http"}
	gates = []prometheus.Gate{{Measure: "custom.answers", Trials: `requests_total{service="$service"}`, Events: `requests_total{service="$service",code=~"5.."}`}}
)

// gateway exposes what is set, each reading a second after the one before.
type gateway struct {
	mu   sync.Mutex
	text string
	now  time.Time
}

func (g *gateway) set(lines ...string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.text = "# TYPE requests_total counter\n" + strings.Join(lines, "\n") + "\n# TYPE other gauge\nother 3\n"
	g.now = g.now.Add(time.Second)
}

func (g *gateway) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	g.mu.Lock()
	defer g.mu.Unlock()
	_, _ = fmt.Fprint(w, g.text)
}

func (g *gateway) clock() time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.now
}

func line(service, code string, n int) string {
	return fmt.Sprintf(`requests_total{service="%s",code="%s"} %d`, service, code, n)
}

func scraped(t *testing.T) (*gateway, *prometheus.Source) {
	t.Helper()
	g := &gateway{now: noon}
	server := httptest.NewServer(g)
	t.Cleanup(server.Close)
	return g, prometheus.NewSource(prometheus.Scrape{URLs: []string{server.URL}, Now: g.clock}, gates, green, blue)
}

// counts are what a look has newly counted: events/trials by slot.
func counts(t *testing.T, s *prometheus.Source) string {
	t.Helper()
	look, err := s.Look(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, b := range look.Batches {
		for _, c := range b.Cells {
			out = append(out, fmt.Sprintf("%s %d/%d", c.Slot, c.Events, c.Trials))
		}
	}
	return strings.Join(out, ", ")
}

func TestCountersCountByWhatTheyHaveGrownBy(t *testing.T) {
	g, s := scraped(t)
	for _, c := range []struct {
		what  string
		lines []string
		want  string
	}{
		{"what was before the first look is not the release's", []string{line("web-blue-http", "200", 900), line("web-blue-http", "500", 9)}, ""},
		{"both have grown", []string{line("web-blue-http", "200", 990), line("web-blue-http", "500", 10), line("web-green-http", "200", 8), line("web-green-http", "503", 2)}, "green 2/10, blue 1/91"},
		{"nothing has", []string{line("web-blue-http", "200", 990), line("web-blue-http", "500", 10), line("web-green-http", "200", 8), line("web-green-http", "503", 2)}, ""},
		{"a new gateway began anew", []string{line("web-blue-http", "200", 5), line("web-green-http", "200", 1), line("web-green-http", "503", 1)}, "green 1/2, blue 0/5"},
		{"a counter is away for a while", []string{line("web-blue-http", "200", 6)}, "blue 0/1"},
		{"and comes back", []string{line("web-blue-http", "200", 6), line("web-green-http", "200", 3), line("web-green-http", "503", 1)}, "green 0/2"},
		{"another service is none of ours", []string{line("web-blue-http", "200", 6), line("else", "200", 30)}, ""},
	} {
		g.set(c.lines...)
		if got := counts(t, s); got != c.want {
			t.Errorf("%s: %q, want %q", c.what, got, c.want)
		}
	}
}

func TestABatchLastsFromLookToLookAndNamesItsQueries(t *testing.T) {
	g, s := scraped(t)
	g.set()
	counts(t, s)
	g.set(line("web-green-http", "500", 1))
	look, err := s.Look(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := evidence.Batch{From: noon.Add(time.Second), To: noon.Add(2 * time.Second), Cells: []evidence.Cell{{
		Key: evidence.Key{Measure: "custom.answers", Slot: "green"}, Count: evidence.Count{Trials: 1, Events: 1, TrialItems: 1, EventItems: 1}}}}
	if len(look.Batches) != 1 || !reflect.DeepEqual(look.Batches[0], want) {
		t.Errorf("%+v, want %+v", look.Batches, want)
	}
	if !look.Watermark.Equal(want.To) {
		t.Errorf("the watermark is %v", look.Watermark)
	}
	if want := `green: requests_total{service="web-green-http",code=~"5.."} of requests_total{service="web-green-http"}`; !strings.HasPrefix(look.Query, want) {
		t.Errorf("the query is told as %q", look.Query)
	}
}

func TestALookThatFailsLosesNothing(t *testing.T) {
	g, s := scraped(t)
	g.set()
	counts(t, s)
	g.set(line("web-green-http", "500", 1))
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Look(ctx); err == nil {
		t.Fatal("a cancelled look gave no error")
	}
	g.set(line("web-green-http", "500", 2))
	if got := counts(t, s); got != "green 2/2" {
		t.Error(got)
	}
}

func TestReplicasAreAddedUpAndAllMustAnswer(t *testing.T) {
	a, b := &gateway{now: noon}, &gateway{now: noon}
	one, two := httptest.NewServer(a), httptest.NewServer(b)
	defer one.Close()
	defer two.Close()
	s := prometheus.NewSource(prometheus.Scrape{URLs: []string{one.URL, two.URL}, Now: a.clock}, gates, green)
	a.set()
	b.set()
	counts(t, s)
	a.set(line("web-green-http", "200", 3))
	b.set(line("web-green-http", "200", 4))
	if got := counts(t, s); got != "green 0/7" {
		t.Error(got)
	}
	two.Close()
	if _, err := s.Look(t.Context()); err == nil || !strings.Contains(err.Error(), two.URL) {
		t.Errorf("%v should name the replica that does not answer", err)
	}
}

func TestWhatDoesNotServeMetricsIsSaid(t *testing.T) {
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		says    string
	}{
		"a status": {func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "who are you?", http.StatusUnauthorized) }, "answers 401 Unauthorized"},
		"a page":   {func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, "<html>hello</html>") }, "does not answer in Prometheus' text format"},
		"very much": {func(w http.ResponseWriter, _ *http.Request) {
			for range 3 << 20 {
				if _, err := fmt.Fprint(w, "# aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\n"); err != nil {
					return
				}
			}
		}, "too large"},
	} {
		server := httptest.NewServer(c.handler)
		s := prometheus.NewSource(prometheus.Scrape{URLs: []string{server.URL}, Now: time.Now}, gates, green)
		if _, err := s.Look(t.Context()); err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), server.URL) {
			t.Errorf("%s: %v, want %q", name, err, c.says)
		}
		server.Close()
	}
}

// server speaks Prometheus' HTTP API (https://prometheus.io/docs/prometheus/latest/querying/api/): it refuses queries that do not
// parse, and other paths.
func server(t *testing.T, answer func(query string) model.Vector, times *[]string) *prometheus.Server {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("POST /api/v1/query", func(w http.ResponseWriter, r *http.Request) {
		query := r.FormValue("query")
		*times = append(*times, r.FormValue("time"))
		w.Header().Set("Content-Type", "application/json")
		if err := promql.Check(query); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			_ = json.NewEncoder(w).Encode(map[string]any{"status": "error", "errorType": "bad_data", "error": err.Error()})
			return
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"status": "success", "data": map[string]any{"resultType": "vector", "result": append(model.Vector{}, answer(query)...)}})
	})
	s := httptest.NewServer(mux)
	t.Cleanup(s.Close)
	at := noon
	client, err := prometheus.NewServer(s.URL, nil, func() time.Time { at = at.Add(5 * time.Second); return at })
	if err != nil {
		t.Fatal(err)
	}
	return client
}

func TestAServerIsAskedForOneInstant(t *testing.T) {
	n := 0
	var times []string
	client := server(t, func(query string) model.Vector {
		if !strings.Contains(query, "web-green-http") {
			return nil
		}
		n++
		return model.Vector{{Metric: model.Metric{"pod": "a"}, Value: model.SampleValue(n), Timestamp: 1}}
	}, &times)
	s := prometheus.NewSource(client, []prometheus.Gate{{Measure: "custom.answers", Trials: `sum by (pod) (requests_total{service="$service"})`, Events: `sum(failures_total{service="$service"})`}}, green, blue)
	counts(t, s)
	if got := counts(t, s); got != "green 2/2" {
		t.Error(got)
	}
	if len(times) != 8 || times[0] != times[3] || times[0] == times[4] {
		t.Errorf("it was asked for %v: the four queries of a look must be for one instant", times)
	}
}

func TestWhatAServerRefusesIsSaidWithItsWords(t *testing.T) {
	var times []string
	client := server(t, func(string) model.Vector { return nil }, &times)
	_, _, err := client.Read(t.Context(), []string{"sum("})
	if err == nil || !strings.Contains(err.Error(), "asking Prometheus sum(: bad_data: 1:5: parse error") {
		t.Error(err)
	}
}
