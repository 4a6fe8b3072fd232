package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/slipway-cd/slipway/internal/config"
	"github.com/slipway-cd/slipway/internal/event"
	"github.com/slipway-cd/slipway/internal/target"
	"github.com/slipway-cd/slipway/internal/telemetry/loganalytics"
	"github.com/slipway-cd/slipway/internal/telemetry/recorded"
	"github.com/slipway-cd/slipway/kql/recording"
)

func (a *app) queryCommand() *cobra.Command {
	var env, directory string
	cmd := &cobra.Command{
		Use:   "query 'KQL'",
		Short: "Ask telemetry in KQL: an environment's workspace, or a recording",
		Long: `Asks the Log Analytics workspace of an environment, or with --recording a directory that slipway record made, without any
network. - reads the query from standard input.`,
		Example: `  slipway query --env prod1 'AppRequests | where TimeGenerated > ago(5m) | summarize count() by tostring(Properties.slot)'
  slipway query --recording incident/ 'AppRequests | summarize countif(Success == false) by bin(TimeGenerated, 1m)' -o csv
  slipway query --env prod1 - < question.kql`,
		Args: exactly("the query, in single quotes"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.checkAnswerFormat(); err != nil {
				return err
			}
			text := args[0]
			if text == "-" {
				raw, err := io.ReadAll(io.LimitReader(a.In, 1<<20))
				if err != nil {
					return fmt.Errorf("reading the query from standard input: %w", err)
				}
				text = string(raw)
			}
			if strings.TrimSpace(text) == "" {
				return &usageError{err: errors.New("the query is empty")}
			}
			ask, err := a.querier(cmd.Context(), env, directory)
			if err != nil {
				return err
			}
			answer, err := ask.Query(cmd.Context(), text)
			if err != nil {
				return err
			}
			return a.printAnswer(answer)
		},
	}
	a.telemetryFlags(cmd, &env, &directory)
	a.answerFlag(cmd)
	return cmd
}

// exactly wants one argument and says which.
func exactly(what string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == 1 {
			return nil
		}
		return &usageError{err: fmt.Errorf("%s takes one argument, %s, but got %d", cmd.CommandPath(), what, len(args)), next: []string{cmd.CommandPath() + " --help has examples"}}
	}
}

// telemetryFlags say where telemetry is read: one of both.
func (a *app) telemetryFlags(cmd *cobra.Command, env, directory *string) {
	a.envFlag(cmd, env)
	delete(cmd.Flags().Lookup("env").Annotations, cobra.BashCompOneRequiredFlag)
	cmd.Flags().StringVar(directory, "recording", "", "directory of a recording, instead of an environment's workspace")
	_ = cmd.MarkFlagDirname("recording")
	cmd.MarkFlagsMutuallyExclusive("env", "recording")
	cmd.MarkFlagsOneRequired("env", "recording")
}

// querier is what the flags name.
func (a *app) querier(ctx context.Context, env, directory string) (loganalytics.Querier, error) {
	if directory != "" {
		r, err := recording.Open(directory)
		if err != nil {
			return nil, &usageError{err: err}
		}
		return &recorded.Source{Database: r}, nil
	}
	cfg, _, err := config.Load(a.file, a.Getenv)
	if err != nil {
		return nil, err
	}
	e, err := target.Resolve(ctx, cfg, a.targetOptions(env, event.Discard))
	if err != nil {
		return nil, err
	}
	return target.Workspace(e, a.Getenv)
}
