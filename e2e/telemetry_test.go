//go:build e2e

package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slipway-cd/slipway/internal/event"
)

// newWatchedSite makes a site whose service can send telemetry: over TLS, as to Azure (the demo's does without).
func newWatchedSite(t *testing.T, name string) *site {
	t.Helper()
	s := newSite(t, name)
	connection, err := os.ReadFile(sandboxDir + "/azure/connection-string")
	if err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(authority)
	if err != nil {
		t.Fatal(err)
	}
	key, _, _ := strings.Cut(string(connection), ";")
	for name, data := range map[string]map[string]string{
		"telemetry": {"connection-string": key + ";IngestionEndpoint=" + ingestion + "/", "ca.crt": string(ca)},
		"astray":    {"connection-string": "InstrumentationKey=nonsense"},
	} {
		secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: name}, StringData: data}
		if _, err := suite.kube.CoreV1().Secrets(s.namespace).Create(t.Context(), secret, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// takenBackOnTelemetry checks that a release was gated out on the telemetry of its own failures, with the evidence for it.
func takenBackOnTelemetry(t *testing.T, v *visitor, r result, version string) {
	t.Helper()
	verdict, ok := r.first(event.Verdict, func(e event.Event) bool { return e.Gate == "failures" && e.Outcome == "fail" })
	if !ok {
		t.Fatalf("gate failures should have failed: %s", r)
	}
	facts := map[string]string{}
	for _, f := range verdict.Fields {
		facts[f.Key] = f.Value
	}
	for _, key := range []string{"slot green (candidate)", "slot blue (production)", "watermark", "ingestion delay"} {
		if facts[key] == "" {
			t.Errorf("the evidence should name %q, but has %v", key, facts)
		}
	}
	if !strings.Contains(facts["query"], "AppRequests") {
		t.Errorf("the evidence should hold the query, but has %q", facts["query"])
	}
	if !strings.Contains(verdict.Message, "candidate fails") || !strings.Contains(verdict.Message, "chance of a false alarm below 1 %") {
		t.Errorf("the verdict reads %q", verdict.Message)
	}
	v.nowSeesOnly(t, version)
	for _, a := range only(v.all(), answer.failed) {
		if a.version == version || a.version == "" {
			t.Errorf("a request failed that the bad version did not answer: %s", a)
		}
	}
}

// The service's own telemetry takes a bad version back, in plain sight and with what real telemetry does: it comes late, is
// sampled, and the API that tells it fails.
func TestTelemetryTakesABadVersionBack(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		good, bad string
		delay     time.Duration // of ingestion
		deadline  string
		failing   bool // every second query
	}{
		"as it is":                 {good: seen, bad: seenFailing},
		"60 s late":                {good: seen, bad: seenFailing, delay: time.Minute, deadline: "3m"},
		"half the queries failing": {good: seen, bad: seenFailing, failing: true},
		"5 % sampled":              {good: sampled, bad: sampledBad},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newWatchedSite(t, "seen-"+strings.ToLower(strings.NewReplacer(" ", "-", "%", "pct").Replace(name)))
			s.deadline = c.deadline
			if c.failing {
				s.logs, s.ca = faultyLogs(t, func(n int) trouble { return trouble{status: n % 2 * http.StatusServiceUnavailable} })
			}
			if c.delay > 0 {
				delayed.set(t, s.namespace+".calculator-frontend", c.delay)
			}
			v := visit(t, calculate(s.host)) // before the first release: its gate wants traffic too
			s.release(t, "seen", c.good, 0)
			v.nowSeesOnly(t, c.good)
			v.forget()
			takenBackOnTelemetry(t, v, s.release(t, "seen", c.bad, 3), c.good)
			if c.delay == 0 && !c.failing && c.good == seen {
				s.release(t, "seen", seen2, 0)
				v.nowSeesOnly(t, seen2)
				suite.collector.heard(t, s.namespace+".calculator-frontend", "green")
				suite.collector.heard(t, s.namespace+".calculator-backend", "green")
				annotated(t, s.host, "release started", "rolled back", "promoted")
			}
		})
	}
}

// Where there is no production to compare with at the same time, the objective decides, and the verdict says so.
func TestTheObjectiveDecidesWhereProductionShowsNoTraffic(t *testing.T) {
	t.Parallel()
	const objective = ", 10 % is allowed (production shows no traffic to compare with)"
	decided := func(t *testing.T, r result, outcome, says string) {
		t.Helper()
		if _, ok := r.first(event.Verdict, func(e event.Event) bool {
			return e.Gate == "failures" && e.Outcome == outcome && strings.Contains(e.Message, says)
		}); !ok {
			t.Errorf("gate failures should %s with %q: %s", outcome, says, r)
		}
	}
	t.Run("because it sends no telemetry yet", func(t *testing.T) {
		t.Parallel()
		s := newWatchedSite(t, "silent")
		s.release(t, "seen", unwatched, 0)
		v := visit(t, calculate(s.host))
		decided(t, s.release(t, "seen", seenFailing, 3), "fail", objective)
		v.nowSeesOnly(t, unwatched)
		decided(t, s.release(t, "seen", seen, 0), "pass", objective)
		v.nowSeesOnly(t, seen)
	})
	t.Run("because all traffic was switched at once", func(t *testing.T) {
		t.Parallel()
		s := newWatchedSite(t, "switched")
		v := visit(t, calculate(s.host))
		s.release(t, "seen-switched", seen, 0)
		// The switch can fall into the middle of an interval, in which both had enough traffic to be compared.
		decided(t, s.release(t, "seen-switched", seenFailing, 3), "fail", "candidate fails")
		v.nowSeesOnly(t, seen)
		decided(t, s.release(t, "seen-switched", seen2, 0), "pass", "candidate fails 0.0 % of requests")
		v.nowSeesOnly(t, seen2)
	})
}

