package seqtest

import "math"

// Interval is a range that holds the true value at all times at once with the confidence it was made for.
type Interval struct {
	Low  float64 `json:"low"`
	High float64 `json:"high"`
}

// RateInterval is a confidence sequence for a share of trials: the probability that it ever misses the true share is at most
// alpha. It inverts the beta-binomial mixture (Robbins 1970; Howard and Ramdas 2022, section 3), with the uniform prior. If the
// share drifts, it is about the average so far, and only nearly exact. More events than trials count as one each.
func RateInterval(c Counts, alpha float64) Interval {
	n, x := c.Trials, min(c.Events, c.Trials)
	if n <= 0 {
		return Interval{0, 1}
	}
	// ln of the mixture's likelihood, and by how much the true share's may be less.
	floor := lnBeta(x+1, n-x+1) + math.Log(alpha)
	within := func(p float64) bool { return xlog(x, p)+xlog1(n-x, p) > floor }
	p := x / n
	return Interval{
		Low:  bisect(0, p, func(v float64) bool { return !within(v) }),
		High: bisect(p, 1, within),
	}
}

// DifferenceInterval is a confidence sequence for the candidate's rate less production's: each arm's [RateInterval] at half
// alpha.
func DifferenceInterval(candidate, production Counts, alpha float64) Interval {
	c, s := RateInterval(candidate, alpha/2), RateInterval(production, alpha/2)
	return Interval{c.Low - s.High, c.High - s.Low}
}

// QuantileLevels are the levels between which the sample's quantiles hold the true q-quantile at all times with confidence
// 1-alpha, after n independent observations of any distribution (Howard and Ramdas 2022, "Sequential estimation of quantiles",
// the beta-binomial bound). The caller reads its histogram at them.
func QuantileLevels(n, q, alpha float64) Interval {
	if n <= 0 {
		return Interval{0, 1}
	}
	// How many of n observations at or below the true quantile would not surprise.
	surprising := func(k float64) bool {
		return lnBeta(k+1, n-k+1)-xlog(k, q)-xlog1(n-k, q) >= -math.Log(alpha)
	}
	return Interval{
		Low:  bisect(0, q*n, surprising) / n,
		High: bisect(q*n, n, func(k float64) bool { return !surprising(k) }) / n,
	}
}

// bisect finds where a condition turns from true to false between low and high; low if it is never true, high if always.
func bisect(low, high float64, yes func(float64) bool) float64 {
	if !yes(low) {
		return low
	}
	if yes(high) {
		return high
	}
	for range 100 {
		mid := low + (high-low)/2
		if mid == low || mid == high {
			break
		}
		if yes(mid) {
			low = mid
		} else {
			high = mid
		}
	}
	return low
}

func lnBeta(a, b float64) float64 {
	la, _ := math.Lgamma(a)
	lb, _ := math.Lgamma(b)
	lab, _ := math.Lgamma(a + b)
	return la + lb - lab
}

// xlog is x·ln p, 0 for x = 0; xlog1 is x·ln(1-p).
func xlog(x, p float64) float64 {
	if x == 0 {
		return 0
	}
	return x * math.Log(p)
}

func xlog1(x, p float64) float64 {
	if x == 0 {
		return 0
	}
	return x * math.Log1p(-p)
}
