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
	c := chance(p)
	return c.draw(r, n)
}

// probability of an event, with what drawing it often needs: of the rarer of the event and its absence, its probability, its odds,
// and the logarithm of that of the other.
type probability struct {
	p, rarer, odds, lnOther float64
	// never is the probability of no rarer one in n trials, 0 where it was not needed yet; nil: not worth keeping.
	never []float64
}

func chance(p float64) probability {
	q := min(p, 1-p)
	return probability{p: p, rarer: q, odds: q / (1 - q), lnOther: math.Log1p(-q)}
}

// keeping is a chance that is drawn often.
func keeping(p float64) probability {
	c := chance(p)
	c.never = make([]float64, 256)
	return c
}

func (c *probability) noneOf(n float64) float64 {
	if n >= float64(len(c.never)) {
		return math.Exp(n * c.lnOther)
	}
	at := &c.never[int(n)]
	if *at == 0 {
		*at = math.Exp(n * c.lnOther)
	}
	return *at
}

func (c *probability) draw(r *rand.Rand, n float64) float64 {
	switch {
	case n <= 0 || c.p <= 0:
		return 0
	case c.p >= 1:
		return n
	case c.p > 0.5:
		return n - c.rare(r, n)
	}
	return c.rare(r, n)
}

func (c *probability) rare(r *rand.Rand, n float64) float64 {
	if n*c.rarer > 30 {
		return distuv.Binomial{N: n, P: c.rarer, Src: r}.Rand()
	}
	k, at := 0.0, c.noneOf(n)
	for u := r.Float64() - at; u > 0 && k < n; u -= at {
		at *= c.odds * (n - k) / (k + 1)
		k++
	}
	return k
}
