package seqtest

import "math"

// Evidence is how one batch speaks for one effect size.
type Evidence interface {
	// Log is the logarithm of the batch's e-value for the alternative that the candidate's rate is ratio times what the null
	// allows. For ratio > 1 its mean is at most 1 (before the logarithm) when the candidate is within the null, for
	// ratio < 1 when it is at or beyond it. Log is additive over trials and events: splitting a batch with the same split of
	// traffic changes nothing. It is finite for counts that pass [Counts.Check].
	Log(ratio float64, candidate, production Counts) float64
}

// Tolerance is how much worse than production's rate p the candidate's rate may be: Relative·p + Absolute.
type Tolerance struct {
	// Relative is a factor, 0 or more. With 0 production does not matter: Absolute is an objective.
	Relative float64 `json:"relative"`
	// Absolute is added to the rate: 0.005 is half a percentage point.
	Absolute float64 `json:"absolute"`
}

// Limit is the worst rate that the tolerance allows beside this rate of production.
func (t Tolerance) Limit(production float64) float64 { return t.Relative*production + t.Absolute }

// Rates is evidence about events per trial, with the null at the tolerance. The alternative multiplies Relative·p by the
// ratio and Absolute with it.
type Rates struct {
	Tolerance
}

// Log implements [Evidence]. A batch without candidate trials, or without production where it matters, says nothing: 0.
func (e Rates) Log(ratio float64, c, s Counts) float64 {
	if c.Trials <= 0 || s.Trials <= 0 && e.Relative > 0 {
		return 0
	}
	share := 0.0 // of the events that would be the candidate's on the null's edge, were Absolute 0
	if e.Relative > 0 {
		share = e.Relative * c.Trials / (e.Relative*c.Trials + s.Trials)
	}
	more := ratio - 1
	q := 1 + more*share
	lnQ := math.Log1p(more * share)
	l := c.Events * (math.Log(ratio) - lnQ)
	if share > 0 {
		l -= s.Events * lnQ
	}
	if e.Absolute > 0 {
		l -= e.Absolute * c.Trials * more * (1 - share) / q
	}
	return l
}

// Shares is evidence about the share of trials with an event, with the null at equal shares in both arms. The ratio is one
// of odds. Tolerance is a matter of what is counted: the candidate's requests slower than 1.2·τ against production's slower
// than τ.
type Shares struct {
	// Guess is the share expected in production. It must not depend on the batch; a wrong guess costs power, never validity.
	Guess float64
}

// The guess is kept within these bounds, so that every outcome has a finite logarithm.
const leastGuess, mostGuess = 1e-6, 1 - 1e-6

// Log implements [Evidence]. A batch in which an arm has no trials says nothing: 0.
func (e Shares) Log(ratio float64, c, s Counts) float64 {
	if c.Trials <= 0 || s.Trials <= 0 {
		return 0
	}
	ts := min(max(e.Guess, leastGuess), mostGuess)
	tc := ratio * ts / (1 + (ratio-1)*ts)
	w := c.Trials / (c.Trials + s.Trials)
	t0 := ts + w*(tc-ts)
	l0, m0 := math.Log(t0), math.Log1p(-t0)
	return c.Events*(math.Log(tc)-l0) + (c.Trials-c.Events)*(math.Log1p(-tc)-m0) +
		s.Events*(math.Log(ts)-l0) + (s.Trials-s.Events)*(math.Log1p(-ts)-m0)
}
