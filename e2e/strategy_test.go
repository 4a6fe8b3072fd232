//go:build e2e

package e2e

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/slipway-cd/slipway/internal/event"
)

// slack is what may pass between the moment a request is sent here and the moment the gateway routes it.
const slack = 500 * time.Millisecond

// Each strategy with each router: a good version is promoted without a failed request; then a bad one is taken back, and
// whoever suffered was served by the bad version, in the time and in the share that it had.
func TestGoodIsPromotedAndBadIsTakenBack(t *testing.T) {
	t.Parallel()
	for _, strategy := range []string{"rolling", "blue-green", "canary"} {
		for _, router := range []string{"", "-nginx"} {
			env := strategy + router
			t.Run(env, func(t *testing.T) {
				t.Parallel()
				s := newSite(t, env)
				s.release(t, env, v1, 0)
				v := visit(t, calculate(s.host))
				v.nowSeesOnly(t, v1)
				seesOnly := v.nowSeesOnly
				if strategy == "rolling" {
					seesOnly = v.soonSeesOnly
				}

				good := s.release(t, env, v2, 0)
				seesOnly(t, v2)
				v.sawNoFailure(t)
				if out := good.finished(t).Outcome; out != "promoted" {
					t.Errorf("outcome %q, want promoted", out)
				}

				start := time.Now()
				bad := s.release(t, env, failing, 3)
				seesOnly(t, v2)
				sufferedOnly(t, v, bad, strategy, start)
				if out := bad.finished(t).Outcome; out != "rolled-back" {
					t.Errorf("outcome %q, want rolled-back", out)
				}
				if h := s.history(t, env)[0]; h.Outcome != "rolled-back" || !strings.Contains(h.Reason, "gate answers failed") || h.Version != failing {
					t.Errorf("the history should keep why the release was taken back, but has %+v", h)
				}
				if r := s.status(t, env); r.Open != nil || r.Slots[r.Production].Version != v2 {
					t.Errorf("status should say that v2 runs and nothing is open, but has %+v", r)
				}
				want := []string{"calculator-green"} // v1 was in blue and has gone, v2 is in green
				if strategy == "rolling" {
					want = []string{"calculator"}
				}
				if got := s.helmReleases(t); !slices.Equal(got, want) {
					t.Errorf("helm list has %v, want %v: the candidate should be gone", got, want)
				}
			})
		}
	}
}

// sufferedOnly checks who suffered from a bad release. The version fails every second call, so no more than about half of
// its answers may be failures; nobody else's may be. Its answers came only in the time in which it had weight, and of that
// time's requests no more than the weight's share (or, in place, all of them).
func sufferedOnly(t *testing.T, v *visitor, r result, strategy string, start time.Time) {
	t.Helper()
	since := only(v.all(), func(a answer) bool { return a.sent.After(start) })
	served := only(since, byVersion(failing))
	failed := only(since, answer.failed)
	if n := len(only(failed, func(a answer) bool { return a.version != failing })); n > 0 {
		t.Errorf("%d requests failed that the bad version did not answer: the visitor saw %s", n, v.summary(since))
	}
	if len(failed) > len(served)*6/10+5 { // the probes take part of each pod's turns
		t.Errorf("%d of the bad version's %d answers failed, but it fails every second one", len(failed), len(served))
	}
	if strategy == "rolling" {
		t.Logf("%d of %d requests failed while the bad version was in place", len(failed), len(since))
		return
	}
	opened, ok := r.first(event.WeightSet, func(e event.Event) bool { return e.Weight != nil && *e.Weight > 0 })
	if !ok {
		t.Fatalf("no weight was ever set: %s", r)
	}
	shut, ok := r.first(event.Verified, func(e event.Event) bool { return e.Time.After(opened.Time) && *e.Weight == 0 })
	if !ok {
		t.Fatalf("weight 0 was never verified: %s", r)
	}
	for _, a := range served {
		if a.sent.After(shut.Time) {
			t.Errorf("a request sent %s after weight 0 was verified reached the bad version: %s", a.sent.Sub(shut.Time), a)
		}
	}
	open := shut.Time.Sub(opened.Time) + slack
	share := float64(*opened.Weight) / 100 // its first weight is the only one it may get
	if most := int(open.Seconds()*rate*share) + 5; len(served) > most {
		t.Errorf("the bad version answered %d requests, want at most %d (%d %% of %s at %d/s)", len(served), most, *opened.Weight, open, rate)
	}
	t.Logf("%d requests failed of %d; the bad version had weight for %s", len(failed), len(since), shut.Time.Sub(opened.Time))
}
