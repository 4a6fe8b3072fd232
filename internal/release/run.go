package release

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/slipway-cd/slipway/internal/event"
	"github.com/slipway-cd/slipway/internal/gate"
	"github.com/slipway-cd/slipway/internal/traffic"
)

// run is one process's work on the open release.
type run struct {
	*Engine
	lock  Lock
	rec   *Record
	j     *Journal
	until Until
	blind bool // the gateway's answers do not tell the slots apart; said once
}

func (e *Engine) start(_ context.Context, lock Lock, rec *Record) *run {
	j := rec.Open
	j.Holder, j.Fence = e.Holder, lock.Fence()
	p := j.Plan
	e.Sink.Emit(event.Event{Time: e.Clock.Now().UTC(), Kind: event.Started, Phase: string(j.Phase), Steps: p.Steps,
		Message: fmt.Sprintf("release %d: %s %s → %s (%s, router %s)", j.Number, p.Service, p.Version, p.Environment, p.Strategy, p.Router),
		Fields: []event.Field{
			{Key: "bundle", Value: p.Bundle}, {Key: "namespace", Value: p.Namespace}, {Key: "host", Value: p.Host},
			{Key: "candidate", Value: j.Candidate}, {Key: "production", Value: j.Previous},
		}})
	return &run{Engine: e, lock: lock, rec: rec, j: j}
}

// forward runs the phases that are left. Any failure where there is a way back is answered by going back.
func (r *run) forward(ctx context.Context, until Until) error {
	r.until = until
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() { // another process may ask this one to go back
		for q := range r.Store.Requests(ctx) {
			cancel(requested{q})
		}
	}()
	first := position(r.j.Phase)
	if r.j.Done {
		first++
	}
	for _, ph := range protocol[first:] {
		r.j.Phase, r.j.Done = ph.name, false
		if !(ph.name == PhaseBake && r.j.Plan.Bake == 0) {
			r.phase(string(ph.name), ph.title)
		}
		if err := ph.run(r, ctx); err != nil {
			return r.failed(ctx, ph, err)
		}
		if until.Phase == ph.name {
			if ph.name == PhaseSteps && r.j.Step < len(r.j.Plan.Steps) {
				return r.save(ctx)
			}
			r.j.Done = true
			return r.save(ctx)
		}
	}
	return r.close(ctx, Promoted, "")
}

// failed answers a failure of a phase.
func (r *run) failed(ctx context.Context, ph phase, err error) error {
	cause := context.Cause(ctx)
	var stale *StaleError
	var fenced *traffic.StaleError
	var q requested
	switch {
	case errors.Is(cause, errLost) || errors.As(err, &stale) || errors.As(err, &fenced):
		return fmt.Errorf("release %d stops here, nothing more was touched: %w", r.j.Number, err)
	case !ph.undo:
		return fmt.Errorf("release %d is promoted and takes all traffic, but its clean-up failed and will be done again by the next command: %w", r.j.Number, err)
	case errors.As(cause, &q):
		err = q
	case ctx.Err() != nil:
		err = fmt.Errorf("%w in phase %s", Interrupted, ph.name)
	}
	return r.back(context.WithoutCancel(ctx), err.Error())
}

// effect records the intent, makes the change, records its completion. A failing record stops a change that goes forward.
func (r *run) effect(ctx context.Context, name string, f func(context.Context) error) error {
	r.j.Effects = append(r.j.Effects, Effect{Name: name, Intent: r.Clock.Now().UTC()})
	if n := len(r.j.Effects); n > 200 { // bounded: the oldest of a very long release give way
		r.j.Effects = slices.Delete(r.j.Effects, 0, n-200)
	}
	if err := r.save(ctx); err != nil {
		return fmt.Errorf("recording the intent to %s: %w", name, err)
	}
	if err := f(ctx); err != nil {
		return err
	}
	now := r.Clock.Now().UTC()
	r.j.Effects[len(r.j.Effects)-1].Done = &now // saved with the next intent or phase
	return nil
}

func (r *run) save(ctx context.Context) error { return r.Store.Save(ctx, r.rec) }

func (r *run) emit(ev event.Event) {
	ev.Time = r.Clock.Now().UTC()
	if ev.Phase == "" {
		ev.Phase = string(r.j.Phase)
	}
	r.Sink.Emit(ev)
}

func (r *run) progress(format string, args ...any) {
	r.emit(event.Event{Kind: event.Progress, Message: fmt.Sprintf(format, args...)})
}

