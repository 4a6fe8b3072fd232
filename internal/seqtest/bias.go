package seqtest

import "math"

// BiasRatios are ratios by which a good candidate's pods may happen to be worse than production's: some close to 1, then the
// mixture's own up to 3.5 and one between each two, so that no alternative fits what pods do better than the null can.
//
// With weights on them ([BiasWeights]) the null hypothesis is that the candidate is as good as production but its pods are not
// quite the same: the ratio of the arms is drawn from a lognormal distribution, whose width was learned from how
// production's own pods differ, and stays. Evidence beyond it is the Bayes factor against that. For [Rates] with Absolute 0 it
// is exact, given the width: numerator and denominator are likelihoods of the same conditional experiment. With Absolute it
// errs to the safe side. For [Shares], odds of an event taking the place of rates, it errs to the safe side in all cases that the
// tests enumerate. Where pods do not differ the width is 0 and it costs nothing.
func BiasRatios(m Mixture) []float64 {
	const most = 3.5
	ratios := []float64{1.02, 1.05}
	for _, r := range m.Ratios {
		if r > most {
			break
		}
		ratios = append(ratios, math.Sqrt(r*ratios[len(ratios)-1]), r)
	}
	return ratios
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
