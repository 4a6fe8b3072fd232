package target

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/slipway-cd/slipway/internal/backtest"
	"github.com/slipway-cd/slipway/internal/config"
	"github.com/slipway-cd/slipway/internal/evidence"
)

// Tolerances are what gates are to tolerate instead of what the configuration says: by name, under "" all that compare rates.
type Tolerances map[string]config.Tolerance

// Backtest is what a release into the environment would ask telemetry, and how it would judge the answers. Without compare there is
// no production: gates go by their objectives, and those that have none are left out.
func Backtest(cfg *config.Config, env config.Environment, t Tolerances, compare bool) (backtest.Asking, backtest.Judging, error) {
	insights := env.Telemetry.ApplicationInsights
	if insights == nil {
		return backtest.Asking{}, backtest.Judging{}, ErrNoTelemetry
	}
	var gates []namedGate
	for _, name := range env.Gates {
		g, err := cfg.Gate(name)
		if err != nil {
			return backtest.Asking{}, backtest.Judging{}, err
		}
		if n := (namedGate{name, g}); g.OnInsights() && (compare || n.bounds() || n.hasObjective()) {
			gates = append(gates, n)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(t)) {
		if err := tolerate(gates, name, t[name]); err != nil {
			return backtest.Asking{}, backtest.Judging{}, err
		}
	}
	a := backtest.Asking{Spec: spec(*insights, gates), Latencies: latencies(gates), Custom: custom(gates), Interval: time.Duration(insights.Interval)}
	j := backtest.Judging{Config: judgeConfig(env.Judge, gates, compare)}
	for _, n := range gates {
		if n.bounds() {
			a.Values = append(a.Values, backtest.Value{Gate: n.name, Query: n.KQL.Query, Max: *n.KQL.Max, Looks: n.KQL.Looks})
		}
	}
	for _, g := range j.Config.Gates {
		j.Measures = append(j.Measures, evidence.Measure(g.Measure))
	}
	return a, j, nil
}

// tolerate sets a gate's tolerance, or that of all that compare rates. The margin for a pass follows it.
func tolerate(gates []namedGate, name string, t config.Tolerance) error {
	var can []string
	found := false
	for i := range gates {
		g := &gates[i]
		if g.bounds() {
			continue
		}
		can = append(can, g.name)
		latency := g.Requests != nil && g.Requests.FailureRate == nil
		if g.name != name && (name != "" || latency) {
			continue
		}
		found = true
		switch {
		case latency:
			r := *g.Requests
			r.WorseBy, g.Requests = t, &r
		case g.Requests != nil:
			r, rate := *g.Requests, *g.Requests.FailureRate
			rate.WorseBy, rate.Margin, r.FailureRate, g.Requests = t, config.Tolerance{}, &rate, &r
		case g.Exceptions != nil:
			rate := *g.Exceptions
			rate.WorseBy, rate.Margin, g.Exceptions = t, config.Tolerance{}, &rate
		case g.Dependencies != nil:
			rate := *g.Dependencies
			rate.WorseBy, rate.Margin, g.Dependencies = t, config.Tolerance{}, &rate
		case g.Availability != nil:
			rate := *g.Availability
			rate.WorseBy, rate.Margin, g.Availability = t, config.Tolerance{}, &rate
		case g.KQL != nil:
			own := *g.KQL
			own.WorseBy, own.Margin, g.KQL = t, config.Tolerance{}, &own
		}
	}
	switch {
	case found:
		return nil
	case name == "":
		return fmt.Errorf("worseBy is for gates that compare rates, of which there are none; there are %s", strings.Join(can, ", "))
	}
	return fmt.Errorf("there is no gate %q with a tolerance; there are %s", name, strings.Join(can, ", "))
}
