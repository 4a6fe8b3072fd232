package release

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"
)

// locked runs f with the lock held and the record read. The context it passes ends when the lock is lost. If it was lost
// because the cluster could not be reached, and nobody has taken it since, the open release is settled once it can be:
// a runner that was cut off must not leave traffic on a candidate that nobody watches. If another process has taken it, such as the
// guardian, this one waits for the end of the release and tells that. Which release it works on, f says as soon as it knows.
func (e *Engine) locked(ctx context.Context, f func(ctx context.Context, lock Lock, rec *Record, number *int) error) error {
	var fence int64
	number := 0
	err := e.hold(ctx, func(ctx context.Context, lock Lock, rec *Record) error {
		fence = lock.Fence()
		return f(ctx, lock, rec, &number)
	})
	if !errors.Is(err, errLost) {
		return err
	}
	e.warn("the lock was lost; looking whether another process has taken it")
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), orDefault(e.BackFor))
	defer cancel()
	for {
		again := e.hold(ctx, func(ctx context.Context, lock Lock, rec *Record) error {
			if rec.Open == nil || rec.Open.Fence != fence || rec.Open.Holder != e.Holder { // another process has been here
				if outcome, ended := endOf(rec, number); ended {
					return outcome
				}
				return err
			}
			rec, claimed := e.claim(ctx, lock, rec)
			if claimed != nil || rec.Open == nil {
				return cmp.Or(claimed, err)
			}
			return e.settle(ctx, lock, rec, "the lock was lost: the cluster could not be reached for a while")
		})
		var held *HeldError
		var cannot *acquireError
		switch {
		case errors.As(again, &held):
			if rec, loadErr := e.Store.Load(ctx); loadErr == nil {
				if outcome, ended := endOf(rec, number); ended {
					return outcome
				}
			}
			if ctx.Err() != nil {
				return err
			}
		case !errors.As(again, &cannot):
			return again
		}
		select {
		case <-ctx.Done():
			if held != nil {
				return err
			}
			return &UnsafeError{Reason: err.Error(), State: "it is not known whether another process has gone on with the release", Err: again,
				ByHand: []string{"slipway status says how things stand once the cluster can be reached", "slipway rollback takes the release back"}}
		case <-e.Clock.After(time.Second):
		}
	}
}

// endOf is how a release has ended, by the record; false if it has not.
func endOf(rec *Record, number int) (error, bool) {
	for _, h := range rec.History {
		switch {
		case h.Number != number:
		case h.Outcome == RolledBack:
			return &RolledBackError{Reason: h.Reason + " (by " + h.Holder + ")"}, true
		case h.Outcome == Promoted:
			return nil, true
		default:
			return fmt.Errorf("release %d has failed: %s", number, h.Reason), true
		}
	}
	return nil, false
}

// acquireError says that the lock or the record could not be had.
type acquireError struct{ err error }

func (e *acquireError) Error() string { return e.err.Error() }
func (e *acquireError) Unwrap() error { return e.err }

func (e *Engine) hold(ctx context.Context, f func(context.Context, Lock, *Record) error) error {
	e.phase("lock", "taking the lock")
	before, err := e.Store.Load(ctx)
	if err != nil {
		return &acquireError{err}
	}
	lock, err := e.Locker.Acquire(ctx, before.Fence)
	if err != nil {
		return &acquireError{err}
	}
	return e.under(ctx, lock, f)
}

// under runs f under a lock that was just taken, and gives it back.
func (e *Engine) under(ctx context.Context, lock Lock, f func(context.Context, Lock, *Record) error) error {
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
		return &acquireError{err}
	}
	if rec.Fence > lock.Fence() {
		return overruled(rec, lock)
	}
	return f(ctx, lock, rec)
}

func overruled(rec *Record, lock Lock) error {
	return fmt.Errorf("%w (its token is %d, ours %d); nothing was touched", errLost, rec.Fence, lock.Fence())
}

// claim makes the open release this process's own in the record, before anything about it is decided: what was decided by a record
// that its former holder still changes, late, would be wrong. It returns the record as it stands; another process may have ended the
// release meanwhile. A record that cannot be written is no reason not to go back: it is tried for a moment only.
func (e *Engine) claim(ctx context.Context, lock Lock, rec *Record) (*Record, error) {
	for {
		switch {
		case rec.Fence > lock.Fence():
			return nil, overruled(rec, lock)
		case rec.Open == nil:
			return rec, nil
		}
		rec.Open.Holder, rec.Open.Fence, rec.Fence = e.Holder, lock.Fence(), lock.Fence()
		short, cancel := context.WithTimeout(ctx, intentFor)
		err := e.Store.Save(short, rec)
		cancel()
		var stale *StaleError
		switch {
		case err == nil:
			return rec, nil
		case !errors.As(err, &stale):
			e.warn(fmt.Sprintf("the record could not be written at first: %v", err))
			return rec, nil
		}
		again, err := e.Store.Load(ctx)
		if err != nil {
			return nil, err
		}
		if rec = again; rec.Open != nil && rec.Open.Fence == lock.Fence() && rec.Open.Holder == e.Holder {
			return rec, nil // it was written, only the answer was lost
		}
	}
}
