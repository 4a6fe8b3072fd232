package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/slipway-cd/slipway/internal/telemetry/recorded"
)

func (a *app) recordCommand() *cobra.Command {
	var env, from, to string
	cmd := &cobra.Command{
		Use:   "record DIR",
		Short: "Copy an environment's telemetry of some time into a directory, to ask or replay it later",
		Long: `Copies the Application Insights tables of an environment's workspace into a directory that does not exist yet: one file
a table, a row a line, with the time at which each row had arrived. slipway query --recording asks it.`,
		Example: `  slipway record --env prod1 --from 2026-11-25T09:00:00Z --to 2026-11-25T10:00:00Z incident/
  slipway record --env prod1 --from 90m incident/`,
		Args: exactly("the directory to make"),
		RunE: func(cmd *cobra.Command, args []string) error {
			now := time.Now().UTC()
			start, err := instant("from", from, now)
			if err != nil {
				return err
			}
			end, err := instant("to", to, now)
			if err != nil {
				return err
			}
			if !end.After(start) {
				return &usageError{err: fmt.Errorf("--from %s is not before --to %s", stamp(start), stamp(end))}
			}
			workspace, err := a.querier(cmd.Context(), env, "")
			if err != nil {
				return err
			}
			err = recorded.Record(cmd.Context(), workspace, strings.TrimRight(args[0], "/"), start, end, func(table string, rows int) {
				fmt.Fprintf(a.Err, "%-24s %d rows\n", table, rows)
			})
			if errors.Is(err, fs.ErrExist) {
				return &usageError{err: fmt.Errorf("recording: %w; name a directory that does not exist yet", err)}
			}
			if err != nil {
				return err
			}
			fmt.Fprintf(a.Out, "Recorded %s to %s into %s.\n", stamp(start), stamp(end), args[0])
			return nil
		},
	}
	a.envFlag(cmd, &env)
	cmd.Flags().StringVar(&from, "from", "", "begin: a time (2026-11-25T09:00:00Z), or how long ago (90m)")
	cmd.Flags().StringVar(&to, "to", "0s", "end: a time, or how long ago; default now")
	_ = cmd.MarkFlagRequired("from")
	return cmd
}

// instant reads a time, or how long ago it was.
func instant(flag, text string, now time.Time) (time.Time, error) {
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	t, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, &usageError{err: fmt.Errorf("--%s %s is neither a time such as 2026-11-25T09:00:00Z nor how long ago, such as 90m", flag, text)}
	}
	return t.UTC(), nil
}
