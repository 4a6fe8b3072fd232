package play

import (
	"fmt"
	"math"
	"time"

	"github.com/slipway-cd/slipway/bench/gates/internal/rivals"
	"github.com/slipway-cd/slipway/bench/gates/internal/sim"
	"github.com/slipway-cd/slipway/internal/judge"
	"github.com/slipway-cd/slipway/internal/seqtest"
)

// Config is how this project's judge is set in all rows: failures first, then latency at five quantiles, one of which a pass
// rests on; all else are the defaults.
func Config() judge.Config {
	const failures, latency = 0.8, 0.2
	cfg := judge.Config{Gates: []judge.Gate{{
		Name: "failures", Kind: judge.Rate, Phrase: "fails %s of requests", Measure: "failed", Weight: failures,
		Pass: &seqtest.Tolerance{Relative: 1, Absolute: 0.005},
	}}}
	for i, q := range sim.Quantiles {
		g := judge.Gate{
			Name: fmt.Sprintf("latency.p%g", q*100), Kind: judge.Share, Measure: measure("over", i),
			Weight: latency / float64(len(sim.Quantiles)), Expected: sim.Expected[i],
		}
		if q == 0.95 {
			g.PassMeasure = measure("slower", i)
		}
		cfg.Gates = append(cfg.Gates, g)
	}
	return cfg
}

func measure(kind string, i int) string { return fmt.Sprintf("%s.%g", kind, sim.Quantiles[i]) }

// slipway is this project's judge, the very one that releases use. Several columns look at it.
type slipway struct {
	s    sim.Scenario
	j    *judge.Judge
	from float64 // of the last batch

	counters map[string]func(sim.Pod) float64
	made     judge.Batch // whose memory is used again: the judge keeps nothing of it
}

// epoch is when the candidate first has traffic; any moment would do.
var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

func newSlipway(s sim.Scenario, cfg judge.Config) *slipway {
	j, err := judge.New(cfg)
	if err != nil {
		panic("the benchmark's own configuration: " + err.Error())
	}
	return &slipway{s: s, j: j, from: float64(-s.WarmUp) - 1, counters: counters(cfg), made: judge.Batch{Measures: map[string]judge.Measure{}}}
}

func (o *slipway) observe(b sim.Batch) judge.Decision {
	if b.From > o.from {
		o.from = b.From
		if err := o.j.Observe(o.batch(b)); err != nil {
			panic("the simulator's own batch: " + err.Error())
		}
	}
	return o.j.Decide()
}

// counters are how the simulator's pods count what the gates ask for; measures not asked for cost only time.
func counters(cfg judge.Config) map[string]func(sim.Pod) float64 {
	all := map[string]func(sim.Pod) float64{"failed": func(p sim.Pod) float64 { return p.Failures }}
	for i := range sim.Quantiles {
		all[measure("over", i)] = func(p sim.Pod) float64 { return p.Over[i] }
		all[measure("slower", i)] = func(p sim.Pod) float64 { return p.Slower[i] }
	}
	wanted := map[string]func(sim.Pod) float64{}
	for _, g := range cfg.Gates {
		for _, name := range []string{g.Measure, g.PassMeasure} {
			if name != "" {
				wanted[name] = all[name]
			}
		}
	}
	return wanted
}

func (o *slipway) batch(b sim.Batch) judge.Batch {
	at := func(t float64) time.Time { return epoch.Add(time.Duration(t * float64(time.Second))) }
	out := &o.made
	out.From, out.To = at(b.From), at(b.To)
	for name, events := range o.counters {
		m := out.Measures[name]
		out.Measures[name] = judge.Measure{
			Candidate: cells(m.Candidate, b.Candidate, "c", b.Sample, events), Production: cells(m.Production, b.Production, "s", b.Sample, events),
		}
	}
	return *out
}

var podNames = func() map[string][]string {
	out := map[string][]string{}
	for _, arm := range []string{"c", "s"} {
		for i := range 100 {
			out[arm] = append(out[arm], fmt.Sprintf("%s%02d", arm, i))
		}
	}
	return out
}()

func cells(out []judge.Cell, pods []sim.Pod, arm string, sample float64, events func(sim.Pod) float64) []judge.Cell {
	each := 1.0
	if sample > 0 {
		each = 1 / sample
	}
	out = out[:0]
	names := podNames[arm]
	for i, p := range pods {
		x := events(p)
		out = append(out, judge.Cell{Pod: names[i], Trials: p.Requests, Events: x, WeightedTrials: p.Requests * each, WeightedEvents: x * each})
	}
	return out
}

// Question is what a column asks the judge after each batch.
type Question struct {
	Name string
	Is   func(sim.Scenario, judge.Decision, sim.Batch) bool
}

// The questions.
var (
	// RollsBack is when the judge fails the candidate.
	RollsBack = Question{"Slipway", func(_ sim.Scenario, d judge.Decision, _ sim.Batch) bool { return d.Outcome == judge.Fail }}
	// Stops is when strict evidence stops further weight.
	Stops = Question{"Slipway, strict", func(_ sim.Scenario, d judge.Decision, _ sim.Batch) bool { return d.Suspect }}
	// Promotes is when the judge first passes the candidate.
	Promotes = Question{"promoted", func(_ sim.Scenario, d judge.Decision, _ sim.Batch) bool { return d.Outcome == judge.Pass }}
	// PromotesWrongly is when the judge passes a candidate that is by then worse than the scenario's margin.
	PromotesWrongly = Question{"promoted wrongly", func(s sim.Scenario, d judge.Decision, b sim.Batch) bool {
		return d.Outcome == judge.Pass && s.Worse(b.To)
	}}
)

// Slipway is this project's judge with a column for each question.
func Slipway(cfg judge.Config, questions ...Question) Columns {
	c := Columns{New: func(s sim.Scenario) []rivals.Judge {
		o, views := newSlipway(s, cfg), make([]rivals.Judge, len(questions))
		for i, q := range questions {
			views[i] = view{o, q}
		}
		return views
	}}
	for _, q := range questions {
		c.Names = append(c.Names, q.Name)
	}
	return c
}

type view struct {
	*slipway
	Question
}

// Observe implements [rivals.Judge].
func (v view) Observe(b sim.Batch) bool { return v.Is(v.s, v.slipway.observe(b), b) }

// Alphas are this project's judge at several error rates, which share its evidence.
func Alphas(cfg judge.Config, alphas ...float64) Columns {
	c := Columns{New: func(s sim.Scenario) []rivals.Judge {
		o, views := newSlipway(s, cfg), make([]rivals.Judge, len(alphas))
		for i, alpha := range alphas {
			views[i] = threshold{o, -math.Log(alpha)}
		}
		return views
	}}
	for _, alpha := range alphas {
		c.Names = append(c.Names, fmt.Sprintf("Slipway, alpha %g %%", alpha*100))
	}
	return c
}

type threshold struct {
	*slipway
	logE float64
}

// Observe implements [rivals.Judge].
func (t threshold) Observe(b sim.Batch) bool {
	t.slipway.observe(b)
	return t.j.LogE() >= t.logE
}
