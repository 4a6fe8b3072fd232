package cli

import (
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/slipway-cd/slipway/internal/cluster"
	"github.com/slipway-cd/slipway/internal/event"
	"github.com/slipway-cd/slipway/internal/journal"
	"github.com/slipway-cd/slipway/internal/release"
	"github.com/slipway-cd/slipway/internal/traffic"
)

// statusView is what `slipway status` prints.
type statusView struct {
	Record  *release.Record    `json:"record"`
	Routing *traffic.Split     `json:"routing,omitempty"`
	Lock    *cluster.HeldError `json:"lock,omitempty"`
}

func (a *app) statusCommand() *cobra.Command {
	var env string
	cmd := &cobra.Command{
		Use:     "status",
		Short:   "What runs where, who gets which share, and whether a release is open",
		Example: "  slipway status --env prod1\n  slipway status --env prod1 -o json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.checkOutput(); err != nil {
				return err
			}
			ctx := cmd.Context()
			t, err := a.openHere(ctx, env, event.Discard)
			if err != nil {
				return err
			}
			defer t.Close()
			var v statusView
			if v.Record, err = t.Store.Load(ctx); err != nil {
				return err
			}
			if s, ok, err := t.Engine.Router.Read(ctx); err != nil {
				return err
			} else if ok {
				v.Routing = &s
			}
			name := journal.Name(t.Config.Service, env)
			if v.Lock, err = cluster.LockState(ctx, t.Clients.Kube.CoordinationV1().Leases(t.Environment.Namespace), name); err != nil {
				return err
			}
			if a.output == "json" {
				return a.printJSON(v)
			}
			return a.printStatus(v)
		},
	}
	a.envFlag(cmd, &env)
	a.outputFlag(cmd, "how to print it")
	return cmd
}

func (a *app) printStatus(v statusView) error {
	r := v.Record
	w := tabwriter.NewWriter(a.Out, 0, 4, 2, ' ', 0)
	switch {
	case r.Open != nil && r.Open.Stuck != "":
		fmt.Fprintf(w, "%s in %s needs a person: release %d could not be taken back: %s\n", r.Service, r.Environment, r.Open.Number, r.Open.Stuck)
	case r.Open != nil && r.Open.Held != "":
		fmt.Fprintf(w, "%s in %s needs a person: release %d (%s) is held at %d %% and nobody watches it: %s\n", r.Service, r.Environment, r.Open.Number, r.Open.Plan.Version, r.Open.Weight, r.Open.Held)
	case r.Open != nil:
		fmt.Fprintf(w, "%s in %s: release %d (%s) is open, in phase %s at %d %%.\n", r.Service, r.Environment, r.Open.Number, r.Open.Plan.Version, r.Open.Phase, r.Open.Weight)
	case r.Production == "":
		fmt.Fprintf(w, "%s has never been released in %s.\nnext: slipway release --env %s\n", r.Service, r.Environment, r.Environment)
		return w.Flush()
	default:
		fmt.Fprintf(w, "%s in %s runs %s; no release is open.\n", r.Service, r.Environment, orUnknown(r.Slots[r.Production].Version))
	}
	fmt.Fprintln(w, "\nSLOT\tROLE\tWEIGHT\tVERSION\tRELEASE\tHELM RELEASE\tSINCE")
	for _, slot := range []string{"blue", "green"} {
		s, ok := r.Slots[slot]
		if !ok {
			continue
		}
		role := "production"
		if r.Production != slot {
			role = "kept"
			if r.Open != nil && r.Open.Candidate == slot {
				role = "candidate"
			}
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%s\t%s\n", slot, role, share(v.Routing, slot), orUnknown(s.Version), s.Number, s.HelmRelease, stamp(s.Since))
	}
	if v.Lock != nil {
		fmt.Fprintf(w, "\nlock: held by %s since %s\n", v.Lock.Holder, stamp(v.Lock.Since))
	}
	if r.Open != nil {
		if n := len(r.Open.Effects); n > 0 {
			fmt.Fprintf(w, "last effect: %s (%s)\n", r.Open.Effects[n-1].Name, stamp(r.Open.Effects[n-1].Intent))
		}
		fmt.Fprintf(w, "next: slipway promote --env %s finishes it; slipway rollback --env %s takes it back\n", r.Environment, r.Environment)
	}
	return w.Flush()
}

// share of the traffic that a slot gets.
func share(s *traffic.Split, slot string) string {
	if s == nil {
		return "-"
	}
	if s.Candidate != nil && s.Candidate.Slot == slot {
		return fmt.Sprintf("%d %%", s.Weight)
	}
	if s.Production != nil && s.Production.Slot == slot {
		if s.Candidate == nil {
			return "100 %"
		}
		return fmt.Sprintf("%d %%", 100-s.Weight)
	}
	return "0 %"
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return "-"
	}
	return t.UTC().Format("2006-01-02 15:04:05Z")
}
