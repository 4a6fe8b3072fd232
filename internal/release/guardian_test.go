package release

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slipway-cd/slipway/internal/gate"
)

// guardian is the guardian's Job as far as a release sees it.
type fakeGuardian process

func (p *fakeGuardian) Start(ctx context.Context, n int) error {
	return (*process)(p).do(ctx, "start guardian", func() error { p.w.guardian = n; return nil })
}

func (p *fakeGuardian) Ready(ctx context.Context, n int) error {
	return (*process)(p).do(ctx, "guardian ready", func() error {
		if p.w.guardian != n {
			return errors.New("there is none")
		}
		return nil
	})
}

func (p *fakeGuardian) Stop(ctx context.Context, n int) error {
	return (*process)(p).do(ctx, "stop guardian", func() error {
		if p.w.guardian == n {
			p.w.guardian = 0
		}
		return nil
	})
}

// guarded is a runner with a guardian, which runs in the world as soon as it is put in place.
func (w *world) guarded(bundle string) *process {
	p := w.process(bundle)
	p.Guardian = (*fakeGuardian)(p)
	return p
}

// guard runs the guardians that the cluster would, each without a memory, until the release has ended.
func (w *world) guard(ctx context.Context) {
	for ctx.Err() == nil {
		w.mu.Lock()
		n := w.guardian
		w.mu.Unlock()
		if n != 0 {
			_ = w.process("").Guard(ctx, n)
			w.mu.Lock()
			if rec := w.record(); w.guardian == n && (rec.Open == nil || rec.Open.Number != n) {
				w.guardian = 0 // its Job is done, and removed
			}
			w.mu.Unlock()
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

func TestARunnerKilledAtAnyCallLeavesTheEnvironmentSafeByItself(t *testing.T) {
	for _, s := range scenarios() {
		t.Run(s.String(), func(t *testing.T) {
			calls := 0
			synctest.Test(t, func(t *testing.T) {
				w := s.world(t)
				_ = w.guarded("v2").Release(t.Context(), s.plan("v2"), Until{})
				calls = w.calls
			})
			for n := 1; n <= calls; n++ {
				for _, f := range []fault{killBefore, killAfter} {
					killedAt(t, s, n, f)
				}
			}
		})
	}
}

// killedAt kills the runner at a call, and nobody helps. Afterwards all traffic is on one version that is there, nothing is left of
// the guardian, and the next release works.
func killedAt(t *testing.T, s scenario, n int, f fault) {
	synctest.Test(t, func(t *testing.T) {
		w, what := s.world(t), ""
		runner := w.guarded("v2")
		w.hook = func(p *process, i int, name string) fault {
			if p != runner || i != n {
				return none
			}
			what = name
			return f
		}
		ctx, cancel := context.WithCancel(t.Context())
		go w.guard(ctx)
		err := runner.Release(t.Context(), s.plan("v2"), Until{})
		time.Sleep(time.Minute) // the bubble's
		cancel()
		synctest.Wait()
		w.hook = nil
		if rec := w.record(); rec.Open != nil {
			// Killed after it had opened the release, before there was a guardian: nothing was touched, which the next release says.
			if !rec.Open.untouched() || w.guardian != 0 {
				t.Errorf("the release is still open: %+v", rec.Open)
			}
		} else {
			if got := w.safe(t); got != s.previous() && (got != "v2" || s.bad != "") {
				t.Errorf("users reach %q", got)
			}
			if w.guardian != 0 {
				t.Errorf("the guardian of release %d is left", w.guardian)
			}
		}
		w.gates, w.unready = nil, map[string]bool{}
		next := w.guarded("v3")
		if err := next.Release(t.Context(), s.plan("v3"), Until{}); err != nil {
			t.Errorf("the next release: %v", err)
		} else if got := w.safe(t); got != "v3" {
			t.Errorf("after the next release users reach %q", got)
		}
		if t.Failed() {
			t.Fatalf("killed at call %d (%s) %s; the release said: %v\nevents: %v", n, what, faultNames[f], err, lastEvents(w))
		}
	})
}

func TestAGuardianTriesAgainWhatItsRunnerHasGivenUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := scenario{"canary", "production", "step"}
		w := s.world(t)
		stuck, gates := false, w.gates // the API server takes no route once a gate has failed
		w.gates = func(stage, phase string, c gate.Candidate) Decision {
			d := gates(stage, phase, c)
			stuck = stuck || !d.Pass
			return d
		}
		w.hook = func(_ *process, _ int, name string) fault {
			w.mu.Lock()
			defer w.mu.Unlock()
			if stuck && name == "write" {
				return failBefore
			}
			return none
		}
		ctx, cancel := context.WithCancel(t.Context())
		go w.guard(ctx)
		err := w.guarded("v2").Release(t.Context(), s.plan("v2"), Until{})
		var un *UnsafeError
		if !errors.As(err, &un) {
			t.Fatalf("got %v", err)
		}
		w.mu.Lock()
		stuck = false // the API server is back
		w.mu.Unlock()
		time.Sleep(time.Minute)
		cancel()
		synctest.Wait()
		if rec := w.record(); rec.Open != nil || w.safe(t) != "v1" {
			t.Errorf("the guardian has not taken it back: %+v", rec.Open)
		}
	})
}

