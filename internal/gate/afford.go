package gate

import (
	"math"
	"slices"
	"time"
)

// Afford is the largest weight of the candidate, in percent, at which no more than budget of the users' requests would fail before
// it could be seen, were the candidate as bad as the evidence of the named gates still leaves open: the upper end of the interval
// in which the difference of the rates lies, with 95 % confidence at all times. Requests that have failed already, beyond what
// production would have failed, come off the budget. It is 0 while nothing is known, and can exceed 100.
//
// A failure can be seen after the time that telemetry takes and the time between two looks, of the quicker source. What the evidence
// against a bad candidate costs in itself does not depend on the weight, and is not in the budget.
func (p *Panel) Afford(budget float64, gates []string) int {
	v, blind := p.Verdict(), p.blind()
	seconds := v.Until.Sub(v.Since).Seconds()
	if blind == 0 || seconds <= 0 {
		return 0
	}
	weight := math.Inf(1)
	for _, e := range v.Gates {
		if !slices.Contains(gates, e.Gate) {
			continue
		}
		c, s := e.Candidate.Weighted, e.Production.Weighted
		if c.Trials == 0 || s.Trials == 0 {
			return 0
		}
		left := budget - max(0, c.Events-c.Trials*s.Events/s.Trials)
		perSecond := (c.Trials + s.Trials) / seconds
		atStake := perSecond * blind.Seconds() * max(e.Interval.High, 1e-6)
		weight = min(weight, 100*left/atStake)
	}
	if math.IsInf(weight, 1) || weight < 0 {
		return 0
	}
	return int(min(weight, 1e6))
}

// blind is how long the quicker source takes to show what happens, 0 while no source has shown anything.
func (p *Panel) blind() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.quickest
}
