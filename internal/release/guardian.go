package release

import (
	"context"
	"errors"
	"fmt"
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
// A lock that nobody holds is no reason to act: a pipeline may be between two of its stages, or a person may have been asked.
// The exception is a release that could not be taken back: then its runner has given up, and the guardian has not.
func (e *Engine) Guard(ctx context.Context, number int) error {
	for {
		err := e.guardOnce(ctx, number)
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

// errEnded is the cause of a watch that ends because the release has; errGivenUp of one whose runner could not take it back.
var (
	errEnded   = errors.New("the release has ended")
	errGivenUp = errors.New("the release could not be taken back")
)

func (e *Engine) guardOnce(ctx context.Context, number int) error {
	watching, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go e.follow(watching, number, cancel)
	settle := func(ctx context.Context, lock Lock, rec *Record) error {
		died := ""
		if rec.Open != nil {
			died = rec.Open.Holder
		}
		rec, err := e.claim(ctx, lock, rec)
		if err != nil || rec.Open == nil || rec.Open.Number != number {
			return err
		}
		return e.settle(ctx, lock, rec, died+", which ran it, has died: it has stopped renewing its lock")
	}
	lock, err := e.Locker.Succeed(watching)
	switch cause := context.Cause(watching); {
	case err == nil:
		return e.under(ctx, lock, settle)
	case errors.Is(cause, errEnded):
		return nil
	case errors.Is(cause, errGivenUp):
		return e.hold(ctx, settle)
	}
	return err
}

// follow looks at the record until the release has ended, or could not be taken back and nobody works on it. An API server that
// does not answer is asked again.
func (e *Engine) follow(ctx context.Context, number int, end context.CancelCauseFunc) {
	for {
		rec, err := e.Store.Load(ctx)
		switch {
		case err != nil:
		case rec.Open == nil || rec.Open.Number != number:
			end(errEnded)
			return
		case rec.Open.Stuck != "":
			end(errGivenUp)
			return
		}
		select {
		case <-ctx.Done():
			return
		case <-e.Clock.After(lookEvery):
		}
	}
}
