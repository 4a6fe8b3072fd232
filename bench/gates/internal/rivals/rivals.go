// Package rivals are the judges that people use today, as their documentation has them, and two yardsticks that know what no
// judge can know.
package rivals

import (
	"math"

	"github.com/slipway-cd/slipway/bench/gates/internal/sim"
)

// Judge sees batches as they become visible and says when it would roll back.
type Judge interface {
	// Observe returns true once the judge rolls the candidate back.
	Observe(sim.Batch) bool
}

// minute collects batches into whole minutes.
type minute struct{ candidate, production sim.Pod }

// add returns true when a minute is full; the caller reads it and resets.
func (m *minute) add(b sim.Batch) bool {
	if b.From < 0 {
		return false
	}
	m.candidate, m.production = m.candidate.Plus(sim.Sum(b.Candidate)), m.production.Plus(sim.Sum(b.Production))
	return int(b.To)%60 == 0
}

// The metrics of the examples: at least 99 % of requests succeed, the 99th percentile of latency is at most 500 ms.
func lowSuccess(p sim.Pod) bool { return p.Requests > 0 && p.Failures/p.Requests > 0.01 }
func highLatency(p sim.Pod) bool {
	return p.Requests > 0 && p.Objective/p.Requests > 0.01
}

// Flagger checks each minute; a check fails if any metric is out of range. The tick after Threshold failed checks rolls back
// (docs.flagger.app, "Canary analysis": analysis.threshold is the maximum number of failed checks before rollback).
type Flagger struct {
	Threshold int
	failed    int
	m         minute
}

// Observe implements [Judge].
func (f *Flagger) Observe(b sim.Batch) bool {
	if !f.m.add(b) {
		return false
	}
	if f.failed >= f.Threshold {
		return true
	}
	if lowSuccess(f.m.candidate) || highLatency(f.m.candidate) {
		f.failed++
	}
	f.m = minute{}
	return false
}

// Argo measures each metric each minute; a metric with more than FailureLimit failed measurements fails the analysis, which
// aborts the rollout (argo-rollouts.readthedocs.io, "Analysis & progressive delivery": failureLimit).
type Argo struct {
	FailureLimit int
	failed       [2]int
	m            minute
}

// Observe implements [Judge].
func (a *Argo) Observe(b sim.Batch) bool {
	if !a.m.add(b) {
		return false
	}
	for i, bad := range [...]bool{lowSuccess(a.m.candidate), highLatency(a.m.candidate)} {
		if bad {
			a.failed[i]++
		}
	}
	a.m = minute{}
	return max(a.failed[0], a.failed[1]) > a.FailureLimit
}

// Kayenta compares the minutes' failure rates of both arms by the Mann–Whitney U test at the end of the analysis, and fails the
// metric if the candidate's are higher at 95 % confidence, two-sided (Netflix Technology Blog, "Automated canary analysis at
// Netflix with Kayenta").
type Kayenta struct {
	Minutes int
	c, s    []float64
	m       minute
}

// Observe implements [Judge].
func (k *Kayenta) Observe(b sim.Batch) bool {
	if !k.m.add(b) {
		return false
	}
	if k.m.candidate.Requests > 0 && k.m.production.Requests > 0 {
		k.c = append(k.c, k.m.candidate.Failures/k.m.candidate.Requests)
		k.s = append(k.s, k.m.production.Failures/k.m.production.Requests)
	}
	k.m = minute{}
	return len(k.c) == k.Minutes && MannWhitneyZ(k.c, k.s) > 1.96
}

// ZTest looks after every batch at the pooled two-proportion test of all data so far, one-sided, of the counts that the records
// stand for. Z is the critical value: 2.326 for 1 %.
type ZTest struct {
	Z    float64
	c, s sim.Pod
}

// Observe implements [Judge].
func (z *ZTest) Observe(b sim.Batch) bool {
	if b.From < 0 {
		return false
	}
	z.c, z.s = z.c.Plus(sim.Sum(b.Candidate)), z.s.Plus(sim.Sum(b.Production))
	each := 1.0
	if b.Sample > 0 {
		each = 1 / b.Sample
	}
	nc, ns := z.c.Requests*each, z.s.Requests*each
	xc, xs := z.c.Failures*each, z.s.Failures*each
	p := (xc + xs) / (nc + ns)
	if nc == 0 || ns == 0 || p == 0 || p == 1 {
		return false
	}
	return (xc/nc-xs/ns)/math.Sqrt(p*(1-p)*(1/nc+1/ns)) > z.Z
}

// Oracle is the likelihood ratio of one who knows both true rates, the true latencies and when the trouble begins: no test with
// the same error is faster.
type Oracle struct {
	Production, Candidate float64 // rates of failure
	Slower                float64 // factor on latency; 0 or 1: none
	Onset                 float64
	Error                 float64
	l                     float64
}

// Observe implements [Judge].
func (o *Oracle) Observe(b sim.Batch) bool {
	if b.From < o.Onset || b.From < 0 {
		return false
	}
	c := sim.Sum(b.Candidate)
	if o.Candidate != o.Production {
		o.l += c.Failures*math.Log(o.Candidate/o.Production) + (c.Requests-c.Failures)*math.Log((1-o.Candidate)/(1-o.Production))
	}
	if o.Slower > 1 {
		shift := math.Log(o.Slower) / sim.SpreadLatency
		o.l += shift*b.LogLatency/sim.SpreadLatency - c.Requests*shift*shift/2
	}
	return o.l >= -math.Log(o.Error)
}

// SPRT knows the effect, the ratio of the failure rates, and when it begins, but not production's rate, which it has to see:
// Wald's test on the candidate's part of all failures.
type SPRT struct {
	Ratio, Onset, Error float64
	l                   float64
}

// Observe implements [Judge].
func (w *SPRT) Observe(b sim.Batch) bool {
	c, s := sim.Sum(b.Candidate), sim.Sum(b.Production)
	if b.From < w.Onset || c.Requests == 0 || s.Requests == 0 {
		return false
	}
	q := 1 + (w.Ratio-1)*c.Requests/(c.Requests+s.Requests)
	w.l += c.Failures*math.Log(w.Ratio/q) - s.Failures*math.Log(q)
	return w.l >= -math.Log(w.Error)
}