// The guardian has the lock, and cannot read the record: it gives the lock back, and must not take that for a runner's doing.
func TestAGuardianThatIsInterruptedGoesOn(t *testing.T) {
	// A candidate that cannot be removed for longer is left to the next release.
	for at, times := range map[string]int{"load": 200, "save": 200, "write": 200, "verify": 200, "uninstall svc-green": 10} {
		synctest.Test(t, func(t *testing.T) {
			s := scenario{"canary", "production", ""}
			w, failing := s.world(t), 0
			runner := w.guarded("v2")
			w.hook = func(p *process, _ int, name string) fault {
				w.mu.Lock()
				defer w.mu.Unlock()
				switch rec := w.record(); {
				case p == runner && name == "verify" && rec.Open != nil && rec.Open.Phase == PhaseSteps:
					failing = times // from here on
					return killAfter
				case p != runner && failing > 0 && name == at && w.lock != nil && w.lock.p == p:
					failing--
					return failBefore
				}
				return none
			}
			ctx, cancel := context.WithCancel(t.Context())
			go w.guard(ctx)
			if err := runner.Release(t.Context(), s.plan("v2"), Until{}); err == nil {
				t.Fatal("the runner was not killed")
			}
			time.Sleep(3 * time.Hour) // the bubble's
			cancel()
			synctest.Wait()
			w.hook = nil
			if got := w.safe(t); got != "v1" {
				t.Errorf("at %s: users reach %q", at, got)
			}
			if t.Failed() {
				t.Fatalf("interrupted at %s, %d times less; events: %v", at, failing, lastEvents(w))
			}
		})
	}
}

func TestAGuardianLeavesAPipelineBetweenItsStagesAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := scenario{"canary", "production", ""}
		w := s.world(t)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		go w.guard(ctx)
		if err := w.guarded("v2").Release(t.Context(), s.plan("v2"), Until{Phase: PhaseSmoke}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Minute)
		if err := w.guarded("v2").Continue(t.Context(), Until{}); err != nil {
			t.Error(err)
		}
		cancel()
		synctest.Wait()
		if got := w.safe(t); got != "v2" {
			t.Errorf("users reach %q", got)
		}
	})
}

// The former holder was stopped in its clean-up, and its save that the old slot is leaving arrives after the new one has read the
// record. Found by the model of the protocol.
func TestGoingBackIsNotDecidedByARecordThatIsStillBeingChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := scenario{"canary", "production", ""}
		w := s.world(t)
		runner := w.process("v2")
		w.hook = func(p *process, _ int, name string) fault {
			if rec := w.record(); p == runner && name == "save" && rec.Open != nil && rec.Open.Phase == PhaseCleanup {
				return killBefore // the save that says that the old slot is leaving
			}
			return none
		}
		_ = runner.Release(t.Context(), s.plan("v2"), Until{})
		rec := w.record()
		if rec.Open == nil || rec.Open.Phase != PhaseCleanup {
			t.Fatalf("the runner did not stop in its clean-up: %+v", rec.Open)
		}
		old := rec.Slots[rec.Open.Previous]
		old.Leaving = true
		rec.Slots[rec.Open.Previous] = old
		late, err := json.Marshal(rec)
		if err != nil {
			t.Fatal(err)
		}
		other, arrived := w.process(""), false
		w.hook = func(p *process, _ int, name string) fault {
			if p == other && name == "save" && !arrived {
				arrived = true
				w.mu.Lock()
				w.stored = late
				w.version++
				w.mu.Unlock()
			}
			return none
		}
		err = other.Back(t.Context(), "asked for")
		if got := w.safe(t); got != "v2" {
			t.Errorf("users reach %q: %v", got, err)
		}
	})
}

