package gate

import (
	"context"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"k8s.io/utils/clock"

	"github.com/slipway-cd/slipway/internal/evidence"
	"github.com/slipway-cd/slipway/internal/judge"
)

// Telemetry gives what has newly become known about the slots of a release.
type Telemetry interface {
	// Look asks once, for all gates. After an error the next look loses nothing.
	Look(context.Context) (evidence.Look, error)
}

// Panel asks telemetry once a look for all its gates, and lets the judge decide over the release as a whole. What it has
// observed stays, from step to step.
type Panel struct {
	telemetry Telemetry
	judge     *judge.Judge
	slots     PanelSlots
	interval  time.Duration
	timeout   time.Duration
	clock     clock.PassiveClock

	mu      sync.Mutex
	asked   time.Time
	look    evidence.Look // the last that was answered
	err     error         // of the last one
	failed  map[evidence.Measure]error
	batches int
	seen    int64          // requests to the candidate
	told    *judge.Verdict // on all of that; nil: not asked for yet
}

// PanelSlots are the arms of the comparison; Production is "" where there is none.
type PanelSlots struct{ Candidate, Production string }

// PanelOptions of a [Panel].
type PanelOptions struct {
	Slots PanelSlots
	// Interval is the least time between two looks, Timeout bounds one with all its tries.
	Interval, Timeout time.Duration
	Clock             clock.PassiveClock
}

// NewPanel makes a panel. One judge serves one release.
func NewPanel(t Telemetry, j *judge.Judge, o PanelOptions) *Panel {
	return &Panel{telemetry: t, judge: j, slots: o.Slots, interval: o.Interval, timeout: o.Timeout, clock: o.Clock}
}

// Gate is the panel's gate for a measure.
func (p *Panel) Gate(name string, m evidence.Measure) Gate { return &panelGate{p, name, m} }

// Verdict is what the judge says of the release as a whole, on what the gates have been told.
func (p *Panel) Verdict() judge.Verdict {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.verdict()
}

func (p *Panel) verdict() judge.Verdict {
	if p.told == nil {
		v := p.judge.Verdict()
		p.told = &v
	}
	return *p.told
}

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
	v := g.weigh(p.verdict())
	v.At = p.clock.Now().UTC()
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
	p.look, p.failed, p.told = look, map[evidence.Measure]error{}, nil
	for _, f := range look.Failed {
		p.failed[f.Measure] = f.Err
	}
	for _, b := range look.Batches {
		if err := p.judge.Observe(p.slots.batch(b)); err != nil {
			p.err = fmt.Errorf("a batch that makes no sense was left out: %w", err)
			continue
		}
		p.batches++
		p.seen += b.Sum(evidence.RequestsFailed, p.slots.Candidate).Trials
	}
}

// batch is a batch as the judge takes it: slots become arms.
func (s PanelSlots) batch(b evidence.Batch) judge.Batch {
	out := judge.Batch{From: b.From, To: b.To, Measures: map[string]judge.Measure{}}
	for _, c := range b.Cells {
		m := out.Measures[string(c.Measure)]
		cell := judge.Cell{Pod: c.Pod, Trials: float64(c.Trials), Events: float64(c.Events), WeightedTrials: c.TrialItems, WeightedEvents: c.EventItems}
		switch c.Slot {
		case s.Candidate:
			m.Candidate = append(m.Candidate, cell)
		case s.Production:
			m.Production = append(m.Production, cell)
		}
		out.Measures[string(c.Measure)] = m
	}
	return out
}

// weigh is what the judge's verdict on the release means for one gate. A release fails by all its evidence together; the gate
// that speaks loudest says so.
func (g *panelGate) weigh(all judge.Verdict) Verdict {
	v := Verdict{Gate: g.name, Outcome: Hold, Reason: all.Reason}
	i := slices.IndexFunc(all.Gates, func(e judge.Evidence) bool { return e.Gate == g.name })
	if i < 0 {
		v.Reason = "there is neither traffic of production to compare with nor an objective"
		return v
	}
	own := all.Gates[i]
	v.Evidence = append(g.panel.counts(own), g.panel.facts()...)
	switch {
	case all.Outcome == judge.Fail && all.Gate == g.name:
		v.Outcome = Fail
	case all.Outcome == judge.Fail:
		v.Reason = own.Sentence
	case all.Outcome == judge.Pass, all.Rule == judge.TooFewData && own.LogEPass != nil && *own.LogEPass >= all.LogPass:
		v.Outcome, v.Reason = Pass, own.Sentence
	case all.Rule == judge.TooFewData:
		v.Reason = own.Sentence + "; too few data to tell"
	}
	return v
}

// counts are a gate's evidence as facts, by slot.
func (p *Panel) counts(e judge.Evidence) []Fact {
	facts := []Fact{{"slot " + p.slots.Candidate + " (candidate)", total(e.Candidate)}}
	if p.slots.Production != "" {
		facts = append(facts, Fact{"slot " + p.slots.Production + " (production)", total(e.Production)})
	}
	return facts
}

func total(t judge.Totals) string {
	s := fmt.Sprintf("%.0f of %.0f", t.Weighted.Events, t.Weighted.Trials)
	if t.Raw != t.Weighted {
		s += fmt.Sprintf(" (%.0f of %.0f records)", t.Raw.Events, t.Raw.Trials)
	}
	return s
}

// scarce says why there is no evidence, where there is none; else what the judge wants.
func (p *Panel) scarce(wanted string) string {
	switch {
	case p.look.Watermark.IsZero():
		return "no telemetry of either slot has arrived yet"
	case p.batches == 0:
		return "no telemetry is complete yet: it arrives " + p.delays() + " late, the watermark is " + stamp(p.look.Watermark)
	case p.seen == 0:
		return fmt.Sprintf("no request to the candidate (slot %s) up to %s", p.slots.Candidate, stamp(p.look.Watermark))
	}
	return wanted
}

// facts are what every verdict of the panel rests on.
func (p *Panel) facts() []Fact {
	if p.look.Query == "" {
		return nil
	}
	tables := slices.Compact(slices.Sorted(slices.Values(appTable.FindAllString(p.look.Query, -1))))
	return []Fact{
		{"watermark", stamp(p.look.Watermark)}, {"ingestion delay", p.delays()},
		{"asked", strings.Join(tables, ", ") + " (slipway gate explain shows the query)"}, {"query", p.look.Query},
	}
}

// A table stands at the end of its line in the query of a look; a column never does.
var appTable = regexp.MustCompile(`(?m)\bApp[A-Z]\w+$`)

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
