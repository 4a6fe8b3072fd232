package release

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/slipway-cd/slipway/internal/event"
	"github.com/slipway-cd/slipway/internal/traffic"
)

// phaseBack is what events of going back carry.
const phaseBack = "rollback"

// back takes the release back: traffic first, then the rest. It returns *RolledBackError when the environment is safe.
// The context's cancellation is not heeded by the caller: going back is bounded by BackFor, not by the pipeline.
func (r *run) back(ctx context.Context, reason string) error {
	r.emit(event.Event{Kind: event.Phase, Phase: phaseBack, Message: "going back: " + reason})
	r.j.Back = reason
	limit := r.BackFor
	if limit == 0 {
		limit = 2 * time.Minute
	}
	first, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if err := r.trafficBack(first); err != nil {
		return r.stuck(ctx, reason, err)
	}
	if r.j.Previous != "" || !r.j.Plan.InPlace() {
		r.emit(event.Event{Kind: event.RolledBack, Phase: phaseBack, Message: "all traffic is on production again"})
	}
	r.rec.Production = r.j.Previous
	if err := r.tidy(ctx); err != nil {
		r.emit(event.Event{Kind: event.Warning, Phase: phaseBack,
			Message: fmt.Sprintf("all traffic is on production; removing the candidate failed and is done again by the next release: %v", err)})
	}
	if err := r.close(ctx, RolledBack, reason); err != nil {
		return fmt.Errorf("the environment is safe (rolled back: %s), but its record could not be written: %w", reason, err)
	}
	return &RolledBackError{Reason: reason}
}

// trafficBack brings all traffic to the previous version and sees it there. It is retried until ctx ends: nothing is more
// important. The journal is written where that works, but never waited for before the weight.
func (r *run) trafficBack(ctx context.Context) error {
	if r.j.Plan.InPlace() {
		return r.helmBack(ctx)
	}
	if _, ok := r.rec.Slots[r.j.Candidate]; !ok || r.j.Previous == "" {
		if err := retry(ctx, r, "removing the route", func(ctx context.Context) error {
			return r.Router.Remove(ctx, traffic.Fence(r.j.Fence))
		}); err != nil {
			return err
		}
		r.j.Weight = 0
		return nil
	}
	start := r.Clock.Now()
	r.j.Effects = append(r.j.Effects, Effect{Name: "route: weight 0 % (going back)", Intent: start.UTC()})
	recorded := make(chan error, 1)
	short, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	go func() { recorded <- r.save(short) }() // beside, not before: traffic first
	err := retry(ctx, r, "setting weight 0 %", func(ctx context.Context) error {
		w, err := r.Router.Write(ctx, r.split(0), traffic.Fence(r.j.Fence))
		if err != nil {
			return err
		}
		zero := 0
		r.emit(event.Event{Kind: event.WeightSet, Phase: phaseBack, Weight: &zero, Message: "weight 0 % set"})
		return r.verify(ctx, w, start)
	})
	if saved := <-recorded; saved != nil {
		r.emit(event.Event{Kind: event.Warning, Phase: phaseBack, Message: fmt.Sprintf("going back could not be recorded first: %v", saved)})
	}
	if err == nil {
		r.j.Weight = 0
	}
	return err
}

// helmBack brings an in-place release back to its Helm revision (or removes a first one) and waits until that is ready.
func (r *run) helmBack(ctx context.Context) error {
	d := r.deployment(r.j.Candidate)
	if r.j.HelmBefore == 0 {
		if err := retry(ctx, r, "removing the route", func(ctx context.Context) error {
			return r.Router.Remove(ctx, traffic.Fence(r.j.Fence))
		}); err != nil {
			return err
		}
		return nil // the Helm release itself is removed by tidy
	}
	rev, err := r.Charts.Revision(ctx, d.Release)
	if err != nil {
		return err
	}
	if rev == r.j.HelmBefore {
		return nil // the upgrade was never made
	}
	err = retry(ctx, r, "rolling back helm release "+d.Release, func(ctx context.Context) error {
		return r.effect(ctx, fmt.Sprintf("helm rollback %s to revision %d", d.Release, r.j.HelmBefore), func(ctx context.Context) error {
			return r.Charts.Rollback(ctx, d.Release, r.j.HelmBefore)
		})
	})
	if err != nil {
		return err
	}
	return r.Readiness.Wait(ctx, d, r.rec.Slots[r.j.Candidate].Backend, r.Clock.Now(), r.j.Plan.Ready)
}

