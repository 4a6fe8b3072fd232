package judge

import "github.com/slipway-cd/slipway/internal/seqtest"

// patience is how many batches with traffic of the candidate and none of production are waited for a comparison.
const patience = 6

// Waiting is a batch of the candidate's that production had nothing to compare with.
type Waiting struct {
	At        float64 `json:"at"`     // its start, in seconds on the clock
	Since     float64 `json:"since"`  // the same since the candidate's first traffic
	Length    float64 `json:"length"` // seconds
	Candidate []Cell  `json:"candidate"`
}

// await turns a gate to its objective where production is idle, or has been switched off: when it had no traffic in the last
// batches and the comparison has not come to a pass before. A gate that has turned does not turn back.
//
// When to turn is known before the batches that are judged next, and the evidence so far stays a factor of all that follows, so
// the chance of a false alarm stays within alpha. What speaks for a pass begins anew: it is another question.
func (g *gate) await(t span, a arms, b Batch) {
	objective, ok := g.asObjective()
	switch {
	case !ok || g.ByObjective || a.candidate.Raw.Trials == 0:
		return
	case a.production.Raw.Trials > 0 || g.passing >= -g.beta:
		g.Waiting = nil
		return
	}
	if g.Waiting = append(g.Waiting, Waiting{t.at, t.since, t.length, b.Measures[objective.Measure].Candidate}); len(g.Waiting) < patience {
		return
	}
	batches := g.Waiting
	g.Waiting, g.ByObjective = nil, true
	g.CarriedStrict, g.CarriedTolerant = g.strict, g.failing
	g.Strict, g.Tolerant, g.Passing = seqtest.Process{}, seqtest.Process{}, seqtest.Process{}
	g.Candidate, g.Production = Totals{}, Totals{}
	g.become(objective)
	for _, w := range batches {
		if c, err := newArm(w.Candidate, g.Kind); err == nil && c.Raw.Trials > 0 { // it was checked when it was observed
			g.weigh(span{w.At, w.Since, w.Length}, arms{candidate: c, failing: c, passing: c})
		}
	}
	g.sum()
}

// asObjective is the question without production, if there is one.
func (g *gate) asObjective() (Gate, bool) {
	o := Gate{Name: g.Name, Kind: Rate, Phrase: g.Phrase, Measure: g.Measure, Weight: g.Weight}
	limit := g.Objective
	if g.Kind == Share {
		limit = g.Expected
		if g.PassMeasure != "" {
			o.Measure = g.PassMeasure
		}
	}
	o.Fail = &seqtest.Tolerance{Absolute: limit}
	if g.Pass != nil || g.PassMeasure != "" {
		o.Pass = o.Fail
	}
	return o, limit > 0 && !g.objective()
}
