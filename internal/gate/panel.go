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

// Panel asks each source of telemetry once a look for all its gates, and lets the judge decide over the release as a whole:
// over all gates and all sources together. What it has observed stays, from step to step.
type Panel struct {
	slots PanelSlots
	clock clock.PassiveClock

	mu    sync.Mutex // held for no longer than the judge thinks
	judge *judge.Judge
	told  *judge.Verdict // of all that it has observed; nil: not asked for yet
	// quickest is the time between two looks and the delay of the quickest source that has brought something.
	quickest time.Duration
}

// PanelSlots are the arms of the comparison; Production is "" where there is none.
type PanelSlots struct{ Candidate, Production string }

// NewPanel makes a panel. One judge serves one release.
func NewPanel(j *judge.Judge, slots PanelSlots, c clock.PassiveClock) *Panel {
	return &Panel{judge: j, slots: slots, clock: c}
}

// PanelSource is telemetry that a panel asks.
type PanelSource struct {
	telemetry Telemetry
	interval  time.Duration
	timeout   time.Duration
	panel     *Panel

	mu      sync.Mutex // held while the source is asked: one that is slow holds up no other
	asked   time.Time
	look    evidence.Look // the last that was answered
	err     error         // of the last one
	failed  map[evidence.Measure]error
	batches int
	seen    int64 // trials of the candidate
}

// Source adds telemetry. The interval is the least time between two looks at it, the timeout bounds one with all its tries.
func (p *Panel) Source(t Telemetry, interval, timeout time.Duration) *PanelSource {
	return &PanelSource{telemetry: t, interval: interval, timeout: timeout, panel: p}
}

// Gate is the panel's gate for a measure that the source counts.
func (s *PanelSource) Gate(name string, m evidence.Measure) Gate { return &panelGate{s, name, m} }

// Verdict is what the judge says of the release as a whole, on what the gates have been told.
func (p *Panel) Verdict() judge.Verdict {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.told == nil {
		v := p.judge.Verdict()
		p.told = &v
	}
	return *p.told
}

type panelGate struct {
	source  *PanelSource
	name    string
	measure evidence.Measure
}

// Look implements [Gate]. Whatever keeps the evidence away is a Hold that says so: an error, no data, data that are late.
func (g *panelGate) Look(ctx context.Context, c Candidate) (Verdict, error) {
	s, p := g.source, g.source.panel
	s.mu.Lock() // gates that look at once share one look
	defer s.mu.Unlock()
	if s.asked.IsZero() || p.clock.Since(s.asked) >= s.interval {
		s.refresh(ctx)
		if ctx.Err() != nil {
			return Verdict{}, ctx.Err()
		}
	}
	v := g.weigh(p.Verdict())
	v.At = p.clock.Now().UTC()
	if v.Outcome == Fail {
		return v, nil // evidence does not go bad when no more comes
	}
	if err := s.err; err != nil {
		v.Outcome, v.Reason = Hold, "telemetry could not be read: "+err.Error()
	} else if err := s.failed[g.measure]; err != nil {
		v.Outcome, v.Reason = Hold, "its query was not answered: "+err.Error()
	} else if v.Outcome == Hold {
		v.Reason = s.scarce(v.Reason)
	}
	return v, nil
}

func (s *PanelSource) refresh(ctx context.Context) {
	limited, cancel := context.WithTimeout(ctx, s.timeout)
	defer cancel()
	look, err := s.telemetry.Look(limited)
	s.asked, s.err = s.panel.clock.Now(), err
	if err != nil {
		return
	}
	s.look, s.failed = look, map[evidence.Measure]error{}
	for _, f := range look.Failed {
		s.failed[f.Measure] = f.Err
	}
	for _, b := range look.Batches {
		if err := s.panel.observe(b); err != nil {
			s.err = fmt.Errorf("a batch that makes no sense was left out: %w", err)
			continue
		}
		s.batches++
		s.panel.shows(look.At.Sub(look.Watermark) + s.interval)
		for _, c := range b.Cells {
			if c.Slot == s.panel.slots.Candidate {
				s.seen += c.Trials
			}
		}
	}
}

// shows notes how long a source takes to show what happens.
func (p *Panel) shows(after time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.quickest == 0 || after < p.quickest {
		p.quickest = after
	}
}

func (p *Panel) observe(b evidence.Batch) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.told = nil
	return p.judge.Observe(p.slots.batch(b))
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
	v.Evidence = append(g.source.panel.counts(own), g.source.facts()...)
	lacking := all.Rule == judge.TooFewData || all.Rule == judge.NoBaseline // of some gate, which need not be this one
	switch {
	case all.Outcome == judge.Fail && all.Gate == g.name:
		v.Outcome = Fail
	case all.Outcome == judge.Fail:
		v.Reason = own.Sentence
	case all.Outcome == judge.Pass, lacking && own.LogEPass != nil && *own.LogEPass >= all.LogPass:
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
func (s *PanelSource) scarce(wanted string) string {
	switch {
	case s.look.Watermark.IsZero():
		return "no telemetry of either slot has arrived yet"
	case s.batches == 0 && len(s.look.Delay) == 0:
		return "nothing has been counted yet"
	case s.batches == 0:
		return "no telemetry is complete yet: it arrives " + s.delays() + " late, the watermark is " + stamp(s.look.Watermark)
	case s.seen == 0:
		return fmt.Sprintf("no request to the candidate (slot %s) up to %s", s.panel.slots.Candidate, stamp(s.look.Watermark))
	}
	return wanted
}

// facts are what every verdict on the source rests on.
func (s *PanelSource) facts() []Fact {
	if s.look.Query == "" {
		return nil
	}
	facts := []Fact{{"watermark", stamp(s.look.Watermark)}}
	if len(s.look.Delay) > 0 {
		facts = append(facts, Fact{"ingestion delay", s.delays()})
	}
	tables := slices.Compact(slices.Sorted(slices.Values(appTable.FindAllString(s.look.Query, -1))))
	if len(tables) > 0 {
		facts = append(facts, Fact{"asked", strings.Join(tables, ", ") + " (slipway gate explain shows the query)"})
	}
	return append(facts, Fact{"query", s.look.Query})
}

// A table stands at the end of its line in the query of a look; a column never does.
var appTable = regexp.MustCompile(`(?m)\bApp[A-Z]\w+$`)

func (s *PanelSource) delays() string {
	if len(s.look.Delay) == 0 {
		return "unknown"
	}
	var parts []string
	for _, slot := range slices.Sorted(maps.Keys(s.look.Delay)) {
		parts = append(parts, fmt.Sprintf("%s %v", slot, s.look.Delay[slot].Round(100*time.Millisecond)))
	}
	return strings.Join(parts, ", ")
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "not known yet"
	}
	return t.UTC().Format("15:04:05Z")
}
