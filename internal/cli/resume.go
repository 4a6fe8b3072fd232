package cli

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/slipway-cd/slipway/internal/event"
	"github.com/slipway-cd/slipway/internal/release"
	"github.com/slipway-cd/slipway/internal/target"
)

func (a *app) resumeCommand() *cobra.Command {
	var f releaseFlags
	cmd := &cobra.Command{
		Use:   "resume",
		Short: "Go on with a release whose process has died: forward, or back if it was going back",
		Long: `Go on with the open release where the journal says it stands, from any machine: with its own bundle and the variables it began
with. A release that was being taken back is taken back. If the process that ran it still lives, nothing is done (exit
code 5). If no release is open, there is nothing to do (exit code 0), so that a pipeline may call it always.`,
		Example: "  slipway resume --env prod1",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.goOn(cmd.Context(), f, release.Until{}, func(t *target.Target, rec *release.Record, sink event.Sink) (*release.Record, error) {
				sink.Emit(event.Event{Time: time.Now().UTC(), Kind: event.Progress, Message: fmt.Sprintf("no release of %s is open in %s: there is nothing to go on with", t.Config.Service, t.Name)})
				return rec, nil
			})
		},
	}
	a.envFlag(cmd, &f.env)
	a.eventFlags(cmd)
	return cmd
}
