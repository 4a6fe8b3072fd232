package release

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/slipway-cd/slipway/internal/event"
	"github.com/slipway-cd/slipway/internal/gate"
	"github.com/slipway-cd/slipway/internal/traffic"
)

// ageSlack widens "since the deployment" for clocks that differ a little: restarts and pods are dated by the cluster.
const ageSlack = time.Second

// deploy installs the candidate, waits until it can answer, and makes it reachable at weight 0.
func (r *run) deploy(ctx context.Context) error {
	p, slot := r.j.Plan, r.j.Candidate
	upgrade := p.InPlace() && r.j.Previous != ""
	before, held := r.rec.Slots[slot]
	if held && !upgrade && before.Number != r.j.Number {
		if err := r.clear(ctx, slot); err != nil {
			return err
		}
	}
	d := r.deployment(slot)
	if upgrade && r.j.Replaced == nil {
		rev, err := r.Charts.Revision(ctx, d.Release)
		if err != nil {
			return err
		}
		if rev == 0 {
			return fmt.Errorf("helm release %s/%s, which is production, does not exist any more", p.Namespace, d.Release)
		}
		r.j.HelmBefore, r.j.Replaced = rev, &before
	}
	b, err := r.Charts.Backend(ctx, d)
	if err != nil {
		return err
	}
	b.Slot = slot
	since := r.Clock.Now().UTC()
	now := Slot{HelmRelease: d.Release, Backend: b, Number: r.j.Number, Bundle: p.Bundle, Version: p.Version, Since: since, Variables: p.Variables}
	if upgrade {
		old := r.j.Replaced
		now.Before = &Earlier{HelmRevision: r.j.HelmBefore, Backend: old.Backend, Number: old.Number, Bundle: old.Bundle, Version: old.Version, Variables: old.Variables}
	} else {
		r.setSlot(slot, now)
	}
	if upgrade { // there, users meet the new version with the installation
		if err := r.watched(ctx); err != nil {
			return err
		}
	}
	err = r.effect(ctx, fmt.Sprintf("install helm release %s/%s", p.Namespace, d.Release), func(ctx context.Context) error {
		return r.Charts.Install(ctx, d)
	})
	if err != nil {
		return err
	}
	if err := r.Readiness.Wait(ctx, d, b, since.Add(-ageSlack), p.Ready); err != nil {
		return err
	}
	if err := r.forgotten(ctx, slot); err != nil {
		return err
	}
	r.setSlot(slot, now)
	return r.shift(ctx, 0)
}

func (r *run) setSlot(slot string, s Slot) {
	if r.rec.Slots == nil {
		r.rec.Slots = map[string]Slot{}
	}
	r.rec.Slots[slot] = s
}

func (r *run) candidate(weight int) gate.Candidate {
	p, s := r.j.Plan, r.rec.Slots[r.j.Candidate]
	c := gate.Candidate{
		Namespace: p.Namespace, Release: s.HelmRelease, Slot: r.j.Candidate,
		Endpoint: p.Endpoint, Host: p.Host, Since: s.Since, Weight: weight,
		Arms: map[string]gate.Arm{r.j.Candidate: {Release: s.HelmRelease, Service: s.Backend.Service, Since: s.Since}},
	}
	if !p.InPlace() {
		c.Header, c.HeaderValue = traffic.Header, traffic.HeaderAlways
		if c.Production = r.j.Previous; c.Production != "" {
			old := r.rec.Slots[c.Production]
			c.Arms[c.Production] = gate.Arm{Release: old.HelmRelease, Service: old.Backend.Service, Since: old.Since}
		}
	}
	return c
}

// ask asks the gates of a stage; a fail becomes an error.
func (r *run) ask(ctx context.Context, stage string, weight int, hold, deadline time.Duration) error {
	_, err := r.decide(ctx, stage, weight, hold, deadline)
	return err
}

