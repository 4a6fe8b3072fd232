package cli

import (
	"fmt"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/slipway-cd/slipway/internal/bundle"
	"github.com/slipway-cd/slipway/internal/console"
	"github.com/slipway-cd/slipway/internal/event"
	"github.com/slipway-cd/slipway/internal/release"
)

func (a *app) historyCommand() *cobra.Command {
	var env string
	var limit int
	cmd := &cobra.Command{
		Use:     "history",
		Short:   "The ended releases of an environment, newest first, with outcome and reason",
		Example: "  slipway history --env prod1\n  slipway history --env prod1 -n 3 -o json",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.checkOutput(); err != nil {
				return err
			}
			if limit < 1 {
				return &usageError{err: fmt.Errorf("--limit %d is not a number of releases: it is at least 1", limit)}
			}
			t, err := a.openHere(cmd.Context(), env, event.Discard)
			if err != nil {
				return err
			}
			defer t.Close()
			rec, err := t.Store.Load(cmd.Context())
			if err != nil {
				return err
			}
			list := rec.History[:min(limit, len(rec.History))]
			if a.output == "json" {
				if list == nil {
					list = []release.Summary{}
				}
				return a.printJSON(list)
			}
			if len(list) == 0 {
				_, err := fmt.Fprintf(a.Out, "%s has no ended release in %s.\n", t.Config.Service, env)
				return err
			}
			w := tabwriter.NewWriter(a.Out, 0, 4, 2, ' ', 0)
			fmt.Fprintln(w, "RELEASE\tOUTCOME\tVERSION\tBUNDLE\tSTRATEGY\tSTARTED\tTOOK\tREASON")
			for _, h := range list {
				fmt.Fprintf(w, "%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", h.Number, h.Outcome, orUnknown(h.Version), shortBundle(h.Bundle), h.Strategy,
					stamp(h.Started), console.FormatDuration(h.Ended.Sub(h.Started).Round(time.Millisecond)), h.Reason)
			}
			return w.Flush()
		},
	}
	a.envFlag(cmd, &env)
	cmd.Flags().IntVarP(&limit, "limit", "n", 20, "how many at the most")
	a.outputFlag(cmd, "how to print it")
	return cmd
}

// shortBundle is the digest of repository@digest, shortened.
func shortBundle(ref string) string {
	for i := len(ref) - 1; i >= 0; i-- {
		if ref[i] == '@' {
			return bundle.ShortDigest(ref[i+1:])
		}
	}
	return ref
}
