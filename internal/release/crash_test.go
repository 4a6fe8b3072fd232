package release

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

var faultNames = map[fault]string{failBefore: "fails", failAfter: "is made but its answer is lost", killBefore: "is not made, the process is gone",
	killAfter: "is made, then the process is gone"}

// at makes the n-th call go wrong.
func (w *world) at(n int, f fault, name *string) {
	w.hook = func(_ *process, i int, what string) fault {
		if i != n {
			return none
		}
		*name = what
		return f
	}
}

// finish is what a second process, which has only the journal, does about the release. What users then reach is either
// version, and never anything else.
type finish struct {
	name string
	do   func(ctx context.Context, w *world) error
}

var finishes = []finish{
	{"rollback without the bundle", func(ctx context.Context, w *world) error { return w.process("").Back(ctx, "asked for by somebody") }},
	{"continue", func(ctx context.Context, w *world) error { return w.process("v2").Continue(ctx, Until{}) }},
}

// tally counts the calls of a scenario in which nothing goes wrong.
func tally(t *testing.T, s scenario, run func(ctx context.Context, w *world) error) int {
	calls := 0
	synctest.Test(t, func(t *testing.T) {
		w := s.world(t)
		_ = run(t.Context(), w)
		calls = w.calls
	})
	return calls
}

func release(ctx context.Context, w *world, s scenario) error {
	return w.process("v2").Release(ctx, s.plan("v2"), Until{})
}

func TestAFailureOrACrashAtAnyCallEndsInASafeState(t *testing.T) {
	for _, s := range scenarios() {
		t.Run(s.String(), func(t *testing.T) {
			calls := tally(t, s, func(ctx context.Context, w *world) error { return release(ctx, w, s) })
			if calls < 8 {
				t.Fatalf("only %d calls were counted", calls)
			}
			for n := 1; n <= calls; n++ {
				for _, f := range []fault{failBefore, failAfter, killBefore, killAfter} {
					for _, fin := range finishes {
						if !oneCrash(t, s, n, f, fin) {
							break // it ended by itself: there is nothing to finish in another way
						}
					}
				}
			}
		})
	}
}

// oneCrash says whether the release was left open.
func oneCrash(t *testing.T, s scenario, n int, f fault, fin finish) (open bool) {
	synctest.Test(t, func(t *testing.T) {
		w, what := s.world(t), ""
		w.at(n, f, &what)
		first := release(t.Context(), w, s)
		w.hook = nil
		var second error
		open = w.record().Open != nil
		if open {
			second = fin.do(t.Context(), w)
		}
		got := w.safe(t)
		if got != s.previous() && (got != "v2" || s.bad != "") {
			t.Errorf("users reach %q", got)
		}
		var un *UnsafeError
		if !open && errors.As(first, &un) {
			t.Error("a person was called though nothing is open")
		}
		if t.Failed() {
			t.Fatalf("call %d (%s) %s; then %s (open: %v)\n first: %v\nsecond: %v", n, what, faultNames[f], fin.name, open, first, second)
		}
	})
	return open
}

func TestALostAnswerOfTheJournalIsNotTakenForAnotherProcess(t *testing.T) {
	for _, s := range []scenario{{"canary", "production", ""}, {"canary", "production", "step"}, {"rolling", "production", "smoke"}, {"blue-green", "first", ""}} {
		t.Run(s.String(), func(t *testing.T) {
			calls := tally(t, s, func(ctx context.Context, w *world) error { return release(ctx, w, s) })
			for n := 1; n <= calls; n++ {
				synctest.Test(t, func(t *testing.T) {
					w := s.world(t)
					w.hook = func(_ *process, i int, name string) fault {
						if i == n && name == "save" {
							return failAfter
						}
						return none
					}
					err := release(t.Context(), w, s)
					var stale *StaleError
					if got := w.safe(t); t.Failed() || errors.As(err, &stale) {
						t.Fatalf("after call %d users reach %q: %v", n, got, err)
					}
				})
			}
		})
	}
}

