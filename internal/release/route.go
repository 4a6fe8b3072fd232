package release

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/slipway-cd/slipway/internal/event"
	"github.com/slipway-cd/slipway/internal/traffic"
)

// deployment of a slot. A slot's Helm release keeps its name, whatever made it.
func (r *run) deployment(slot string) Deployment {
	if s, ok := r.rec.Slots[slot]; ok {
		return Deployment{Release: s.HelmRelease, Slot: slot}
	}
	return Deployment{Release: r.j.Plan.helmRelease(slot), Slot: slot}
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

// shift writes a weight and sees it at the gateway.
func (r *run) shift(ctx context.Context, weight int) error {
	share := weight
	if r.j.Plan.InPlace() {
		share = 100
	}
	if err := r.route(ctx, r.split(weight), share); err != nil {
		return err
	}
	r.j.Weight = weight
	return nil
}

// route records, writes and verifies a split that gives the candidate the share, in percent, of the traffic.
func (r *run) route(ctx context.Context, s traffic.Split, share int) error {
	start := r.Clock.Now()
	var w traffic.Written
	r.j.Routed = true
	err := r.effect(ctx, "route: "+r.describe(s, share), func(ctx context.Context) error {
		var err error
		w, err = r.Router.Write(ctx, s, traffic.Fence(r.j.Fence))
		return err
	})
	if err != nil {
		return err
	}
	return r.see(ctx, w, share, start)
}

// see tells of a written split and verifies it.
func (r *run) see(ctx context.Context, w traffic.Written, share int, start time.Time) error {
	ev := event.Event{Kind: event.WeightSet, Weight: &share, Message: r.describe(w.Split, share) + " set"}
	if r.j.Back != "" {
		ev.Phase = phaseBack
	}
	r.emit(ev)
	err := r.Verifier.Verify(ctx, w)
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
	ev.Kind, ev.Took, ev.Message = event.Verified, r.Clock.Since(start), r.describe(w.Split, share)+" in force at the gateway"
	r.emit(ev)
	return nil
}

// describe says in words a split that gives the candidate the share.
func (r *run) describe(s traffic.Split, share int) string {
	switch {
	case s.Candidate == nil && r.j.Plan.InPlace():
		return "all traffic on service " + s.Production.Service
	case s.Candidate == nil:
		return fmt.Sprintf("all traffic on slot %s, route without candidate", s.Production.Slot)
	case s.Production == nil && s.Weight == 0:
		return fmt.Sprintf("slot %s for requests with header %s: %s only", s.Candidate.Slot, traffic.Header, traffic.HeaderAlways)
	case s.Production == nil:
		return fmt.Sprintf("all traffic on slot %s", s.Candidate.Slot)
	case s.Weight != share: // the roles were exchanged
		return fmt.Sprintf("all traffic on slot %s, slot %s warm at weight 0 %%", s.Production.Slot, s.Candidate.Slot)
	default:
		return fmt.Sprintf("weight %d %%", s.Weight)
	}
}

// clear removes what a slot holds from an earlier release, out of the route first.
func (r *run) clear(ctx context.Context, slot string) error {
	r.progress("removing what slot %s keeps from release %d", slot, r.rec.Slots[slot].Number)
	if r.rec.Production != "" {
		prod := r.rec.Slots[r.rec.Production].Backend
		if err := r.route(ctx, traffic.Split{Production: &prod}, 0); err != nil {
			return err
		}
	}
	return r.vacate(ctx, slot)
}

// vacate removes what a slot holds. The caller has made sure that no route names it.
func (r *run) vacate(ctx context.Context, slot string) error {
	old := r.rec.Slots[slot]
	old.Leaving = true // from this intent on it must not get traffic again
	r.rec.Slots[slot] = old
	err := r.effect(ctx, "remove helm release "+r.j.Plan.Namespace+"/"+old.HelmRelease, func(ctx context.Context) error {
		return r.Charts.Uninstall(ctx, old.HelmRelease)
	})
	if err == nil {
		delete(r.rec.Slots, slot)
		if r.rec.Vacated == nil {
			r.rec.Vacated = map[string]time.Time{}
		}
		r.rec.Vacated[slot] = r.Clock.Now().UTC()
	}
	return err
}

// rememberedFor is how long a cluster's DNS may give the addresses of Services that are gone: CoreDNS keeps an answer for 5 s
// (the default ttl of its plugin kubernetes), and takes a moment to hear of the change.
const rememberedFor = 6 * time.Second

// forgotten waits until the names of what the slot held before are forgotten. Its new pods have the same ones: before that they
// could look for their own Services where the old ones were. The time until the pods are ready is part of it, so that
// there is something to wait for only when one release follows another at once.
func (r *run) forgotten(ctx context.Context, slot string) error {
	vacated, ok := r.rec.Vacated[slot]
	left := rememberedFor - r.Clock.Since(vacated)
	if !ok || left <= 0 {
		return nil
	}
	left = min(left, rememberedFor) // a clock that went back
	r.progress("slot %s was emptied a moment ago; waiting %s until the cluster's DNS has forgotten its old addresses", slot, left.Round(100*time.Millisecond))
	select {
	case <-ctx.Done():
		return fmt.Errorf("waiting for the cluster's DNS: %w", ctx.Err())
	case <-r.Clock.After(left):
		return nil
	}
}
