package seqtest

import "math"

// Stake is a part of the capital that begins to be at risk some time after the start, so that trouble which begins late
// need not first win back what was lost while all was well.
type Stake struct {
	After float64 `json:"after"` // seconds since the start
	Share float64 `json:"share"` // of the capital; all shares sum to 1
}

// Plan is what a process is made of. It is fixed before data arrive.
type Plan struct {
	Mixture Mixture
	// Nulls are ratios that the null hypothesis also allows, because pods differ ([Bias]); empty: none.
	Nulls []float64
	// Stakes in order of time, the first at 0.
	Stakes []Stake
}

// Process is the evidence so far: plain data, which survives a round trip through JSON exactly. The zero value has seen
// nothing. All its methods must be given the same plan.
type Process struct {
	// Runs holds one row for each stake that has begun: the sums of [Evidence.Log] for the plan's ratios, then for its nulls.
	Runs [][]float64 `json:"runs,omitempty"`
}

// Observe takes a batch that begins at the time from, in seconds since the start; stakes that are due by then begin with it.
// Batches come in order of time; within one look their order does not matter.
func (p *Process) Observe(plan Plan, from float64, e Evidence, candidate, production Counts) {
	for len(p.Runs) < len(plan.Stakes) && plan.Stakes[len(p.Runs)].After <= from {
		p.Runs = append(p.Runs, make([]float64, len(plan.Mixture.Ratios)+len(plan.Nulls)))
	}
	for i, r := range plan.Mixture.Ratios {
		p.add(i, e.Log(r, candidate, production))
	}
	for i, r := range plan.Nulls {
		p.add(len(plan.Mixture.Ratios)+i, e.Log(r, candidate, production))
	}
}

func (p *Process) add(i int, x float64) {
	for _, run := range p.Runs {
		run[i] += x
	}
}

// LogE is the logarithm of the evidence against the null. Stakes that have not begun count as they are, like cash.
func (p *Process) LogE(plan Plan) float64 { return p.logE(plan, nil) }

// LogEBeyond is the evidence against a null that also allows the plan's Nulls, with these weights (see [Bias.LogWeights]); the
// first weight is that of ratio 1.
func (p *Process) LogEBeyond(plan Plan, logWeights []float64) float64 {
	return p.logE(plan, logWeights)
}

func (p *Process) logE(plan Plan, nulls []float64) float64 {
	total := make([]float64, len(plan.Stakes))
	terms := make([]float64, max(len(plan.Mixture.Ratios), len(nulls)))
	for k, stake := range plan.Stakes {
		total[k] = math.Log(stake.Share)
		if k >= len(p.Runs) {
			continue
		}
		run, n := p.Runs[k], len(plan.Mixture.Ratios)
		for i := range n {
			terms[i] = plan.Mixture.LogWeights[i] + run[i]
		}
		total[k] += LogSum(terms[:n]...)
		if len(nulls) > 0 {
			terms[0] = nulls[0]
			for j := 1; j < len(nulls); j++ {
				terms[j] = nulls[j] + run[n+j-1]
			}
			total[k] -= LogSum(terms[:len(nulls)]...)
		}
	}
	return LogSum(total...)
}

// Cap throws away what exceeds the limit, which is always allowed, so that the process soon sees when things turn: evidence
// for a good candidate is about now, not about an hour ago.
func (p *Process) Cap(plan Plan, limit float64) {
	excess := p.LogE(plan) - limit
	if excess <= 0 {
		return
	}
	for _, run := range p.Runs {
		for i := range run {
			run[i] -= excess
		}
	}
}
