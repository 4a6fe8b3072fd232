package backtest

import (
	"context"
	"fmt"
	"time"

	"github.com/slipway-cd/slipway/internal/evidence"
	"github.com/slipway-cd/slipway/internal/gate"
	"github.com/slipway-cd/slipway/internal/judge"
)

// clock stands where the replay does.
type clock struct{ now time.Time }

// Now implements k8s.io/utils/clock.PassiveClock.
func (c *clock) Now() time.Time { return c.now }

// Since implements k8s.io/utils/clock.PassiveClock.
func (c *clock) Since(t time.Time) time.Duration { return c.now.Sub(t) }

// stage plays what was seen to the gates.
type stage struct {
	clock
	*seen
	gates []gate.Named
	panel *gate.Panel
}

// Look implements [gate.Telemetry]. The text of the query is for people who look at a release; to look for tables in it takes time.
func (s *stage) Look(context.Context) (evidence.Look, error) {
	l := s.look
	l.Query = ""
	return l, s.seen.err
}

func (w *Watch) stage(a Asking, j Judging) (*stage, error) {
	s := &stage{}
	if len(j.Config.Gates) > 0 {
		judging, err := judge.New(j.Config)
		if err != nil {
			return nil, err
		}
		s.panel = gate.NewPanel(judging, gate.PanelSlots{Candidate: w.release.Candidate, Production: w.release.Production}, &s.clock)
		source := s.panel.Source(s, a.Interval, time.Minute)
		for i, g := range j.Config.Gates {
			s.gates = append(s.gates, gate.Named{Name: g.Name, Gate: source.Gate(g.Name, j.Measures[i])})
		}
	}
	for i, v := range a.Values {
		ask := func(context.Context, gate.Candidate) (map[string]float64, error) {
			return s.values[i].bySlot, s.values[i].err
		}
		s.gates = append(s.gates, gate.Named{Name: v.Gate, Gate: gate.NewValue(v.Gate, ask, gate.ValueOptions{
			Max: v.Max, Looks: v.Looks, Interval: a.Interval, Clock: &s.clock})})
	}
	if len(s.gates) == 0 {
		return nil, fmt.Errorf("%w: no gate on telemetry could be asked about it", ErrInput)
	}
	return s, nil
}

// Judge lets the gates decide over what was seen.
func (w *Watch) Judge(ctx context.Context, a Asking, j Judging) (*Result, error) {
	s, err := w.stage(a, j)
	if err != nil {
		return nil, err
	}
	candidate := gate.Candidate{Slot: w.release.Candidate, Production: w.release.Production, Since: w.release.Since}
	r := &Result{
		Decision: Decision{Verdict: gate.Hold}, Candidate: w.release.Candidate, Production: w.release.Production, From: w.first, To: w.first,
	}
	since := make([]*time.Time, len(s.gates)) // when each gate began to say what it says
	said := make([]gate.Outcome, len(s.gates))
	for i := range w.looks {
		s.seen, s.now = &w.looks[i], w.looks[i].at
		at := s.now
		r.To = at
		verdicts, all := make([]gate.Verdict, len(s.gates)), gate.Pass
		for i, g := range s.gates {
			v, err := g.Gate.Look(ctx, candidate)
			if ctx.Err() != nil {
				return nil, ctx.Err()
			}
			if err != nil {
				v = gate.Verdict{Outcome: gate.Hold, Reason: "could not be asked: " + err.Error()}
			}
			verdicts[i] = v
			if v.Outcome != said[i] {
				said[i], since[i] = v.Outcome, &at
			}
			if v.Outcome == gate.Fail || v.Outcome == gate.Hold && all == gate.Pass {
				all = v.Outcome
			}
		}
		look := s.known(all, verdicts)
		r.Looks = append(r.Looks, look)
		fresh := all == gate.Fail || all == gate.Pass && r.PassedAt == nil
		if all == gate.Pass && r.PassedAt == nil {
			r.PassedAt = &at
		}
		if fresh || r.PassedAt == nil { // until then it is about now; from then on about the decision
			r.decide(s, all, at, verdicts, since)
		}
		if all == gate.Fail {
			break
		}
	}
	w.cost(&r.Decision)
	return r, nil
}

// decide sets what was decided at a look.
func (r *Result) decide(s *stage, all gate.Outcome, at time.Time, verdicts []gate.Verdict, since []*time.Time) {
	r.Verdict, r.DecidedAt, r.Gates, r.Reason = all, nil, nil, ""
	if all != gate.Hold {
		r.DecidedAt = &at
	}
	var told judge.Verdict
	if s.panel != nil {
		told = s.panel.Verdict()
		if all == gate.Pass {
			r.Reason = told.Reason
		}
	}
	for i, g := range s.gates {
		v := verdicts[i]
		out := Gate{Name: g.Name, Verdict: v.Outcome, Reason: v.Reason}
		if v.Outcome != gate.Hold {
			out.DecidedAt = since[i]
		}
		if i < len(told.Gates) {
			out.Evidence.Evidence = &told.Gates[i]
		} else {
			out.Evidence.Facts = v.Evidence
		}
		if v.Outcome == all && r.Reason == "" {
			r.Reason = v.Reason
		}
		r.Gates = append(r.Gates, out)
	}
}

// known is a look's evidence.
func (s *stage) known(all gate.Outcome, verdicts []gate.Verdict) Look {
	l := Look{At: s.now, Watermark: s.look.Watermark, Verdict: all}
	if s.seen.err != nil {
		l.Error = s.seen.err.Error()
	}
	var told judge.Verdict
	if s.panel != nil {
		told = s.panel.Verdict()
		l.Rule, l.LogE, l.LogEStrict = told.Rule, told.LogE, told.LogEStrict
	}
	for i, g := range s.gates {
		out := LookGate{Name: g.Name, Verdict: verdicts[i].Outcome}
		if i < len(told.Gates) {
			e := told.Gates[i]
			out.LogE, out.LogEPass = e.LogE, e.LogEPass
			out.Candidate, out.Production = counts(e.Candidate), counts(e.Production)
		}
		l.Gates = append(l.Gates, out)
	}
	return l
}

func counts(t judge.Totals) *judgeCounts { return &judgeCounts{t.Weighted.Trials, t.Weighted.Events} }

// cost is what the candidate served until the decision.
func (w *Watch) cost(d *Decision) {
	if d.DecidedAt != nil {
		after := d.DecidedAt.Sub(w.first).Seconds()
		d.AfterSeconds = &after
	}
	for _, s := range w.served {
		if d.DecidedAt == nil || s.at.Before(*d.DecidedAt) {
			d.CandidateRequests += s.requests
			d.CandidateFailures += s.failures
		}
	}
}
