package gate

import (
	"context"
	"fmt"
	"regexp"
	"runtime/debug"
	"slices"
	"time"

	"k8s.io/utils/clock"

	"github.com/slipway-cd/slipway/internal/event"
)

// The defaults of [Options].
const (
	DefaultInterval = 500 * time.Millisecond
	DefaultDeadline = 5 * time.Minute
)

// Options say how gates are asked.
type Options struct {
	// Hold is the least time: [Ask] passes no sooner. 0: as soon as every gate has passed once.
	Hold time.Duration
	// Deadline is how long a gate may go without a pass before that counts as a failure; default 5 m. However the gates
	// alternate, Ask ends after Hold and Deadline together.
	Deadline time.Duration
	// Interval from the end of one look at a gate to the start of the next; default 500 ms.
	Interval time.Duration
	// Enough, asked after each answer once Hold is over, ends the asking undecided when it says so.
	Enough func() bool
	Clock  clock.Clock // default: the real one
	Sink   event.Sink  // takes the verdicts that say something new; default: none
	Phase  string      // of the events
}

// Cause says why a Decision is what it is.
type Cause string

// The causes.
const (
	AllPassed  Cause = "all-passed"  // every gate passed
	GateFailed Cause = "gate-failed" // a gate found the candidate bad
	NoEvidence Cause = "no-evidence" // a gate could not tell in time
	Ended      Cause = "ended"       // [Options.Enough] ended it: nothing is decided
)

// Decision is what the gates say together. Outcome is Pass or Fail; it is Hold only beside an error or where the Cause is [Ended].
type Decision struct {
	Outcome Outcome
	Cause   Cause
	// Gate is the one that decided a Fail.
	Gate string
	// Reason is one sentence for a person.
	Reason string
	// Verdicts are each gate's last, in the order of the gates; a gate that never answered has none.
	Verdicts []Verdict
	// Looks counts all answers, Took is how long the asking lasted.
	Looks int
	Took  time.Duration
}

// PanicError is a gate's own fault: it says nothing about the candidate.
type PanicError struct {
	Gate  string
	Value any
	Stack []byte
}

func (e *PanicError) Error() string { return fmt.Sprintf("gate %s panicked: %v", e.Gate, e.Value) }

// state is what Ask knows of one gate.
type state struct {
	last     *Verdict
	lastPass time.Time // when it last passed; the start of asking if it never did
	started  time.Time // of the look under way
	busy     bool
	next     time.Time // when the next look is due
	told     string    // meaning of the last event
}

type answer struct {
	gate    int
	verdict Verdict
	err     error
}

// Ask asks every gate again and again, all at once, until they decide. The first Fail decides at once and ends the other
// looks. Pass needs every gate's last verdict to be a pass, the hold time to be over, and an answer to each look that
// began within it. An error from a look is a Hold with that error as its reason. Ask itself returns an error only when ctx
// ends or a gate panics (*[PanicError]); then nothing is decided. It does not wait for looks that ignore their context.
func Ask(ctx context.Context, gates []Named, c Candidate, o Options) (Decision, error) {
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	if o.Interval <= 0 {
		o.Interval = DefaultInterval
	}
	if o.Deadline <= 0 {
		o.Deadline = DefaultDeadline
	}
	if o.Sink == nil {
		o.Sink = event.Discard
	}
	looks, cancel := context.WithCancel(ctx)
	defer cancel()

	start := o.Clock.Now()
	a := &asking{gates: gates, c: c, o: o, start: start, states: make([]state, len(gates)), answers: make(chan answer, len(gates))}
	for i := range a.states {
		a.states[i].lastPass, a.states[i].next = start, start
	}
	for {
		now := o.Clock.Now()
		if d, ok := a.decide(now); ok {
			return d, nil
		}
		for i := range a.states {
			if s := &a.states[i]; !s.busy && !s.next.After(now) {
				s.busy, s.started = true, now
				go look(looks, i, gates[i], c, a.answers)
			}
		}
		timer := o.Clock.NewTimer(a.wake(now).Sub(now))
		select {
		case <-ctx.Done():
			timer.Stop()
			return a.decision(Decision{Outcome: Hold}, o.Clock.Now()), fmt.Errorf("asking the gates: %w", ctx.Err())
		case ans := <-a.answers:
			timer.Stop()
			if err := a.take(ctx, ans); err != nil {
				return a.decision(Decision{Outcome: Hold, Gate: gates[ans.gate].Name}, o.Clock.Now()), err
			}
		case <-timer.C():
		}
	}
}

type asking struct {
	gates   []Named
	c       Candidate
	o       Options
	start   time.Time
	states  []state
	answers chan answer
	looks   int
}

func look(ctx context.Context, i int, g Named, c Candidate, to chan<- answer) {
	ans := answer{gate: i}
	defer func() {
		if p := recover(); p != nil {
			ans.err = &PanicError{Gate: g.Name, Value: p, Stack: debug.Stack()}
		}
		to <- ans // never blocks: each gate has at most one look under way
	}()
	ans.verdict, ans.err = g.Gate.Look(ctx, c)
}

