package release

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slipway-cd/slipway/internal/event"
	"github.com/slipway-cd/slipway/internal/gate"
	"github.com/slipway-cd/slipway/internal/traffic"
)

// goingBack is a hook that makes calls of these names fail once the release is going back.
func (w *world) goingBack(f fault, only func(name string) bool) {
	w.hook = func(_ *process, _ int, name string) fault {
		w.mu.Lock()
		defer w.mu.Unlock()
		for _, e := range w.events {
			if e.Kind == event.Phase && e.Phase == phaseBack && only(name) {
				return f
			}
		}
		return none
	}
}

func named(names ...string) func(string) bool {
	return func(name string) bool {
		for _, n := range names {
			if strings.HasPrefix(name, n) {
				return true
			}
		}
		return false
	}
}

var stepGate = []scenario{{"canary", "production", "step"}, {"blue-green", "production", "step"}, {"rolling", "production", "step"}, {"canary", "first", "step"}}

func TestGoingBackIsRetriedUntilTheRouterAnswersAgain(t *testing.T) {
	inBubble(t, stepGate, func(t *testing.T, s scenario) {
		w := s.world(t)
		tries := 0
		w.goingBack(failBefore, func(name string) bool {
			if !named("write", "remove route", "helm rollback")(name) {
				return false
			}
			tries++
			return tries <= 12
		})
		start := time.Now()
		var rb *RolledBackError
		if err := w.process("v2").Release(t.Context(), s.plan("v2"), Until{}); !errors.As(err, &rb) {
			t.Fatalf("got %v", err)
		}
		if got := w.safe(t); got != s.previous() {
			t.Errorf("users reach %q", got)
		}
		if took := time.Since(start); took > time.Minute {
			t.Errorf("12 failures took %s", took)
		}
	})
}

func TestARouterThatNeverAnswersAgainCallsAPersonAndSaysWhatToDo(t *testing.T) {
	inBubble(t, stepGate, func(t *testing.T, s scenario) {
		w := s.world(t)
		w.goingBack(failBefore, named("write", "remove route", "helm rollback"))
		start := time.Now()
		var un *UnsafeError
		if err := w.process("v2").Release(t.Context(), s.plan("v2"), Until{}); !errors.As(err, &un) {
			t.Fatalf("got %v", err)
		}
		if took := time.Since(start); took > 3*time.Minute {
			t.Errorf("a person was called only after %s", took)
		}
		j := w.record().Open
		if j == nil || j.Stuck == "" || j.Back == "" {
			t.Fatalf("the record does not say that it is stuck: %+v", j)
		}
		said := strings.Join(un.ByHand, "\n")
		for _, want := range []string{"slipway rollback --env prod", map[bool]string{true: "helm -n ns rollback svc 1", false: "kubectl -n ns get httproute,ingress svc-slipway"}[s.strategy == "rolling"]} {
			if !strings.Contains(said, want) {
				t.Errorf("%q does not say %q", said, want)
			}
		}
		var open *OpenError
		if err := w.process("v3").Release(t.Context(), s.plan("v3"), Until{}); !errors.As(err, &open) || !strings.Contains(err.Error(), "could not be taken back") {
			t.Errorf("the next release says %v", err)
		}
		w.hook = nil
		if err := w.process("").Back(t.Context(), "tried again"); err != nil {
			t.Fatal(err)
		}
		if got := w.safe(t); got != s.previous() {
			t.Errorf("users reach %q", got)
		}
		if why := w.record().History[0].Reason; !strings.Contains(why, "gate answers failed") {
			t.Errorf("the first reason is lost: %q", why)
		}
	})
}

