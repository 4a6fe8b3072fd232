package release

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/utils/clock"

	"github.com/slipway-cd/slipway/internal/event"
	"github.com/slipway-cd/slipway/internal/traffic"
)

// Engine runs releases of one service in one environment.
type Engine struct {
	Store     Store
	Locker    Locker
	Charts    Charts
	Router    traffic.Router
	Verifier  Verifier
	Readiness Readiness
	Gates     Gates
	Preflight Preflight
	// Alarm is raised when a release could not be taken back; nil: it is only said.
	Alarm Alarm
	// Guardian finishes a release if this process dies; nil: nobody does.
	Guardian Guardian
	Sink     event.Sink
	Clock    clock.Clock
	// Holder says who runs it, as user@host.
	Holder string
	// BackFor bounds how long going back is retried before a person is called; default 2 min.
	BackFor time.Duration
	// RemoveFor bounds the removal of an old slot; default 2 min.
	RemoveFor time.Duration
}

// Interrupted is the cause of a context that was cancelled by a person (Ctrl-C, a cancelled pipeline).
//
//lint:ignore ST1012 it is a cause, not a failure: context.Cause(ctx) == release.Interrupted
var Interrupted = errors.New("interrupted")

// errLost is the cause when the lock was lost: whoever has it now is in charge, this process touches nothing more.
var errLost = errors.New("the lock was lost: another process is in charge now")

// requested is the cause when another process asked this one to go back.
type requested struct{ q Request }

func (e requested) Error() string { return "rollback asked for by " + e.q.By }

// Until says how far a call of [Engine.Release] or [Engine.Continue] goes.
type Until struct {
	// Phase is the last phase to run; "" runs them all.
	Phase Phase
	// Weight, if not 0, stops the steps after the first weight that is at least this.
	Weight int
}

// Release opens a release of plan and runs it. It returns nil when all phases asked for are done; *RefusedError (nothing
// touched), *OpenError or the Locker's error (somebody else), *RolledBackError (safe), *UnsafeError (a person is needed).
// A promoted release whose clean-up was left unfinished is cleaned up first.
func (e *Engine) Release(ctx context.Context, plan Plan, until Until) error {
	return e.locked(ctx, func(ctx context.Context, lock Lock, rec *Record, number *int) error {
		if rec.Open != nil && rec.Open.untouched() { // and its process has died, for the lock is ours
			if err := e.void(ctx, lock, rec); err != nil {
				return err
			}
		}
		left := rec.Open != nil && rec.Open.Phase == PhaseCleanup && rec.Open.Back == ""
		if rec.Open != nil && !left {
			return &OpenError{Journal: *rec.Open}
		}
		e.phase("preflight", "checking all that can be known without touching anything")
		if err := e.Preflight.Check(ctx); err != nil {
			return &RefusedError{Err: err}
		}
		if left {
			var err error
			if rec, err = e.claim(ctx, lock, rec); err != nil {
				return err
			}
			if rec.Open != nil {
				e.warn(fmt.Sprintf("the clean-up of release %d was not finished; it is finished now", rec.Open.Number))
				if err := e.start(lock, rec).forward(ctx, Until{}); err != nil {
					return err
				}
			}
		}
		if err := e.discover(ctx, rec, plan); err != nil {
			return &RefusedError{Err: err}
		}
		if err := e.Store.ClearRequests(ctx); err != nil { // else an old one would take the new release back
			return &RefusedError{Err: err}
		}
		j := e.open(rec, plan)
		j.Holder, j.Fence, rec.Fence = e.Holder, lock.Fence(), lock.Fence()
		if err := e.Store.Save(ctx, rec); err != nil {
			return e.unopened(ctx, lock, rec, err)
		}
		*number = j.Number
		return e.start(lock, rec).forward(ctx, until)
	})
}

// void closes a release whose process died before it had made anything but its guardian.
func (e *Engine) void(ctx context.Context, lock Lock, rec *Record) error {
	e.warn(fmt.Sprintf("release %d had begun and touched nothing when its process died; it is closed", rec.Open.Number))
	r := &run{Engine: e, lock: lock, rec: rec, j: rec.Open}
	r.j.Holder, r.j.Fence, rec.Fence = e.Holder, lock.Fence(), lock.Fence()
	if err := r.close(ctx, Failed, "its process died before anything was touched"); err != nil {
		return fmt.Errorf("closing release %d, which had touched nothing: %w", r.j.Number, err)
	}
	return nil
}

// unopened closes a release whose opening could not be recorded, or was, but the answer was lost: nothing was touched.
func (e *Engine) unopened(ctx context.Context, lock Lock, rec *Record, err error) error {
	if isStale(err) {
		return err
	}
	r := &run{Engine: e, lock: lock, rec: rec, j: rec.Open}
	held, done := r.guarded(ctx)
	defer done()
	short, cancel := context.WithTimeout(held, 5*time.Second)
	defer cancel()
	if closed := r.close(short, Failed, "its beginning could not be recorded"); closed != nil {
		e.warn(fmt.Sprintf("the record may say that release %d is open; `slipway rollback` closes it: %v", r.j.Number, closed))
	}
	return fmt.Errorf("recording the release before it begins (nothing was touched): %w", err)
}

