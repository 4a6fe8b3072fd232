package measure

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/slipway-cd/slipway/bench/internal/report"
	"github.com/slipway-cd/slipway/bench/internal/visitor"
)

const groupDecide = "Deciding on telemetry: at 10 % of 100 requests a second, no smoke gate"

// decideRate is the visitors' rate, in requests a second.
const decideRate = 100

// source is where the gate of an environment reads, and how production there fails.
type source struct {
	env, what  string
	production string // share of requests that fail
	cases      []decideCase
}

// decideCase is a candidate that is released again and again.
type decideCase struct {
	id, what string
	rate     string // share of requests that fail
	bad      bool   // it should be taken back
	// cost counts the candidate's failed answers, else time is measured: from the candidate's first request to its last, or, of a
	// good one, to the end of the release.
	cost bool
	goal float64
}

var sources = []source{
	{env: "fast", what: "the gateway's own metrics", production: "0.002", cases: []decideCase{
		{id: "20", what: "20 % candidate, production 0.2 % → failed answers it costs", rate: "0.2", bad: true, cost: true, goal: 10},
		{id: "2", what: "2 % candidate, production 0.2 % → failed answers it costs", rate: "0.02", bad: true, cost: true, goal: 11},
		{id: "equal", what: "an equal candidate → promoted", rate: "0.002", goal: report.Ms(75 * time.Second)},
	}},
	{env: "complete", what: "Application Insights, 2 s delay", production: "0.01", cases: []decideCase{
		{id: "5", what: "5 % candidate, production 1 % → weight 0", rate: "0.05", bad: true, goal: report.Ms(75 * time.Second)},
		{id: "equal", what: "an equal candidate → promoted", rate: "0.01"},
	}},
}

// Decide measures what candidates cost until they are taken back and how long good ones take. Both sources are measured at the
// same time, each in a namespace of its own: most of it is waiting for evidence.
func (b *Bench) Decide(ctx context.Context) error {
	b.Report.Begin("deciding")
	for _, s := range sources {
		for i := range s.cases {
			c := &s.cases[i]
			f := report.Figure{ID: "decide." + s.env + "." + c.id, Group: groupDecide, What: s.what + ": " + c.what, Unit: report.Milliseconds, Goal: c.goal}
			if c.cost {
				f.Unit = report.Answers
			}
			b.Report.Add(f)
		}
	}
	made := map[string]bundle{}
	for _, s := range sources {
		rates := []string{s.production}
		for _, c := range s.cases {
			rates = append(rates, c.rate)
		}
		for _, rate := range rates {
			if _, ok := made[rate]; ok {
				continue
			}
			m, err := b.build(ctx, "fails-"+rate, rate, true)
			if err != nil {
				return err
			}
			made[rate] = m
		}
	}
	if err := b.tellOf(ctx, "bench-complete"); err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	errs := make([]error, len(sources))
	var both sync.WaitGroup
	for i, s := range sources {
		both.Go(func() {
			if errs[i] = b.decideBy(ctx, s, made); errs[i] != nil {
				cancel()
			}
		})
	}
	both.Wait()
	return errors.Join(errs...)
}

// tellOf lets a namespace's service send telemetry to the sandbox's Application Insights.
func (b *Bench) tellOf(ctx context.Context, namespace string) error {
	connection, err := os.ReadFile(filepath.Join(b.Programs.Dir, "azure", "connection-string"))
	if err != nil {
		return fmt.Errorf("reading where telemetry goes: %w", err)
	}
	return b.Programs.Apply(ctx, fmt.Sprintf("apiVersion: v1\nkind: Namespace\nmetadata: { name: %s }\n---\napiVersion: v1\nkind: Secret\nmetadata: { name: telemetry, namespace: %s }\nstringData: { connection-string: %q }\n",
		namespace, namespace, connection))
}

func (b *Bench) decideBy(ctx context.Context, s source, made map[string]bundle) error {
	v, err := visitor.Start(b.Programs.Command(context.WithoutCancel(ctx), "loadgen"), gatewayURL, s.env+".bench.test", decideRate)
	if err != nil {
		return err
	}
	defer func() { _, _ = v.Stop() }()
	if _, _, err := b.release(ctx, made[s.production], s.env, 0); err != nil {
		return fmt.Errorf("deciding by %s: installing production: %w", s.what, err)
	}
	type one struct {
		decideCase
		began, ended time.Time
		events       []event
	}
	var all []one
	for run := 1; run <= b.Runs; run++ {
		for _, c := range s.cases {
			b.log("deciding by %s: %s, run %d of %d", s.what, c.what, run, b.Runs)
			want := 0
			if c.bad {
				want = 3
			}
			ran, events, err := b.released(ctx, made[c.rate], s.env)
			if err != nil {
				return err
			}
			all = append(all, one{c, ran.Began, ran.Ended, events})
			if ran.Code != want {
				b.note("deciding by %s, run %d: %s: exit code %d, not %d", s.what, run, c.what, ran.Code, want)
			}
			if c.bad && ran.Code == 0 { // the bad one is production now
				if _, _, err := b.release(ctx, made[s.production], s.env, 0); err != nil {
					return err
				}
			}
		}
	}
	answers, err := v.Stop()
	if err != nil {
		return err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, o := range all {
		slot := field(o.events, "candidate")
		first, last, failed := time.Time{}, time.Time{}, 0
		for _, a := range answers {
			if a.Slot != slot || a.Sent.Before(o.began) || a.Sent.After(o.ended) {
				continue
			}
			if first.IsZero() {
				first = a.Sent
			}
			if last = a.Came; a.Failed() {
				failed++
			}
		}
		f := b.figure("decide." + s.env + "." + o.id)
		switch {
		case o.cost:
			f.Values = append(f.Values, float64(failed))
		case o.bad:
			f.Took(last.Sub(first))
		default:
			f.Took(o.ended.Sub(o.began))
		}
	}
	return nil
}

func (b *Bench) figure(id string) *report.Figure {
	for _, f := range b.Report.Figures {
		if f.ID == id {
			return f
		}
	}
	panic("bench: no figure " + id) // it was added above
}

func (b *Bench) note(format string, args ...any) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.Report.Notes = append(b.Report.Notes, fmt.Sprintf(format, args...))
}