// A second process may die as well, anywhere; a third one finishes.
func TestTwoCrashesEndInASafeState(t *testing.T) {
	for _, s := range []scenario{{"blue-green", "production", ""}, {"rolling", "production", "smoke"}, {"blue-green", "kept", "bake"}} {
		t.Run(s.String(), func(t *testing.T) {
			calls := tally(t, s, func(ctx context.Context, w *world) error { return release(ctx, w, s) })
			for n := 1; n <= calls; n++ {
				for _, fin := range finishes {
					for m := 1; twoCrashes(t, s, n, m, fin); m++ {
					}
				}
			}
		})
	}
}

// twoCrashes says whether the second process got as far as its m-th call.
func twoCrashes(t *testing.T, s scenario, n, m int, fin finish) (reached bool) {
	synctest.Test(t, func(t *testing.T) {
		w, what, again := s.world(t), "", ""
		w.at(n, killAfter, &what)
		errs := []error{release(t.Context(), w, s)}
		if w.record().Open != nil {
			w.at(w.calls+m, killAfter, &again)
			errs = append(errs, fin.do(t.Context(), w))
		}
		w.hook, reached = nil, again != ""
		if w.record().Open != nil {
			errs = append(errs, finishes[0].do(t.Context(), w))
		}
		if got := w.safe(t); got != s.previous() && (got != "v2" || s.bad != "") {
			t.Errorf("users reach %q", got)
		}
		if t.Failed() {
			t.Fatalf("killed after call %d (%s), then %s killed after call %d of its own (%s), then rollback: %v", n, what, fin.name, m, again, errs)
		}
	})
	return reached
}

// Going back to the version before, without an open release, only ever goes forward.
func TestACrashWhileReturningToTheVersionBeforeEndsThere(t *testing.T) {
	for _, s := range []scenario{{"canary", "kept", ""}, {"blue-green", "kept", ""}, {"rolling", "production", ""}} {
		t.Run(s.String(), func(t *testing.T) {
			done := func(ctx context.Context, w *world) error {
				if err := release(ctx, w, s); err != nil {
					return err
				}
				w.calls = 0
				return w.process("").Back(ctx, "it is slow")
			}
			calls := tally(t, s, done)
			for n := 1; n <= calls; n++ {
				for _, f := range []fault{failBefore, failAfter, killBefore, killAfter} {
					for _, fin := range finishes {
						if !returning(t, s, n, f, fin) {
							break
						}
					}
				}
			}
		})
	}
}

// returning says whether the return was left open.
func returning(t *testing.T, s scenario, n int, f fault, fin finish) (open bool) {
	synctest.Test(t, func(t *testing.T) {
		w, what := s.world(t), ""
		if err := release(t.Context(), w, s); err != nil {
			t.Fatal(err)
		}
		begun := w.record().Last
		w.calls = 0
		w.at(n, f, &what)
		errs := []error{w.process("").Back(t.Context(), "it is slow")}
		w.hook = nil
		if open = w.record().Open != nil; open {
			errs = append(errs, fin.do(t.Context(), w))
		}
		if got := w.safe(t); got != "v1" && (got != "v2" || w.record().Last != begun && w.record().History[0].Outcome != Failed) {
			t.Errorf("users reach %q", got)
		}
		if t.Failed() {
			t.Fatalf("call %d (%s) %s; then %s: %v", n, what, faultNames[f], fin.name, errs)
		}
	})
	return open
}

func TestAnInterruptAtAnyCallLeavesTheEnvironmentSafe(t *testing.T) {
	for _, s := range []scenario{{"canary", "production", ""}, {"rolling", "production", ""}, {"blue-green", "first", ""}, {"canary", "kept", "step"}} {
		t.Run(s.String(), func(t *testing.T) {
			calls := tally(t, s, func(ctx context.Context, w *world) error { return release(ctx, w, s) })
			for n := 1; n <= calls; n++ {
				interrupt(t, s, n)
			}
		})
	}
}

