//go:build e2e

package e2e

import (
	"slices"
	"strings"
	"testing"

	"github.com/slipway-cd/slipway/internal/event"
)

// The gateway's own metrics are a source of evidence without any telemetry of the service.
func TestTheGatewaysOwnMetricsTakeABadVersionBack(t *testing.T) {
	t.Parallel()
	s := newSite(t, "counted")
	v := visit(t, calculate(s.host)) // the first release's gate wants traffic too
	s.release(t, "counted", v1, 0)
	v.nowSeesOnly(t, v1)
	v.forget()
	r := s.release(t, "counted", failing, 3)
	verdict, ok := r.first(event.Verdict, func(e event.Event) bool { return e.Gate == "counted" && e.Outcome == "fail" })
	if !ok || !strings.Contains(verdict.Message, " % at gate counted, production 0.0 %") || !strings.Contains(verdict.Message, "chance of a false alarm below 1 %") {
		t.Fatalf("gate counted should have failed in words: %s", r)
	}
	v.nowSeesOnly(t, v1)
	for _, a := range only(v.all(), answer.failed) {
		if a.version == v1 || a.version == "" {
			t.Errorf("a request failed that the bad version did not answer: %s", a)
		}
	}
	s.release(t, "counted", v2, 0)
	v.nowSeesOnly(t, v2)
}

func TestWeightsFollowTheEvidence(t *testing.T) {
	t.Parallel()
	s := newSite(t, "auto")
	v := visit(t, calculate(s.host))
	s.release(t, "auto", v1, 0)
	v.nowSeesOnly(t, v1)
	v.forget()
	var weights []int
	for _, e := range s.release(t, "auto", v2, 0).events {
		if e.Kind == event.WeightSet && e.Phase == "step" {
			weights = append(weights, *e.Weight)
		}
	}
	if !slices.IsSorted(weights) || len(weights) < 3 || weights[0] != 10 || weights[len(weights)-1] != 100 {
		t.Errorf("the weights were %v, not rising from 10 to 100 by way of some between", weights)
	}
	v.nowSeesOnly(t, v2)
	if failed := only(v.all(), answer.failed); len(failed) > 0 {
		t.Errorf("%d requests failed, the first: %s", len(failed), failed[0])
	}
	s.release(t, "auto", failing, 3)
	v.nowSeesOnly(t, v2)
}

func TestMetricsThatCannotBeReadRefuseTheReleaseAndNothingIsTouched(t *testing.T) {
	t.Parallel()
	s := newSite(t, "uncounted")
	s.metrics = "http://127.0.0.1:1/metrics"
	s.refuses(t, 2, []string{"reading counters as the gates will", "127.0.0.1:1"}, "release", "--env", "counted", "--bundle", variant(t, v1).bundle)
}

// What a deadline without evidence leads to is the environment's choice.
func TestWithoutEvidenceAPersonDecidesWhereThatIsWanted(t *testing.T) {
	t.Parallel()
	s := newWatchedSite(t, "undecided")
	s.release(t, "undecided", unwatched, 0)
	v := visit(t, calculate(s.host))
	r := s.release(t, "undecided", v1, 4) // v1 sends no telemetry
	r.says(t, "is held at 50 % and nobody watches it now: gate failures: no evidence in 4s", "slipway promote --env undecided", "slipway rollback --env undecided")
	status := s.run(t, v1, "status", "--env", "undecided")
	status.mustExit(t, 0)
	status.says(t, "needs a person: release 2 (v1) is held at 50 %", "no evidence in 4s")
	s.run(t, v1, "rollback", "--env", "undecided").mustExit(t, 0)
	v.nowSeesOnly(t, unwatched)
	if failed := only(v.all(), answer.failed); len(failed) > 0 {
		t.Errorf("%d requests failed, the first: %s", len(failed), failed[0])
	}
}

func TestWithoutEvidenceAReleaseIsPromotedOnlyWhereThatIsWantedAndItSaysSo(t *testing.T) {
	t.Parallel()
	s := newWatchedSite(t, "trusting")
	s.release(t, "trusting", unwatched, 0)
	v := visit(t, calculate(s.host))
	r := s.release(t, "trusting", v1, 0)
	r.says(t, "judge.onDeadline is promote: without evidence a release is promoted", "gate failures could not tell: no evidence in 4s")
	v.nowSeesOnly(t, v1)
}
