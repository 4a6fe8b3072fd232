package seqtest_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/slipway-cd/slipway/internal/seqtest"
)

var (
	worse  = seqtest.Worse(1.15, 2.2, 40, 16).Ratios
	better = seqtest.Better(0.02, 0.5, 0.93, 14).Ratios
)

// outcomes are the probabilities of 0, 1, … events.
type outcomes []float64

func binomial(n int, p float64) outcomes {
	out := make(outcomes, n+1)
	for k := range out {
		lg := func(x int) float64 { v, _ := math.Lgamma(float64(x) + 1); return v }
		l := lg(n) - lg(k) - lg(n-k)
		if k > 0 {
			l += float64(k) * math.Log(p)
		}
		if n > k {
			l += float64(n-k) * math.Log1p(-p)
		}
		out[k] = math.Exp(l)
	}
	return out
}

// poisson is cut where what is left weighs nothing even with the largest e-values.
func poisson(mean float64) outcomes {
	var out outcomes
	for k, p := 0, math.Exp(-mean); k < 20 || p > 1e-60; k++ {
		out = append(out, p)
		p *= mean / float64(k+1)
	}
	return out
}

// mean is the exact mean of the e-value of one batch.
func mean(e seqtest.Evidence, ratio, factor float64, nc, ns int, candidate, production outcomes) float64 {
	sum := 0.0
	for xc, pc := range candidate {
		for xs, ps := range production {
			c := seqtest.Counts{Trials: float64(nc), Events: float64(xc)}.Over(factor)
			s := seqtest.Counts{Trials: float64(ns), Events: float64(xs)}.Over(factor)
			sum += pc * ps * math.Exp(e.Log(ratio, c, s))
		}
	}
	return sum
}

func tooLarge(m float64) bool { return !(m <= 1+1e-9) }

func TestRatesHaveMeanAtMostOneUnderTheirNull(t *testing.T) {
	tolerances := []seqtest.Tolerance{{Relative: 1}, {Relative: 1.25, Absolute: 0.001}, {Relative: 1, Absolute: 0.05}, {Relative: 2}, {Absolute: 0.1}}
	sizes := [][2]int{{1, 1}, {1, 20}, {7, 20}, {20, 3}, {15, 15}}
	for _, tol := range tolerances {
		e := seqtest.Rates{Tolerance: tol}
		for _, n := range sizes {
			for _, ps := range []float64{0, 0.001, 0.01, 0.1, 0.3} {
				for _, part := range []float64{0, 0.3, 0.9, 1} {
					for _, factor := range []float64{1, 2.5} {
						check := func(ratio, pc float64) {
							if pc > 1 {
								return
							}
							at := fmt.Sprintf("%+v, %v trials, production %v, candidate %v, ratio %v, divided by %v", tol, n, ps, pc, ratio, factor)
							if m := mean(e, ratio, factor, n[0], n[1], binomial(n[0], pc), binomial(n[1], ps)); tooLarge(m) {
								t.Fatalf("failures: mean %v: %s", m, at)
							}
							if m := mean(e, ratio, factor, n[0], n[1], poisson(pc*float64(n[0])), poisson(ps*float64(n[1]))); tooLarge(m) {
								t.Fatalf("events: mean %v: %s", m, at)
							}
						}
						for _, r := range worse {
							check(r, part*tol.Limit(ps))
						}
						for _, r := range better {
							check(r, (2-part)*tol.Limit(ps))
						}
					}
				}
			}
		}
	}
}

