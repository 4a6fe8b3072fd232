package release

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/slipway-cd/slipway/internal/event"
	"github.com/slipway-cd/slipway/internal/traffic"
)

// phaseBack is what events of going back carry.
const phaseBack = "rollback"

// Bounds of one try while going back; a try that hangs must not use up the time of the others.
const (
	eachWrite  = 30 * time.Second
	eachChange = 2 * time.Minute
	intentFor  = 2 * time.Second // the record is given this long beside a change of going back
)

// back takes the release back: traffic first, then the rest. It returns *RolledBackError when the environment is safe.
// It does not heed the caller's cancellation, for a pipeline that is being cancelled needs it most: it is bounded by
// BackFor, and ends when the lock is lost.
func (r *run) back(ctx context.Context, reason string) error {
	ctx, done := r.guarded(ctx)
	defer done()
	if r.j.Back != "" {
		reason = r.j.Back // what an earlier process found is the reason, not that it died
	}
	r.emit(event.Event{Kind: event.Phase, Phase: phaseBack, Message: "going back: " + reason})
	r.j.Back, r.j.Stuck = bounded(reason), ""
	r.leave()
	if err := r.trafficBack(ctx); err != nil {
		return r.stuck(ctx, reason, err)
	}
	safe := "all traffic is on production again"
	switch {
	case r.j.Previous == "":
		safe = "no traffic reaches the candidate; there was no production before"
	case !r.j.Routed:
		safe = "all traffic stayed on production"
	}
	r.emit(event.Event{Kind: event.RolledBack, Phase: phaseBack, Message: safe})
	r.rec.Production = r.j.Previous
	if err := r.tidy(ctx); isStale(err) {
		return fmt.Errorf("release %d was taken back (%s), but its clean-up stops here: %w", r.j.Number, reason, err)
	} else if err != nil {
		r.emit(event.Event{Kind: event.Warning, Phase: phaseBack,
			Message: fmt.Sprintf("no traffic reaches the candidate; removing it failed and is done again by the next release: %v", err)})
	}
	short, cancel := context.WithTimeout(ctx, orDefault(r.RemoveFor))
	defer cancel()
	err := retry(short, r, "recording the end", eachWrite, func(ctx context.Context) error { return r.close(ctx, RolledBack, reason) })
	if err != nil {
		return fmt.Errorf("the environment is safe (rolled back: %s), but its record could not be written: %w", reason, err)
	}
	return &RolledBackError{Reason: reason}
}

// guarded is ctx without the caller's cancellation; it ends when the lock is lost.
func (r *run) guarded(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(context.WithoutCancel(ctx))
	if r.lock.Held() != nil {
		cancel(errLost) // at once, not when the goroutine comes to it
	}
	go func() {
		select {
		case <-r.lock.Lost():
			cancel(errLost)
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil) }
}

func orDefault(d time.Duration) time.Duration {
	if d == 0 {
		return 2 * time.Minute
	}
	return d
}

// leave marks what this release has put into the candidate's slot: it must not get traffic any more.
func (r *run) leave() {
	s, ok := r.rec.Slots[r.j.Candidate]
	if ok && s.Number == r.j.Number && !r.upgrade() {
		s.Leaving = true
		r.rec.Slots[r.j.Candidate] = s
	}
}

// upgrade says whether this release changes production in place.
func (r *run) upgrade() bool { return r.j.Plan.InPlace() && r.j.Previous != "" }

