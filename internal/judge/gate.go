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
	cfg       Config
	unlearned float64
	beta      float64      // its logarithm
	strictly  seqtest.Plan // for Strict and Failing
	passingly seqtest.Plan
	passCap   float64
	spread    struct { // what nulls last gave
		width   float64
		weights []float64
	}

	strict, failing, passing float64 // logarithms of the evidence; passing is +Inf for a gate that has no say
}

// recentFor is over how many seconds production's counts fade to a third.
const recentFor = 600

// passSlack is how much evidence for a pass is kept beyond what it takes, as a logarithm. With less, a good candidate would pass
// on and off; with more, a pass would outlast the candidate's being good.
const passSlack = 2

func newGate(q Gate, cfg Config, s *GateState) *gate {
	g := &gate{GateState: s, cfg: cfg, unlearned: cfg.UnlearnedWidth, beta: math.Log(cfg.Beta), passCap: -math.Log(cfg.Beta) + passSlack}
	g.become(q)
	if o, ok := g.asObjective(); ok && s.ByObjective {
		g.become(o)
	}
	return g
}

// become asks another question.
func (g *gate) become(q Gate) {
	worse := seqtest.Worse(1.15, 2.2, 40, 16)
	if q.Kind == Share {
		worse = seqtest.Worse(1.1, 1.8, 12, 12)
	}
	g.Gate = q
	g.strictly = seqtest.Plan{Mixture: worse, Nulls: seqtest.BiasRatios(worse), Stakes: seqtest.Stakes{First: g.cfg.AtOnce, Half: lateHalf}}
	g.passingly = seqtest.Plan{Mixture: seqtest.Better(0.02, 0.5, 0.93, 14), Stakes: seqtest.Stakes{First: 1}}
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

// arms are what a batch says to a gate: the candidate as it counts for the strict evidence, for failing and for passing.
type arms struct{ candidate, failing, passing, production arm }

func (g *gate) arms(b Batch) (arms, error) {
	var a arms
	var errs [4]error
	m := b.Measures[g.Measure]
	a.candidate, errs[0] = newArm(m.Candidate, g.Kind)
	a.production, errs[1] = newArm(m.Production, g.Kind)
	a.failing, a.passing = a.candidate, a.candidate
	for _, other := range []struct {
		measure string
		arm     *arm
		err     *error
	}{{g.FailMeasure, &a.failing, &errs[2]}, {g.PassMeasure, &a.passing, &errs[3]}} {
		if other.measure == "" {
			continue
		}
		if *other.arm, *other.err = newArm(b.Measures[other.measure].Candidate, g.Kind); *other.err != nil {
			continue
		}
		if want, got := a.candidate.Raw.Trials, other.arm.Raw.Trials; want != got {
			*other.err = fmt.Errorf("measure %q has %v trials of the candidate, %q has %v: both must count the same requests", g.Measure, want, other.measure, got)
		}
	}
	return a, errors.Join(errs[:]...)
}

// observe uses only what was known before the batch to weigh it, and then learns from it.
func (g *gate) observe(t span, a arms) {
	if a.candidate.Raw.Trials > 0 {
		g.weigh(t, a)
	}
	g.Dispersion.Observe(t.at, g.Kind == Share, a.production.pods)
	fade := math.Exp(-t.length / recentFor)
	g.Recent.Trials = g.Recent.Trials*fade + a.production.Raw.Trials
	g.Recent.Events = g.Recent.Events*fade + a.production.Raw.Events
}

func (g *gate) weigh(t span, a arms) {
	g.CandidatePods, g.ProductionPods = a.candidate.effectivePods(), a.production.effectivePods()
	g.Width = g.width()
	g.Candidate, g.Production = g.Candidate.plus(a.candidate.Totals), g.Production.plus(a.production.Totals)
	g.CandidateFactor, g.ProductionFactor = g.factor(t, a.candidate), g.factor(t, a.production)
	s := g.counts(a.production).Over(g.ProductionFactor)
	candidate := func(a arm) seqtest.Counts { return g.counts(a).Over(g.CandidateFactor) }

	none := seqtest.Tolerance{Relative: 1}
	if g.objective() {
		none = g.failTolerance()
	}
	strict := g.strictly.Batch(g.evidence(none), candidate(a.candidate), s)
	g.Strict.Observe(g.strictly, t.since, nil, strict)
	tolerant := strict
	if g.tolerates() {
		tolerant = g.strictly.Batch(g.evidence(g.failTolerance()), candidate(a.failing), s)
	}
	g.Tolerant.Observe(g.strictly, t.since, g.nulls(), tolerant)
	if g.passes() {
		var tolerance seqtest.Tolerance
		if g.Pass != nil {
			tolerance = *g.Pass
		}
		g.Passing.Observe(g.passingly, t.since, nil, g.passingly.Batch(g.evidence(tolerance), candidate(a.passing), s))
		g.Passing.Cap(g.passCap)
	}
	g.sum()
}

// sum keeps the evidence at hand, which takes time to work out.
func (g *gate) sum() {
	g.strict, g.failing = g.CarriedStrict+g.Strict.LogE(nil), g.CarriedTolerant+g.Tolerant.LogE(g.nulls())
	g.passing = math.Inf(1)
	if g.passes() {
		g.passing = g.Passing.LogE(nil)
	}
}

// objective says that production has no part in the question.
func (g *gate) objective() bool { return g.Kind == Rate && g.failTolerance().Relative == 0 }

// noBaseline says that the gate needs production to compare with, and had none.
func (g *gate) noBaseline() bool { return g.Production.Raw.Trials == 0 && !g.objective() }

// tolerates says whether the candidate may be worse than production without failing.
func (g *gate) tolerates() bool {
	if g.Kind == Share {
		return g.FailMeasure != "" && g.FailMeasure != g.Measure
	}
	return !g.objective() && g.failTolerance() != seqtest.Tolerance{Relative: 1}
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
	perSecond := g.guess() * a.Raw.Trials / pods / t.length
	if g.Kind == Share {
		perSecond /= 1 - g.guess()
	}
	return g.Dispersion.Factor(perSecond)
}

// counts are the arm's independent records. Where events are kept but other trials sampled, the trials are those that the
// events came from; where weights differ among events, both are scaled to Kish's size.
func (g *gate) counts(a arm) seqtest.Counts {
	c := a.Raw
	c.Trials *= g.uneven()
	if n := seqtest.EffectiveSize(a.Weighted.Events, a.squares); a.Raw.Events > 0 && n < a.Raw.Events {
		c = c.Over(a.Raw.Events / n)
	}
	return c
}

// uneven is [Totals.uneven] of both arms together: services sample by one policy, and an arm without events yet says nothing of
// it.
func (g *gate) uneven() float64 {
	if g.Kind == Share {
		return 1
	}
	return g.Candidate.plus(g.Production).uneven()
}

// nulls are what pods that differ lastingly allow for.
func (g *gate) nulls() []float64 {
	if g.spread.width != g.Width {
		g.spread.width, g.spread.weights = g.Width, seqtest.BiasWeights(g.strictly.Nulls, g.Width)
	}
	return g.spread.weights
}

// width is how much pods that differ lastingly may set the arms apart.
func (g *gate) width() float64 {
	if g.objective() {
		return 0
	}
	if !g.Dispersion.Learned() {
		return g.unlearned
	}
	w := g.Dispersion.Width(g.CandidatePods, g.ProductionPods)
	if g.Kind == Share {
		w /= 1 - g.guess() // a ratio of odds
	}
	return w
}
