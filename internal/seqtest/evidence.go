package seqtest

import "math"

// Evidence is how one batch speaks for one effect size.
type Evidence interface {
	// Log is the logarithm of the batch's e-value for the alternative that the candidate's rate is ratio times what the null
	// allows. For ratio > 1 its mean is at most 1 (before the logarithm) when the candidate is within the null, for
	// ratio < 1 when it is at or beyond it. Log is additive over trials and events: splitting a batch with the same split of
	// traffic changes nothing. It is finite for counts that pass [Counts.Check].
	Log(ratio float64, candidate, production Counts) float64
	// AppendLogs appends Log of each ratio; what they have in common is worked out once.
	AppendLogs(to, ratios []float64, candidate, production Counts) []float64
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
	return e.AppendLogs(make([]float64, 0, 1), []float64{ratio}, c, s)[0]
}

// AppendLogs implements [Evidence].
func (e Rates) AppendLogs(to, ratios []float64, c, s Counts) []float64 {
	if c.Trials <= 0 || s.Trials <= 0 && e.Relative > 0 {
		return nothing(to, ratios)
	}
	share := 0.0 // of the events that would be the candidate's on the null's edge, were Absolute 0
	if e.Relative > 0 {
		share = e.Relative * c.Trials / (e.Relative*c.Trials + s.Trials)
	}
	all, allowed := c.Events, e.Absolute*c.Trials*(1-share)
	if share > 0 {
		all += s.Events
	}
	for _, ratio := range ratios {
		more := (ratio - 1) * share
		l := -allowed * (ratio - 1) / (1 + more)
		if c.Events > 0 {
			l += c.Events * math.Log(ratio)
		}
		if all > 0 {
			l -= all * log1p(more)
		}
		to = append(to, l)
	}
	return to
}

// nothing is what a batch says that says nothing.
func nothing(to, ratios []float64) []float64 {
	return append(to, make([]float64, len(ratios))...)
}

// log1p is math.Log1p, which takes three times as long as math.Log, where that would lose digits.
func log1p(x float64) float64 {
	if x > 0.01 || x < -0.01 {
		return math.Log(1 + x)
	}
	return math.Log1p(x)
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
	return e.AppendLogs(make([]float64, 0, 1), []float64{ratio}, c, s)[0]
}

// AppendLogs implements [Evidence].
func (e Shares) AppendLogs(to, ratios []float64, c, s Counts) []float64 {
	if c.Trials <= 0 || s.Trials <= 0 {
		return nothing(to, ratios)
	}
	ts := min(max(e.Guess, leastGuess), mostGuess)
	ls, ms := math.Log(ts), log1p(-ts)
	w := c.Trials / (c.Trials + s.Trials)
	for _, ratio := range ratios {
		d := 1 + (ratio-1)*ts
		ld := log1p((ratio - 1) * ts)
		t0 := ts * (1 + w*(ratio/d-1))
		l0, m0 := math.Log(t0), log1p(-t0)
		to = append(to, c.Events*(math.Log(ratio)+ls-ld-l0)+(c.Trials-c.Events)*(ms-ld-m0)+s.Events*(ls-l0)+(s.Trials-s.Events)*(ms-m0))
	}
	return to
}
