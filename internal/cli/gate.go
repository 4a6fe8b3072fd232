package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/slipway-cd/slipway/internal/config"
	"github.com/slipway-cd/slipway/internal/event"
	"github.com/slipway-cd/slipway/internal/target"
	"github.com/slipway-cd/slipway/internal/telemetry/loganalytics"
)

func (a *app) gateCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:     "gate",
		Short:   "What gates ask, and what they would say",
		Example: "  slipway gate explain --env prod1\n  slipway gate explain failures --env prod1 --run\n  slipway gate backtest --recording incident/ --env prod1",
		Args:    known,
		RunE:    func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.gateExplainCommand(), a.gateBacktestCommand())
	return cmd
}

func (a *app) gateExplainCommand() *cobra.Command {
	var env, candidate string
	var since time.Duration
	var run bool
	cmd := &cobra.Command{
		Use:   "explain [GATE]",
		Short: "The query behind the gates on telemetry, and with --run its answer",
		Long: `Prints the query that a look of the gates on telemetry asks: one for all built-in gates, and one for each gate with a
query of its own. Name a gate to see only its own. With --run the workspace is asked, for the last minutes.`,
		Example: "  slipway gate explain --env prod1\n  slipway gate explain failures --env prod1 --run --since 30m\n  slipway gate explain --env prod1 --run -o csv",
		Args:    cobra.MaximumNArgs(1),
		ValidArgsFunction: func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
			cfg, _, err := config.Load(a.file, a.Getenv)
			if err != nil {
				return nil, cobra.ShellCompDirectiveNoFileComp
			}
			var names []string
			for n, g := range cfg.Gates {
				if g.OnInsights() {
					names = append(names, n)
				}
			}
			return names, cobra.ShellCompDirectiveNoFileComp
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := a.checkAnswerFormat(); err != nil {
				return err
			}
			if candidate != "blue" && candidate != "green" {
				return &usageError{err: fmt.Errorf("--candidate %s is no slot: it is blue or green", candidate)}
			}
			if since <= 0 {
				return &usageError{err: fmt.Errorf("--since %v is not in the past", since)}
			}
			cfg, _, err := config.Load(a.file, a.Getenv)
			if err != nil {
				return err
			}
			e, err := target.Resolve(cmd.Context(), cfg, a.targetOptions(env, event.Discard))
			if err != nil {
				return err
			}
			name := ""
			if len(args) == 1 {
				name = args[0]
			}
			production := "blue"
			if candidate == "blue" {
				production = "green"
			}
			queries, err := target.Queries(cfg, e, name, loganalytics.Release{Candidate: candidate, Production: production, Since: time.Now().UTC().Add(-since)})
			if err != nil {
				return &usageError{err: err}
			}
			if !run {
				for i, q := range queries {
					if i > 0 {
						fmt.Fprintln(a.Out)
					}
					fmt.Fprintf(a.Out, "// %s\n%s\n", q.What, strings.TrimRight(q.Text, "\n"))
				}
				return nil
			}
			workspace, err := target.Workspace(e, a.Getenv)
			if err != nil {
				return err
			}
			for _, q := range queries {
				answer, err := workspace.Query(cmd.Context(), q.Text)
				if err != nil {
					return fmt.Errorf("asking for %s: %w", q.What, err)
				}
				if len(queries) > 1 {
					fmt.Fprintf(a.Err, "%s:\n", q.What)
				}
				if err := a.printAnswer(answer); err != nil {
					return err
				}
			}
			return nil
		},
	}
	a.envFlag(cmd, &env)
	cmd.Flags().BoolVar(&run, "run", false, "ask the workspace and print its answer")
	cmd.Flags().StringVar(&candidate, "candidate", "green", "slot of the candidate, blue or green")
	cmd.Flags().DurationVar(&since, "since", 15*time.Minute, "how long ago the candidate was deployed")
	_ = cmd.RegisterFlagCompletionFunc("candidate", cobra.FixedCompletions([]string{"blue", "green"}, cobra.ShellCompDirectiveNoFileComp))
	a.answerFlag(cmd)
	return cmd
}
