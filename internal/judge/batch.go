package judge

import (
	"fmt"
	"time"

	"github.com/slipway-cd/slipway/internal/seqtest"
)

// Batch is what both arms did in a span that is over and complete: nothing of it may still be on its way. Rows that do arrive
// later make a batch of their own; what was observed is never rewritten.
type Batch struct {
	From, To time.Time
	// Measures by the names that the gates use. A gate whose measure is missing learns nothing from the batch.
	Measures map[string]Measure
}

// Measure is one kind of events, as each arm's pods had them.
type Measure struct {
	Candidate, Production []Cell
}

// Cell is what one pod did. Where pods cannot be told apart, an arm is one cell with no pod's name.
type Cell struct {
	Pod string
	// Trials and Events are raw records. Evidence comes from these.
	Trials, Events float64
	// WeightedTrials and WeightedEvents are what the records stand for under sampling (the sum of their item counts). Rates for
	// people come from these. Both 0: every record stands for itself.
	WeightedTrials, WeightedEvents float64
	// EventSquares is the sum of the squared weights of the events; 0: the events have equal weights.
	EventSquares float64
}

// arm is one arm's counts of a batch, over its pods.
type arm struct {
	Totals
	squares float64 // of the events' weights
	pods    []seqtest.PodCounts
}

func newArm(cells []Cell, kind Kind) (arm, error) {
	a := arm{pods: make([]seqtest.PodCounts, 0, len(cells))}
	for _, c := range cells {
		raw := seqtest.Counts{Trials: c.Trials, Events: c.Events}
		weighted := seqtest.Counts{Trials: c.WeightedTrials, Events: c.WeightedEvents}
		if weighted == (seqtest.Counts{}) {
			weighted = raw
		}
		alike := weighted == raw && c.EventSquares == 0 // most often, and soon done
		if err := raw.Check(); alike && err == nil && (kind == Rate || raw.Events <= raw.Trials) {
			a.Totals = a.plus(Totals{Raw: raw, Weighted: raw, Alike: raw.Events})
			a.squares += raw.Events
			a.pods = append(a.pods, seqtest.PodCounts{Pod: c.Pod, Counts: raw})
			continue
		}
		for _, x := range [...]seqtest.Counts{raw, weighted, {Trials: 1, Events: c.EventSquares}} {
			if err := x.Check(); err != nil {
				return arm{}, fmt.Errorf("pod %q: %w", c.Pod, err)
			}
		}
		if (raw.Trials == 0) != (weighted.Trials == 0) || (raw.Events == 0) != (weighted.Events == 0) {
			return arm{}, fmt.Errorf("pod %q: %v events in %v trials stand for %v in %v: both are none or neither is",
				c.Pod, raw.Events, raw.Trials, weighted.Events, weighted.Trials)
		}
		if kind == Share && (raw.Events > raw.Trials || weighted.Events > weighted.Trials) {
			return arm{}, fmt.Errorf("pod %q: %v events in %v trials, more than one a trial: a gate on that is a %s", c.Pod, raw.Events, raw.Trials, Rate)
		}
		t := Totals{Raw: raw, Weighted: weighted}
		if raw.Trials > 0 {
			t.Alike = raw.Events * (weighted.Trials / raw.Trials)
		}
		a.Totals = a.plus(t)
		squares := c.EventSquares
		if squares == 0 && raw.Events > 0 {
			squares = weighted.Events / raw.Events * weighted.Events
		}
		a.squares += squares
		a.pods = append(a.pods, seqtest.PodCounts{Pod: c.Pod, Counts: raw})
	}
	return a, nil
}

// effectivePods is how many pods with equal traffic would differ as much from the whole as these.
func (a arm) effectivePods() float64 {
	sum, squares := 0.0, 0.0
	for _, p := range a.pods {
		sum += p.Trials
		squares += p.Trials * p.Trials
	}
	return seqtest.EffectiveSize(sum, squares)
}
