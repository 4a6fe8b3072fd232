package release

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"unicode/utf8"

	"github.com/slipway-cd/slipway/internal/event"
	"github.com/slipway-cd/slipway/internal/gate"
)

// The record is one object of the cluster, which may have 1 MiB at most.
func TestTheRecordStaysSmallWhateverIsSaid(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := scenario{"canary", "production", "step"}
		w := s.world(t)
		long := strings.Repeat("ä very long sentence of a server. ", 10000)
		w.gates = func(_, phase string, _ gate.Candidate) Decision {
			return Decision{Pass: phase != "step", Gate: "answers", Reason: long}
		}
		for range HistoryKept + 5 {
			err := w.process("v2").Release(t.Context(), s.plan("v2"), Until{})
			var rb *RolledBackError
			if !errors.As(err, &rb) || !strings.Contains(rb.Reason, long) {
				t.Fatalf("got %.200v", err)
			}
		}
		if rec := w.record(); len(w.stored) > 256<<10 || len(rec.History) != HistoryKept || !utf8.ValidString(rec.History[0].Reason) {
			t.Errorf("%d bytes, %d releases", len(w.stored), len(rec.History))
		}
	})
}

func TestAGoodReleasePromotesAndABadOneIsTakenBack(t *testing.T) {
	inBubble(t, scenarios(), func(t *testing.T, s scenario) {
		w := s.world(t)
		err := w.process("v2").Release(t.Context(), s.plan("v2"), Until{})
		got := w.safe(t)
		last := w.record().History[0]
		if s.bad == "" {
			if err != nil || got != "v2" || last.Outcome != Promoted {
				t.Fatalf("users reach %q, the record says %s, error %v", got, last.Outcome, err)
			}
			return
		}
		var rb *RolledBackError
		if !errors.As(err, &rb) || got != s.previous() {
			t.Fatalf("users reach %q, error %v", got, err)
		}
		if last.Outcome != RolledBack || last.Reason != rb.Reason || last.Reason == "" {
			t.Errorf("the record says %s (%s), the error %s", last.Outcome, last.Reason, rb.Reason)
		}
	})
}

func TestWeightsRiseInOrderAndEndWithAllTraffic(t *testing.T) {
	inBubble(t, []scenario{{"canary", "production", ""}, {"canary", "adopted", ""}, {"blue-green", "production", ""}}, func(t *testing.T, s scenario) {
		w := s.world(t)
		if err := w.process("v2").Release(t.Context(), s.plan("v2"), Until{}); err != nil {
			t.Fatal(err)
		}
		var got []int
		for _, split := range w.splits {
			got = append(got, shares(split)["svc-green"])
		}
		want := append([]int{0}, s.plan("v2").Steps...)
		want = append(want, 100) // the route without the old slot
		if !slices.Equal(got, want) {
			t.Errorf("the new version's shares were %v, want %v", got, want)
		}
		last := w.splits[len(w.splits)-1]
		if last.Candidate != nil {
			t.Errorf("the route still names a second slot: %s", words(last))
		}
	})
}

func TestEveryWeightIsVerifiedAndToldTruly(t *testing.T) {
	inBubble(t, []scenario{{"canary", "production", ""}, {"canary", "production", "step"}, {"canary", "kept", ""}}, func(t *testing.T, s scenario) {
		w := s.world(t)
		_ = w.process("v2").Release(t.Context(), s.plan("v2"), Until{})
		var told []string
		for _, e := range w.events {
			if e.Kind != event.WeightSet && e.Kind != event.Verified {
				continue
			}
			if e.Weight == nil {
				t.Fatalf("an event without the weight: %s", e.Message)
			}
			told = append(told, e.Message)
			if !strings.Contains(e.Message, "weight") && !strings.Contains(e.Message, "all traffic on slot") {
				t.Errorf("unclear: %s", e.Message)
			}
		}
		if len(told) != 2*len(w.splits) {
			t.Errorf("%d splits were written, but told was %q", len(w.splits), told)
		}
	})
}

func TestDeployRouteAndPromoteAreOneRelease(t *testing.T) {
	inBubble(t, []scenario{{"canary", "production", ""}, {"canary", "first", ""}, {"rolling", "production", ""}}, func(t *testing.T, s scenario) {
		w := s.world(t)
		now := func() int { return w.record().Open.Step }
		if err := w.process("v2").Release(t.Context(), s.plan("v2"), Until{Phase: PhaseSmoke}); err != nil {
			t.Fatal(err)
		}
		if now() != 0 {
			t.Errorf("deploy has passed %d steps", now())
		}
		if s.strategy == "canary" && s.start == "production" {
			for range 2 { // a pipeline's stage may run again
				if err := w.process("v2").Continue(t.Context(), Until{Phase: PhaseSteps, Weight: 50}); err != nil {
					t.Fatal(err)
				}
				if got := shares(*w.route)["svc-green"]; got != 50 || now() != 2 {
					t.Errorf("asked for 50 %%, got %d %% after %d steps", got, now())
				}
			}
		}
		for range 2 {
			if err := w.process("v2").Continue(t.Context(), Until{Phase: PhaseSteps}); err != nil {
				t.Fatal(err)
			}
			if rec := w.record(); rec.Open == nil {
				t.Fatal("moving all traffic has ended the release: nobody asked to promote it")
			}
		}
		if err := w.process("v2").Continue(t.Context(), Until{}); err != nil {
			t.Fatal(err)
		}
		if got := w.safe(t); got != "v2" {
			t.Errorf("users reach %q", got)
		}
	})
}