// open enters the journal of a new release into the record.
func (e *Engine) open(rec *Record, plan Plan) *Journal {
	rec.Service, rec.Environment, rec.Namespace, rec.Ready = plan.Service, plan.Environment, plan.Namespace, plan.Ready
	rec.Last++
	j := &Journal{
		Number: rec.Last, Plan: plan, Started: e.Clock.Now().UTC(),
		Phase: PhaseDeploy, Previous: rec.Production, Candidate: Candidate(plan, rec).Slot,
	}
	if rec.Production == "" || plan.InPlace() {
		j.Plan.Steps = []int{100} // nobody to share the traffic with
	}
	rec.Open = j
	return j
}

// Continue goes on with the open release: the next stage of a pipeline, or after a crash.
func (e *Engine) Continue(ctx context.Context, until Until) error {
	return e.locked(ctx, func(ctx context.Context, lock Lock, rec *Record, number *int) error {
		rec, err := e.claim(ctx, lock, rec)
		switch {
		case err != nil:
			return err
		case rec.Open == nil:
			return &RefusedError{Err: errors.New("no release is open here"), Next: []string{"slipway deploy --env … begins one"}}
		}
		if *number = rec.Open.Number; rec.Open.Back != "" || rec.Open.Return != "" {
			return e.settle(ctx, lock, rec, rec.Open.Back)
		}
		if err := e.Store.ClearRequests(ctx); err != nil {
			e.warn(fmt.Sprintf("earlier requests to go back could not be cleared: %v", err))
		}
		return e.start(lock, rec).forward(ctx, until)
	})
}

// Back takes the open release back, whoever began it. Without an open release it goes back to the version before: to the
// slot that is kept, which is one weight change, or in place to the Helm revision before.
func (e *Engine) Back(ctx context.Context, reason string) error {
	err := e.locked(ctx, func(ctx context.Context, lock Lock, rec *Record, number *int) error {
		if rec.Open == nil {
			return e.toKept(ctx, lock, rec, reason)
		}
		rec, err := e.claim(ctx, lock, rec)
		if err != nil {
			return err
		}
		if rec.Open == nil { // it ended while this one took the lock
			h := rec.History[0]
			return &RefusedError{Err: fmt.Errorf("release %d had ended (%s) before it could be taken back", h.Number, h.Outcome)}
		}
		*number = rec.Open.Number
		if !wayBack(rec) {
			if err := e.settle(ctx, lock, rec, reason); err != nil {
				return err
			}
			return &RefusedError{Err: fmt.Errorf("release %d is promoted and the version before it is removed already, so there is nothing to go back to; its clean-up was finished", *number),
				Next: []string{"slipway history --env " + rec.Environment + " lists earlier bundles; slipway release --env " + rec.Environment + " --bundle … releases one again"}}
		}
		return e.settle(ctx, lock, rec, reason)
	})
	var rb *RolledBackError
	if errors.As(err, &rb) {
		return nil // it was asked for
	}
	return err
}

// settle brings the open release to a safe end.
func (e *Engine) settle(ctx context.Context, lock Lock, rec *Record, reason string) error {
	r := e.start(lock, rec)
	switch {
	case r.j.Return != "":
		return r.comeBack(ctx, reason)
	case !wayBack(rec):
		return r.forward(ctx, Until{})
	default:
		return r.back(ctx, reason)
	}
}

// wayBack says whether the open release can still be taken back: its previous version is there, and will be.
func wayBack(rec *Record) bool {
	j := rec.Open
	if j.Phase != PhaseCleanup || j.Return != "" {
		return true
	}
	s, ok := rec.Slots[j.Previous]
	return ok && !s.Leaving
}

// discover corrects the record by what is there: production that somebody has removed, or a Helm release named after the
// service that plain Helm installed, which is adopted as production.
func (e *Engine) discover(ctx context.Context, rec *Record, plan Plan) error {
	if rec.Production != "" {
		name := rec.Slots[rec.Production].HelmRelease
		rev, err := e.Charts.Revision(ctx, name)
		if err != nil || rev != 0 {
			return err
		}
		e.warn(fmt.Sprintf("helm release %s/%s, which was production, does not exist any more: this begins afresh, as a first release", plan.Namespace, name))
		delete(rec.Slots, rec.Production)
		rec.Production = ""
	}
	for _, s := range rec.Slots {
		if s.HelmRelease == plan.Service {
			return nil // ours: left over from a release that was taken back
		}
	}
	rev, err := e.Charts.Revision(ctx, plan.Service)
	if err != nil || rev == 0 {
		return err
	}
	b, err := e.Charts.Adopt(ctx, plan.Service)
	if err != nil {
		return fmt.Errorf("adopting the Helm release %s: %w", plan.Service, err)
	}
	slot := "blue"
	if _, taken := rec.Slots[slot]; taken { // by something left over, which the next candidate replaces
		slot = "green"
	}
	b.Slot = slot
	if rec.Slots == nil {
		rec.Slots = map[string]Slot{}
	}
	rec.Production = slot
	rec.Slots[slot] = Slot{HelmRelease: plan.Service, Backend: b, Since: e.Clock.Now().UTC()}
	e.Sink.Emit(event.Event{Time: e.Clock.Now().UTC(), Kind: event.Progress, Phase: "preflight",
		Message: fmt.Sprintf("adopting Helm release %s/%s (revision %d), which Helm installed, as production in slot %s", plan.Namespace, plan.Service, rev, slot)})
	return nil
}

func (e *Engine) phase(name, title string) {
	e.Sink.Emit(event.Event{Time: e.Clock.Now().UTC(), Kind: event.Phase, Phase: name, Message: title})
}

func (e *Engine) warn(msg string, next ...string) {
	e.Sink.Emit(event.Event{Time: e.Clock.Now().UTC(), Kind: event.Warning, Message: msg, Next: next})
}
