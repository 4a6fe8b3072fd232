// Package judge decides over a release as early as the evidence permits: is the candidate worse than production, surely not
// worse, or is it too early to tell? It is pure: no clock, no I/O. The gates of a release, backtests and the simulator of the
// benchmark all judge by it.
//
// Fail: the average of all gates' evidence, weighted, reaches 1/alpha. Pass: every gate's evidence for a good candidate reaches
// 1/beta, the minimum bake is over, and nothing is suspected. Everything else is Hold. Deadlines are the caller's.
//
// The evidence that fails a candidate allows for how much production's own pods differ; where they do not, that costs nothing.
// The strict evidence does not allow for it, nor for any tolerance: it only makes the candidate suspect, which is a reason not
// to give it more traffic.
package judge

import (
	"fmt"
	"math"
	"time"

	"github.com/slipway-cd/slipway/internal/seqtest"
)

// Judge takes batches and answers. It is not safe for concurrent use.
type Judge struct {
	cfg     Config
	alpha   float64 // threshold: -ln alpha
	beta    float64 // threshold: -ln beta
	weights []float64
	gates   []*gate
	state   State
}

// New makes a judge that has seen nothing, or says what is wrong with the configuration.
func New(cfg Config) (*Judge, error) {
	return Restore(cfg, State{Version: StateVersion, Gates: map[string]*GateState{}})
}

// Restore makes a judge that goes on where another left off. The configuration must be the one of the other.
func Restore(cfg Config, s State) (*Judge, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("the judge's configuration: %w", err)
	}
	if s.Version != StateVersion {
		return nil, fmt.Errorf("the judge's state has version %d, this program knows %d: continue with the program that wrote it", s.Version, StateVersion)
	}
	cfg = cfg.withDefaults()
	j := &Judge{cfg: cfg, alpha: -math.Log(cfg.Alpha), beta: -math.Log(cfg.Beta), state: s.clone()}
	total := 0.0
	for _, g := range cfg.Gates {
		w := g.Weight
		if w == 0 {
			w = 1
		}
		total += w
		j.weights = append(j.weights, w)
		gs := j.state.Gates[g.Name]
		if gs == nil {
			gs = &GateState{}
			j.state.Gates[g.Name] = gs
		}
		j.gates = append(j.gates, newGate(g, cfg, gs))
	}
	for i := range j.weights {
		j.weights[i] /= total
	}
	for _, g := range j.gates {
		if err := g.checkState(); err != nil {
			return nil, fmt.Errorf("the judge's state: gate %q: %w", g.Name, err)
		}
		g.sum()
	}
	return j, nil
}

// Observe takes a batch. Before the candidate has traffic it only learns what production is like. An error refuses the whole
// batch: nothing of it counts.
func (j *Judge) Observe(b Batch) error {
	if !b.To.After(b.From) {
		return fmt.Errorf("a batch from %s to %s: it must end after it begins", b.From.Format(time.RFC3339Nano), b.To.Format(time.RFC3339Nano))
	}
	arms := make([]arms, len(j.gates))
	traffic := false
	for i, g := range j.gates {
		var err error
		if arms[i], err = g.arms(b); err != nil {
			return fmt.Errorf("gate %q, batch from %s: %w", g.Name, b.From.Format(time.RFC3339), err)
		}
		traffic = traffic || arms[i].candidate.Raw.Trials > 0
	}
	if traffic && j.state.Start.IsZero() {
		j.state.Start = b.From
	}
	if b.To.After(j.state.Until) {
		j.state.Until = b.To
	}
	since := 0.0
	if !j.state.Start.IsZero() {
		since = max(0, b.From.Sub(j.state.Start).Seconds())
	}
	t := span{at: seconds(b.From), since: since, length: b.To.Sub(b.From).Seconds()}
	for i, g := range j.gates {
		g.observe(t, arms[i])
		g.await(t, arms[i], b)
	}
	if j.state.Failed.IsZero() && j.failing() >= j.alpha {
		j.state.Failed = j.state.Until
	}
	return nil
}

func seconds(t time.Time) float64 { return float64(t.UnixMilli()) / 1000 }

// State is everything that the judge knows, to be kept and given to [Restore].
func (j *Judge) State() State { return j.state.clone() }

// LogE is [Verdict.LogE]. A candidate fails once it reaches -ln alpha, and nothing else depends on alpha.
func (j *Judge) LogE() float64 { return j.failing() }

// failing is the logarithm of the release's evidence against the candidate, strict the same without any allowance.
func (j *Judge) failing() float64 { return j.average(func(g *gate) float64 { return g.failing }) }
func (j *Judge) strict() float64  { return j.average(func(g *gate) float64 { return g.strict }) }

func (j *Judge) average(of func(*gate) float64) float64 {
	logs := make([]float64, len(j.gates))
	for i, g := range j.gates {
		logs[i] = of(g)
	}
	return seqtest.LogAverage(logs, j.weights)
}
