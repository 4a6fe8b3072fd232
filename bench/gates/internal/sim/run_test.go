package sim_test

import (
	"math"
	"reflect"
	"slices"
	"testing"

	"github.com/slipway-cd/slipway/bench/gates/internal/sim"
)

func TestARunIsTheSameForTheSameSeed(t *testing.T) {
	for _, s := range append(sim.Nulls(), sim.Effects()...) {
		s.Seconds = 120
		one, other, third := slices.Collect(sim.Run(s, 1, 7)), slices.Collect(sim.Run(s, 1, 7)), slices.Collect(sim.Run(s, 1, 8))
		if !reflect.DeepEqual(one, other) || reflect.DeepEqual(one, third) {
			t.Errorf("%s: the seed does not decide", s.Name)
		}
	}
}

// mean is the mean of what a batch has, over an hour of several runs.
func mean(s sim.Scenario, of func(sim.Batch) float64) float64 {
	sum, n := 0.0, 0.0
	for number := range uint64(20) {
		for b := range sim.Run(s, 3, number) {
			if b.From >= 0 {
				sum += of(b)
				n++
			}
		}
	}
	return sum / n
}

func TestTrafficFailuresAndLatencyAreAsTheScenarioSays(t *testing.T) {
	s := sim.Effects()[1] // 1 → 2 %
	s.Slower = 1.2
	candidate := func(of func(sim.Pod) float64) func(sim.Batch) float64 {
		return func(b sim.Batch) float64 { return of(sim.Sum(b.Candidate)) }
	}
	production := func(of func(sim.Pod) float64) func(sim.Batch) float64 {
		return func(b sim.Batch) float64 { return of(sim.Sum(b.Production)) }
	}
	for _, x := range []struct {
		what string
		of   func(sim.Batch) float64
		want float64
	}{
		{"the candidate's requests", candidate(func(p sim.Pod) float64 { return p.Requests }), 100},
		{"served", func(b sim.Batch) float64 { return b.Requests }, 100},
		{"production's requests", production(func(p sim.Pod) float64 { return p.Requests }), 900},
		{"the candidate's failures", candidate(func(p sim.Pod) float64 { return p.Failures }), 2},
		{"production's failures", production(func(p sim.Pod) float64 { return p.Failures }), 9},
		{"production above its 95th percentile", production(func(p sim.Pod) float64 { return p.Over[3] }), 45},
		{"the candidate, 20 % slower, above 1.2 times it", candidate(func(p sim.Pod) float64 { return p.Slower[3] }), 5},
		{"the candidate's latency", func(b sim.Batch) float64 { return b.LogLatency }, 100 * math.Log(1.2)},
	} {
		if got := mean(s, x.of); math.Abs(got/x.want-1) > 0.04 {
			t.Errorf("%s: %v, want %v", x.what, got, x.want)
		}
	}
}

func TestASampleIsAPartOfAllRecords(t *testing.T) {
	s := sim.Nulls()[2]
	s.Sample = 0.05
	if got := mean(s, func(b sim.Batch) float64 { return sim.Sum(b.Production).Failures }); math.Abs(got/0.45-1) > 0.05 {
		t.Errorf("%v failures a batch, want 0.45", got)
	}
	if got := mean(s, func(b sim.Batch) float64 { return b.Requests }); math.Abs(got/100-1) > 0.02 {
		t.Errorf("%v served, want 100", got)
	}
}

func TestABatchIsVisibleWhenTheSlowerArmIs(t *testing.T) {
	for _, s := range sim.Nulls() {
		for b := range sim.Run(s, 1, 1) {
			if want := b.To + max(s.CandidateDelay, s.ProductionDelay).Seconds(); b.Visible != want {
				t.Fatalf("%s: visible at %v, want %v", s.Name, b.Visible, want)
			}
		}
	}
}