// trafficBack brings all traffic to the previous version and sees it there. It is retried until BackFor is over: nothing is
// more important. The record is written beside it, where that works, but never waited for before the weight.
func (r *run) trafficBack(ctx context.Context) error {
	limit := orDefault(r.BackFor)
	if r.upgrade() {
		limit += r.j.Plan.Ready
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	if r.upgrade() {
		if err := r.helmBack(ctx); err != nil {
			return err
		}
	}
	if !r.j.Routed {
		return nil // no route has ever named the candidate
	}
	if r.j.Previous == "" {
		err := r.beside(ctx, "remove the route", eachWrite, func(ctx context.Context) error {
			return r.Router.Remove(ctx, traffic.Fence(r.j.Fence))
		})
		if err == nil {
			r.j.Weight = 0
		}
		return err
	}
	prod := r.rec.Slots[r.j.Previous].Backend
	return r.all(ctx, traffic.Split{Production: &prod}, 0)
}

// lookFor bounds the look whether production can be gone back to. What cannot be known in that time is no reason not to.
const lookFor = time.Second

// answers refuses to send users to a version that is known to have nobody who answers.
func (r *run) answers(ctx context.Context, b traffic.Backend) error {
	short, cancel := context.WithTimeout(ctx, lookFor)
	defer cancel()
	if n, err := r.Readiness.Endpoints(short, b); err != nil || n > 0 {
		return nil
	}
	return fmt.Errorf("service/%s/%s, slot %s, has no ready endpoint, so users are not sent there", r.j.Plan.Namespace, b.Service, b.Slot)
}

// all writes and verifies a split that leaves the candidate nothing but its share, in percent.
func (r *run) all(ctx context.Context, s traffic.Split, share int) error {
	start := r.Clock.Now()
	err := r.beside(ctx, "route: "+r.describe(s, share), eachWrite, func(ctx context.Context) error {
		if err := r.answers(ctx, *s.Production); err != nil {
			return err
		}
		w, err := r.Router.Write(ctx, s, traffic.Fence(r.j.Fence))
		if err != nil {
			return err
		}
		return r.see(ctx, w, share, start)
	})
	if err == nil {
		r.j.Weight = share
	}
	return err
}

// beside makes a change of going back, again and again until it succeeds, and records the intent at the same time: a
// journal that cannot be written must not keep users on a bad version.
func (r *run) beside(ctx context.Context, name string, each time.Duration, f func(context.Context) error) error {
	r.intend(name)
	recorded := make(chan error, 1)
	short, cancel := context.WithTimeout(ctx, intentFor)
	defer cancel()
	go func() { recorded <- r.save(short) }()
	err := retry(ctx, r, name, each, f)
	saved := <-recorded
	switch {
	case err != nil:
		return err
	case isStale(saved):
		return saved
	case saved != nil:
		r.emit(event.Event{Kind: event.Warning, Phase: phaseBack, Message: fmt.Sprintf("going back could not be recorded first: %v", saved)})
	}
	r.made()
	return nil
}

// helmBack brings an in-place release back to its Helm revision and waits until that is ready.
func (r *run) helmBack(ctx context.Context) error {
	if r.j.Replaced == nil {
		return nil // nothing was touched yet
	}
	old, d := *r.j.Replaced, r.deployment(r.j.Candidate)
	revision := 0
	err := retry(ctx, r, "reading helm release "+d.Release, eachWrite, func(ctx context.Context) (err error) {
		revision, err = r.Charts.Revision(ctx, d.Release)
		return err
	})
	if err != nil {
		return err
	}
	if revision != r.j.HelmBefore { // else the upgrade was never made
		if err := r.revert(ctx, d, old.Backend, r.j.HelmBefore); err != nil {
			return err
		}
	}
	r.setSlot(r.j.Candidate, old)
	return nil
}

// revert rolls a Helm release back and waits until the pods of that revision answer.
func (r *run) revert(ctx context.Context, d Deployment, b traffic.Backend, revision int) error {
	err := r.beside(ctx, fmt.Sprintf("helm rollback %s to revision %d", d.Release, revision), eachChange, func(ctx context.Context) error {
		return r.Charts.Rollback(ctx, d.Release, revision)
	})
	if err != nil {
		return err
	}
	since := r.Clock.Now()
	return retry(ctx, r, "waiting for the pods of revision "+fmt.Sprint(revision), r.j.Plan.Ready+eachWrite, func(ctx context.Context) error {
		return r.Readiness.Wait(ctx, d, b, since, r.j.Plan.Ready)
	})
}

// tidy removes the candidate once no traffic reaches it.
func (r *run) tidy(ctx context.Context) error {
	if s, ok := r.rec.Slots[r.j.Candidate]; !ok || !s.Leaving {
		return nil // not ours, or never there
	}
	ctx, cancel := context.WithTimeout(ctx, orDefault(r.RemoveFor))
	defer cancel()
	return retry(ctx, r, "removing the candidate", eachChange, func(ctx context.Context) error {
		return r.vacate(ctx, r.j.Candidate)
	})
}

// stuck records that a person is needed.
func (r *run) stuck(ctx context.Context, reason string, err error) error {
	if isStale(err) {
		return fmt.Errorf("release %d stops here: %w", r.j.Number, err)
	}
	r.j.Stuck = bounded(err.Error())
	short, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	state := fmt.Sprintf("the candidate's weight was last seen at %d %%", r.j.Weight)
	if r.j.Plan.InPlace() {
		state = "the helm release is as the last attempt left it"
	}
	if saved := r.save(short); saved != nil {
		state += fmt.Sprintf("; the record could not be written either (%v)", saved)
	}
	unsafe := &UnsafeError{Reason: reason, State: state, Err: err, ByHand: r.byHand()}
	r.raise(ctx, unsafe)
	return unsafe
}

// raise leaves the alarm in the cluster, at the Service that users reach, with what to do.
func (r *run) raise(ctx context.Context, unsafe *UnsafeError) {
	slot, ok := r.rec.Slots[r.j.Previous]
	if !ok {
		slot = r.rec.Slots[r.j.Candidate]
	}
	if r.Alarm == nil || slot.Backend.Service == "" {
		return
	}
	short, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err := r.Alarm.Raise(short, slot.Backend.Service, unsafe.Error()+"; next: "+strings.Join(unsafe.ByHand, "; ")); err != nil {
		r.warn(fmt.Sprintf("the alarm could not be raised in the cluster: %v", err))
	}
}

func (r *run) byHand() []string {
	p := r.j.Plan
	next := []string{"slipway rollback --env " + p.Environment + " tries again"}
	if r.upgrade() {
		return append(next, fmt.Sprintf("helm -n %s rollback %s %d does the same by hand", p.Namespace, r.deployment(r.j.Candidate).Release, r.j.HelmBefore))
	}
	if r.j.Return == returnHelm {
		return append(next, fmt.Sprintf("helm -n %s history %s shows the revisions; helm rollback goes to one", p.Namespace, r.deployment(r.j.Candidate).Release))
	}
	good, bad := r.j.Previous, r.j.Candidate
	if r.j.Return != "" {
		good, bad = bad, good
	}
	look := "kubectl -n " + p.Namespace + " get httproute,ingress " + p.Service + "-slipway -o yaml shows the weights; "
	if good == "" {
		return append(next, look+"delete it, or set the weight of slot "+bad+" to 0")
	}
	return append(next, look+"set that of slot "+bad+" to 0 and that of slot "+good+" to 100")
}

// retry repeats f with growing pauses until it succeeds or ctx ends; each try has a bound of its own. A later holder of the
// lock, or its loss, ends it at once.
func retry(ctx context.Context, r *run, doing string, each time.Duration, f func(context.Context) error) error {
	pause := 100 * time.Millisecond
	for {
		try, cancel := context.WithTimeout(ctx, each)
		err := f(try)
		cancel()
		switch {
		case err == nil:
			return nil
		case errors.Is(context.Cause(ctx), errLost):
			return errLost
		case isStale(err):
			return err
		}
		phase := phaseBack
		if r.j.Back == "" {
			phase = r.j.Phase.event()
		}
		r.emit(event.Event{Kind: event.Progress, Phase: phase, Message: fmt.Sprintf("%s did not succeed, trying again: %v", doing, err)})
		select {
		case <-ctx.Done():
			if errors.Is(context.Cause(ctx), errLost) {
				return errLost
			}
			return fmt.Errorf("%s: %w", doing, err)
		case <-r.Clock.After(pause):
		}
		pause = min(pause*2, 5*time.Second)
	}
}
