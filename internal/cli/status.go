package cli

import (
	"fmt"
	"io"
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
	// Ahead is what comes next in the open release, in words.
	Ahead string `json:"ahead,omitempty"`
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
			v.Ahead = v.Record.Ahead()
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
		fmt.Fprintf(w, "%s in %s: release %d (%s) is open, in phase %s at %s.\n", r.Service, r.Environment, r.Open.Number, r.Open.Plan.Version, r.Open.Phase, v.weight())
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
	a.printOpen(w, v)
	return w.Flush()
}

// weight is what the candidate of the open release gets now, by the route; before there is one, by the record.
func (v statusView) weight() string {
	if s := share(v.Routing, v.Record.Open.Candidate); s != "-" && !v.Record.Open.Plan.InPlace() {
		return s
	}
	return fmt.Sprintf("%d %%", v.Record.Open.Weight)
}

// printOpen says of the open release who works on it, what was done last and what comes next.
func (a *app) printOpen(w io.Writer, v statusView) {
	j := v.Record.Open
	if v.Lock != nil {
		fmt.Fprintf(w, "\nlock: held by %s since %s, last renewed %s\n", v.Lock.Holder, stamp(v.Lock.Since), stamp(v.Lock.Renewed))
	} else if j != nil {
		fmt.Fprintln(w, "\nlock: free; nobody works on the release now")
	}
	if j == nil {
		return
	}
	if n := len(j.Effects); n > 0 {
		e := j.Effects[n-1]
		done := "begun " + stamp(e.Intent) + ", its end is not recorded"
		if e.Done != nil {
			done = "done " + stamp(*e.Done)
		}
		fmt.Fprintf(w, "last effect: %s (%s)\n", e.Name, done)
	}
	fmt.Fprintf(w, "ahead: %s\n", v.Ahead)
	env := v.Record.Environment
	if v.Lock != nil {
		fmt.Fprintf(w, "next: slipway rollback --env %s asks for it to be taken back; slipway resume --env %s goes on if its process has died\n", env, env)
		return
	}
	fmt.Fprintf(w, "next: slipway resume --env %s goes on with it; slipway rollback --env %s takes it back\n", env, env)
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