// A gate without any telemetry neither passes nor fails: it holds, says why, and the deadline takes the release back.
func TestNoTelemetryHoldsUntilTheDeadline(t *testing.T) {
	t.Parallel()
	s := newWatchedSite(t, "unseen")
	s.deadline = "8s"
	start := time.Now()
	r := s.release(t, "seen", v1, 3) // v1 sends none
	if took := time.Since(start); took < 8*time.Second {
		t.Errorf("decided after %s, before the deadline", took)
	}
	held, ok := r.first(event.Verdict, func(e event.Event) bool { return e.Gate == "failures" })
	if !ok || held.Outcome != "hold" || held.Message != "no telemetry of either slot has arrived yet" {
		t.Errorf("the gate should have held and said why, but said %+v", held)
	}
	if e, ok := r.first(event.Verdict, func(e event.Event) bool { return e.Gate == "failures" && e.Outcome != "hold" }); ok {
		t.Errorf("the gate decided without evidence: %+v", e)
	}
	r.says(t, "no evidence in 8s", "no telemetry of either slot has arrived yet")
}

func TestTelemetryThatCannotBeReadRefusesTheReleaseAndNothingIsTouched(t *testing.T) {
	t.Parallel()
	s := newWatchedSite(t, "unreadable")
	bundle := variant(t, seen).bundle
	t.Run("another workspace", func(t *testing.T) {
		away := *s
		away.workspace = "00000000-0000-4000-8000-0000000000ff"
		away.refuses(t, 2, []string{"no workspace", away.workspace, "az monitor log-analytics workspace show"}, "release", "--env", "seen", "--bundle", bundle)
	})
	t.Run("no permission", func(t *testing.T) {
		weak := *s
		weak.logs, weak.ca = faultyLogs(t, func(int) trouble { return trouble{status: http.StatusForbidden} })
		weak.refuses(t, 2, []string{"no permission", "Log Analytics Reader"}, "release", "--env", "seen", "--bundle", bundle)
	})
	t.Run("nobody there", func(t *testing.T) {
		away := *s
		away.logs = "https://127.0.0.1:1/v1"
		away.refuses(t, 2, []string{"Log Analytics: unavailable", "127.0.0.1:1"}, "release", "--env", "seen", "--bundle", bundle)
	})
}

func TestAConnectionStringThatDoesNotParseIsSaidByTheReleaseThatItEnds(t *testing.T) {
	t.Parallel()
	s := newWatchedSite(t, "astray")
	r := s.release(t, "seen", astray, 3)
	r.says(t, "last with exit code 2: cannot start: ", "connection string: ")
}

// forget drops the answers so far.
func (v *visitor) forget() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.answers = nil
}

// delays are the ingestion delays of single roles; all tests share the stand-in.
type delays struct {
	mu    sync.Mutex
	rules []map[string]any
}

var delayed delays

func (d *delays) set(t *testing.T, role string, delay time.Duration) {
	t.Helper()
	d.mu.Lock()
	defer d.mu.Unlock()
	d.rules = append(d.rules, map[string]any{"role": role, "delay": delay.String()})
	body, err := json.Marshal(map[string]any{"default": "2s", "rules": d.rules})
	if err != nil {
		t.Fatal(err)
	}
	controls(t, http.MethodPut, "delay", string(body))
}

// trouble is what happens to a request: it is answered late, or with a status and Retry-After, or not at all; else it is let through.
type trouble struct {
	delay      time.Duration
	status     int
	retryAfter string
	cut        bool
}

// faultyLogs stands before the query API and says what happens to the nth request. It returns its URL and the file of certificates
// to trust.
func faultyLogs(t *testing.T, happens func(n int) trouble) (logsURL, ca string) {
	t.Helper()
	var n atomic.Int64
	base, ca := standBefore(t, logs, func(w http.ResponseWriter, r *http.Request, api http.Handler) {
		now := happens(int(n.Add(1)))
		select {
		case <-time.After(now.delay):
		case <-r.Context().Done():
			return
		}
		switch {
		case now.cut:
			panic(http.ErrAbortHandler) // net/http's own way to cut a connection
		case now.status != 0:
			w.Header().Set("Content-Type", "application/json")
			if now.retryAfter != "" {
				w.Header().Set("Retry-After", now.retryAfter)
			}
			w.WriteHeader(now.status)
			_, _ = io.WriteString(w, `{"error":{"code":"InsufficientAccessError","message":"The provided credentials have insufficient access to perform the requested operation"}}`)
			return
		}
		api.ServeHTTP(w, r)
	})
	return base + "/v1", ca
}

// annotated fails the test unless releases to the host were marked in Application Insights in each of these ways.
func annotated(t *testing.T, host string, ways ...string) {
	t.Helper()
	resp, err := http.Get(control + "/annotations")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var marks []struct{ AnnotationName, Properties string }
	if err := json.NewDecoder(resp.Body).Decode(&marks); err != nil {
		t.Fatal(err)
	}
	for _, way := range ways {
		if !slices.ContainsFunc(marks, func(m struct{ AnnotationName, Properties string }) bool {
			return strings.HasSuffix(m.AnnotationName, way) && strings.Contains(m.Properties, `"`+host+`"`)
		}) {
			t.Errorf("there should be an annotation %q of %s, but there are %+v", way, host, marks)
		}
	}
}
