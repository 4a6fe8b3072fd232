package judge

import (
	"errors"
	"fmt"
	"math"

	"github.com/slipway-cd/slipway/internal/seqtest"
)

// gate is a question with its evidence so far.
type gate struct {
	Gate
	*GateState
	unlearned float64
	strictly  seqtest.Plan // for Strict and Failing
	passingly seqtest.Plan
	passCap   float64
}

// recentFor is over how many seconds production's counts fade to a third.
const recentFor = 600

// passSlack is how much evidence for a pass is kept beyond what it takes, as a logarithm. With less, a good candidate would pass
// on and off; with more, a pass would outlast the candidate's being good.
const passSlack = 4

func newGate(g Gate, cfg Config, s *GateState) *gate {
	worse := seqtest.Worse(1.15, 2.2, 40, 16)
	if g.Kind == Share {
		worse = seqtest.Worse(1.1, 1.8, 12, 12)
	}
	return &gate{
		Gate: g, GateState: s, unlearned: cfg.UnlearnedWidth,
		strictly:  seqtest.Plan{Mixture: worse, Nulls: seqtest.BiasRatios(), Stakes: seqtest.Stakes{First: cfg.AtOnce, Half: lateHalf}},
		passingly: seqtest.Plan{Mixture: seqtest.Better(0.02, 0.93, 14), Stakes: seqtest.Stakes{First: 1}},
		passCap:   -math.Log(cfg.Beta) + passSlack,
	}
}

// lateHalf is the time, in seconds, by which half of what is staked on late trouble has begun.
const lateHalf = 1200

// checkState refuses a state that another configuration left.
func (g *gate) checkState() error {
	check := func(p seqtest.Process, plan seqtest.Plan) error {
		ratios, nulls := len(plan.Mixture.Ratios), len(plan.Nulls)
		if p.Worse != nil && (len(p.Worse) != ratios || len(p.Fine) != nulls) {
			return fmt.Errorf("it has %d and %d effect sizes, this program %d and %d: continue with the program and configuration that it began with",
				len(p.Worse), len(p.Fine), ratios, nulls)
		}
		return nil
	}
	return errors.Join(check(g.Strict, g.strictly), check(g.Passing, g.passingly), check(g.Tolerant, g.strictly))
}

// span is a batch's time, in seconds: on the clock, since the candidate's first traffic, and how long.
type span struct{ at, since, length float64 }

// observe uses only what was known before the batch to weigh it, and then learns from it.
func (g *gate) observe(t span, candidate, failing, passing, production arm) {
	if candidate.raw.Trials > 0 {
		g.Candidate.add(candidate)
		g.Production.add(production)
		g.CandidatePods, g.ProductionPods = candidate.effectivePods(), production.effectivePods()
		g.CandidateFactor = g.factor(t, candidate)
		g.ProductionFactor = g.factor(t, production)
		s := g.counts(production, g.Production).Over(g.ProductionFactor)
		c := g.counts(candidate, g.Candidate).Over(g.CandidateFactor)
		nulls := seqtest.BiasWeights(g.strictly.Nulls, g.width())
		strict := g.strictly.Batch(g.evidence(seqtest.Tolerance{Relative: 1}), c, s)
		g.Strict.Observe(g.strictly, t.since, nil, strict)
		tolerant := strict
		if g.tolerates() {
			f := g.counts(failing, g.Candidate).Over(g.CandidateFactor)
			tolerant = g.strictly.Batch(g.evidence(g.failTolerance()), f, s)
		}
		g.Tolerant.Observe(g.strictly, t.since, nulls, tolerant)
		if g.passes() {
			var tolerance seqtest.Tolerance
			if g.Pass != nil {
				tolerance = *g.Pass
			}
			p := g.counts(passing, g.Candidate).Over(g.CandidateFactor)
			g.Passing.Observe(g.passingly, t.since, nil, g.passingly.Batch(g.evidence(tolerance), p, s))
			g.Passing.Cap(g.passCap)
		}
	}
	g.Dispersion.Observe(t.at, g.Kind == Share, production.pods)
	fade := math.Exp(-t.length / recentFor)
	g.Recent.Trials = g.Recent.Trials*fade + production.raw.Trials
	g.Recent.Events = g.Recent.Events*fade + production.raw.Events
}

// tolerates says whether the candidate may be worse without failing.
func (g *gate) tolerates() bool {
	return g.failTolerance() != seqtest.Tolerance{Relative: 1} || g.FailMeasure != "" && g.FailMeasure != g.Measure
}

// passes says whether the gate has a say in a pass.
func (g *gate) passes() bool { return g.Pass != nil || g.PassMeasure != "" }

func (g *gate) evidence(t seqtest.Tolerance) seqtest.Evidence {
	if g.Kind == Share {
		return seqtest.Shares{Guess: g.guess()}
	}
	return seqtest.Rates{Tolerance: t}
}

// guess is the rate expected of production: for a Share before any data, what the gate says.
func (g *gate) guess() float64 {
	const prior = 10 // trials
	return (g.Recent.Events + prior*g.Expected) / (g.Recent.Trials + prior)
}

// factor is by how much an arm's counts are to be divided because its pods differ for a while.
func (g *gate) factor(t span, a arm) float64 {
	pods := a.effectivePods()
	if pods == 0 {
		return 1
	}
	perSecond := g.guess() * a.raw.Trials / pods / t.length
	if g.Kind == Share {
		perSecond /= 1 - g.guess()
	}
	return g.Dispersion.Factor(perSecond)
}

// counts are the arm's independent records. Where events and all trials are sampled differently, the trials are those that the
// events were sampled from; where weights differ among events, both are scaled to Kish's size.
func (g *gate) counts(a arm, so Totals) seqtest.Counts {
	c := a.raw
	if so.Raw.Events > 0 && a.raw.Trials > 0 {
		c.Trials = a.weighted.Trials * so.Raw.Events / so.Weighted.Events
	}
	if n := seqtest.EffectiveSize(a.weighted.Events, a.squares); a.raw.Events > 0 && n < a.raw.Events {
		c = c.Over(a.raw.Events / n)
	}
	return c
}

func (t *Totals) add(a arm) {
	t.Raw = t.Raw.Plus(a.raw)
	t.Weighted = t.Weighted.Plus(a.weighted)
}

// width is how much pods that differ lastingly may set the arms apart.
func (g *gate) width() float64 {
	if !g.Dispersion.Learned() {
		return g.unlearned
	}
	return g.Dispersion.Width(g.CandidatePods, g.ProductionPods)
}

func (g *gate) strict() float64 { return g.Strict.LogE(nil) }

// passing is +Inf for a gate that has no say.
func (g *gate) passing() float64 {
	if !g.passes() {
		return math.Inf(1)
	}
	return g.Passing.LogE(nil)
}

func (g *gate) failing() float64 {
	return g.Tolerant.LogE(seqtest.BiasWeights(g.strictly.Nulls, g.width()))
}
