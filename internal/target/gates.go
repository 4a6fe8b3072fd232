package target

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/slipway-cd/slipway/internal/config"
	"github.com/slipway-cd/slipway/internal/event"
	"github.com/slipway-cd/slipway/internal/gate"
	"github.com/slipway-cd/slipway/internal/release"
	"github.com/slipway-cd/slipway/internal/telemetry/kube"
	"github.com/slipway-cd/slipway/internal/telemetry/loganalytics"
	"github.com/slipway-cd/slipway/internal/telemetry/prometheus"
)

// gates are the environment's gates by stage.
type gates struct {
	sink    event.Sink
	closers []interface{ Close() }
	// slotHeader names who answered.
	slotHeader string

	byStage map[string][]gate.Named
	// telemetry are the gates that read telemetry; they are made when the candidate is known.
	telemetry []namedGate
	env       config.Environment
	workspace loganalytics.Querier
	counters  prometheus.Reader
	watch     *watch
}

type namedGate struct {
	name string
	config.Gate
}

func newGates(cfg *config.Config, env config.Environment, source *kube.Source, sink event.Sink) (*gates, error) {
	g := &gates{byStage: map[string][]gate.Named{}, env: env, sink: sink}
	for _, name := range env.Gates {
		gc, err := cfg.Gate(name)
		if err != nil {
			return nil, err
		}
		named := gate.Named{Name: name}
		switch {
		case gc.Probe != nil:
			p, err := gate.NewProbe(name, *gc.Probe)
			if err != nil {
				return nil, fmt.Errorf("making gate %s: %w", name, err)
			}
			named.Gate = p
			g.closers = append(g.closers, p)
		case gc.Kubernetes != nil:
			named.Gate = gate.NewKubernetes(name, *gc.Kubernetes, source)
		case gc.OnTelemetry():
			g.telemetry = append(g.telemetry, namedGate{name, gc})
			continue
		default:
			return nil, fmt.Errorf("making gate %s: it has no kind", name)
		}
		for _, stage := range []string{release.StageSmoke, release.StageSteps} {
			if gc.At == "" || gc.At == stage {
				g.byStage[stage] = append(g.byStage[stage], named)
			}
		}
	}
	return g, nil
}

func (g *gates) close() {
	for _, c := range g.closers {
		c.Close()
	}
}

// Ask implements [release.Gates].
func (g *gates) Ask(ctx context.Context, stage, phase string, c gate.Candidate, hold, deadline time.Duration) (release.Decision, error) {
	c.SlotHeader = g.slotHeader
	asked := g.byStage[stage]
	if stage == release.StageSteps && len(g.telemetry) > 0 {
		more, err := g.onTelemetry(c)
		if err != nil {
			return release.Decision{}, err
		}
		asked = append(slices.Clone(asked), more...)
	}
	next := 0
	options := gate.Options{Hold: hold, Deadline: deadline, Sink: g.sink, Phase: phase}
	if auto := g.auto(); auto != nil && stage == release.StageSteps && c.Weight < 100 {
		options.Enough = func() bool {
			next = g.watch.afford(*auto, c.Weight)
			return next > 0
		}
	}
	d, err := gate.Ask(ctx, asked, c, options)
	if err != nil {
		return release.Decision{}, err
	}
	if d.Cause == gate.Ended {
		return release.Decision{Weight: next, Reason: d.Reason}, nil
	}
	if d.Cause == gate.NoEvidence {
		return g.overdue(stage, d), nil
	}
	return release.Decision{Pass: d.Outcome == gate.Pass, Gate: d.Gate, Reason: d.Reason}, nil
}

// overdue is what a deadline without evidence leads to. Before there is traffic it is a failure: the gates there need no evidence
// that only time can bring.
func (g *gates) overdue(stage string, d gate.Decision) release.Decision {
	out := release.Decision{Gate: d.Gate, Reason: d.Reason}
	switch on := g.env.Judge.OnDeadline; {
	case stage == release.StageSmoke:
	case on == config.OnDeadlineHold:
		out.Undecided = true
	case on == config.OnDeadlinePromote && slices.ContainsFunc(g.telemetry, func(n namedGate) bool { return n.name == d.Gate }):
		out.Pass = true
		g.warn("gate " + d.Gate + " could not tell: " + d.Reason + "; the release goes on because judge.onDeadline is promote")
	}
	return out
}