func TestAReleaseWithoutEvidenceIsHeldForAPersonWhereThatIsWanted(t *testing.T) {
	inBubble(t, []scenario{{"canary", "production", ""}, {"blue-green", "production", ""}, {"rolling", "production", ""}}, func(t *testing.T, s scenario) {
		w := s.world(t)
		evidence := false
		w.gates = func(stage, _ string, c gate.Candidate) Decision {
			if stage == StageSteps && c.Weight >= 50 && !evidence {
				return Decision{Undecided: true, Gate: "failures", Reason: "no evidence in 5m0s: late"}
			}
			return Decision{Pass: true}
		}
		var held *UndecidedError
		if err := w.process("v2").Release(t.Context(), s.plan("v2"), Until{}); !errors.As(err, &held) || held.Gate != "failures" {
			t.Fatalf("got %v", err)
		}
		j := w.record().Open
		if j == nil || j.Held != "gate failures: no evidence in 5m0s: late" || j.Back != "" {
			t.Fatalf("the record should hold the release open and say why: %+v", j)
		}
		if s.strategy != "rolling" {
			if got := shares(*w.route)["svc-green"]; got != held.Weight || got < 50 {
				t.Errorf("the candidate has %d %%, the error says %d %%", got, held.Weight)
			}
		}
		if err := w.process("v2").Continue(t.Context(), Until{}); !errors.As(err, &held) {
			t.Fatalf("a second try without evidence gave %v", err)
		}
		evidence = true
		if err := w.process("v2").Continue(t.Context(), Until{}); err != nil {
			t.Fatal(err)
		}
		if got := w.safe(t); got != "v2" {
			t.Errorf("users reach %q", got)
		}
	})
}

func TestGatesThatWantMoreTrafficGetItInStepsThatTheJournalKnows(t *testing.T) {
	inBubble(t, []scenario{{"canary", "production", ""}}, func(t *testing.T, s scenario) {
		w := s.world(t)
		w.gates = func(stage, _ string, c gate.Candidate) Decision {
			switch {
			case stage == StageSteps && c.Weight == 5:
				return Decision{Weight: 12}
			case stage == StageSteps && c.Weight == 12:
				return Decision{Weight: 140} // as much as there is
			}
			return Decision{Pass: true}
		}
		plan := s.plan("v2")
		plan.Steps = []int{5, 100}
		if err := w.process("v2").Release(t.Context(), plan, Until{Phase: PhaseSteps, Weight: 5}); err != nil {
			t.Fatal(err)
		}
		if got := fmt.Sprint(w.record().Open.Plan.Steps, w.record().Open.Step); got != "[5 12 100] 1" {
			t.Errorf("the journal has steps %s", got)
		}
		if err := w.process("v2").Continue(t.Context(), Until{}); err != nil {
			t.Fatal(err)
		}
		if got := w.safe(t); got != "v2" {
			t.Errorf("users reach %q", got)
		}
	})
}

func TestAHeldReleaseIsTakenBackWhenAPersonSaysSo(t *testing.T) {
	inBubble(t, []scenario{{"canary", "production", ""}}, func(t *testing.T, s scenario) {
		w := s.world(t)
		w.gates = func(stage, _ string, _ gate.Candidate) Decision {
			return Decision{Undecided: stage == StageSteps, Pass: stage != StageSteps}
		}
		var held *UndecidedError
		if err := w.process("v2").Release(t.Context(), s.plan("v2"), Until{}); !errors.As(err, &held) {
			t.Fatalf("got %v", err)
		}
		if err := w.process("v2").Back(t.Context(), "a person said so"); err != nil {
			t.Fatal(err)
		}
		if got := w.safe(t); got != "v1" {
			t.Errorf("users reach %q", got)
		}
	})
}

func TestASecondReleaseIsRefusedWhileOneIsOpen(t *testing.T) {
	inBubble(t, []scenario{{"canary", "production", ""}}, func(t *testing.T, s scenario) {
		w := s.world(t)
		if err := w.process("v2").Release(t.Context(), s.plan("v2"), Until{Phase: PhaseSmoke}); err != nil {
			t.Fatal(err)
		}
		before := string(w.stored)
		var open *OpenError
		if err := w.process("v3").Release(t.Context(), s.plan("v3"), Until{}); !errors.As(err, &open) || open.Journal.Number != 2 {
			t.Fatalf("got %v", err)
		}
		if string(w.stored) != before {
			t.Error("the record of the open release was changed")
		}
	})
}

func TestAPipelineThatContinuesDoesNotGiveWeightToPodsThatDiedMeanwhile(t *testing.T) {
	inBubble(t, []scenario{{"canary", "production", ""}, {"blue-green", "production", ""}}, func(t *testing.T, s scenario) {
		w := s.world(t)
		if err := w.process("v2").Release(t.Context(), s.plan("v2"), Until{Phase: PhaseSmoke}); err != nil {
			t.Fatal(err)
		}
		w.unready["v2"] = true
		var rb *RolledBackError
		if err := w.process("v2").Continue(t.Context(), Until{}); !errors.As(err, &rb) {
			t.Fatalf("got %v", err)
		}
		if got := w.safe(t); got != "v1" {
			t.Errorf("users reach %q", got)
		}
	})
}

func TestProductionThatSomebodyRemovedIsNotRoutedTo(t *testing.T) {
	inBubble(t, []scenario{{"canary", "production", ""}, {"rolling", "production", ""}, {"rolling", "production", "smoke"}}, func(t *testing.T, s scenario) {
		w := s.world(t)
		delete(w.helm, w.record().Slots["blue"].HelmRelease)
		err := w.process("v2").Release(t.Context(), s.plan("v2"), Until{})
		want := "v2"
		if s.bad != "" {
			want = ""
		} else if err != nil {
			t.Fatal(err)
		}
		if got := w.safe(t); got != want {
			t.Errorf("users reach %q", got)
		}
	})
}
