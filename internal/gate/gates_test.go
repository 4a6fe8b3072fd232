package gate

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slipway-cd/slipway/internal/config"
	"github.com/slipway-cd/slipway/internal/telemetry/kube"
)

func TestAProbeGateReachesTheCandidateByItsHeader(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Host != "shop.example":
			w.WriteHeader(http.StatusNotFound)
		case r.Header.Get("canary") == "always" && r.Header.Get("x-test") == "1":
			w.WriteHeader(http.StatusInternalServerError) // the candidate is bad
		}
	}))
	defer s.Close()
	g, err := NewProbe("smoke", config.Probe{Path: "/ping", Count: 3, Headers: map[string]string{"x-test": "1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer g.Close()
	c := Candidate{Endpoint: s.URL, Host: "shop.example"}
	if v, err := g.Look(t.Context(), c); err != nil || v.Outcome != Pass || !strings.HasPrefix(v.Reason, "3 of 3 requests passed, p50 ") {
		t.Errorf("production: %+v, %v", v, err)
	}
	c.Header, c.HeaderValue = "canary", "always"
	if v, err := g.Look(t.Context(), c); err != nil || v.Outcome != Fail || !strings.Contains(v.Reason, "1 of 1 requests failed, 0 allowed (status 1)") {
		t.Errorf("candidate: %+v, %v", v, err)
	}
	s.Close()
	if v, err := g.Look(t.Context(), c); err != nil || v.Outcome != Hold || !strings.HasPrefix(v.Reason, "no evidence: ") {
		t.Errorf("gateway away: %+v, %v", v, err)
	}
	if _, err := g.Look(t.Context(), Candidate{}); err == nil {
		t.Error("no endpoint was accepted")
	}
}

func TestAnAnswerOfProductionNeitherPassesNorFailsTheCandidate(t *testing.T) {
	for _, status := range []int{200, 500} {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X-Slot", "blue")
			w.WriteHeader(status)
		}))
		defer srv.Close()
		g, err := NewProbe("answers", config.Probe{Path: "/", Count: 3})
		if err != nil {
			t.Fatal(err)
		}
		defer g.Close()
		v, err := g.Look(t.Context(), Candidate{Endpoint: srv.URL, Slot: "green", SlotHeader: "X-Slot"})
		if err != nil {
			t.Fatal(err)
		}
		if v.Outcome != Hold || !strings.Contains(v.Reason, "answered by slot blue") {
			t.Errorf("status %d from blue when green was asked: %s (%s), want hold", status, v.Outcome, v.Reason)
		}
		if v, _ := g.Look(t.Context(), Candidate{Endpoint: srv.URL, Slot: "blue", SlotHeader: "X-Slot"}); v.Outcome == Hold {
			t.Errorf("status %d from the slot that was asked holds: %s", status, v.Reason)
		}
	}
}

func TestAProbeGateBearsTheFailuresItAllows(t *testing.T) {
	n := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		if n++; n == 2 {
			w.WriteHeader(http.StatusBadGateway)
		}
	}))
	defer s.Close()
	g, err := NewProbe("smoke", config.Probe{Path: "/", Count: 5, AllowedFailures: 1})
	if err != nil {
		t.Fatal(err)
	}
	v, err := g.Look(t.Context(), Candidate{Endpoint: s.URL})
	if err != nil || v.Outcome != Pass || !strings.Contains(v.Reason, "4 of 5 requests passed") || !strings.Contains(v.Reason, "status 502") {
		t.Errorf("%+v, %v", v, err)
	}
}

func TestAProbeBodyThatIsNoExpressionIsRefused(t *testing.T) {
	if _, err := NewProbe("smoke", config.Probe{Expect: config.Expect{Body: "("}}); err == nil || !strings.Contains(err.Error(), "expect.body") {
		t.Errorf("err = %v", err)
	}
}

// pods plays reports, one a second; after the last it waits for the context's end.
type pods struct {
	reports []kube.Report
	err     error
}

func (p pods) Inspect(context.Context, kube.Target) (kube.Report, error) {
	if p.err != nil {
		return kube.Report{}, p.err
	}
	return p.reports[0], nil
}

func (p pods) Watch(ctx context.Context, _ kube.Target, see func(kube.Report) bool) error {
	if p.err != nil {
		return p.err
	}
	for _, r := range p.reports {
		if see(r) {
			return nil
		}
		time.Sleep(time.Second)
	}
	<-ctx.Done()
	return context.Cause(ctx)
}