// tidy removes the candidate once no traffic reaches it.
func (r *run) tidy(ctx context.Context) error {
	limit := r.RemoveFor
	if limit == 0 {
		limit = 2 * time.Minute
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if r.j.Plan.InPlace() && r.j.HelmBefore != 0 {
		return nil
	}
	if _, ok := r.rec.Slots[r.j.Candidate]; !ok {
		return nil
	}
	return r.vacateBack(ctx)
}

func (r *run) vacateBack(ctx context.Context) error {
	slot := r.j.Candidate
	if r.rec.Production != "" {
		prod := r.rec.Slots[r.rec.Production].Backend
		if err := r.route(ctx, traffic.Split{Production: &prod}); err != nil {
			return err
		}
	}
	old := r.rec.Slots[slot]
	err := r.effect(ctx, "remove helm release "+r.j.Plan.Namespace+"/"+old.HelmRelease, func(ctx context.Context) error {
		return r.Charts.Uninstall(ctx, old.HelmRelease)
	})
	if err == nil {
		delete(r.rec.Slots, slot)
	}
	return err
}

// stuck records that a person is needed.
func (r *run) stuck(ctx context.Context, reason string, err error) error {
	var fenced *traffic.StaleError
	if errors.As(err, &fenced) {
		return fmt.Errorf("release %d stops here: %w", r.j.Number, err)
	}
	r.j.Stuck = err.Error()
	short, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	state := fmt.Sprintf("the candidate's weight was last seen at %d %%", r.j.Weight)
	if saved := r.save(short); saved != nil {
		state += fmt.Sprintf("; the record could not be written either (%v)", saved)
	}
	return &UnsafeError{Reason: reason, State: state, Err: err, ByHand: []string{
		"slipway rollback --env " + r.j.Plan.Environment + " tries again",
		"kubectl -n " + r.j.Plan.Namespace + " get httproute,ingress " + r.j.Plan.Service + "-slipway -o yaml shows the weights; set the candidate's (slot " + r.j.Candidate + ") to 0",
	}}
}

// retry repeats f with growing pauses until it succeeds or ctx ends. A later holder of the lock ends it at once.
func retry(ctx context.Context, r *run, doing string, f func(context.Context) error) error {
	pause := 100 * time.Millisecond
	for {
		err := f(ctx)
		if err == nil {
			return nil
		}
		var fenced *traffic.StaleError
		var stale *StaleError
		if errors.As(err, &fenced) || errors.As(err, &stale) {
			return err
		}
		r.emit(event.Event{Kind: event.Progress, Phase: phaseBack, Message: fmt.Sprintf("%s did not succeed, trying again: %v", doing, err)})
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s: %w", doing, err)
		case <-r.Clock.After(pause):
		}
		pause = min(pause*2, 5*time.Second)
	}
}

// toKept moves all traffic to the slot that was kept, without an open release.
func (e *Engine) toKept(ctx context.Context, lock Lock, rec *Record, reason string) error {
	if rec.Production == "" {
		return &RefusedError{Err: errors.New("nothing has been released here yet, so there is nothing to go back to")}
	}
	kept, ok := rec.Slots[other(rec.Production)]
	if !ok {
		return &RefusedError{
			Err: fmt.Errorf("no earlier revision is kept: slot %s is empty", other(rec.Production)),
			Next: []string{"slipway history --env " + rec.Environment + " lists earlier bundles; slipway release --env " + rec.Environment + " --bundle … releases one again",
				"set keep: true in the strategy to keep the old slot after the bake"},
		}
	}
	from := rec.Slots[rec.Production]
	rec.Last++
	rec.Open = &Journal{
		Number: rec.Last, Holder: e.Holder, Fence: lock.Fence(), Started: e.Clock.Now().UTC(),
		Plan: Plan{Service: rec.Service, Environment: rec.Environment, Bundle: kept.Bundle, Version: kept.Version,
			Strategy: "rollback", Router: "kept slot", Steps: []int{100}},
		Phase: PhaseSteps, Candidate: kept.Backend.Slot, Previous: from.Backend.Slot,
	}
	r := e.start(ctx, lock, rec)
	if err := r.shift(ctx, 100); err != nil {
		return &UnsafeError{Reason: reason, State: "the weights are as the last verified change left them", Err: err,
			ByHand: []string{"slipway rollback --env " + rec.Environment + " tries again"}}
	}
	rec.Production = kept.Backend.Slot
	prod, spare := kept.Backend, from.Backend
	if err := r.route(ctx, traffic.Split{Production: &prod, Candidate: &spare}); err != nil {
		return err
	}
	return r.close(ctx, Promoted, reason)
}
