package target

import (
	"context"
	"time"

	"k8s.io/utils/clock"

	"github.com/slipway-cd/slipway/internal/event"
	"github.com/slipway-cd/slipway/internal/gate"
	"github.com/slipway-cd/slipway/internal/judge"
	"github.com/slipway-cd/slipway/internal/promql"
	"github.com/slipway-cd/slipway/internal/telemetry/loganalytics"
	"github.com/slipway-cd/slipway/internal/telemetry/prometheus"
)

// watch is the gates on telemetry of one candidate. What they have seen stays, from step to step.
type watch struct {
	of    gate.Candidate
	gates []gate.Named
	panel *gate.Panel // nil: no gate is judged
	// failures are the gates that count requests which fail.
	failures []string
}

// onTelemetry are the gates that read telemetry of a candidate.
func (g *gates) onTelemetry(c gate.Candidate) ([]gate.Named, error) {
	if w := g.watch; w != nil && w.of.Slot == c.Slot && w.of.Since.Equal(c.Since) {
		return w.gates, nil
	}
	w := &watch{of: c}
	cfg := judgeConfig(g.env.Judge, g.telemetry, c.Production != "")
	read := sources{gates: g, of: c}
	if len(cfg.Gates) > 0 {
		j, err := judge.New(cfg)
		if err != nil {
			return nil, err
		}
		w.panel = gate.NewPanel(j, gate.PanelSlots{Candidate: c.Slot, Production: c.Production}, clock.RealClock{})
		read.panel = w.panel
	}
	if c.Production == "" {
		g.warn("there is no production to compare with: gates on telemetry go by their objectives")
	}
	for _, n := range g.telemetry {
		switch {
		case n.bounds():
			w.gates = append(w.gates, gate.Named{Name: n.name, Gate: gate.NewValue(n.name, g.value(n), gate.ValueOptions{
				Max: *n.KQL.Max, Looks: n.KQL.Looks, Interval: time.Duration(g.env.Telemetry.ApplicationInsights.Interval), Clock: clock.RealClock{}})})
		case c.Production == "" && !n.hasObjective():
			g.warn("gate "+n.name+" is not asked: it has no objective", "give it one: requests.within")
		default:
			w.gates = append(w.gates, gate.Named{Name: n.name, Gate: read.by(n).Gate(n.name, measure(n))})
			if n.CountsFailures() {
				w.failures = append(w.failures, n.name)
			}
		}
	}
	g.watch = w
	return w.gates, nil
}

// sources are where the gates of a candidate read, each made when the first gate needs it.
type sources struct {
	gates *gates
	of    gate.Candidate
	panel *gate.Panel

	insights, counters *gate.PanelSource
}

// by is the source of a gate.
func (s *sources) by(n namedGate) *gate.PanelSource {
	g := s.gates
	if n.Prometheus != nil {
		if s.counters == nil {
			source := prometheus.NewSource(g.counters, counters(g.telemetry), arms(s.of)...)
			s.counters = s.panel.Source(source, time.Duration(g.env.Telemetry.Prometheus.Interval), lookTimeout)
		}
		return s.counters
	}
	if s.insights == nil {
		insights := *g.env.Telemetry.ApplicationInsights
		source := loganalytics.NewSource(g.workspace, spec(insights, g.telemetry), latencies(g.telemetry), custom(g.telemetry), releaseOf(s.of))
		s.insights = s.panel.Source(source, time.Duration(insights.Interval), lookTimeout)
	}
	return s.insights
}

// arms are the sides of a candidate's comparison, as queries name them.
func arms(c gate.Candidate) []promql.Arm {
	of := func(slot string) promql.Arm {
		return promql.Arm{Namespace: c.Namespace, Slot: slot, Release: c.Arms[slot].Release, Service: c.Arms[slot].Service}
	}
	out := []promql.Arm{of(c.Slot)}
	if c.Production != "" {
		out = append(out, of(c.Production))
	}
	return out
}

func counters(gates []namedGate) []prometheus.Gate {
	var out []prometheus.Gate
	for _, n := range gates {
		if n.Prometheus != nil {
			out = append(out, prometheus.Gate{Measure: measure(n), Trials: n.Prometheus.Trials, Events: n.Prometheus.Events})
		}
	}
	return out
}

func releaseOf(c gate.Candidate) loganalytics.Release {
	return loganalytics.Release{Candidate: c.Slot, Production: c.Production, Since: c.Since, ProductionSince: c.Arms[c.Production].Since}
}

// value asks a gate's query for its number.
func (g *gates) value(n namedGate) gate.Values {
	return func(ctx context.Context, c gate.Candidate) (map[string]float64, error) {
		limited, cancel := context.WithTimeout(ctx, lookTimeout)
		defer cancel()
		return loganalytics.Value(limited, g.workspace, loganalytics.Custom{Gate: n.name, Query: n.KQL.Query}, releaseOf(c),
			c.Since, time.Now().UTC(), time.Duration(g.env.Telemetry.ApplicationInsights.Batch))
	}
}

func (g *gates) warn(msg string, next ...string) {
	g.sink.Emit(event.Event{Time: time.Now().UTC(), Kind: event.Warning, Phase: "step", Message: msg, Next: next})
}