// deployment of a slot. A slot's Helm release keeps its name, whatever made it.
func (r *run) deployment(slot string) Deployment {
	if s, ok := r.rec.Slots[slot]; ok {
		return Deployment{Release: s.HelmRelease, Slot: slot}
	}
	if r.j.Plan.InPlace() {
		return Deployment{Release: r.j.Plan.Service, Slot: slot}
	}
	return Deployment{Release: r.j.Plan.Service + "-" + slot, Slot: slot}
}

// split of the traffic with the candidate at weight. In place there is only production.
func (r *run) split(weight int) traffic.Split {
	cand := r.rec.Slots[r.j.Candidate].Backend
	if r.j.Plan.InPlace() {
		return traffic.Split{Production: &cand}
	}
	s := traffic.Split{Candidate: &cand, Weight: weight}
	if r.j.Previous != "" {
		prod := r.rec.Slots[r.j.Previous].Backend
		s.Production = &prod
	}
	return s
}

// deploy installs the candidate, waits until it can answer, and makes it reachable at weight 0.
func (r *run) deploy(ctx context.Context) error {
	p, slot := r.j.Plan, r.j.Candidate
	if _, left := r.rec.Slots[slot]; left && !p.InPlace() && r.rec.Slots[slot].Number != r.j.Number {
		if err := r.vacate(ctx, slot); err != nil {
			return err
		}
	}
	d := r.deployment(slot)
	if p.InPlace() && r.j.HelmBefore == 0 && r.j.Previous != "" {
		rev, err := r.Charts.Revision(ctx, d.Release)
		if err != nil {
			return err
		}
		r.j.HelmBefore = rev
	}
	b, err := r.Charts.Backend(ctx, d)
	if err != nil {
		return err
	}
	b.Slot = slot
	since := r.Clock.Now().UTC()
	before := r.rec.Slots[slot]
	now := Slot{HelmRelease: d.Release, Backend: b, Number: r.j.Number, Bundle: p.Bundle, Version: p.Version, Since: since}
	if !p.InPlace() || before.HelmRelease == "" {
		r.setSlot(slot, now)
	}
	err = r.effect(ctx, fmt.Sprintf("install helm release %s/%s", p.Namespace, d.Release), func(ctx context.Context) error {
		return r.Charts.Install(ctx, d)
	})
	if err != nil {
		return err
	}
	if err := r.Readiness.Wait(ctx, d, b, since.Add(-time.Second), p.Ready); err != nil {
		return err
	}
	if p.InPlace() {
		r.setSlot(slot, now)
	}
	return r.shift(ctx, 0)
}

func (r *run) setSlot(slot string, s Slot) {
	if r.rec.Slots == nil {
		r.rec.Slots = map[string]Slot{}
	}
	r.rec.Slots[slot] = s
}

// vacate removes what a slot holds from an earlier release.
func (r *run) vacate(ctx context.Context, slot string) error {
	old := r.rec.Slots[slot]
	r.progress("removing what slot %s keeps from release %d", slot, old.Number)
	if r.rec.Production != "" && r.rec.Production != slot { // no route may name it while it goes
		prod := r.rec.Slots[r.rec.Production].Backend
		if err := r.route(ctx, traffic.Split{Production: &prod}); err != nil {
			return err
		}
	}
	err := r.effect(ctx, "remove helm release "+r.j.Plan.Namespace+"/"+old.HelmRelease, func(ctx context.Context) error {
		return r.Charts.Uninstall(ctx, old.HelmRelease)
	})
	if err == nil {
		delete(r.rec.Slots, slot)
	}
	return err
}

// shift writes a weight and sees it at the gateway.
func (r *run) shift(ctx context.Context, weight int) error {
	if err := r.route(ctx, r.split(weight)); err != nil {
		return err
	}
	r.j.Weight = weight
	return nil
}

// route writes a split and verifies it.
func (r *run) route(ctx context.Context, s traffic.Split) error {
	start := r.Clock.Now()
	var w traffic.Written
	err := r.effect(ctx, fmt.Sprintf("route: weight %d %%", s.Weight), func(ctx context.Context) error {
		var err error
		w, err = r.Router.Write(ctx, s, traffic.Fence(r.j.Fence))
		return err
	})
	if err != nil {
		return err
	}
	r.emit(event.Event{Kind: event.WeightSet, Weight: &s.Weight, Message: fmt.Sprintf("weight %d %% set", s.Weight)})
	return r.verify(ctx, w, start)
}

