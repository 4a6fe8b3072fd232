package measure

import (
	"context"
	"fmt"
	"strconv"
	"time"

	"github.com/slipway-cd/slipway/bench/internal/report"
	"github.com/slipway-cd/slipway/bench/internal/sandbox"
)

const groupWhole = "A whole release: 2 + 2 pods, canary 5/25/50/100 with steps of no length, against helm upgrade --wait"

// Whole measures a release whose steps take no time, against Helm's upgrade of the same chart with the same values. An
// onlooker watches the pods of both, so that what is left without them is comparable.
func (b *Bench) Whole(ctx context.Context) error {
	add := func(id, what string, f report.Figure) *report.Figure {
		f.ID, f.Group, f.What, f.Unit = "whole."+id, groupWhole, what, report.Milliseconds
		return b.Report.Add(f)
	}
	goal := report.Ms(2 * time.Second)
	rest := add("slipway.rest", "slipway release without pod readiness", report.Figure{Goal: goal, Against: []string{"whole.helm.rest"}})
	all := add("slipway", "slipway release, whole process", report.Figure{Against: []string{"whole.helm"}})
	pods := add("slipway.pods", "slipway release, pod readiness", report.Figure{Against: []string{"whole.helm.pods"}})
	helmRest := add("helm.rest", "helm upgrade --wait without pod readiness", report.Figure{Yardstick: true, Short: "helm upgrade"})
	helmAll := add("helm", "helm upgrade --wait, whole process", report.Figure{Yardstick: true, Short: "helm upgrade"})
	helmPods := add("helm.pods", "helm upgrade --wait, pod readiness", report.Figure{Yardstick: true, Short: "helm upgrade"})

	b.Report.Notes = append(b.Report.Notes, "whole releases begin 7 s apart: one at once after another waits up to 6 s more, until the cluster's DNS has forgotten the addresses of the slot that was emptied")
	b.log("whole releases: installing production")
	if _, _, err := b.release(ctx, b.good, "whole", 0); err != nil {
		return err
	}
	if _, err := b.helm(ctx, "install", "calculator", "bench-helm", "", "r0", 2); err != nil {
		return err
	}
	b.Report.Begin("whole releases")
	for i := 1; i <= b.Runs; i++ {
		b.log("whole releases: run %d of %d", i, b.Runs)
		if err := apart(ctx); err != nil {
			return err
		}
		var events []event
		ran, seen, err := b.watched(ctx, "bench-whole", func() (r sandbox.Ran, err error) {
			r, events, err = b.release(ctx, b.good, "whole", 0)
			return r, err
		})
		if err != nil {
			return fmt.Errorf("whole release, run %d: %w", i, err)
		}
		all.Took(ran.Took())
		pods.Took(seen.Readiness())
		rest.Took(ran.Took() - seen.Readiness())
		b.detail(all.ID, i, ran, seen, phases(events, ran.Began, ran.Ended))

		ran, seen, err = b.watched(ctx, "bench-helm", func() (sandbox.Ran, error) {
			return b.helm(ctx, "upgrade", "calculator", "bench-helm", "", "r"+strconv.Itoa(i), 2)
		})
		if err != nil {
			return fmt.Errorf("helm upgrade, run %d: %w", i, err)
		}
		helmAll.Took(ran.Took())
		helmPods.Took(seen.Readiness())
		helmRest.Took(ran.Took() - seen.Readiness())
		b.detail(helmAll.ID, i, ran, seen, map[string]float64{})
	}
	return nil
}

// apart lets the time pass within which a release waits for the cluster's DNS to forget the one before. The report says so:
// one release at once after another takes that much longer.
func apart(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return fmt.Errorf("between two releases: %w", ctx.Err())
	case <-time.After(7 * time.Second):
		return nil
	}
}

// detail tells where the time of one run went.
func (b *Bench) detail(figure string, run int, ran sandbox.Ran, seen sandbox.Rollout, values map[string]float64) {
	values["before the first new pod"] = report.Ms(seen.FirstCreated.Sub(ran.Began))
	values["first new pod made → last one ready"] = report.Ms(seen.Readiness())
	values["after the last new pod was ready"] = report.Ms(ran.Ended.Sub(seen.LastReady))
	b.Report.Detail = append(b.Report.Detail, report.Detail{Figure: figure, Run: run, Values: values})
}

// watched runs f while the namespace's pods are watched, after they and their neighbours have come to rest.
func (b *Bench) watched(ctx context.Context, namespace string, f func() (sandbox.Ran, error)) (sandbox.Ran, sandbox.Rollout, error) {
	if err := b.proxy.Settled(ctx, namespaces...); err != nil {
		return sandbox.Ran{}, sandbox.Rollout{}, err
	}
	w, err := b.proxy.WatchPods(ctx, namespace)
	if err != nil {
		return sandbox.Ran{}, sandbox.Rollout{}, err
	}
	ran, err := f()
	seen, watchErr := w.Stop()
	if err == nil {
		err = watchErr
	}
	return ran, seen, err
}