// decide asks the gates of a stage. The weight that it returns is what they want to see next, 0 where they have passed.
func (r *run) decide(ctx context.Context, stage string, weight int, hold, deadline time.Duration) (int, error) {
	d, err := r.Gates.Ask(ctx, stage, r.j.Phase.event(), r.candidate(weight), hold, deadline)
	if err != nil {
		return 0, err
	}
	if d.Weight > weight && !d.Pass {
		return min(d.Weight, 100), nil
	}
	if d.Undecided {
		return 0, &UndecidedError{Number: r.j.Number, Environment: r.j.Plan.Environment, Weight: weight, Gate: d.Gate, Reason: d.Reason}
	}
	if !d.Pass {
		return 0, fmt.Errorf("gate %s failed at %d %%: %s", d.Gate, weight, d.Reason)
	}
	return 0, nil
}

func (r *run) smoke(ctx context.Context) error {
	return r.ask(ctx, StageSmoke, r.j.Weight, 0, r.j.Plan.Deadline)
}

// steps moves the traffic, weight by weight, each held until its gates pass.
func (r *run) steps(ctx context.Context) error {
	p := &r.j.Plan
	if err := r.watched(ctx); err != nil {
		return err
	}
	for r.j.Step < len(p.Steps) {
		if r.enough() {
			r.progress("nothing to do: step %d of %d (%d %%) has passed already", r.j.Step, len(p.Steps), p.Steps[r.j.Step-1])
			return nil
		}
		weight := p.Steps[r.j.Step]
		r.emit(event.Event{Kind: event.Phase, Weight: &weight, Message: fmt.Sprintf("step %d of %d: %d %%", r.j.Step+1, len(p.Steps), weight)})
		if !p.InPlace() {
			if err := r.shift(ctx, weight); err != nil {
				return err
			}
		}
		next, err := r.decide(ctx, StageSteps, weight, p.Hold, p.Deadline)
		if err != nil {
			return err
		}
		r.j.Step++
		if next > 0 && next < p.Steps[r.j.Step] { // it is recorded with the weight's own intent
			p.Steps = slices.Insert(p.Steps, r.j.Step, next)
		}
		if r.enough() {
			return nil
		}
	}
	return nil
}

// enough says whether the weight that this call was to reach has been passed.
func (r *run) enough() bool {
	return r.until.Phase == PhaseSteps && r.until.Weight > 0 && r.j.Step > 0 && r.j.Plan.Steps[r.j.Step-1] >= r.until.Weight
}

// promote makes the candidate production: one write of the record.
func (r *run) promote(ctx context.Context) error {
	r.rec.Production = r.j.Candidate
	return r.save(ctx)
}

// bake keeps the old slot warm and the gates asked, so that going back is one weight change.
func (r *run) bake(ctx context.Context) error {
	p := r.j.Plan
	if p.Bake == 0 || p.InPlace() {
		return nil
	}
	if r.j.Previous == "" {
		r.progress("nothing to keep warm: this was the first release")
		return nil
	}
	if err := r.save(ctx); err != nil {
		return err
	}
	r.progress("slot %s is kept warm for %s; `slipway rollback` goes back with one weight change", r.j.Previous, p.Bake)
	return r.ask(ctx, StageSteps, 100, p.Bake, p.Bake+p.Deadline)
}

// cleanup routes only to the new production, removes the old slot, unless it is kept, and ends the release. It is tried
// again and again for RemoveFor: users are well served meanwhile.
func (r *run) cleanup(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, orDefault(r.RemoveFor))
	defer cancel()
	if !r.j.Plan.InPlace() {
		if err := retry(ctx, r, "cleaning up", eachChange, r.retire); err != nil {
			return err
		}
	}
	return retry(ctx, r, "recording the end", eachWrite, func(ctx context.Context) error { return r.close(ctx, Promoted, "") })
}

// retire takes the old slot out of the route and removes it, or keeps it warm.
func (r *run) retire(ctx context.Context) error {
	prod := r.rec.Slots[r.j.Candidate].Backend
	s := traffic.Split{Production: &prod}
	old, had := r.rec.Slots[r.j.Previous]
	keep := had && r.j.Plan.Keep && !old.Leaving
	if keep {
		s.Candidate = &old.Backend
	}
	if err := r.route(ctx, s, 100); err != nil {
		return err
	}
	r.j.Weight = 100
	if !had || keep {
		return nil
	}
	return r.vacate(ctx, r.j.Previous)
}
