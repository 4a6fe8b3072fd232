package seqtest_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/slipway-cd/slipway/internal/seqtest"
)

func TestAnIntervalHoldsWhatWasSeen(t *testing.T) {
	for _, n := range []float64{1, 2, 100, 1e6, 1e12} {
		for _, part := range []float64{0, 1e-6, 0.01, 0.5, 1} {
			c := seqtest.Counts{Trials: n, Events: part * n}
			i := seqtest.RateInterval(c, 0.05)
			if !(0 <= i.Low && i.Low <= part && part <= i.High && i.High <= 1) || n > 1 && i.High-i.Low >= 1 {
				t.Errorf("%+v: %+v", c, i)
			}
			if wide := seqtest.RateInterval(c, 0.001); !(wide.Low <= i.Low && i.High <= wide.High) {
				t.Errorf("%+v: more confidence makes %+v of %+v", c, wide, i)
			}
		}
	}
	if i := seqtest.RateInterval(seqtest.Counts{}, 0.05); i != (seqtest.Interval{Low: 0, High: 1}) {
		t.Errorf("without data: %+v", i)
	}
}

// Without events the interval has a closed form: (1-p)^n·(n+1) = alpha at its upper end.
func TestTheIntervalWithoutEventsIsTheClosedForm(t *testing.T) {
	for _, n := range []float64{1, 10, 1e4, 1e9} {
		want := -math.Expm1(math.Log(0.05/(n+1)) / n)
		if i := seqtest.RateInterval(seqtest.Counts{Trials: n}, 0.05); i.Low != 0 || math.Abs(i.High/want-1) > 1e-6 {
			t.Errorf("%v trials: %+v, want up to %v", n, i, want)
		}
	}
}

func TestIntervalsMissAtMostAsOftenAsTheySay(t *testing.T) {
	const runs, alpha = 200, 0.1
	r := rand.New(rand.NewPCG(3, 4))
	rate, difference := 0, 0
	for range runs {
		var c, s seqtest.Counts
		missedRate, missedDifference := false, false
		for range 150 {
			c.Trials, s.Trials = c.Trials+1, s.Trials+1
			if r.Float64() < 0.1 {
				c.Events++
			}
			if r.Float64() < 0.05 {
				s.Events++
			}
			if i := seqtest.RateInterval(c, alpha); i.Low > 0.1 || i.High < 0.1 {
				missedRate = true
			}
			if i := seqtest.DifferenceInterval(c, s, alpha); i.Low > 0.05 || i.High < 0.05 {
				missedDifference = true
			}
		}
		if missedRate {
			rate++
		}
		if missedDifference {
			difference++
		}
	}
	if rate > alpha*runs || difference > alpha*runs || rate == 0 {
		t.Errorf("of %d runs %d missed the rate, %d the difference", runs, rate, difference)
	}
}

func TestQuantileLevelsHoldTheQuantileAtAllTimes(t *testing.T) {
	const runs, alpha, q = 200, 0.1, 0.9
	r := rand.New(rand.NewPCG(5, 6))
	missed := 0
	for range runs {
		var sorted []float64
		for n := 1; n <= 200; n++ {
			x := r.Float64() // its q-quantile is q
			i, _ := slices.BinarySearch(sorted, x)
			sorted = slices.Insert(sorted, i, x)
			l := seqtest.QuantileLevels(float64(n), q, alpha)
			low, high := math.Inf(-1), math.Inf(1)
			if k := int(math.Floor(l.Low * float64(n))); k >= 1 {
				low = sorted[k-1]
			}
			if k := int(math.Floor(l.High*float64(n))) + 1; k <= n {
				high = sorted[k-1]
			}
			if low > q || high < q {
				missed++
				break
			}
		}
	}
	if missed > alpha*runs {
		t.Errorf("%d of %d runs missed", missed, runs)
	}
}

func TestQuantileLevelsNarrowDown(t *testing.T) {
	for _, q := range []float64{0.5, 0.95, 0.999} {
		last := 1.0
		for _, n := range []float64{100, 1e4, 1e8, 1e12} {
			l := seqtest.QuantileLevels(n, q, 0.05)
			if !(0 <= l.Low && l.Low <= q && q <= l.High && l.High <= 1 && l.High-l.Low < last) {
				t.Errorf("quantile %v of %v: %+v", q, n, l)
			}
			last = l.High - l.Low
		}
	}
	if l := seqtest.QuantileLevels(0, 0.5, 0.05); l != (seqtest.Interval{Low: 0, High: 1}) {
		t.Errorf("without data: %+v", l)
	}
}

func TestAnEffectiveSizeIsNeverMoreThanTheNumberOfWeights(t *testing.T) {
	if n := seqtest.EffectiveSize(5*20, 5*20*20); n != 5 {
		t.Errorf("five equal weights say as much as %v", n)
	}
	if n := seqtest.EffectiveSize(20+1+1, 400+1+1); n > 1.3 || n < 1 {
		t.Errorf("one heavy and two light weights say as much as %v", n)
	}
	if n := seqtest.EffectiveSize(0, 0); n != 0 {
		t.Errorf("nothing says as much as %v", n)
	}
}
