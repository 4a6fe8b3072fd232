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
	Sink      event.Sink
	Clock     clock.Clock
	// Holder says who runs it, as user@host.
	Holder string
	// BackFor bounds how long going back is retried before a person is called; default 2 min.
	BackFor time.Duration
	// RemoveFor bounds the removal of an old slot; default 2 min.
	RemoveFor time.Duration
}

// Interrupted is the cause of a context that was cancelled by a person (Ctrl-C, a cancelled pipeline).
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
func (e *Engine) Release(ctx context.Context, plan Plan, until Until) error {
	return e.locked(ctx, func(ctx context.Context, lock Lock, rec *Record) error {
		if rec.Open != nil {
			return &OpenError{Journal: *rec.Open}
		}
		e.phase("preflight", "preflight")
		if err := e.Preflight.Check(ctx); err != nil {
			return &RefusedError{Err: err}
		}
		if err := e.adopt(ctx, rec, plan); err != nil {
			return &RefusedError{Err: err}
		}
		rec.Service, rec.Environment = plan.Service, plan.Environment
		rec.Last++
		j := &Journal{
			Number: rec.Last, Plan: plan, Holder: e.Holder, Fence: lock.Fence(), Started: e.Clock.Now().UTC(),
			Phase: PhaseDeploy, Previous: rec.Production, Candidate: "blue",
		}
		switch {
		case plan.InPlace() && rec.Production != "":
			j.Candidate = rec.Production
		case rec.Production != "":
			j.Candidate = other(rec.Production)
		}
		if rec.Production == "" || plan.InPlace() {
			j.Plan.Steps = []int{100} // nobody to share the traffic with
		}
		rec.Open = j
		if err := e.Store.Save(ctx, rec); err != nil {
			return err
		}
		return e.start(ctx, lock, rec).forward(ctx, until)
	})
}

// Continue goes on with the open release: the next stage of a pipeline, or after a crash.
func (e *Engine) Continue(ctx context.Context, until Until) error {
	return e.locked(ctx, func(ctx context.Context, lock Lock, rec *Record) error {
		if rec.Open == nil {
			return &RefusedError{Err: errors.New("no release is open here"), Next: []string{"slipway deploy --env … begins one"}}
		}
		r := e.start(ctx, lock, rec)
		if rec.Open.Back != "" {
			return r.back(ctx, rec.Open.Back)
		}
		return r.forward(ctx, until)
	})
}

// Back takes the open release back, whoever began it. Without an open release it moves all traffic to the slot that is
// kept from the previous release: one weight change.
func (e *Engine) Back(ctx context.Context, reason string) error {
	return e.locked(ctx, func(ctx context.Context, lock Lock, rec *Record) error {
		if rec.Open == nil {
			return e.toKept(ctx, lock, rec, reason)
		}
		err := e.start(ctx, lock, rec).back(ctx, reason)
		var rb *RolledBackError
		if errors.As(err, &rb) {
			return nil // it was asked for
		}
		return err
	})
}

// locked runs f with the lock held and the record read. The context it passes ends when the lock is lost.
func (e *Engine) locked(ctx context.Context, f func(context.Context, Lock, *Record) error) error {
	e.phase("lock", "lock")
	lock, err := e.Locker.Acquire(ctx)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() {
		select {
		case <-lock.Lost():
			cancel(errLost)
		case <-ctx.Done():
		}
	}()
	defer func() {
		free, stop := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer stop()
		if err := lock.Release(free); err != nil {
			e.warn(fmt.Sprintf("the lock could not be given back (%v); it expires by itself", err))
		}
	}()
	rec, err := e.Store.Load(ctx)
	if err != nil {
		return err
	}
	if err := e.Store.ClearRequests(ctx); err != nil {
		return err
	}
	return f(ctx, lock, rec)
}

// adopt enters a Helm release that is named after the service, installed by plain Helm, as the production slot.
func (e *Engine) adopt(ctx context.Context, rec *Record, plan Plan) error {
	if rec.Production != "" {
		return nil
	}
	rev, err := e.Charts.Revision(ctx, plan.Service)
	if err != nil || rev == 0 {
		return err
	}
	b, err := e.Charts.Adopt(ctx, plan.Service)
	if err != nil {
		return fmt.Errorf("adopting the Helm release %s: %w", plan.Service, err)
	}
	b.Slot = "blue"
	rec.Production = "blue"
	rec.Slots = map[string]Slot{"blue": {HelmRelease: plan.Service, Backend: b, Since: e.Clock.Now().UTC()}}
	e.Sink.Emit(event.Event{Time: e.Clock.Now().UTC(), Kind: event.Progress, Phase: "preflight",
		Message: fmt.Sprintf("adopting Helm release %s/%s (revision %d), which Helm installed, as production in slot blue", plan.Namespace, plan.Service, rev)})
	return nil
}

func (e *Engine) phase(name, title string) {
	e.Sink.Emit(event.Event{Time: e.Clock.Now().UTC(), Kind: event.Phase, Phase: name, Message: title})
}

func (e *Engine) warn(msg string, next ...string) {
	e.Sink.Emit(event.Event{Time: e.Clock.Now().UTC(), Kind: event.Warning, Message: msg, Next: next})
}
