package console

import (
	"time"

	"github.com/slipway-cd/slipway/internal/event"
)

// keepEvents is how many past events a frame can show at most.
const keepEvents = 8

// state is what the events so far add up to.
type state struct {
	started  event.Event
	steps    []int
	step     int // index of the step now, -1 before the first
	passed   int // how many steps are done
	back     bool
	weight   *int // last set
	verified bool // and seen at the gateway
	verTook  time.Duration

	phase      string
	phaseSince time.Time
	phaseText  string

	gates    []gateRow
	recent   []event.Event
	warnings []event.Event
	finished *event.Event
}

// gateRow is a gate's last verdict.
type gateRow struct {
	name    string
	last    event.Event
	verdict string
}

// apply takes one event in. It only looks at what events say; it never guesses ahead.
func (s *state) apply(e event.Event) {
	if e.Kind == event.Started && s.started.Time.IsZero() {
		s.started, s.step = e, -1
	}
	if len(e.Steps) > 0 {
		s.steps = append([]int(nil), e.Steps...)
	}
	switch e.Kind {
	case event.Phase:
		s.enter(e)
	case event.Progress:
		if e.Phase == s.phase || e.Phase == "" {
			s.phaseText = oneLine(e.Message)
		}
		return // shown in the phase's line, not among the events
	case event.WeightSet:
		s.weight, s.verified = e.Weight, false
	case event.Verified:
		if e.Weight != nil {
			s.weight, s.verified, s.verTook = e.Weight, true, e.Took
		}
	case event.Verdict:
		s.verdict(e)
		return // shown in the gate's row
	case event.Warning:
		s.warnings = append(s.warnings, e)
	case event.RolledBack:
		s.back = true
	case event.Finished:
		finished := e
		s.finished = &finished
		if e.Outcome == "promoted" {
			s.passed = len(s.steps)
		}
	}
	s.recent = append(s.recent, e)
	if len(s.recent) > keepEvents {
		s.recent = append([]event.Event(nil), s.recent[len(s.recent)-keepEvents:]...)
	}
}

func (s *state) enter(e event.Event) {
	s.phase, s.phaseSince, s.phaseText = e.Phase, e.Time, oneLine(e.Message)
	switch e.Phase {
	case "step":
		if e.Weight == nil {
			return
		}
		for i, w := range s.steps {
			if w == *e.Weight {
				s.step, s.passed = i, i
			}
		}
	case "promote", "bake", "cleanup":
		if !s.back {
			s.passed = len(s.steps)
		}
	case "rollback":
		s.back = true
	}
}

func (s *state) verdict(e event.Event) {
	for i := range s.gates {
		if s.gates[i].name == e.Gate {
			s.gates[i].last, s.gates[i].verdict = e, e.Outcome
			return
		}
	}
	s.gates = append(s.gates, gateRow{name: e.Gate, last: e, verdict: e.Outcome})
}

// fact is the value of a field of the started event, or "".
func (s *state) fact(key string) string {
	for _, f := range s.started.Fields {
		if f.Key == key {
			return oneLine(f.Value)
		}
	}
	return ""
}
