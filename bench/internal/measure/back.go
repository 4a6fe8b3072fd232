package measure

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/slipway-cd/slipway/bench/internal/report"
	"github.com/slipway-cd/slipway/bench/internal/visitor"
)

const groupBack = "Going back: from the decision, at weight 50 %"

// window before the decision in which the candidate must have answered.
const window = 300 * time.Millisecond

// errNothing is of a run that says nothing.
var errNothing = errors.New("there was nothing to go back from")

// router is one way of shifting traffic, with what changes it by hand.
type router struct {
	name string
	goal time.Duration
	// Object as kubectl and as the API name it, and the patches that send half of the traffic, and none, to green.
	kind, object, path string
	half, none         string
}

var routers = []router{
	{
		name: "gateway", goal: 300 * time.Millisecond,
		kind: "httproute", object: "hand", path: "/apis/gateway.networking.k8s.io/v1/namespaces/bench-hand/httproutes/hand",
		half: weights(50, 50), none: weights(100, 0),
	},
	{
		name: "nginx", goal: 3 * time.Second,
		kind: "ingress", object: "hand-canary", path: "/apis/networking.k8s.io/v1/namespaces/bench-hand/ingresses/hand-canary",
		half: canaryWeight(50), none: canaryWeight(0),
	},
}

func weights(blue, green int) string {
	return fmt.Sprintf(`{"spec":{"rules":[{"backendRefs":[{"name":"calculator-blue-frontend","port":80,"weight":%d},{"name":"calculator-green-frontend","port":80,"weight":%d}]}]}}`, blue, green)
}

func canaryWeight(green int) string {
	return fmt.Sprintf(`{"metadata":{"annotations":{"nginx.ingress.kubernetes.io/canary-weight":"%d"}}}`, green)
}

// backFigures of one router.
type backFigures struct {
	last, sent, verified, api, kubectl *report.Figure
}

func (b *Bench) backFigures(r router) backFigures {
	add := func(id, what string, f report.Figure) *report.Figure {
		f.ID, f.Group, f.What, f.Unit = "back."+r.name+"."+id, groupBack, what, report.Milliseconds
		return b.Report.Add(f)
	}
	by := []string{"back." + r.name + ".api", "back." + r.name + ".kubectl"}
	return backFigures{
		last:     add("last", "slipway, router "+r.name+" → last answer of the candidate", report.Figure{Goal: report.Ms(r.goal), Against: by}),
		sent:     add("sent", "slipway, router "+r.name+" → the same, when its request was sent", report.Figure{}),
		verified: add("verified", "slipway, router "+r.name+" → weight 0 verified at the gateway", report.Figure{}),
		api:      add("api", "one API write by hand ("+r.kind+") → last answer", report.Figure{Yardstick: true, Short: "one API write"}),
		kubectl:  add("kubectl", "kubectl patch "+r.kind+", start of the process → last answer", report.Figure{Yardstick: true, Short: "kubectl patch"}),
	}
}

// Back measures how soon a candidate that failed its gate has given its last answer, with each router, against the bare
// change of a weight.
func (b *Bench) Back(ctx context.Context) error {
	b.log("going back: installing production")
	for _, r := range routers {
		if _, _, err := b.release(ctx, b.good, r.name, 0); err != nil {
			return err
		}
	}
	for _, slot := range []string{"blue", "green"} {
		if _, err := b.helm(ctx, "install", "calculator-"+slot, "bench-hand", slot, "good", 1); err != nil {
			return err
		}
	}
	if err := b.Programs.Apply(ctx, handManifest); err != nil {
		return err
	}
	b.Report.Notes = append(b.Report.Notes, "an answer of the candidate comes every 10 ms at 50 %, so times of going back are exact to about as much and can be slightly below zero",
		"behind router nginx is the sandbox's Traefik, which serves ingress-nginx's annotations; ingress-nginx itself takes up changes later")
	for _, r := range routers {
		f := b.backFigures(r)
		b.Report.Begin("going back, router " + r.name)
		for i := 1; i <= b.Runs; i++ {
			b.log("going back, router %s: run %d of %d", r.name, i, b.Runs)
			if err := b.proxy.Settled(ctx, "bench-"+r.name, "bench-hand"); err != nil {
				return err
			}
			err := b.slipwayBack(ctx, r, f, i)
			for try := 1; errors.Is(err, errNothing) && try <= 3; try++ {
				b.Report.Notes = append(b.Report.Notes, fmt.Sprintf("router %s, run %d was repeated: %v", r.name, i, err))
				if err = b.proxy.Settled(ctx, "bench-"+r.name); err == nil {
					err = b.slipwayBack(ctx, r, f, i)
				}
			}
			if err != nil {
				return fmt.Errorf("going back, router %s, run %d: %w", r.name, i, err)
			}
			if err := b.proxy.Settled(ctx, "bench-"+r.name, "bench-hand"); err != nil {
				return err
			}
			last, err := b.handBack(ctx, r, func() (time.Time, error) {
				sent, _, err := b.proxy.MergePatch(ctx, r.path, r.none)
				return sent, err
			})
			if err != nil {
				return fmt.Errorf("changing the %s by hand, run %d: %w", r.kind, i, err)
			}
			f.api.Took(last)
			last, err = b.handBack(ctx, r, func() (time.Time, error) {
				ran, err := b.Programs.Kubectl(ctx, "-n", "bench-hand", "patch", r.kind, r.object, "--type=merge", "-p", r.none)
				return ran.Began, err
			})
			if err != nil {
				return fmt.Errorf("kubectl patch %s, run %d: %w", r.kind, i, err)
			}
			f.kubectl.Took(last)
		}
	}
	return nil
}