func TestAJournalThatCannotBeWrittenDoesNotKeepTheTrafficFromGoingBack(t *testing.T) {
	for name, f := range map[string]fault{"fails": failBefore, "hangs": interrupted} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, stepGate, func(t *testing.T, s scenario) {
				w := s.world(t)
				w.goingBack(f, named("save"))
				err := w.process("v2").Release(t.Context(), s.plan("v2"), Until{})
				if err == nil || !strings.Contains(err.Error(), "the environment is safe") {
					t.Fatalf("got %v", err)
				}
				w.check(t)
				switch {
				case s.start == "first" && w.route != nil:
					t.Error("the route was not removed")
				case s.strategy == "rolling" && w.bundleOf("svc") != "v1":
					t.Error("helm did not roll back")
				case s.start != "first" && s.strategy != "rolling" && shares(*w.route)["svc-blue"] != 100:
					t.Error("production does not get all traffic")
				}
				began, at := time.Time{}, time.Time{}
				for _, e := range w.events {
					if e.Kind == event.Phase && e.Phase == phaseBack {
						began = e.Time
					}
					if e.Kind == event.WeightSet && !began.IsZero() && at.IsZero() {
						at = e.Time
					}
				}
				if s.start != "first" && s.strategy != "rolling" && at.Sub(began) > 0 {
					t.Errorf("the weight waited %s for the journal", at.Sub(began))
				}
				w.hook = nil
				if err := w.process("").Back(t.Context(), "finish it"); err != nil {
					t.Fatal(err)
				}
				if got := w.safe(t); got != s.previous() {
					t.Errorf("users reach %q", got)
				}
			})
		})
	}
}

func TestAHangingRouterUsesUpOnlyItsOwnTry(t *testing.T) {
	inBubble(t, stepGate[:2], func(t *testing.T, s scenario) {
		w := s.world(t)
		hung := false
		w.goingBack(interrupted, func(name string) bool {
			first := name == "write" && !hung
			hung = hung || first
			return first
		})
		var rb *RolledBackError
		if err := w.process("v2").Release(t.Context(), s.plan("v2"), Until{}); !errors.As(err, &rb) {
			t.Fatalf("got %v", err)
		}
		if got := w.safe(t); got != "v1" {
			t.Errorf("users reach %q", got)
		}
	})
}

func TestAStaleFenceIsRefusedAndNothingMoreIsDone(t *testing.T) {
	inBubble(t, []scenario{{"canary", "production", ""}, {"canary", "production", "step"}}, func(t *testing.T, s scenario) {
		w := s.world(t)
		writes := 0
		w.hook = func(_ *process, _ int, name string) fault {
			if name == "write" {
				if writes++; writes == 2 {
					w.mu.Lock()
					w.fence = 99 // somebody with a later token was here
					w.mu.Unlock()
				}
			}
			return none
		}
		var stale *traffic.StaleError
		if err := w.process("v2").Release(t.Context(), s.plan("v2"), Until{}); !errors.As(err, &stale) {
			t.Fatalf("got %v", err)
		}
		w.check(t)
		if len(w.splits) != 1 || w.bundleOf("svc-green") != "v2" {
			t.Errorf("%d splits were written and slot green holds %q", len(w.splits), w.bundleOf("svc-green"))
		}
	})
}

func TestWithoutAClusterALostLockCallsAPersonInTheEnd(t *testing.T) {
	inBubble(t, []scenario{{"canary", "production", ""}}, func(t *testing.T, s scenario) {
		w := s.world(t)
		p, cut := w.process("v2"), false
		w.hook = func(_ *process, _ int, name string) fault {
			if name == "ask smoke smoke 0" {
				cut = true
				w.lose(p, nil)
				return interrupted
			}
			if cut {
				return failBefore
			}
			return none
		}
		var un *UnsafeError
		if err := p.Release(t.Context(), s.plan("v2"), Until{}); !errors.As(err, &un) {
			t.Fatalf("got %v", err)
		}
		w.hook = nil
		if err := w.process("").Back(t.Context(), "the network is back"); err != nil {
			t.Fatal(err)
		}
		if got := w.safe(t); got != "v1" {
			t.Errorf("users reach %q", got)
		}
	})
}

func TestRollbackGoesBackToTheVersionBefore(t *testing.T) {
	inBubble(t, []scenario{{"canary", "kept", ""}, {"blue-green", "kept", ""}, {"rolling", "production", ""}, {"rolling", "adopted", ""}}, func(t *testing.T, s scenario) {
		w := s.world(t)
		if err := w.process("v2").Release(t.Context(), s.plan("v2"), Until{}); err != nil {
			t.Fatal(err)
		}
		w.splits = nil
		if err := w.process("").Back(t.Context(), "it is slow"); err != nil {
			t.Fatal(err)
		}
		if got := w.safe(t); got != "v1" || len(w.splits) != 1 {
			t.Errorf("users reach %q after %d weight changes", got, len(w.splits))
		}
		if last := w.record().History[0]; last.Strategy != "rollback" || last.Reason != "it is slow" {
			t.Errorf("history: %+v", last)
		}
		err := w.process("").Back(t.Context(), "once more")
		var refused *RefusedError
		if !errors.As(err, &refused) {
			t.Errorf("the second time: %v", err)
		}
		if got := w.safe(t); got != "v1" {
			t.Errorf("a second rollback, of a retried pipeline for one, brings users to %q", got)
		}
	})
}

