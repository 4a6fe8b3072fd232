package rivals_test

import (
	"math"
	"testing"

	"github.com/slipway-cd/slipway/bench/gates/internal/rivals"
	"github.com/slipway-cd/slipway/bench/gates/internal/sim"
)

// minutes shows a judge whole minutes, each with this many of 600 candidate requests failing, until it rolls back; it returns
// after how many minutes that is, 0 for never.
func minutes(j rivals.Judge, failures ...float64) int {
	for m, x := range failures {
		b := sim.Batch{
			From: float64(m) * 60, To: float64(m+1) * 60,
			Candidate: []sim.Pod{{Requests: 600, Failures: x}}, Production: []sim.Pod{{Requests: 5400, Failures: 9 * x / 2}},
		}
		if j.Observe(b) {
			return m + 1
		}
	}
	return 0
}

func TestFlaggerRollsBackAtTheTickAfterTheThreshold(t *testing.T) {
	if m := minutes(&rivals.Flagger{Threshold: 2}, 7, 0, 7, 0, 0); m != 4 {
		t.Errorf("after %d minutes", m)
	}
	if m := minutes(&rivals.Flagger{Threshold: 2}, 6, 6, 6, 6, 6); m != 0 {
		t.Errorf("99 %% success is within range; rolled back after %d minutes", m)
	}
}

func TestArgoAbortsOnMoreFailedMeasurementsThanTheLimit(t *testing.T) {
	if m := minutes(&rivals.Argo{FailureLimit: 1}, 7, 0, 0, 7, 0); m != 4 {
		t.Errorf("after %d minutes", m)
	}
}

func TestKayentaLooksOnceAtTheEnd(t *testing.T) {
	if m := minutes(&rivals.Kayenta{Minutes: 5}, 7, 8, 9, 10, 11, 12); m != 5 {
		t.Errorf("after %d minutes", m)
	}
}

func TestMannWhitneyIsTheTextbooks(t *testing.T) {
	// All of x above all of y: U = 20, mean 10, variance 4·5·10/12.
	if z, want := rivals.MannWhitneyZ([]float64{6, 7, 8, 9}, []float64{1, 2, 3, 4, 5}), 10/math.Sqrt(200./12); math.Abs(z-want) > 1e-12 {
		t.Errorf("%v, want %v", z, want)
	}
	if z := rivals.MannWhitneyZ([]float64{1, 1}, []float64{1, 1}); z != 0 {
		t.Errorf("ties alone give %v", z)
	}
	if a, b := rivals.MannWhitneyZ([]float64{1, 2, 2}, []float64{2, 3}), rivals.MannWhitneyZ([]float64{2, 3}, []float64{1, 2, 2}); a != -b || a >= 0 {
		t.Errorf("%v one way, %v the other", a, b)
	}
}

func TestThePeekedZTestIsTheTextbooks(t *testing.T) {
	b := sim.Batch{From: 0, To: 60, Candidate: []sim.Pod{{Requests: 100, Failures: 10}}, Production: []sim.Pod{{Requests: 100, Failures: 4}}}
	const z = 1.6630 // 0.06 / √(0.07·0.93·2/100)
	if !(&rivals.ZTest{Z: z - 0.001}).Observe(b) || (&rivals.ZTest{Z: z + 0.001}).Observe(b) {
		t.Error("it is not at its critical value")
	}
}

func TestYardsticksWaitForTheirEvidence(t *testing.T) {
	if m := minutes(&rivals.Oracle{Production: 0.01, Candidate: 0.02, Error: 0.01}, 12, 12, 12, 12); m != 2 {
		t.Errorf("the one who knows everything: after %d minutes", m) // 12·ln 2 - 588·0.0102 = 2.4 a minute, 4.6 wanted
	}
	if m := minutes(&rivals.SPRT{Ratio: 2, Error: 0.01}, 12, 12, 12, 12); m != 3 {
		t.Errorf("the one who knows the effect: after %d minutes", m) // 12·ln(2/1.1) - 54·ln 1.1 = 2.03 a minute
	}
}