func TestSharesHaveMeanAtMostOneUnderTheirNull(t *testing.T) {
	for _, n := range [][2]int{{1, 1}, {1, 20}, {7, 20}, {20, 3}, {15, 15}} {
		for _, guess := range []float64{0, 0.01, 0.2, 0.5, 0.99, 1} {
			e := seqtest.Shares{Guess: guess}
			for _, ps := range []float64{0, 0.01, 0.1, 0.5, 0.9, 1} {
				for _, part := range []float64{0, 0.3, 0.9, 1} {
					for _, factor := range []float64{1, 2.5} {
						for _, r := range worse {
							if m := mean(e, r, factor, n[0], n[1], binomial(n[0], part*ps), binomial(n[1], ps)); tooLarge(m) {
								t.Fatalf("mean %v: %v trials, guess %v, production %v, candidate %v, ratio %v, divided by %v", m, n, guess, ps, part*ps, r, factor)
							}
						}
						for _, r := range better {
							pc := 1 - part*(1-ps)
							if m := mean(e, r, factor, n[0], n[1], binomial(n[0], pc), binomial(n[1], ps)); tooLarge(m) {
								t.Fatalf("mean %v: %v trials, guess %v, production %v, candidate %v, ratio %v, divided by %v", m, n, guess, ps, pc, r, factor)
							}
						}
					}
				}
			}
		}
	}
}

// On the null's edge nothing is given away: the mean is 1 for Poisson events, so no better test of this form exists.
func TestRatesAreExactOnTheEdgeOfTheNull(t *testing.T) {
	for _, tol := range []seqtest.Tolerance{{Relative: 1}, {Relative: 1.25, Absolute: 0.02}, {Absolute: 0.1}} {
		for _, r := range []float64{0.5, 1.15, 2, 10} {
			m := mean(seqtest.Rates{Tolerance: tol}, r, 1, 10, 30, poisson(10*tol.Limit(0.1)), poisson(3))
			if math.Abs(m-1) > 1e-9 {
				t.Errorf("%+v, ratio %v: mean %v", tol, r, m)
			}
		}
	}
}

func TestWithoutToleranceRatesAreTheConditionalLikelihoodRatio(t *testing.T) {
	c, s := seqtest.Counts{Trials: 130, Events: 7}, seqtest.Counts{Trials: 870, Events: 21}
	for _, r := range append(worse, better...) {
		null, alternative := 0.13, r*130/(r*130+870)
		want := 7*math.Log(alternative/null) + 21*math.Log((1-alternative)/(1-null))
		if got := (seqtest.Rates{Tolerance: seqtest.Tolerance{Relative: 1}}).Log(r, c, s); math.Abs(got-want) > 1e-9 {
			t.Errorf("ratio %v: %v, want %v", r, got, want)
		}
	}
}

func TestAnObjectiveNeedsNoProduction(t *testing.T) {
	c := seqtest.Counts{Trials: 1000, Events: 12}
	got := (seqtest.Rates{Tolerance: seqtest.Tolerance{Absolute: 0.005}}).Log(2, c, seqtest.Counts{})
	if want := 12*math.Log(2) - 5; math.Abs(got-want) > 1e-9 { // the Poisson likelihood ratio of 10 against 5
		t.Errorf("%v, want %v", got, want)
	}
}

func TestAnEmptyArmSaysNothing(t *testing.T) {
	some := seqtest.Counts{Trials: 10, Events: 3}
	for _, e := range []seqtest.Evidence{seqtest.Rates{Tolerance: seqtest.Tolerance{Relative: 1, Absolute: 0.1}}, seqtest.Shares{Guess: 0.1}} {
		for _, arms := range [][2]seqtest.Counts{{{}, some}, {some, {}}, {{}, {}}} {
			if l := e.Log(2, arms[0], arms[1]); l != 0 {
				t.Errorf("%T of %+v says %v", e, arms, l)
			}
		}
	}
}