// slipwayBack releases the bad version, which its gate finds out at 50 %, under a visitor's eyes.
func (b *Bench) slipwayBack(ctx context.Context, r router, f backFigures, run int) error {
	v, err := b.visit(ctx, r.name+".bench.test")
	if err != nil {
		return err
	}
	defer func() { _, _ = v.Stop() }()
	const production = "blue" // the first release's slot; nothing is promoted after it
	if err := v.Await(ctx, "production before the release", visitor.OnlyFrom(production, visitor.Rate/2)); err != nil {
		return err
	}
	ran, events, err := b.release(ctx, b.bad, r.name, 3)
	if err != nil {
		return err
	}
	if err := v.Await(ctx, "production after the release", visitor.OnlyFrom(production, visitor.Rate/2)); err != nil {
		return err
	}
	answers, err := v.Stop()
	if err != nil {
		return err
	}
	decided, err := first(events, "phase", "rollback")
	if err != nil {
		return err
	}
	verified, err := first(events, "verified", "rollback")
	if err != nil {
		return err
	}
	written, err := first(events, "weight", "rollback")
	if err != nil {
		return err
	}
	candidate := field(events, "candidate")
	came, sent, ok := visitor.Last(answers, candidate)
	if !ok {
		return fmt.Errorf("%w: the visitor never saw the candidate", errNothing)
	}
	// The decision must have come while the candidate really had its share, or a small figure would mean nothing.
	before := visitor.Count(answers, decided.Time.Add(-window), decided.Time, func(a visitor.Answer) bool { return a.Slot == candidate })
	if before < 5 {
		return fmt.Errorf("%w: the candidate gave only %d answers in the %s before the decision", errNothing, before, window)
	}
	others := visitor.Count(answers, ran.Began, ran.Ended, func(a visitor.Answer) bool { return a.Failed() && a.Slot != candidate })
	f.last.Took(came.Sub(decided.Time))
	f.sent.Took(sent.Sub(decided.Time))
	f.verified.Took(verified.Time.Sub(decided.Time))
	b.Report.Detail = append(b.Report.Detail, report.Detail{Figure: f.last.ID, Run: run, Values: map[string]float64{
		"weight 0 written":                report.Ms(written.Time.Sub(decided.Time)),
		"weight 0 verified":               report.Ms(verified.Time.Sub(decided.Time)),
		"last answer":                     report.Ms(came.Sub(decided.Time)),
		"last request sent":               report.Ms(sent.Sub(decided.Time)),
		"candidate's answers just before": float64(before),
		"failures not from the candidate": float64(others),
		"whole process":                   report.Ms(ran.Took()),
		"end of the process":              report.Ms(ran.Ended.Sub(decided.Time)),
	}})
	if others > 0 {
		b.Report.Notes = append(b.Report.Notes, fmt.Sprintf("router %s, run %d: %d requests failed that the candidate did not answer", r.name, run, others))
	}
	return nil
}

// handBack gives green half of the traffic, then none with change, which says when it was begun.
func (b *Bench) handBack(ctx context.Context, r router, change func() (time.Time, error)) (time.Duration, error) {
	if _, _, err := b.proxy.MergePatch(ctx, r.path, r.half); err != nil {
		return 0, err
	}
	v, err := b.visit(ctx, "hand-"+r.name+".bench.test")
	if err != nil {
		return 0, err
	}
	defer func() { _, _ = v.Stop() }()
	half := func(all []visitor.Answer) bool { // both answer, at the rate they should
		const n = visitor.Rate
		if len(all) < n {
			return false
		}
		green := 0
		for _, a := range all[len(all)-n:] {
			if a.Failed() {
				return false
			}
			if a.Slot == "green" {
				green++
			}
		}
		return green >= n*2/5 && green <= n*3/5
	}
	if err := v.Await(ctx, "half of the answers from each slot", half); err != nil {
		return 0, err
	}
	began, err := change()
	if err != nil {
		return 0, err
	}
	if err := v.Await(ctx, "answers from blue only", visitor.OnlyFrom("blue", visitor.Rate)); err != nil {
		return 0, err
	}
	answers, err := v.Stop()
	if err != nil {
		return 0, err
	}
	came, _, ok := visitor.Last(answers, "green")
	if !ok {
		return 0, fmt.Errorf("green never answered")
	}
	return came.Sub(began), nil
}
