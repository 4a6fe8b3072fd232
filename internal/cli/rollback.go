package cli

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/slipway-cd/slipway/internal/cluster"
	"github.com/slipway-cd/slipway/internal/event"
	"github.com/slipway-cd/slipway/internal/journal"
	"github.com/slipway-cd/slipway/internal/release"
	"github.com/slipway-cd/slipway/internal/target"
)

func (a *app) rollbackCommand() *cobra.Command {
	var env string
	cmd := &cobra.Command{
		Use:   "rollback",
		Short: "Take the running release back, or go back to the slot that is kept: one weight change",
		Long: `If a release is open, it is taken back: by the process that runs it, which is asked to, or by this one if that process is
gone. If none is open, all traffic moves to the slot that was kept from the release before (strategy keep: true), or,
for a rolling environment, Helm rolls back to the revision before.`,
		Example: "  slipway rollback --env prod1",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.checkOutput(); err != nil {
				return err
			}
			return a.show(cmd.Context(), func(ctx context.Context, sink event.Sink) (*release.Record, error) {
				return a.rollback(ctx, env, sink)
			})
		},
	}
	a.envFlag(cmd, &env)
	a.eventFlags(cmd)
	return cmd
}

func (a *app) rollback(ctx context.Context, env string, sink event.Sink) (*release.Record, error) {
	t, err := a.openHere(ctx, env, sink)
	if err != nil {
		return nil, err
	}
	defer t.Close()
	rec, err := t.Store.Load(ctx)
	if err != nil {
		return nil, err
	}
	by := cluster.Identity()
	if rec.Open != nil && a.ask(ctx, t, rec, by, sink) {
		return a.follow(ctx, t, rec)
	}
	back := a.openBack(ctx, t, rec.Open, sink)
	defer back.Close()
	err = back.Engine.Back(ctx, "asked for by "+by)
	var held *cluster.HeldError
	if !errors.As(err, &held) {
		return a.after(t, err)
	}
	if err := t.Store.Ask(ctx, release.Request{Kind: "rollback", By: by, At: time.Now().UTC()}); err != nil {
		return nil, err
	}
	return a.follow(ctx, t, rec)
}

// openBack opens what takes the open release back: its own configuration, if that can still be had, else the one at hand. It reads
// no secret.
func (a *app) openBack(ctx context.Context, here *target.Target, open *release.Journal, sink event.Sink) *target.Target {
	if open == nil || open.Plan.Bundle == "" {
		return here
	}
	pulled, err := a.pull(ctx, open.Plan.Bundle, here.Environment.Azure)
	if err != nil {
		return here
	}
	o := a.targetOptions(here.Name, sink)
	o.Back, o.Begun = true, open.Plan.Variables
	full, err := a.open(ctx, pulled, here.Config, o)
	if err != nil {
		return here
	}
	return full
}

// hearing is how long a process that runs a release may take to show that it has heard a request.
const hearing = 2 * time.Second

// ask asks the process that runs the open release to go back, and reports whether it was heard. Asking first is a matter of
// seconds: whether that process is alive is otherwise known only after it has renewed its lock. What fails here is no error:
// going back goes on without asking.
func (a *app) ask(ctx context.Context, t *target.Target, before *release.Record, by string, sink event.Sink) bool {
	leases := t.Clients.Kube.CoordinationV1().Leases(t.Environment.Namespace)
	held, err := cluster.LockState(ctx, leases, journal.Name(t.Config.Service, before.Environment))
	if err != nil || held == nil {
		return false
	}
	sink.Emit(event.Event{Time: time.Now().UTC(), Kind: event.Progress, Phase: "rollback", Message: "asking " + held.Holder + ", which runs the release, to go back"})
	if err := t.Store.Ask(ctx, release.Request{Kind: "rollback", By: by, At: time.Now().UTC()}); err != nil {
		return false
	}
	tick, late := time.NewTicker(50*time.Millisecond), time.After(hearing)
	defer tick.Stop()
	for {
		rec, err := t.Store.Load(ctx)
		if err != nil {
			return false
		}
		if rec.Open == nil || rec.Open.Number != before.Open.Number || rec.Open.Back != "" {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-late:
			return false
		case <-tick.C:
		}
	}
}

// follow waits until the release that was open has ended.
func (a *app) follow(ctx context.Context, t *target.Target, before *release.Record) (*release.Record, error) {
	tick := time.NewTicker(250 * time.Millisecond)
	defer tick.Stop()
	number := before.Last
	for {
		rec, err := t.Store.Load(ctx)
		if err != nil {
			return nil, err
		}
		number = max(number, rec.Last)
		if rec.Open == nil && len(rec.History) > 0 && rec.History[0].Number == number {
			if h := rec.History[0]; h.Outcome != release.RolledBack {
				return rec, fmt.Errorf("release %d had ended (%s) before it could be asked to go back", h.Number, h.Outcome)
			}
			return rec, nil
		}
		if rec.Open != nil && rec.Open.Stuck != "" {
			return rec, &release.UnsafeError{Reason: rec.Open.Back, State: fmt.Sprintf("the candidate's weight was last seen at %d %%", rec.Open.Weight), Err: errors.New(rec.Open.Stuck)}
		}
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-tick.C:
		}
	}
}
