package sim

import (
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/stat/distuv"
)

// gamma has mean 1 and this coefficient of variation.
func gamma(r *rand.Rand, cv float64) float64 {
	if cv == 0 {
		return 1
	}
	k := 1 / (cv * cv)
	return distuv.Gamma{Alpha: k, Beta: k, Src: r}.Rand()
}

func poisson(r *rand.Rand, mean float64) float64 {
	if mean <= 0 {
		return 0
	}
	return distuv.Poisson{Lambda: mean, Src: r}.Rand()
}

// binomial inverts the distribution where its mean is small: nearly all the time of a simulation goes into these draws, and for
// them the library's general method takes several times as long.
func binomial(r *rand.Rand, n, p float64) float64 {
	switch {
	case n <= 0 || p <= 0:
		return 0
	case p >= 1:
		return n
	case p > 0.5:
		return n - binomial(r, n, 1-p)
	case n*p > 30:
		return distuv.Binomial{N: n, P: p, Src: r}.Rand()
	}
	odds := p / (1 - p)
	k, at := 0.0, math.Exp(n*math.Log1p(-p))
	for u := r.Float64() - at; u > 0 && k < n; u -= at {
		at *= odds * (n - k) / (k + 1)
		k++
	}
	return k
}
