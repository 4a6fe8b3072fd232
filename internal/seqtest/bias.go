package seqtest

import "math"

// Bias is the null hypothesis that the candidate is as good as production but its pods are not quite the same: the ratio of
// the arms is drawn from a lognormal distribution whose width was learned from how production's own pods differ. Evidence
// beyond it is the Bayes factor of the alternatives against that null; with width 0 it is the plain evidence.
//
// For [Rates] with Absolute 0 this is exact, given the width: numerator and denominator are likelihoods of the same conditional
// experiment. With Absolute it errs to the safe side; for [Shares] it is exact when the guess is.
type Bias struct {
	Ratios []float64 // above 1, rising
}

// NewBias is a grid from +2 % to +80 %.
func NewBias() Bias {
	return Bias{Ratios: []float64{1.02, 1.04, 1.07, 1.1, 1.14, 1.19, 1.25, 1.33, 1.44, 1.6, 1.8}}
}

// LogWeights spreads a lognormal distribution of this standard deviation over ratio 1 and the grid. All that lies below 1 is
// put on 1, which errs to the safe side. It returns nil for width 0: there is nothing to allow for.
func (b Bias) LogWeights(width float64) []float64 {
	if width <= 0 {
		return nil
	}
	out := make([]float64, len(b.Ratios)+1)
	below, at := 0.0, 0.0 // the probability below this cell, the logarithm of its ratio
	for i := range out {
		upTo := 1.0
		if i < len(b.Ratios) {
			next := math.Log(b.Ratios[i])
			upTo = math.Erfc(-(at+next)/2/width/math.Sqrt2) / 2
			at = next
		}
		out[i] = math.Log(max(upTo-below, math.SmallestNonzeroFloat64))
		below = upTo
	}
	return out
}
