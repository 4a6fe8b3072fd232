package seqtest

import "math"

// BiasRatios are the ratios, from +2 % to +80 %, by which a good candidate's pods may happen to be worse than production's.
//
// With weights on them ([BiasWeights]) the null hypothesis is that the candidate is as good as production but its pods are not
// quite the same: the ratio of the arms is drawn from a lognormal distribution, whose width was learned from how
// production's own pods differ, and stays. Evidence beyond it is the Bayes factor against that. For [Rates] with Absolute 0 it
// is exact, given the width: numerator and denominator are likelihoods of the same conditional experiment. With Absolute it
// errs to the safe side; for [Shares] it is exact when the guess is. Where pods do not differ the width is 0 and it costs
// nothing.
func BiasRatios() []float64 {
	return []float64{1.02, 1.04, 1.07, 1.1, 1.14, 1.19, 1.25, 1.33, 1.44, 1.6, 1.8}
}

// BiasWeights spreads a lognormal distribution of this standard deviation over ratio 1 and the given ratios, which rise from
// there, and returns the logarithms. All that lies below 1 is put on 1, which errs to the safe side. It returns nil for width
// 0: there is nothing to allow for.
func BiasWeights(ratios []float64, width float64) []float64 {
	if width <= 0 {
		return nil
	}
	out := make([]float64, len(ratios)+1)
	below, at := 0.0, 0.0 // the probability below this cell, the logarithm of its ratio
	for i := range out {
		upTo := 1.0
		if i < len(ratios) {
			next := math.Log(ratios[i])
			upTo = math.Erfc(-(at+next)/2/width/math.Sqrt2) / 2
			at = next
		}
		out[i] = math.Log(max(upTo-below, math.SmallestNonzeroFloat64))
		below = upTo
	}
	return out
}
