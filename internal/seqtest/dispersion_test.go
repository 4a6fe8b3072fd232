package seqtest_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"testing"

	"github.com/slipway-cd/slipway/internal/seqtest"
)

// pods make an hour of batches of ten seconds, with a factor on each pod's rate.
func pods(seed uint64, n int, perBatch float64, factor func(r *rand.Rand, pod, batch int) float64) *seqtest.Dispersion {
	r := rand.New(rand.NewPCG(seed, 8))
	d := &seqtest.Dispersion{}
	for b := range 360 {
		var all []seqtest.PodCounts
		for i := range n {
			events := 0.0
			for l, p := math.Exp(-perBatch*factor(r, i, b)), r.Float64(); p > l; p *= r.Float64() {
				events++
			}
			all = append(all, seqtest.PodCounts{Pod: fmt.Sprint("pod", i), Counts: seqtest.Counts{Trials: 100, Events: events}})
		}
		d.Observe(float64(b)*10, false, all)
	}
	return d
}

func alike(*rand.Rand, int, int) float64 { return 1 }

func TestPodsThatAreAlikeCostNextToNothing(t *testing.T) {
	const seeds = 40
	for _, n := range []int{3, 10, 50} {
		for _, perBatch := range []float64{0.02, 1, 5} {
			factor, wide := 0.0, 0
			for seed := range uint64(seeds) {
				d := pods(seed, n, perBatch, alike)
				factor += d.Factor(perBatch/10) / seeds
				if d.Width(2, float64(n)) > 0 {
					wide++
				}
			}
			if factor > 1.03 || wide > seeds/10 {
				t.Errorf("%d pods, %v events a batch: counts are divided by %v on average; in %d of %d runs pods are taken to differ lastingly", n, perBatch, factor, wide, seeds)
			}
		}
	}
}

func TestAnIncidentThatPodsShareIsNotADifference(t *testing.T) {
	d := pods(7, 10, 1, func(_ *rand.Rand, _, batch int) float64 {
		if batch%60 < 20 {
			return 10
		}
		return 1
	})
	if f, w := d.Factor(0.4), d.Width(2, 10); f > 1.1 || w > 0.01 {
		t.Errorf("factor %v, width %v", f, w)
	}
}

func TestPodsThatDifferForMinutesDivideTheCounts(t *testing.T) {
	factors := map[[2]int]float64{}
	d := pods(7, 10, 1, func(r *rand.Rand, pod, batch int) float64 {
		key := [2]int{pod, batch / 6} // held for a minute, half the time twice as much as else
		if _, ok := factors[key]; !ok {
			factors[key] = 2. / 3 * float64(1+r.IntN(2))
		}
		return factors[key]
	})
	// The relative variance is 1/9, six events a minute: 1 + 6/9.
	if f := d.Factor(0.1); f < 1.4 || f > 2.2 {
		t.Errorf("factor %v", f)
	}
	if w := d.Width(2, 10); w > 0.06 {
		t.Errorf("what comes and goes is taken to last: width %v", w)
	}
}

func TestPodsThatDifferLastinglyAreAllowedFor(t *testing.T) {
	d := pods(7, 10, 1, func(_ *rand.Rand, pod, _ int) float64 { return 0.8 + 0.4*float64(pod%2) })
	// Each is 20 % off: 0.2·√(1/2+1/10), and a quarter more because ten pods do not tell exactly.
	if w := d.Width(2, 10); w < 0.15 || w > 0.25 {
		t.Errorf("width %v", w)
	}
	if f := d.Factor(0.1); f > 1.2 {
		t.Errorf("what lasts is taken to come and go: counts are divided by %v", f)
	}
	if few, many := d.Width(1, 10), d.Width(8, 10); few < many {
		t.Errorf("one pod is allowed %v, eight %v", few, many)
	}
}

func TestSharesOfAlikePodsAreNotTakenForLessThanChance(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 10))
	for _, off := range []float64{0, 0.2} {
		d := &seqtest.Dispersion{}
		for b := range 360 {
			var all []seqtest.PodCounts
			for i := range 10 {
				events := 0.0
				for range 100 {
					if r.Float64() < 0.5*(1+off*float64(i%2*2-1)) {
						events++
					}
				}
				all = append(all, seqtest.PodCounts{Pod: fmt.Sprint(i), Counts: seqtest.Counts{Trials: 100, Events: events}})
			}
			d.Observe(float64(b)*10, true, all)
		}
		if w, want := d.Width(2, 10), off*math.Sqrt(0.6)*1.26; math.Abs(w-want) > 0.03 {
			t.Errorf("pods %v off: width %v, want %v", off, w, want)
		}
	}
}

func TestWithFewerThanThreePodsNothingIsLearned(t *testing.T) {
	for n, want := range map[int]bool{1: false, 2: false, 3: true} {
		if got := pods(7, n, 1, alike).Learned(); got != want {
			t.Errorf("%d pods: learned %v", n, got)
		}
	}
	if new(seqtest.Dispersion).Learned() {
		t.Error("learned from nothing")
	}
}

func TestTheOrderOfPodsDoesNotMatter(t *testing.T) {
	r := rand.New(rand.NewPCG(11, 12))
	var one, other seqtest.Dispersion
	for b := range 100 {
		var all []seqtest.PodCounts
		for i := range 10 {
			all = append(all, seqtest.PodCounts{Pod: fmt.Sprint(i), Counts: seqtest.Counts{Trials: float64(50 + r.IntN(100)), Events: float64(r.IntN(5 + 2*i))}})
		}
		one.Observe(float64(b)*10, false, all)
		r.Shuffle(len(all), func(i, k int) { all[i], all[k] = all[k], all[i] })
		other.Observe(float64(b)*10, false, all)
	}
	if one.Lasting == 0 {
		t.Error("these pods differ lastingly")
	}
	if !reflect.DeepEqual(one, other) {
		t.Errorf("%+v and %+v", one, other)
	}
}

func TestADispersionSurvivesJSONExactly(t *testing.T) {
	d := pods(7, 5, 1.5, alike)
	data, err := json.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	var back seqtest.Dispersion
	if err := json.Unmarshal(data, &back); err != nil || !reflect.DeepEqual(*d, back) {
		t.Errorf("%+v came back as %+v, %v", *d, back, err)
	}
}

func TestPodsBeyondTheLimitAreNotLearnedFrom(t *testing.T) {
	var d seqtest.Dispersion
	for i := range 10 * seqtest.MaxPods {
		d.Observe(float64(i)*60, false, []seqtest.PodCounts{{Pod: fmt.Sprint(i), Counts: seqtest.Counts{Trials: 10, Events: 1}}})
	}
	if len(d.Pods) != seqtest.MaxPods {
		t.Errorf("%d pods are kept", len(d.Pods))
	}
}
