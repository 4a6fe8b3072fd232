package release

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/slipway-cd/slipway/internal/event"
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

func (e *Engine) start(lock Lock, rec *Record) *run {
	j := rec.Open
	j.Holder, j.Fence, j.Held, rec.Fence = e.Holder, lock.Fence(), "", lock.Fence()
	p := j.Plan
	ev := event.Event{Time: e.Clock.Now().UTC(), Kind: event.Started, Phase: j.Phase.event(), Steps: p.Steps,
		Message: fmt.Sprintf("release %d: %s %s → %s (%s, router %s)", j.Number, p.Service, p.Version, p.Environment, p.Strategy, p.Router)}
	for _, f := range []event.Field{
		{Key: "bundle", Value: p.Bundle}, {Key: "namespace", Value: p.Namespace}, {Key: "host", Value: p.Host},
		{Key: "candidate", Value: j.Candidate}, {Key: "production", Value: j.Previous},
	} {
		if f.Value != "" {
			ev.Fields = append(ev.Fields, f)
		}
	}
	e.Sink.Emit(ev)
	return &run{Engine: e, lock: lock, rec: rec, j: j}
}

// forward runs the phases that are left. Any failure where there is a way back is answered by going back.
func (r *run) forward(ctx context.Context, until Until) error {
	r.until = until
	asked, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	go func() { // another process may ask this one to go back
		for q := range r.Store.Requests(asked) {
			cancel(requested{q})
		}
	}()
	first := position(r.j.Phase)
	if r.j.Done {
		first++
	}
	if until.Phase != "" && first > position(until.Phase) {
		r.progress("nothing to do: phase %s is done already", until.Phase)
		return nil
	}
	if protocol[first].undo {
		if err := r.guardian(asked); err != nil {
			return r.failed(asked, protocol[first], err)
		}
	}
	if first > 0 && protocol[first].undo { // time has passed since: no weight for a slot whose pods are gone
		if err := r.alive(asked); err != nil {
			return r.failed(asked, protocol[first], err)
		}
	}
	for i := first; i < len(protocol); i++ {
		ph, live := protocol[i], asked
		if !ph.undo {
			if i > first && asked.Err() != nil { // the last moment to heed it
				return r.failed(asked, protocol[i-1], asked.Err())
			}
			var done func()
			live, done = r.guarded(ctx) // from here on a request or an interrupt comes too late
			defer done()
		}
		r.j.Phase, r.j.Done = ph.name, false
		if ph.name != PhaseSteps && (ph.name != PhaseBake || r.j.Plan.Bake > 0) { // each step announces itself
			r.phase(ph.name.event(), ph.title)
		}
		if err := ph.run(r, live); err != nil {
			return r.failed(live, ph, err)
		}
		if until.Phase == ph.name && ph.undo {
			r.j.Done = ph.name != PhaseSteps || r.j.Step >= len(r.j.Plan.Steps)
			return r.save(ctx)
		}
	}
	return nil // the last phase has ended it
}

// alive makes sure, before an earlier process's work is continued, that the candidate can still answer.
func (r *run) alive(ctx context.Context) error {
	s, ok := r.rec.Slots[r.j.Candidate]
	if !ok {
		return fmt.Errorf("slot %s of release %d is not in the record any more", r.j.Candidate, r.j.Number)
	}
	return r.Readiness.Wait(ctx, r.deployment(r.j.Candidate), s.Backend, s.Since.Add(-ageSlack), r.j.Plan.Ready)
}

// failed answers a failure of a phase.
func (r *run) failed(ctx context.Context, ph phase, err error) error {
	cause := context.Cause(ctx)
	var q requested
	var undecided *UndecidedError
	switch {
	case errors.Is(cause, errLost), r.lock.Held() != nil:
		return fmt.Errorf("release %d stops in phase %s, nothing more was touched: %w", r.j.Number, ph.name, errLost)
	case isStale(err):
		return fmt.Errorf("release %d stops in phase %s, nothing more was touched: %w", r.j.Number, ph.name, err)
	case !ph.undo:
		return fmt.Errorf("release %d is promoted and takes all traffic, but its clean-up failed; `slipway promote` finishes it, or the next release does: %w", r.j.Number, err)
	case errors.As(cause, &q):
		err = q
	case errors.As(err, &undecided) && ctx.Err() == nil:
		r.j.Held = bounded("gate " + undecided.Gate + ": " + undecided.Reason)
		if saved := r.save(ctx); saved != nil {
			return r.back(ctx, fmt.Sprintf("%v; that could not be recorded: %v", err, saved))
		}
		return err
	case ctx.Err() != nil:
		err = fmt.Errorf("%w in phase %s", Interrupted, ph.name)
	}
	return r.back(ctx, err.Error())
}

