package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/slipway-cd/slipway/bench/gates/internal/page"
	"github.com/slipway-cd/slipway/bench/gates/internal/play"
	"github.com/slipway-cd/slipway/bench/gates/internal/rivals"
	"github.com/slipway-cd/slipway/bench/gates/internal/sim"
	"github.com/slipway-cd/slipway/internal/judge"
)

type options struct {
	nulls, effects int
	seed           uint64
	only           string
}

// bake is the least time before a pass in the row of a slow leak.
const bake = 10 * time.Minute

func flagger(threshold int) play.Columns {
	return play.Column(fmt.Sprintf("Flagger (threshold %d)", threshold), func(sim.Scenario) rivals.Judge { return &rivals.Flagger{Threshold: threshold} })
}

func argo(limit int) play.Columns {
	return play.Column(fmt.Sprintf("Argo (failureLimit %d)", limit), func(sim.Scenario) rivals.Judge { return &rivals.Argo{FailureLimit: limit} })
}

func zTest(name string, z float64) play.Columns {
	return play.Column(name, func(sim.Scenario) rivals.Judge { return &rivals.ZTest{Z: z} })
}

func kayenta(s sim.Scenario) rivals.Judge { return &rivals.Kayenta{Minutes: s.Seconds / 60} }

// The yardsticks for a fail, at the error that the judge is given.
func oracle(s sim.Scenario) rivals.Judge {
	return &rivals.Oracle{Production: s.Production(s.Onset), Candidate: s.Candidate(s.Onset), Slower: s.Slower, Onset: s.Onset, Error: judge.DefaultAlpha}
}

func sprt(s sim.Scenario) rivals.Judge {
	return &rivals.SPRT{Ratio: s.Candidate(s.Onset) / s.Production(s.Onset), Onset: s.Onset, Error: judge.DefaultAlpha}
}

// passOracle knows both rates and tests for a candidate that is just as bad as must not pass.
func passOracle(s sim.Scenario) rivals.Judge {
	p := s.Production(0)
	return &rivals.Oracle{Production: p + s.Margin, Candidate: p, Error: judge.DefaultBeta}
}

func baked() judge.Config {
	cfg := play.Config()
	cfg.MinBake = bake
	return cfg
}

// failuresAlone is the judge without its latency gates.
func failuresAlone() judge.Config {
	cfg := play.Config()
	cfg.Gates = cfg.Gates[:1]
	return cfg
}

func measure(ctx context.Context, o options, messages io.Writer) (*page.Tables, error) {
	t := &page.Tables{Nulls: o.nulls, Effects: o.effects, Seed: o.seed}
	row := func(to *[]page.Row, s sim.Scenario, runs int, columns ...play.Columns) error {
		if !strings.Contains(s.Name, o.only) {
			return nil
		}
		began := time.Now()
		results, err := play.Row(ctx, s, columns, runs, o.seed)
		if err != nil {
			return err
		}
		*to = append(*to, page.Row{Name: s.Name, Results: results})
		_, _ = fmt.Fprintf(messages, "%-34s %5d runs, %v\n", s.Name, runs, time.Since(began).Round(100*time.Millisecond))
		for _, r := range results {
			_, _ = fmt.Fprintf(messages, "    %-26s decided in %.2f %% (at most %.2f %%), median after %.0f s\n",
				r.Name, 100*r.Share(), 100*r.Upper(), r.After(0.5))
		}
		return nil
	}
	slipway := play.Slipway(play.Config(), play.Stops, play.RollsBack)
	good := []play.Columns{flagger(5), flagger(2), argo(3), play.Column("Kayenta's Mann–Whitney", kayenta), zTest("z-test peeked", 2.326), slipway}
	for _, s := range sim.Nulls() {
		if err := row(&t.False, s, o.nulls, good...); err != nil {
			return nil, err
		}
	}
	// Three times as long as the others, it needs twice as many runs to show the same bound.
	if err := row(&t.False, sim.Looks(), 2*o.nulls, append(good[:5:5], play.Slipway(failuresAlone(), play.Stops, play.RollsBack))...); err != nil {
		return nil, err
	}
	for _, s := range sim.Confounded() {
		if err := row(&t.Confounded, s, o.effects, good...); err != nil {
			return nil, err
		}
	}
	bad := []play.Columns{flagger(5), argo(3), slipway, play.Column(page.SPRT, sprt), play.Column(page.Oracle, oracle)}
	for _, s := range sim.Effects() {
		if err := row(&t.Detection, s, o.effects, bad...); err != nil {
			return nil, err
		}
	}
	for _, s := range sim.Passes() {
		if err := row(&t.Passes, s, o.effects, play.Slipway(play.Config(), play.Promotes), play.Column(page.Oracle, passOracle)); err != nil {
			return nil, err
		}
	}
	for _, s := range sim.Edges() {
		if err := row(&t.WrongPasses, s, o.effects, play.Slipway(play.Config(), play.PromotesWrongly)); err != nil {
			return nil, err
		}
	}
	if err := row(&t.WrongPasses, sim.Leak(), o.effects, play.Slipway(baked(), play.PromotesWrongly)); err != nil {
		return nil, err
	}
	return t, t.Draw(func(to *[]page.Row, s sim.Scenario) error { return row(to, s, o.effects, settings()...) })
}

// settings are judges over the range of what users may set, for the plot.
func settings() []play.Columns {
	out := []play.Columns{flagger(1), flagger(2), flagger(5), flagger(10), argo(0), argo(1), argo(3), argo(5)}
	for _, z := range []struct {
		name string
		z    float64
	}{{"z-test peeked, 5 %", 1.645}, {"z-test peeked, 1 %", 2.326}, {"z-test peeked, 0.1 %", 3.09}, {"z-test peeked, 0.01 %", 3.719}} {
		out = append(out, zTest(z.name, z.z))
	}
	return append(out, play.Alphas(play.Config(), 0.1, 0.05, 0.01, 0.001))
}
