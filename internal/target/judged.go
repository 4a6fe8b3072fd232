package target

import (
	"fmt"
	"time"

	"github.com/slipway-cd/slipway/internal/config"
	"github.com/slipway-cd/slipway/internal/evidence"
	"github.com/slipway-cd/slipway/internal/judge"
	"github.com/slipway-cd/slipway/internal/seqtest"
)

// judgeConfig says how the gates are judged: against production where it has traffic, else by their objectives.
func judgeConfig(j config.Judge, gates []namedGate, compare bool) judge.Config {
	cfg := judge.Config{Alpha: float64(j.Alpha), Beta: float64(j.Beta), MinBake: time.Duration(j.MinBake), MinTrials: float64(j.MinRequests)}
	for _, n := range gates {
		if n.bounds() || !compare && !n.hasObjective() {
			continue
		}
		jg := judge.Gate{Name: n.name, Kind: judge.Rate, Measure: string(measure(n)), Phrase: phrase(n)}
		if n.CountsFailures() {
			jg.Weight = failuresWeight
		}
		r := n.Requests
		switch latency := r != nil && r.FailureRate == nil; {
		case latency && compare:
			jg.Kind, jg.Expected = judge.Share, 1-r.Quantile
			jg.PassMeasure = string(evidence.Slower(n.name))
			if r.WorseBy != (config.Tolerance{}) {
				jg.FailMeasure = jg.PassMeasure
			}
		case latency:
			jg.Fail = &seqtest.Tolerance{Absolute: 1 - r.Quantile}
			jg.Pass = jg.Fail
		case compare:
			jg.Fail, jg.Pass = tolerances(n.rate())
		default:
			jg.Fail = &seqtest.Tolerance{Absolute: float64(n.rate().Max)}
			jg.Pass = jg.Fail
		}
		if compare && jg.Kind == judge.Rate {
			jg.Objective = float64(n.rate().Max)
		}
		cfg.Gates = append(cfg.Gates, jg)
	}
	return cfg
}

// tolerances are when a comparison fails and when it passes.
func tolerances(r config.Rate) (fail, pass *seqtest.Tolerance) {
	of := func(t config.Tolerance) *seqtest.Tolerance {
		return &seqtest.Tolerance{Relative: t.Multiple(), Absolute: t.Add}
	}
	pass = &seqtest.Tolerance{Relative: 1, Absolute: passMargin}
	if r.WorseBy != (config.Tolerance{}) {
		fail = of(r.WorseBy)
		if pass = fail; *fail == (seqtest.Tolerance{Relative: 1}) { // worseBy: 1x says nothing more than none
			fail, pass = nil, &seqtest.Tolerance{Relative: 1, Absolute: passMargin}
		}
	}
	if r.Margin != (config.Tolerance{}) {
		pass = of(r.Margin)
	}
	return fail, pass
}

// failuresWeight is the part of alpha that failures have, for each part of another gate: they cost users most, and are the rarest to
// be seen.
const failuresWeight = 4

// Where a gate says nothing of how much worse a candidate may be, none is tolerated, and a candidate passes once it is surely
// not worse by these: more would take for ever to prove.
const (
	passMargin = 0.005 // percentage points of a rate
	passSlower = 1.2   // of a latency
)

// bounds says whether a gate bounds a number, which needs no judge.
func (n namedGate) bounds() bool { return n.KQL != nil && n.KQL.Max != nil }

// hasObjective says whether a gate can be asked where there is no production to compare with.
func (n namedGate) hasObjective() bool {
	return n.Requests == nil || n.Requests.FailureRate != nil || n.Requests.Within > 0
}

// rate is the rate that a gate bounds.
func (n namedGate) rate() config.Rate {
	switch {
	case n.Requests != nil:
		return *n.Requests.FailureRate
	case n.Exceptions != nil:
		return *n.Exceptions
	case n.Dependencies != nil:
		return *n.Dependencies
	case n.Availability != nil:
		return *n.Availability
	case n.Prometheus != nil:
		return n.Prometheus.Rate()
	}
	return config.Rate{WorseBy: n.KQL.WorseBy, Margin: n.KQL.Margin, Max: config.DefaultMaxRate}
}

// phrase says what a rate of a gate means.
func phrase(n namedGate) string {
	switch {
	case n.Requests != nil && n.Requests.FailureRate != nil:
		return "fails %s of requests"
	case n.Requests != nil:
		return fmt.Sprintf("answers %%s of requests slower than production's %v %% quantile", 100*n.Requests.Quantile)
	case n.Exceptions != nil:
		return "has exceptions in %s of requests"
	case n.Dependencies != nil:
		return "has %s of its operations fail at a dependency"
	case n.Availability != nil:
		return "fails %s of availability tests"
	}
	return "shows %s at gate " + n.name
}

// measure that a gate is about.
func measure(n namedGate) evidence.Measure {
	switch {
	case n.Requests != nil && n.Requests.FailureRate != nil:
		return evidence.RequestsFailed
	case n.Requests != nil:
		return evidence.Slow(n.name)
	case n.Exceptions != nil:
		return evidence.Exceptions
	case n.Dependencies != nil:
		return evidence.DependenciesFailed
	case n.Availability != nil:
		return evidence.AvailabilityFailed
	default:
		return evidence.Custom(n.name)
	}
}
