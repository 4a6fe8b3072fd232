package seqtest

import "math"

// LogSum is ln Σ exp(x), without overflow; -Inf for no numbers.
func LogSum(xs []float64) float64 {
	top := math.Inf(-1)
	for _, x := range xs {
		top = max(top, x)
	}
	if math.IsInf(top, 0) {
		return top
	}
	sum := 0.0
	for _, x := range xs {
		if x-top > negligible {
			sum += math.Exp(x - top)
		}
	}
	return top + math.Log(sum)
}

// negligible is a logarithm whose number would not change the last digit of a sum with 1.
const negligible = -40

// logAdd is ln(exp(x) + exp(y)).
func logAdd(x, y float64) float64 {
	if x < y {
		x, y = y, x
	}
	if !(y-x > negligible) { // also if y is -Inf
		return x
	}
	return x + math.Log1p(math.Exp(y-x))
}

// LogAverage is the logarithm of the weighted average of e-values given as logarithms. The average of e-values is an
// e-value however they depend on each other, and never worse than Bonferroni's correction with the same weights. Weights are
// 0 or more and should sum to at most 1.
func LogAverage(logs, weights []float64) float64 {
	terms := make([]float64, len(logs))
	for i, l := range logs {
		terms[i] = l + math.Log(weights[i])
	}
	return LogSum(terms)
}

// Mixture is a fixed grid of effect sizes with the stake on each. It is chosen before data arrive.
type Mixture struct {
	Ratios     []float64
	LogWeights []float64 // logarithms of weights that sum to 1
}

// NewMixture makes a mixture with weights in proportion to those given.
func NewMixture(ratios, weights []float64) Mixture {
	sum := 0.0
	for _, w := range weights {
		sum += w
	}
	m := Mixture{Ratios: ratios, LogWeights: make([]float64, len(ratios))}
	for i, w := range weights {
		m.LogWeights[i] = math.Log(w / sum)
	}
	return m
}

// Worse is the mixture for evidence against a candidate: n ratios from least to most with equal steps between their
// logarithms. Most weight is on ratios about likely, the rest spread over all others, more of it over larger ones. It is where
// weight saves most time: larger effects show soon whatever is staked on them, smaller ones take long whatever is.
func Worse(least, likely, most float64, n int) Mixture {
	const spread, larger, smaller = 0.25, 0.28, 0.1
	ratios, weights := make([]float64, n), make([]float64, n)
	for i := range ratios {
		ratios[i] = least * math.Pow(most/least, float64(i)/float64(n-1))
		z := math.Log(ratios[i]/likely) / spread
		weights[i] = math.Exp(-z * z / 2)
		if z > 0 {
			weights[i] += larger
		} else {
			weights[i] += smaller
		}
	}
	return NewMixture(ratios, weights)
}

// Better is the mixture for evidence for a candidate: n ratios from least to most with equal steps. Most weight is on ratios
// about likely, where the tolerance is as large as production's rate; there a pass takes longest for what it promises.
func Better(least, likely, most float64, n int) Mixture {
	const spread, elsewhere = 0.2, 0.2
	ratios, weights := make([]float64, n), make([]float64, n)
	for i := range ratios {
		ratios[i] = least + (most-least)*float64(i)/float64(n-1)
		z := (ratios[i] - likely) / spread
		weights[i] = math.Exp(-z*z/2) + elsewhere
	}
	return NewMixture(ratios, weights)
}
