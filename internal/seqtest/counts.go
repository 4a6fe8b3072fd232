package seqtest

import "fmt"

// Counts are what one arm did in one closed batch: raw records, not weighted ones. They need not be whole numbers, because a
// correction for dependence divides them.
type Counts struct {
	Trials float64 `json:"trials"` // requests, calls
	Events float64 `json:"events"` // those that failed, were slow, …
}

// Plus adds up two arms, or two batches.
func (c Counts) Plus(d Counts) Counts {
	return Counts{Trials: c.Trials + d.Trials, Events: c.Events + d.Events}
}

// Over divides both counts by a factor, 1 or more: the size of an independent sample that says as much.
func (c Counts) Over(factor float64) Counts {
	return Counts{Trials: c.Trials / factor, Events: c.Events / factor}
}

// Rate is events per trial; 0 without trials.
func (c Counts) Rate() float64 {
	if c.Trials <= 0 {
		return 0
	}
	return c.Events / c.Trials
}

// MaxCount is the largest count; beyond it floats would lose whole events.
const MaxCount = 1e15

// Check refuses counts that cannot be: negative, above [MaxCount], not a number, or events without trials.
func (c Counts) Check() error {
	for _, x := range [...]float64{c.Trials, c.Events} {
		if !(x >= 0 && x <= MaxCount) {
			return fmt.Errorf("%v events in %v trials: counts are from 0 to %g", c.Events, c.Trials, MaxCount)
		}
	}
	if c.Trials == 0 && c.Events > 0 {
		return fmt.Errorf("%v events in no trials", c.Events)
	}
	return nil
}

// EffectiveSize is Kish's size of an independent, equally weighted sample that says as much as a weighted one: (Σw)²/Σw².
// It is 0 for an empty sample, and never more than the number of weights.
func EffectiveSize(sum, sumOfSquares float64) float64 {
	if sum <= 0 || sumOfSquares <= 0 {
		return 0
	}
	return sum / sumOfSquares * sum
}
