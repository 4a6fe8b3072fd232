package target

import (
	"context"
	"time"

	"k8s.io/utils/clock"

	"github.com/slipway-cd/slipway/internal/event"
	"github.com/slipway-cd/slipway/internal/gate"
	"github.com/slipway-cd/slipway/internal/judge"
	"github.com/slipway-cd/slipway/internal/telemetry/loganalytics"
)

// watch is the gates on telemetry of one candidate. What they have seen stays, from step to step.
type watch struct {
	of    gate.Candidate
	gates []gate.Named
}

// onTelemetry are the gates that ask the workspace about a candidate.
func (g *gates) onTelemetry(c gate.Candidate) ([]gate.Named, error) {
	if w := g.watch; w != nil && w.of.Slot == c.Slot && w.of.Since.Equal(c.Since) {
		return w.gates, nil
	}
	insights := *g.env.Telemetry.ApplicationInsights
	interval, real := time.Duration(insights.Interval), clock.RealClock{}
	w := &watch{of: c}
	cfg := judgeConfig(g.telemetry, c.Production != "")
	var panel *gate.Panel
	if len(cfg.Gates) > 0 {
		j, err := judge.New(cfg)
		if err != nil {
			return nil, err
		}
		source := loganalytics.NewSource(g.workspace, spec(insights, g.telemetry), latencies(g.telemetry), custom(g.telemetry), releaseOf(c))
		panel = gate.NewPanel(source, j, gate.PanelOptions{
			Slots: gate.PanelSlots{Candidate: c.Slot, Production: c.Production}, Interval: interval, Timeout: lookTimeout, Clock: real,
		})
	}
	if c.Production == "" {
		g.warn("there is no production to compare with: gates on telemetry go by their objectives")
	}
	for _, n := range g.telemetry {
		switch {
		case n.bounds():
			w.gates = append(w.gates, gate.Named{Name: n.name, Gate: gate.NewValue(n.name, g.value(n), gate.ValueOptions{
				Max: *n.KQL.Max, Looks: n.KQL.Looks, Interval: interval, Clock: real})})
		case c.Production == "" && !n.hasObjective():
			g.warn("gate "+n.name+" is not asked: it has no objective", "give it one: requests.within")
		default:
			w.gates = append(w.gates, gate.Named{Name: n.name, Gate: panel.Gate(n.name, measure(n))})
		}
	}
	g.watch = w
	return w.gates, nil
}

func releaseOf(c gate.Candidate) loganalytics.Release {
	return loganalytics.Release{Candidate: c.Slot, Production: c.Production, Since: c.Since}
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