func TestAProcessThatReadsALaterTokenThanItsOwnStops(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := scenario{"canary", "production", ""}
		w := s.world(t)
		p := w.process("v2")
		loads := 0
		w.hook = func(_ *process, _ int, name string) fault {
			if name == "load" {
				if loads++; loads == 2 { // between taking the lock and reading the record, it overslept
					w.mu.Lock()
					rec := w.record()
					rec.Fence = 99
					w.stored, _ = json.Marshal(rec)
					w.version++
					w.mu.Unlock()
				}
			}
			return none
		}
		before := fmt.Sprint(w.helm, w.route)
		if err := p.Release(t.Context(), s.plan("v2"), Until{}); err == nil {
			t.Error("it went on")
		}
		if after := fmt.Sprint(w.helm, w.route); after != before {
			t.Errorf("it changed %s to %s", before, after)
		}
	})
}

type alarms []string

func (a *alarms) Raise(_ context.Context, service, message string) error {
	*a = append(*a, service+": "+message)
	return nil
}

func TestUsersAreNotSentToAProductionWithoutEndpoints(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := scenario{"canary", "production", "step"}
		w := s.world(t)
		gates := w.gates
		w.gates = func(stage, phase string, c gate.Candidate) Decision {
			d := gates(stage, phase, c)
			w.unready["v1"] = w.unready["v1"] || !d.Pass // somebody has scaled production to 0
			return d
		}
		var raised alarms
		p := w.process("v2")
		p.Alarm = &raised
		err := p.Release(t.Context(), s.plan("v2"), Until{})
		var un *UnsafeError
		if !errors.As(err, &un) || !strings.Contains(err.Error(), "service/ns/svc-blue, slot blue, has no ready endpoint") {
			t.Errorf("got %v", err)
		}
		if w.route.Candidate == nil || w.route.Weight == 0 {
			t.Errorf("users were sent to production: %+v", w.route)
		}
		if len(raised) != 1 || !strings.HasPrefix(raised[0], "svc-blue: could not restore a safe state") || !strings.Contains(raised[0], "next: slipway rollback --env prod") {
			t.Errorf("the alarm: %q", raised)
		}
		w.unready["v1"] = false
		if err := w.process("").Back(t.Context(), "again"); err != nil {
			t.Error(err)
		}
		if got := w.safe(t); got != "v1" {
			t.Errorf("users reach %q", got)
		}
	})
}

func TestARunnerThatWasCutOffTellsHowItsGuardianHasEndedTheRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := scenario{"canary", "production", ""}
		w, done := s.world(t), false
		p, other := w.process("v2"), w.process("")
		w.hook = func(who *process, _ int, name string) fault {
			if done || who != p || name != "verify" || w.record().Open.Phase != PhaseSteps {
				return none
			}
			done = true
			w.lose(p, other)
			w.mu.Lock()
			w.lock = nil
			w.mu.Unlock()
			if err := other.Back(context.Background(), "its runner has died"); err != nil {
				t.Error(err)
			}
			return interrupted
		}
		err := p.Release(t.Context(), s.plan("v2"), Until{})
		var rb *RolledBackError
		if !errors.As(err, &rb) || !strings.Contains(rb.Reason, "its runner has died") || !strings.Contains(rb.Reason, other.Holder) {
			t.Errorf("got %v", err)
		}
		if got := w.safe(t); got != "v1" {
			t.Errorf("users reach %q", got)
		}
	})
}
