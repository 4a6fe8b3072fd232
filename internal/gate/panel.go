package gate

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/utils/clock"

	"github.com/slipway-cd/slipway/internal/evidence"
)

// Telemetry gives what has newly become known about the slots of a release.
type Telemetry interface {
	// Look asks once, for all gates. After an error the next look loses nothing.
	Look(context.Context) (evidence.Look, error)
}

// Judge weighs the evidence for all gates of a release. It has no clock and does no I/O.
type Judge interface {
	// Observe takes closed batches in time order; a late one may come after younger ones.
	Observe(evidence.Batch)
	// Verdict of a measure on all that was observed. Hold says in the reason what is still wanted.
	Verdict(evidence.Measure) Verdict
}

// Panel asks telemetry once a look for all its gates, and lets the judge decide. What it has observed stays, from step to step.
type Panel struct {
	telemetry Telemetry
	judge     Judge
	candidate string
	interval  time.Duration
	timeout   time.Duration
	clock     clock.PassiveClock

	mu      sync.Mutex
	asked   time.Time
	look    evidence.Look // the last that was answered
	err     error         // of the last one
	failed  map[evidence.Measure]error
	batches int
	seen    map[string]int64 // requests by slot
}

// PanelOptions of a [Panel].
type PanelOptions struct {
	// Candidate is its slot.
	Candidate string
	// Interval is the least time between two looks, Timeout bounds one with all its tries.
	Interval, Timeout time.Duration
	Clock             clock.PassiveClock
}

// NewPanel makes a panel. One judge serves one release.
func NewPanel(t Telemetry, j Judge, o PanelOptions) *Panel {
	return &Panel{telemetry: t, judge: j, candidate: o.Candidate, interval: o.Interval, timeout: o.Timeout, clock: o.Clock, seen: map[string]int64{}}
}

// Gate is the panel's gate for a measure.
func (p *Panel) Gate(name string, m evidence.Measure) Gate { return &panelGate{p, name, m} }

type panelGate struct {
	panel   *Panel
	name    string
	measure evidence.Measure
}

// Look implements [Gate]. Whatever keeps the evidence away is a Hold that says so: an error, no data, data that are late.
func (g *panelGate) Look(ctx context.Context, c Candidate) (Verdict, error) {
	p := g.panel
	p.mu.Lock() // gates that look at once share one look
	defer p.mu.Unlock()
	if p.asked.IsZero() || p.clock.Since(p.asked) >= p.interval {
		p.refresh(ctx)
		if ctx.Err() != nil {
			return Verdict{}, ctx.Err()
		}
	}
	v := p.judge.Verdict(g.measure)
	v.Gate, v.At = g.name, p.clock.Now().UTC()
	v.Evidence = append(v.Evidence, p.facts()...)
	if v.Outcome == Fail {
		return v, nil // evidence does not go bad when no more comes
	}
	if err := p.err; err != nil {
		v.Outcome, v.Reason = Hold, "telemetry could not be read: "+err.Error()
	} else if err := p.failed[g.measure]; err != nil {
		v.Outcome, v.Reason = Hold, "its query was not answered: "+err.Error()
	} else if v.Outcome == Hold {
		v.Reason = p.scarce(v.Reason)
	}
	return v, nil
}

func (p *Panel) refresh(ctx context.Context) {
	limited, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	look, err := p.telemetry.Look(limited)
	p.asked, p.err = p.clock.Now(), err
	if err != nil {
		return
	}
	p.look, p.failed = look, map[evidence.Measure]error{}
	for _, f := range look.Failed {
		p.failed[f.Measure] = f.Err
	}
	for _, b := range look.Batches {
		p.judge.Observe(b)
		p.batches++
		for _, c := range b.Cells {
			if c.Measure == evidence.RequestsFailed {
				p.seen[c.Slot] += c.Trials
			}
		}
	}
}

// scarce says why there is no evidence, where there is none; else what the judge wants.
func (p *Panel) scarce(wanted string) string {
	switch {
	case p.look.Watermark.IsZero():
		return "no telemetry of either slot has arrived yet"
	case p.batches == 0:
		return "no telemetry is complete yet: it arrives " + p.delays() + " late, the watermark is " + stamp(p.look.Watermark)
	case p.seen[p.candidate] == 0:
		return fmt.Sprintf("no request to the candidate (slot %s) up to %s", p.candidate, stamp(p.look.Watermark))
	}
	return wanted
}

// facts are what every verdict of the panel rests on.
func (p *Panel) facts() []Fact {
	if p.look.Query == "" {
		return nil
	}
	facts := []Fact{{"watermark", stamp(p.look.Watermark)}, {"ingestion delay", p.delays()}}
	return append(facts, Fact{"query", p.look.Query})
}

func (p *Panel) delays() string {
	if len(p.look.Delay) == 0 {
		return "unknown"
	}
	var parts []string
	for _, slot := range slices.Sorted(maps.Keys(p.look.Delay)) {
		parts = append(parts, fmt.Sprintf("%s %v", slot, p.look.Delay[slot].Round(100*time.Millisecond)))
	}
	return strings.Join(parts, ", ")
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "not known yet"
	}
	return t.UTC().Format("15:04:05Z")
}
