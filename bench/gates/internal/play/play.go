// Package play lets judges watch simulated releases and counts when they decide.
package play

import (
	"context"
	"fmt"
	"math"
	"runtime"
	"slices"

	"golang.org/x/sync/errgroup"
	"gonum.org/v1/gonum/stat/distuv"

	"github.com/slipway-cd/slipway/bench/gates/internal/rivals"
	"github.com/slipway-cd/slipway/bench/gates/internal/sim"
)

// Columns are judges to be made for each run; one of several columns may look at what all of them share.
type Columns struct {
	Names []string
	New   func(sim.Scenario) []rivals.Judge
}

// Column is a single judge.
func Column(name string, make func(sim.Scenario) rivals.Judge) Columns {
	return Columns{Names: []string{name}, New: func(s sim.Scenario) []rivals.Judge { return []rivals.Judge{make(s)} }}
}

// Decision is when a judge decided.
type Decision struct {
	After    float64 // seconds from the onset until the judge could know; +Inf: never
	Requests float64 // that the candidate had served by the end of the data decided on, from the onset
}

// Result is what one judge did in all runs of a scenario.
type Result struct {
	Name string
	Runs []Decision
}

// Row plays a scenario. Run n is the same for all judges and for every call with the same seed.
func Row(ctx context.Context, s sim.Scenario, columns []Columns, runs int, seed uint64) ([]Result, error) {
	var out []Result
	for _, c := range columns {
		for _, name := range c.Names {
			out = append(out, Result{Name: name, Runs: make([]Decision, runs)})
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.GOMAXPROCS(0))
	for n := range runs {
		if ctx.Err() != nil {
			break
		}
		g.Go(func() error {
			for i, d := range play(s, columns, seed, uint64(n)) {
				out[i].Runs[n] = d
			}
			return ctx.Err()
		})
	}
	if err := g.Wait(); err != nil {
		return nil, fmt.Errorf("simulating %q: %w", s.Name, err)
	}
	return out, nil
}

func play(s sim.Scenario, columns []Columns, seed, number uint64) []Decision {
	var judges []rivals.Judge
	for _, c := range columns {
		judges = append(judges, c.New(s)...)
	}
	out := make([]Decision, len(judges))
	for i := range out {
		out[i] = Decision{math.Inf(1), math.Inf(1)}
	}
	requests, open := 0.0, len(judges)
	for b := range sim.Run(s, seed, number) {
		if b.From >= s.Onset {
			requests += b.Requests
		}
		for i, j := range judges {
			if math.IsInf(out[i].After, 1) && j.Observe(b) {
				out[i] = Decision{b.Visible - s.Onset, requests}
				open--
			}
		}
		if open == 0 {
			break
		}
	}
	return out
}

// Share is the part of runs in which the judge decided.
func (r Result) Share() float64 { return float64(r.decided()) / float64(len(r.Runs)) }

// Upper is the upper 95 % bound on the true share (Clopper and Pearson, one-sided).
func (r Result) Upper() float64 {
	k, n := float64(r.decided()), float64(len(r.Runs))
	if k == n {
		return 1
	}
	return distuv.Beta{Alpha: k + 1, Beta: n - k}.Quantile(0.95)
}

func (r Result) decided() int {
	k := 0
	for _, d := range r.Runs {
		if !math.IsInf(d.After, 1) {
			k++
		}
	}
	return k
}

// After is a quantile of the seconds to the decision; +Inf if fewer runs decided.
func (r Result) After(q float64) float64 {
	s := make([]float64, len(r.Runs))
	for i, d := range r.Runs {
		s[i] = d.After
	}
	slices.Sort(s)
	return s[min(len(s)-1, int(q*float64(len(s))))]
}

// MeanRequests is the mean of the candidate's requests until the decision, over the runs that decided.
func (r Result) MeanRequests() float64 { return mean(r, r) }

// Times is how many times as many requests the judge needs as another, over the runs in which both decided.
func (r Result) Times(other Result) float64 { return mean(r, other) / mean(other, r) }

// mean of one judge's requests over the runs in which another decided as well; NaN if there are none.
func mean(r, other Result) float64 {
	sum, n := 0.0, 0.0
	for i, d := range r.Runs {
		if !math.IsInf(d.After, 1) && !math.IsInf(other.Runs[i].After, 1) {
			sum += d.Requests
			n++
		}
	}
	return sum / n
}
