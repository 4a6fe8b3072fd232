package release

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/slipway-cd/slipway/internal/event"
	"github.com/slipway-cd/slipway/internal/traffic"
)

// What a return without an open release goes back to; see [Journal.Return].
const (
	returnSlot = "slot" // the slot that was kept: one weight change
	returnHelm = "helm" // the Helm revision before, of a rolling environment
)

// keptFor bounds the look whether the kept slot can take traffic.
const keptFor = 10 * time.Second

// toKept goes back to the version before, without an open release: to the slot that was kept, or in place to the Helm
// revision before. It is a release of its own in the history, and goes only forward: after a crash it is finished.
func (e *Engine) toKept(ctx context.Context, lock Lock, rec *Record, reason string) error {
	if rec.Production == "" {
		return &RefusedError{Err: errors.New("nothing has been released here yet, so there is nothing to go back to")}
	}
	now := rec.Slots[rec.Production]
	j := &Journal{
		Fence: lock.Fence(), Holder: e.Holder, Started: e.Clock.Now().UTC(), Phase: PhaseSteps, Candidate: rec.Production, Previous: rec.Production,
		Plan: Plan{Service: rec.Service, Environment: rec.Environment, Namespace: rec.Namespace, Strategy: "rollback", Steps: []int{100}, Ready: rec.Ready},
	}
	kept, ok := rec.Slots[other(rec.Production)]
	switch {
	case now.Before != nil: // the newest change was made in place
		rev, err := e.Charts.Revision(ctx, now.HelmRelease)
		if err != nil {
			return &RefusedError{Err: fmt.Errorf("reading helm release %s: %w", now.HelmRelease, err)}
		}
		j.Return, j.HelmBefore = returnHelm, rev
		j.Plan.Bundle, j.Plan.Version, j.Plan.Router = now.Before.Bundle, now.Before.Version, "helm revision"
	case ok && !kept.Leaving && kept.Number > now.Number: // a second `rollback`, of a retried pipeline for one, must not undo the first
		return &RefusedError{
			Err:  fmt.Errorf("release %d, which slot %s keeps, is the one that was gone back from; production is release %d already", kept.Number, kept.Backend.Slot, now.Number),
			Next: []string{"slipway release --env " + rec.Environment + " --bundle " + kept.Bundle + " releases it again"},
		}
	case ok && !kept.Leaving:
		d := Deployment{Release: kept.HelmRelease, Slot: kept.Backend.Slot}
		if err := e.Readiness.Wait(ctx, d, kept.Backend, e.Clock.Now(), keptFor); err != nil {
			return &RefusedError{Err: fmt.Errorf("slot %s, kept from release %d, cannot take traffic, so nothing was changed: %w", d.Slot, kept.Number, err)}
		}
		j.Return, j.Candidate = returnSlot, other(rec.Production)
		j.Plan.Bundle, j.Plan.Version, j.Plan.Router = kept.Bundle, kept.Version, "kept slot"
	default:
		return &RefusedError{
			Err: fmt.Errorf("no earlier revision is kept: slot %s is empty", other(rec.Production)),
			Next: []string{"slipway history --env " + rec.Environment + " lists earlier bundles; slipway release --env " + rec.Environment + " --bundle … releases one again",
				"set keep: true in the strategy to keep the old slot after the bake"},
		}
	}
	rec.Last++
	j.Number = rec.Last
	rec.Open = j
	return e.start(lock, rec).comeBack(ctx, reason)
}

// comeBack makes, or after a crash finishes, what [Engine.toKept] began.
func (r *run) comeBack(ctx context.Context, reason string) error {
	ctx, done := r.guarded(ctx)
	defer done()
	if r.j.Back != "" {
		reason = r.j.Back
	}
	r.j.Back, r.j.Stuck = reason, ""
	r.emit(event.Event{Kind: event.Phase, Phase: phaseBack, Message: "going back to version " + r.j.Plan.Version + ": " + reason})
	short, stop := context.WithTimeout(ctx, intentFor)
	err := r.save(short)
	stop()
	if isStale(err) {
		return r.stuck(ctx, reason, err)
	} else if err != nil { // not a reason to keep users on a bad version
		r.emit(event.Event{Kind: event.Warning, Phase: phaseBack, Message: fmt.Sprintf("going back could not be recorded first: %v", err)})
	}
	limit, cancel := context.WithTimeout(ctx, orDefault(r.BackFor)+r.j.Plan.Ready)
	defer cancel()
	move := r.toSlot
	if r.j.Return == returnHelm {
		move = r.toRevision
	}
	var untouched *RefusedError
	switch err := move(limit); {
	case errors.As(err, &untouched):
		if closed := r.close(ctx, Failed, err.Error()); closed != nil {
			return fmt.Errorf("%w; the record could not be written: %w", err, closed)
		}
		return err
	case err != nil:
		return r.stuck(ctx, reason, err)
	}
	r.emit(event.Event{Kind: event.RolledBack, Phase: phaseBack, Message: "all traffic is on version " + r.j.Plan.Version + " again"})
	end, stop := context.WithTimeout(ctx, orDefault(r.RemoveFor))
	defer stop()
	err = retry(end, r, "recording the end", eachWrite, func(ctx context.Context) error { return r.close(ctx, Promoted, reason) })
	if err != nil {
		return fmt.Errorf("all traffic is on version %s, but the record could not be written: %w", r.j.Plan.Version, err)
	}
	return nil
}

// toSlot exchanges the roles of the slots in one write: the other stays warm at weight 0.
func (r *run) toSlot(ctx context.Context) error {
	kept, from := r.rec.Slots[r.j.Candidate].Backend, r.rec.Slots[r.j.Previous].Backend
	if err := r.all(ctx, traffic.Split{Production: &kept, Candidate: &from}, 100); err != nil {
		return err
	}
	r.rec.Production = r.j.Candidate
	return nil
}

// toRevision rolls the Helm release back. One level is kept: afterwards there is nothing before it.
func (r *run) toRevision(ctx context.Context) error {
	slot := r.j.Candidate
	s := r.rec.Slots[slot]
	if s.Before == nil {
		return &RefusedError{Err: errors.New("the record does not say which revision was there before; nothing was changed")}
	}
	d, before := Deployment{Release: s.HelmRelease, Slot: slot}, *s.Before
	if err := r.revert(ctx, d, before.Backend, before.HelmRevision); err != nil {
		if rev, readErr := r.Charts.Revision(context.WithoutCancel(ctx), d.Release); readErr == nil && rev == r.j.HelmBefore && !isStale(err) {
			return &RefusedError{Err: fmt.Errorf("helm could not roll back, and nothing was changed: %w", err)}
		}
		return err
	}
	if err := r.all(ctx, traffic.Split{Production: &before.Backend}, 100); err != nil {
		return err
	}
	r.setSlot(slot, Slot{HelmRelease: s.HelmRelease, Backend: before.Backend, Number: before.Number, Bundle: before.Bundle, Version: before.Version, Variables: before.Variables, Since: r.Clock.Now().UTC()})
	return nil
}