func interrupt(t *testing.T, s scenario, n int) {
	synctest.Test(t, func(t *testing.T) {
		w, what, back := s.world(t), "", false
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		w.hook = func(_ *process, i int, name string) fault {
			if i != n {
				return none
			}
			cancel()
			what, back = name, ctx.Err() != nil
			return none
		}
		err := release(ctx, w, s)
		if open := w.record().Open; open != nil && open.Phase == PhaseCleanup {
			err = w.process("").Back(t.Context(), "after the interrupt") // says that it is too late, and finishes
		}
		if got := w.safe(t); got != s.previous() && (got != "v2" || s.bad != "") {
			t.Errorf("users reach %q", got)
		}
		if t.Failed() || !back {
			t.Fatalf("interrupted at call %d (%s): %v", n, what, err)
		}
	})
}

func TestARequestToGoBackIsHeededInEveryPhaseWithAWayBack(t *testing.T) {
	s := scenario{"canary", "production", ""}
	calls := tally(t, s, func(ctx context.Context, w *world) error { return release(ctx, w, s) })
	for n := 1; n <= calls; n++ {
		synctest.Test(t, func(t *testing.T) {
			w, what := s.world(t), ""
			w.hook = func(_ *process, i int, name string) fault {
				if i == n {
					what = name
					w.requests <- Request{Kind: "rollback", By: "ann@laptop", At: time.Now()}
					synctest.Wait()
				}
				return none
			}
			err := release(t.Context(), w, s)
			got := w.safe(t)
			var rb *RolledBackError
			if errors.As(err, &rb) != (got == "v1") || got == "v2" && err != nil {
				t.Errorf("users reach %q, error %v", got, err)
			}
			if got == "v1" && rb != nil && rb.Reason != "rollback asked for by ann@laptop" {
				t.Errorf("the reason is %q", rb.Reason)
			}
			if t.Failed() {
				t.Fatalf("asked at call %d (%s)", n, what)
			}
		})
	}
}

func TestWithTheLockLostToAnotherProcessNothingMoreIsWritten(t *testing.T) {
	for _, s := range []scenario{{"canary", "production", ""}, {"canary", "production", "step"}, {"rolling", "production", "smoke"}} {
		t.Run(s.String(), func(t *testing.T) {
			calls := tally(t, s, func(ctx context.Context, w *world) error { return release(ctx, w, s) })
			for n := 3; n < calls; n++ { // after the lock was taken (the record is read before), until it is given back
				for _, taken := range []bool{true, false} {
					loseAt(t, s, n, taken)
				}
			}
		})
	}
}

func loseAt(t *testing.T, s scenario, n int, taken bool) {
	synctest.Test(t, func(t *testing.T) {
		w, what, done := s.world(t), "", false
		p, other := w.process("v2"), w.process("v2")
		w.hook = func(who *process, i int, name string) fault {
			if done || i < n || who != p {
				return none
			}
			what, done = name, true
			if taken {
				w.lose(p, other)
			} else {
				w.lose(p, nil)
			}
			return interrupted
		}
		err := p.Release(t.Context(), s.plan("v2"), Until{})
		w.hook = nil
		if taken { // then the other one goes on
			if err == nil {
				t.Error("the loss was not told")
			}
			w.lock = nil
			if w.record().Open != nil {
				_ = other.Back(t.Context(), "took over")
			}
		}
		if got := w.safe(t); got != s.previous() && (got != "v2" || s.bad != "") {
			t.Errorf("users reach %q", got)
		}
		if t.Failed() {
			t.Fatalf("lost at call %d (%s), taken by another: %v; the release said: %v\nevents: %v", n, what, taken, err, lastEvents(w))
		}
	})
}

func lastEvents(w *world) (out []string) {
	for _, e := range w.events[max(0, len(w.events)-8):] {
		out = append(out, fmt.Sprintf("%s: %s", e.Kind, e.Message))
	}
	return out
}
