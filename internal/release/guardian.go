package release

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// startGuardian begins the name of the effect that puts the guardian in place.
const startGuardian = "start the guardian of release "

// Bounds of what concerns the guardian.
const (
	dismissFor = 5 * time.Second  // its removal, after the end of a release
	lookEvery  = 2 * time.Second  // between two looks of a guardian at the record
	againAfter = 10 * time.Second // between two attempts of a guardian to take back what could not be taken back
)

// guardian puts the guardian in place.
func (r *run) guardian(ctx context.Context) error {
	if r.Guardian == nil {
		return nil
	}
	return r.effect(ctx, fmt.Sprintf("%s%d", startGuardian, r.j.Number), func(ctx context.Context) error {
		return r.Guardian.Start(ctx, r.j.Number)
	})
}

// watched waits until the guardian watches. Before that no user is sent to the candidate.
func (r *run) watched(ctx context.Context) error {
	if r.Guardian == nil {
		return nil
	}
	if err := r.Guardian.Ready(ctx, r.j.Number); err != nil {
		return err
	}
	r.progress("the guardian watches: it takes the release back if this process dies")
	return nil
}

// dismiss removes the guardian once the release has ended. Where that fails, the guardian sees the end by itself.
func (r *run) dismiss(ctx context.Context) {
	if r.Guardian == nil {
		return
	}
	short, cancel := context.WithTimeout(context.WithoutCancel(ctx), dismissFor)
	defer cancel()
	if err := r.Guardian.Stop(short, r.j.Number); err != nil {
		r.warn(fmt.Sprintf("the guardian could not be removed (%v); it ends by itself", err))
	}
}

// Guard waits until the process that runs release number dies, and then settles the release: it takes it back, or finishes a clean-up
// after which there is nothing to go back to. It returns nil once the release has ended, whoever has ended it. What could not be
// taken back is tried again for as long as ctx lasts.
//
// A lock that nobody holds is no reason to act: a pipeline may be between two of its stages, or a person may have been asked. It is
// one where going back has begun and nobody goes on with it: its runner has given up, or this guardian was interrupted.
func (e *Engine) Guard(ctx context.Context, number int) error {
	g := &guard{Engine: e, number: number}
	for {
		err := g.once(ctx)
		var rb *RolledBackError
		switch {
		case err == nil, errors.As(err, &rb):
			return err
		case ctx.Err() != nil:
			return ctx.Err()
		}
		e.warn(fmt.Sprintf("release %d is not settled yet: %v", number, err))
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-e.Clock.After(againAfter):
		}
	}
}

// guard is a guardian at work.
type guard struct {
	*Engine
	number int
	// left says that the release must be settled even if nobody holds the lock.
	left atomic.Bool
}

// errEnded is the cause of a watch that ends because the release has.
var errEnded = errors.New("the release has ended")

func (g *guard) once(ctx context.Context) error {
	watching, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go g.follow(watching, cancel)
	lock, err := g.Locker.Succeed(watching, g.left.Load)
	if errors.Is(context.Cause(watching), errEnded) && err != nil {
		return nil
	}
	if err != nil {
		return err
	}
	g.left.Store(true) // whatever comes between, it is this guardian's from here on
	return g.under(ctx, lock, g.take)
}

// take settles the release of a runner that has died.
func (g *guard) take(ctx context.Context, lock Lock, rec *Record) error {
	died := ""
	if rec.Open != nil {
		died = rec.Open.Holder
	}
	rec, err := g.claim(ctx, lock, rec)
	if err != nil || rec.Open == nil || rec.Open.Number != g.number {
		return err
	}
	return g.settle(ctx, lock, rec, died+", which ran it, has died: it has stopped renewing its lock")
}

// follow looks at the record until the release has ended. An API server that does not answer is asked again.
func (g *guard) follow(ctx context.Context, end context.CancelCauseFunc) {
	for {
		rec, err := g.Store.Load(ctx)
		switch {
		case err != nil:
		case rec.Open == nil || rec.Open.Number != g.number:
			end(errEnded)
			return
		case rec.Open.Stuck != "" || rec.Open.Back != "":
			g.left.Store(true)
		}
		select {
		case <-ctx.Done():
			return
		case <-g.Clock.After(lookEvery):
		}
	}
}
