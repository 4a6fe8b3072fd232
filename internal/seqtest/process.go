package seqtest

import "math"

// Stakes say when the capital begins to be at risk. Most trouble is there from the start, so the first part begins at once. The
// rest begins bit by bit, so that trouble which comes later need not first win back what was lost while all was well; half
// of it by the time Half, and never all.
type Stakes struct {
	First float64 // in (0, 1]
	Half  float64 // seconds
}

// begun is the part that has begun some seconds after the start.
func (s Stakes) begun(after float64) float64 {
	if after <= 0 {
		return s.First
	}
	return s.First + (1-s.First)*after/(after+s.Half)
}

// Plan is what a process is made of. It is fixed before data arrive.
type Plan struct {
	Mixture Mixture
	Stakes  Stakes
	// Nulls are ratios that the null hypothesis also allows, because pods differ ([BiasRatios]); may be empty.
	Nulls []float64
}

// Batch is how a batch speaks for each ratio of a plan, and then for each of its nulls. Processes of one plan share it.
type Batch []float64

// Batch asks the evidence about each effect size.
func (p Plan) Batch(e Evidence, candidate, production Counts) Batch {
	b := make(Batch, 0, len(p.Mixture.Ratios)+len(p.Nulls))
	return e.AppendLogs(e.AppendLogs(b, p.Mixture.Ratios, candidate, production), p.Nulls, candidate, production)
}

// Process is the evidence so far: plain data, which survives a round trip through JSON exactly. The zero value has seen
// nothing. All its methods must be given the same plan.
//
// It is the likelihood of "fine until some moment, then worse by some ratio", averaged over moments by the stakes and over
// ratios by the mixture, divided by the likelihood of "fine all along". Fine means ratio 1 or, with weights on the plan's
// nulls, a ratio drawn from those and then kept.
type Process struct {
	// Begun is the part of the stakes that is at risk.
	Begun float64 `json:"begun"`
	// Worse is, for each ratio, ln of the stake and what became of it; Fine, for each null, the sum of [Evidence.Log].
	Worse []float64 `json:"worse,omitempty"`
	Fine  []float64 `json:"fine,omitempty"`
}

// Observe takes a batch that begins at the time from, in seconds since the start. nulls are the logarithms of the weights of
// ratio 1 and of the plan's nulls, as they are known before the batch ([BiasWeights]); nil: ratio 1 alone.
func (p *Process) Observe(plan Plan, from float64, nulls []float64, b Batch) {
	n := len(plan.Mixture.Ratios)
	if p.Worse == nil {
		p.Worse, p.Fine = make([]float64, n), make([]float64, len(plan.Nulls))
		for i := range p.Worse {
			p.Worse[i] = math.Inf(-1)
		}
	}
	if begun := plan.Stakes.begun(from); begun > p.Begun {
		stake := math.Log(begun-p.Begun) + p.fine(nulls)
		for i, w := range plan.Mixture.LogWeights {
			p.Worse[i] = logAdd(p.Worse[i], stake+w)
		}
		p.Begun = begun
	}
	for i := range p.Worse {
		p.Worse[i] += b[i]
	}
	for i := range p.Fine {
		p.Fine[i] += b[n+i]
	}
}

// LogE is the logarithm of the evidence against the null. Stakes that have not begun count as they are, like cash. nulls are as
// for Observe.
func (p *Process) LogE(nulls []float64) float64 {
	fine := p.fine(nulls)
	worse := LogSum(p.Worse) - fine
	if p.Begun < 1 {
		worse = logAdd(worse, math.Log1p(-p.Begun))
	}
	return worse
}

// fine is the logarithm of the likelihood of the null, beside that of ratio 1.
func (p *Process) fine(nulls []float64) float64 {
	if len(nulls) == 0 {
		return 0
	}
	l := nulls[0]
	for i, x := range p.Fine {
		l = logAdd(l, nulls[1+i]+x)
	}
	return l
}

// Cap throws away what exceeds the limit, which is always allowed, so that the process soon sees when things turn: evidence
// for a good candidate is about now, not about an hour ago. It is for processes without nulls whose stakes all begin at once.
func (p *Process) Cap(limit float64) {
	excess := p.LogE(nil) - limit
	if excess <= 0 {
		return
	}
	for i := range p.Worse {
		p.Worse[i] -= excess
	}
}