var (
	coming = kube.Report{Found: true, Wanted: 3, Ready: 2, Waiting: "Deployment/web: Ready: 2/3"}
	done   = kube.Report{Found: true, Wanted: 3, Ready: 3, Done: true}
	broken = kube.Report{Found: true, Wanted: 3, Findings: []kube.Finding{{Problem: kube.ImageNotFound, Object: "Pod/web-1", Message: "image web:2 does not exist", Final: true}}}
)

func TestAKubernetesGateTellsWhatCannotHealFromWhatMay(t *testing.T) {
	restarted := done
	restarted.Restarts = 2
	blocked := kube.Report{Found: true, Wanted: 1, Notes: []string{"events may not be read"},
		Findings: []kube.Finding{{Problem: kube.Unschedulable, Object: "Pod/web-1", Message: "no node takes it"}}}
	for name, c := range map[string]struct {
		report kube.Report
		allow  int
		want   Outcome
		final  bool
		say    string
	}{
		"ready":                         {done, 0, Pass, false, "3 of 3 pods ready"},
		"on its way":                    {coming, 0, Hold, false, "2 of 3 pods ready"},
		"nothing there":                 {kube.Report{}, 0, Hold, false, "no pods"},
		"no image":                      {broken, 0, Fail, true, "image web:2 does not exist"},
		"no room":                       {blocked, 0, Hold, false, "events may not be read"},
		"more restarts than allowed":    {restarted, 1, Fail, false, "2 restarts, 1 allowed"},
		"no more restarts than allowed": {restarted, 2, Pass, false, "2 restarts"},
	} {
		t.Run(name, func(t *testing.T) {
			v, err := NewKubernetes("restarts", config.Kubernetes{Restarts: c.allow}, pods{reports: []kube.Report{c.report}}).Look(t.Context(), Candidate{})
			if err != nil || v.Outcome != c.want || v.Final != c.final || !strings.Contains(v.Reason, c.say) {
				t.Errorf("%+v, %v", v, err)
			}
		})
	}
	if _, err := NewKubernetes("restarts", config.Kubernetes{}, pods{err: errors.New("away")}).Look(t.Context(), Candidate{}); err == nil {
		t.Error("an error became a verdict")
	}
}

func TestWaitReadyEndsWithTheFirstReportThatDecides(t *testing.T) {
	refused := errors.New("refused")
	for name, c := range map[string]struct {
		pods   pods
		took   time.Duration
		want   string // of the error
		final  bool
		events int
	}{
		"ready at last":        {pods{reports: []kube.Report{coming, coming, done}}, 2 * time.Second, "", false, 2},
		"cannot heal":          {pods{reports: []kube.Report{coming, broken, done}}, time.Second, "release web cannot get ready: Pod/web-1: image web:2 does not exist", true, 2},
		"time is up":           {pods{reports: []kube.Report{coming}}, time.Minute, "release web is not ready after 1m0s: 2 of 3 pods ready: Deployment/web: Ready: 2/3", false, 1},
		"the cluster refuses":  {pods{err: refused}, 0, "refused", false, 0},
		"nothing ever appears": {pods{reports: []kube.Report{{}}}, time.Minute, "no pods of the release were found", false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var rec record
				start := time.Now()
				_, err := WaitReady(t.Context(), c.pods, Candidate{Release: "web"}, ReadyOptions{Timeout: time.Minute, Sink: &rec, Phase: "deploy"})
				if took := time.Since(start); took != c.took {
					t.Errorf("took %v", took)
				}
				if c.want == "" != (err == nil) || err != nil && !strings.Contains(err.Error(), c.want) {
					t.Errorf("err = %v", err)
				}
				var nr *NotReadyError
				if errors.As(err, &nr) && nr.Final != c.final {
					t.Errorf("final: %v", nr.Final)
				}
				if len(rec.events) != c.events {
					t.Errorf("%d events: %+v", len(rec.events), rec.events)
				}
			})
		})
	}
}

func TestWaitReadyEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := WaitReady(ctx, pods{}, Candidate{}, ReadyOptions{})
		var nr *NotReadyError
		if !errors.Is(err, context.DeadlineExceeded) || errors.As(err, &nr) {
			t.Errorf("err = %v", err)
		}
	})
}