// isStale says whether err means that another process is in charge.
func isStale(err error) bool {
	var record *StaleError
	var route *traffic.StaleError
	return errors.As(err, &record) || errors.As(err, &route) || errors.Is(err, errLost)
}

// effect records the intent, makes the change, records its completion. A failing record stops a change that goes forward.
func (r *run) effect(ctx context.Context, name string, f func(context.Context) error) error {
	r.intend(name)
	if err := r.save(ctx); err != nil {
		return fmt.Errorf("recording the intent to %s: %w", name, err)
	}
	if err := f(ctx); err != nil {
		return err
	}
	r.made()
	return nil
}

func (r *run) intend(name string) {
	r.j.Effects = append(r.j.Effects, Effect{Name: name, Intent: r.Clock.Now().UTC()})
	if n := len(r.j.Effects); n > 200 { // bounded: the oldest of a very long release give way
		r.j.Effects = slices.Delete(r.j.Effects, 0, n-200)
	}
}

// made marks the last effect as done; that is saved with the next intent or phase.
func (r *run) made() {
	now := r.Clock.Now().UTC()
	r.j.Effects[len(r.j.Effects)-1].Done = &now
}

// save writes the record. When it was changed meanwhile, that may have been by ourselves: a write whose answer was lost.
func (r *run) save(ctx context.Context) error {
	err := r.Store.Save(ctx, r.rec)
	var stale *StaleError
	if !errors.As(err, &stale) {
		return err
	}
	found, loadErr := r.Store.Load(ctx)
	switch {
	case loadErr != nil:
		return err
	case found.Open != nil && found.Open.Number == r.j.Number && found.Open.Fence == r.j.Fence && found.Open.Holder == r.j.Holder:
		r.rec.Version = found.Version
		return r.Store.Save(ctx, r.rec)
	case r.rec.Open == nil && found.Open == nil && len(found.History) > 0 &&
		found.History[0].Number == r.j.Number && found.History[0].Holder == r.j.Holder: // closed by the write that seemed lost
		r.rec.Version = found.Version
		return nil
	}
	return err
}

func (r *run) emit(ev event.Event) {
	ev.Time = r.Clock.Now().UTC()
	if ev.Phase == "" {
		ev.Phase = r.j.Phase.event()
	}
	r.Sink.Emit(ev)
}

func (r *run) progress(format string, args ...any) {
	r.emit(event.Event{Kind: event.Progress, Message: fmt.Sprintf(format, args...)})
}

// bounded is a text for the history, which must stay small: what servers and containers say can be long.
func bounded(text string) string {
	const longest = 2000 // bytes
	if len(text) <= longest {
		return text
	}
	return strings.ToValidUTF8(text[:longest], "") + " …"
}

// close ends the release and records how.
func (r *run) close(ctx context.Context, outcome, reason string) error {
	j := r.j
	if r.rec.Open != nil { // else this is another try
		r.rec.Open = nil
		r.rec.History = append([]Summary{{
			Number: j.Number, Bundle: j.Plan.Bundle, Version: j.Plan.Version, Strategy: j.Plan.Strategy,
			Outcome: outcome, Reason: bounded(reason), Holder: j.Holder, Started: j.Started, Ended: r.Clock.Now().UTC(),
		}}, r.rec.History...)
		if len(r.rec.History) > HistoryKept {
			r.rec.History = r.rec.History[:HistoryKept]
		}
	}
	err := r.save(ctx)
	if err == nil {
		r.dismiss(ctx)
	}
	return err
}