func (r *run) verify(ctx context.Context, w traffic.Written, start time.Time) error {
	err := r.Verifier.Verify(ctx, w)
	weight := w.Split.Weight
	var not *traffic.NotVerifiedError
	switch {
	case errors.Is(err, traffic.ErrBlind):
		if !r.blind {
			r.blind = true
			r.emit(event.Event{Kind: event.Warning, Message: "weights cannot be verified at the gateway: its answers do not tell the slots apart. Each change is given 3 s instead",
				Next: []string{"set router.nginx.slotHeader to a response header of the service that names its slot"}})
		}
		return nil
	case errors.As(err, &not):
		not.Control = r.Router.Describe(ctx)
		return not
	case err != nil:
		return err
	}
	r.emit(event.Event{Kind: event.Verified, Weight: &weight, Took: r.Clock.Since(start), Message: fmt.Sprintf("weight %d %% in force at the gateway", weight)})
	return nil
}

func (r *run) candidate(weight int) gate.Candidate {
	p, s := r.j.Plan, r.rec.Slots[r.j.Candidate]
	c := gate.Candidate{
		Namespace: p.Namespace, Release: s.HelmRelease, Slot: r.j.Candidate,
		Endpoint: p.Endpoint, Host: p.Host, Since: s.Since, Weight: weight,
	}
	if !p.InPlace() {
		c.Header, c.HeaderValue = traffic.Header, traffic.HeaderAlways
	}
	return c
}

// ask asks the gates of a stage; a fail becomes an error.
func (r *run) ask(ctx context.Context, stage string, weight int, hold, deadline time.Duration) error {
	d, err := r.Gates.Ask(ctx, stage, r.candidate(weight), hold, deadline)
	if err != nil {
		return err
	}
	if !d.Pass {
		return fmt.Errorf("gate %s failed at %d %%: %s", d.Gate, weight, d.Reason)
	}
	return nil
}

func (r *run) smoke(ctx context.Context) error {
	return r.ask(ctx, "smoke", r.j.Weight, 0, r.j.Plan.Deadline)
}

// steps moves the traffic, weight by weight, each held until its gates pass.
func (r *run) steps(ctx context.Context) error {
	p := r.j.Plan
	for r.j.Step < len(p.Steps) {
		weight := p.Steps[r.j.Step]
		r.emit(event.Event{Kind: event.Phase, Phase: string(PhaseSteps), Weight: &weight, Message: fmt.Sprintf("step %d of %d: %d %%", r.j.Step+1, len(p.Steps), weight)})
		if !p.InPlace() {
			if err := r.shift(ctx, weight); err != nil {
				return err
			}
		}
		if err := r.ask(ctx, "steps", weight, p.Hold, p.Deadline); err != nil {
			return err
		}
		r.j.Step++
		if r.until.Phase == PhaseSteps && r.until.Weight > 0 && weight >= r.until.Weight {
			return nil
		}
	}
	return nil
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
	return r.ask(ctx, "steps", 100, p.Bake, p.Bake+p.Deadline)
}

// cleanup routes only to the new production and removes the old slot, unless it is kept.
func (r *run) cleanup(ctx context.Context) error {
	p := r.j.Plan
	if p.InPlace() {
		return nil
	}
	prod := r.rec.Slots[r.j.Candidate].Backend
	s := traffic.Split{Production: &prod}
	old, had := r.rec.Slots[r.j.Previous]
	if p.Keep && had {
		s.Candidate = &old.Backend
	}
	if err := r.route(ctx, s); err != nil {
		return err
	}
	if !had || p.Keep {
		return nil
	}
	return r.vacate(ctx, r.j.Previous)
}

// close ends the release and records how.
func (r *run) close(ctx context.Context, outcome, reason string) error {
	j := r.j
	r.rec.Open = nil
	r.rec.History = append([]Summary{{
		Number: j.Number, Bundle: j.Plan.Bundle, Version: j.Plan.Version, Strategy: j.Plan.Strategy,
		Outcome: outcome, Reason: reason, Holder: j.Holder, Started: j.Started, Ended: r.Clock.Now().UTC(),
	}}, r.rec.History...)
	if len(r.rec.History) > HistoryKept {
		r.rec.History = r.rec.History[:HistoryKept]
	}
	return r.save(ctx)
}