func TestSplittingABatchChangesNothing(t *testing.T) {
	c1, s1 := seqtest.Counts{Trials: 100, Events: 3}, seqtest.Counts{Trials: 900, Events: 8}
	c2, s2 := seqtest.Counts{Trials: 20, Events: 4}, seqtest.Counts{Trials: 180, Events: 1} // the same split of traffic
	for _, e := range []seqtest.Evidence{seqtest.Rates{Tolerance: seqtest.Tolerance{Relative: 1.25, Absolute: 0.001}}, seqtest.Shares{Guess: 0.02}} {
		for _, r := range []float64{0.3, 1.15, 4} {
			whole, parts := e.Log(r, c1.Plus(c2), s1.Plus(s2)), e.Log(r, c1, s1)+e.Log(r, c2, s2)
			if math.Abs(whole-parts) > 1e-9 {
				t.Errorf("%T ratio %v: %v whole, %v in parts", e, r, whole, parts)
			}
		}
	}
}

func TestEvidenceOfHugeCountsIsAsLargeAsItShouldBe(t *testing.T) {
	const n = 1e12
	r := 2.0
	got := (seqtest.Rates{Tolerance: seqtest.Tolerance{Relative: 1}}).Log(r, seqtest.Counts{Trials: n, Events: 0.02 * n}, seqtest.Counts{Trials: n, Events: 0.01 * n})
	want := n * (0.02*math.Log(2/1.5) - 0.01*math.Log(1.5))
	if math.Abs(got/want-1) > 1e-12 {
		t.Errorf("%v, want %v", got, want)
	}
	got = seqtest.Shares{Guess: 0.5}.Log(3, seqtest.Counts{Trials: n, Events: 0.75 * n}, seqtest.Counts{Trials: n, Events: 0.5 * n})
	p, q, m := 0.75, 0.5, 0.625
	want = n * (p*math.Log(p/m) + (1-p)*math.Log((1-p)/(1-m)) + q*math.Log(q/m) + (1-q)*math.Log((1-q)/(1-m)))
	if math.Abs(got/want-1) > 1e-9 {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestASingleFailureIsNotProof(t *testing.T) {
	e := seqtest.Rates{Tolerance: seqtest.Tolerance{Relative: 1}}
	for _, r := range worse {
		if l := e.Log(r, seqtest.Counts{Trials: 1, Events: 1}, seqtest.Counts{Trials: 1e12}); l > math.Log(r)+1e-9 {
			t.Errorf("ratio %v: %v", r, l)
		}
	}
}

func TestCountsThatCannotBeAreRefused(t *testing.T) {
	bad := []seqtest.Counts{{-1, 0}, {1, -1}, {math.NaN(), 0}, {1, math.NaN()}, {math.Inf(1), 0}, {1e16, 0}, {0, 1}}
	for _, c := range bad {
		if c.Check() == nil {
			t.Errorf("%+v is accepted", c)
		}
	}
	for _, c := range []seqtest.Counts{{}, {1, 0}, {1, 5}, {1e12, 1e12}, {0.5, 0.25}} {
		if err := c.Check(); err != nil {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func FuzzEvidenceIsFinite(f *testing.F) {
	f.Add(1.0, 1.0, 1.0, 1.0, 0.1, 1.25, 0.001)
	f.Add(1e15, 0.0, 1e-300, 1e15, 1.0, 0.0, 1.0)
	f.Fuzz(func(t *testing.T, nc, xc, ns, xs, guess, relative, absolute float64) {
		c, s := seqtest.Counts{Trials: nc, Events: xc}, seqtest.Counts{Trials: ns, Events: xs}
		if c.Check() != nil || s.Check() != nil || !(relative >= 0 && relative < 1e6 && absolute >= 0 && absolute < 1e6) || math.IsNaN(guess) {
			t.Skip()
		}
		for _, e := range []seqtest.Evidence{seqtest.Rates{Tolerance: seqtest.Tolerance{Relative: relative, Absolute: absolute}}, seqtest.Shares{Guess: guess}} {
			for _, r := range append(worse, better...) {
				if l := e.Log(r, c, s); math.IsNaN(l) || math.IsInf(l, 0) {
					t.Fatalf("%#v of %+v and %+v for ratio %v: %v", e, c, s, r, l)
				}
			}
		}
	})
}