func TestRollbackRefusesWhereThereIsNothingGoodToGoBackTo(t *testing.T) {
	cases := map[string]struct {
		s    scenario
		do   func(w *world)
		want string
	}{
		"nothing released":                {scenario{"canary", "first", ""}, func(*world) {}, "nothing has been released here yet"},
		"only one version":                {scenario{"canary", "production", ""}, func(*world) {}, "no earlier revision is kept"},
		"a failed candidate is left over": {scenario{"canary", "leftover", ""}, func(*world) {}, "no earlier revision is kept"},
		"the kept pods are gone":          {scenario{"canary", "kept", ""}, func(w *world) { w.unready["v0"] = true }, "cannot take traffic"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := c.s.world(t)
				c.do(w)
				before := string(w.stored)
				var refused *RefusedError
				if err := w.process("").Back(t.Context(), "why not"); !errors.As(err, &refused) || !strings.Contains(err.Error(), c.want) {
					t.Errorf("got %v", err)
				}
				if string(w.stored) != before || len(w.splits) > 0 {
					t.Error("something was changed")
				}
			})
		})
	}
}

func TestARevisionThatHelmCannotGoBackToChangesNothingAndEnds(t *testing.T) {
	inBubble(t, []scenario{{"rolling", "production", ""}}, func(t *testing.T, s scenario) {
		w := s.world(t)
		if err := w.process("v2").Release(t.Context(), s.plan("v2"), Until{}); err != nil {
			t.Fatal(err)
		}
		w.hook = func(_ *process, _ int, name string) fault {
			return map[bool]fault{true: failBefore}[strings.HasPrefix(name, "helm rollback")]
		}
		var refused *RefusedError
		if err := w.process("").Back(t.Context(), "it is slow"); !errors.As(err, &refused) {
			t.Fatalf("got %v", err)
		}
		if got := w.safe(t); got != "v2" || w.record().History[0].Outcome != Failed {
			t.Errorf("users reach %q, history %+v", got, w.record().History[0])
		}
	})
}

func TestOnceTheOldVersionIsBeingRemovedTheOnlyWayIsForward(t *testing.T) {
	for _, next := range []string{"rollback", "release"} {
		t.Run(next, func(t *testing.T) {
			inBubble(t, []scenario{{"canary", "production", ""}, {"blue-green", "adopted", ""}}, func(t *testing.T, s scenario) {
				w := s.world(t)
				w.hook = func(_ *process, _ int, name string) fault {
					return map[bool]fault{true: killBefore}[strings.HasPrefix(name, "uninstall")]
				}
				if err := w.process("v2").Release(t.Context(), s.plan("v2"), Until{}); err == nil {
					t.Fatal("the kill was not noticed")
				}
				w.hook = nil
				want := "v2"
				if next == "release" {
					want = "v3"
					if err := w.process("v3").Release(t.Context(), s.plan("v3"), Until{}); err != nil {
						t.Fatal(err)
					}
				} else {
					var refused *RefusedError
					if err := w.process("").Back(t.Context(), "too late"); !errors.As(err, &refused) {
						t.Fatalf("got %v", err)
					}
				}
				if got := w.safe(t); got != want {
					t.Errorf("users reach %q", got)
				}
			})
		})
	}
}

func TestTheGatesOfTheBakeAreToldAsItsOwn(t *testing.T) {
	inBubble(t, []scenario{{"canary", "production", ""}}, func(t *testing.T, s scenario) {
		w := s.world(t)
		var asked []string
		w.gates = func(stage, phase string, c gate.Candidate) Decision {
			asked = append(asked, stage+" "+phase)
			return Decision{Pass: true}
		}
		if err := w.process("v2").Release(context.Background(), s.plan("v2"), Until{}); err != nil {
			t.Fatal(err)
		}
		if got := strings.Join(asked, ", "); got != "smoke smoke, steps step, steps step, steps step, steps bake" {
			t.Errorf("asked: %s", got)
		}
	})
}