// take records an answer and tells it if it says something new.
func (a *asking) take(ctx context.Context, ans answer) error {
	s, name := &a.states[ans.gate], a.gates[ans.gate].Name
	now := a.o.Clock.Now()
	s.busy, s.next = false, now.Add(a.o.Interval)
	v := ans.verdict
	if ans.err != nil {
		if p, ok := ans.err.(*PanicError); ok {
			return p
		}
		if ctx.Err() != nil {
			return fmt.Errorf("asking the gates: %w", ctx.Err())
		}
		v = Verdict{Outcome: Hold, Reason: "could not be asked: " + ans.err.Error()}
	}
	a.looks++
	v.Gate = name
	if v.At.IsZero() {
		v.At = now.UTC()
	}
	switch v.Outcome {
	case Pass:
		s.lastPass = now
	case Fail, Hold:
	default:
		v.Outcome, v.Reason = Hold, fmt.Sprintf("the gate gave the unknown outcome %q: %s", v.Outcome, v.Reason)
	}
	s.last = &v
	if m := meaning(v); m != s.told {
		s.told = m
		e := event.Event{Time: v.At, Kind: event.Verdict, Phase: a.o.Phase, Gate: name, Outcome: string(v.Outcome), Message: v.Reason}
		if a.o.Phase == "step" {
			e.Weight = &a.c.Weight
		}
		if !v.FirstFailed.IsZero() {
			e.Fields = []event.Field{{Key: event.FirstFailure, Value: v.FirstFailed.Format(time.RFC3339Nano)}}
		}
		if v.Outcome == Fail {
			for _, f := range v.Evidence {
				e.Fields = append(e.Fields, event.Field{Key: f.Name, Value: f.Value})
			}
		}
		a.o.Sink.Emit(e)
	}
	return nil
}

func (a *asking) decide(now time.Time) (Decision, bool) {
	holdEnd := a.start.Add(a.o.Hold)
	all := true
	for i, s := range a.states {
		if s.last != nil && s.last.Outcome == Fail {
			return a.decision(Decision{Outcome: Fail, Cause: GateFailed, Gate: a.gates[i].Name, Reason: s.last.Reason}, now), true
		}
		if s.last == nil || s.last.Outcome != Pass || s.busy && s.started.Before(holdEnd) {
			all = false
		}
	}
	if all && !now.Before(holdEnd) {
		reason := fmt.Sprintf("all %d gates passed", len(a.gates))
		switch len(a.gates) {
		case 0:
			reason = "there are no gates to ask"
		case 1:
			reason = "gate " + a.gates[0].Name + " passed"
		}
		return a.decision(Decision{Outcome: Pass, Cause: AllPassed, Reason: reason}, now), true
	}
	if a.looks > 0 && a.o.Enough != nil && !now.Before(holdEnd) && a.o.Enough() {
		return a.decision(Decision{Outcome: Hold, Cause: Ended, Reason: "there is more to be seen with more traffic"}, now), true
	}
	for i, s := range a.states {
		if quiet := now.Sub(s.lastPass); quiet >= a.o.Deadline && (s.busy || s.last == nil || s.last.Outcome != Pass) {
			why := "it has not answered at all"
			if s.last != nil {
				why = s.last.Reason
			}
			return a.decision(Decision{Outcome: Fail, Cause: NoEvidence, Gate: a.gates[i].Name,
				Reason: fmt.Sprintf("no evidence in %v: %s", a.o.Deadline, why)}, now), true
		}
	}
	if len(a.gates) > 0 && !now.Before(holdEnd.Add(a.o.Deadline)) {
		d := Decision{Outcome: Fail, Cause: NoEvidence, Reason: fmt.Sprintf("no evidence in %v: the gates passed at times, but never all together", a.o.Hold+a.o.Deadline)}
		for i, s := range a.states {
			if s.last == nil || s.last.Outcome != Pass {
				d.Gate = a.gates[i].Name
			}
		}
		return a.decision(d, now), true
	}
	return Decision{}, false
}

// wake is the next instant at which something may be due without an answer.
func (a *asking) wake(now time.Time) time.Time {
	holdEnd := a.start.Add(a.o.Hold)
	at := holdEnd.Add(a.o.Deadline)
	if holdEnd.After(now) {
		at = holdEnd
	}
	for _, s := range a.states {
		if !s.busy && s.next.Before(at) {
			at = s.next
		}
		if d := s.lastPass.Add(a.o.Deadline); d.After(now) && d.Before(at) {
			at = d
		}
	}
	return at
}

func (a *asking) decision(d Decision, now time.Time) Decision {
	d.Looks, d.Took = a.looks, now.Sub(a.start)
	for _, s := range a.states {
		if s.last != nil {
			d.Verdicts = append(d.Verdicts, *s.last)
		}
	}
	d.Verdicts = slices.Clip(d.Verdicts)
	return d
}

var figures = regexp.MustCompile(`[0-9][0-9.,]*[a-zµ%]*`)

// meaning is a verdict without its figures: latencies that differ say nothing new.
func meaning(v Verdict) string {
	return string(v.Outcome) + " " + figures.ReplaceAllString(v.Reason, "#")
}
