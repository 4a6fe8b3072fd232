package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"reflect"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/slipway-cd/slipway/internal/backtest"
	"github.com/slipway-cd/slipway/internal/config"
	"github.com/slipway-cd/slipway/internal/gate"
	"github.com/slipway-cd/slipway/internal/target"
	"github.com/slipway-cd/slipway/internal/telemetry/recorded"
	"github.com/slipway-cd/slipway/kql/recording"
)

// backtesting are the flags.
type backtesting struct {
	directory, config, env, candidate, from, to string
	sweeps                                      []string
}

func (a *app) gateBacktestCommand() *cobra.Command {
	var f backtesting
	cmd := &cobra.Command{
		Use:   "backtest --recording DIR",
		Short: "What the gates would have said about recorded telemetry, and when",
		Long: `Replays a recording (slipway record) through the gates of an environment as it would have arrived: with a release's looks, on
a clock of its own, through the same code. Prints what they would have decided, when, on what evidence and at what cost to
users, and what other settings would have done.

The gates are those of --env; without it those of the only environment of slipway.yaml that has gates on Application Insights, or, where there is
no slipway.yaml, failures and latency as they are by default.

--sweep tries other settings, each with each: alpha and beta (probabilities of a wrong fail and of a wrong pass), worseBy (the
tolerance of all gates that compare rates) and GATE.worseBy.`,
		Example: `  slipway gate backtest --recording incident/ --env prod1
  slipway gate backtest --recording incident/ --from 2026-11-25T09:10:00Z --candidate blue -o json
  slipway gate backtest --recording incident/ --sweep alpha=0.001,0.01,worseBy=0.2%,0.5%,latency.worseBy=20%`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.checkOutput(); err != nil {
				return err
			}
			if f.config != "" {
				a.file = f.config
			}
			return a.backtest(cmd.Context(), f)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&f.directory, "recording", "", "directory of the recording")
	flags.StringVar(&f.config, "config", "", "slipway.yaml, as --file")
	a.optionalEnvFlag(cmd, &f.env)
	flags.StringVar(&f.candidate, "candidate", "green", "slot of the candidate, blue or green")
	flags.StringVar(&f.from, "from", "", "when the candidate was deployed (2026-11-25T09:10:00Z); default: its first request")
	flags.StringVar(&f.to, "to", "", "when to stop looking; default: the end of the recording")
	flags.StringArrayVar(&f.sweeps, "sweep", nil, "other settings to try: alpha=0.005,0.01,worseBy=0.5%")
	_ = cmd.MarkFlagRequired("recording")
	_ = cmd.MarkFlagDirname("recording")
	_ = cmd.RegisterFlagCompletionFunc("candidate", cobra.FixedCompletions([]string{"blue", "green"}, cobra.ShellCompDirectiveNoFileComp))
	a.outputFlag(cmd, "the verdict and its evidence")
	return cmd
}

// tried is a result of other settings.
type tried struct {
	Settings map[string]string `json:"settings"`
	backtest.Decision
}

func (a *app) backtest(ctx context.Context, f backtesting) error {
	span, err := f.span()
	if err != nil {
		return err
	}
	if len(f.sweeps) == 0 && a.output != "json" {
		f.sweeps = []string{"alpha=0.001,0.05"}
	}
	settings, err := sweep(f.sweeps)
	if err != nil {
		return &usageError{err: err, next: []string{"slipway gate backtest --help has examples"}}
	}
	cfg, env, gates, err := a.judgedBy(f.env)
	if err != nil {
		return err
	}
	r, err := recording.Open(f.directory)
	if err != nil {
		return &usageError{err: err, next: []string{"slipway record --env … DIR makes a recording"}}
	}
	replay, err := recorded.NewReplay(r)
	if err != nil {
		return &usageError{err: fmt.Errorf("%s cannot be replayed: %w", f.directory, err)}
	}
	asking, _, err := target.Backtest(cfg, env, nil, true)
	if err != nil {
		return err
	}
	found, err := backtest.Find(ctx, replay, asking.Spec, span)
	if err != nil {
		return badRecording(err)
	}
	compare := found.Production() != ""
	run := func(s setting) (*backtest.Result, error) {
		own, judging, err := target.Backtest(cfg, env, s.tolerances, compare)
		if err != nil {
			return nil, &usageError{err: err}
		}
		if s.alpha != 0 {
			judging.Config.Alpha = s.alpha
		}
		if s.beta != 0 {
			judging.Config.Beta = s.beta
		}
		if len(judging.Config.Gates) > 0 {
			if err := judging.Config.Validate(); err != nil {
				return nil, &usageError{err: fmt.Errorf("%s: %w", s, err)}
			}
		}
		if !found.Looked() || !reflect.DeepEqual(own, asking) {
			asking = own
			if found, err = found.Look(ctx, replay, asking, span.To); err != nil {
				return nil, err
			}
		}
		return found.Judge(ctx, asking, judging)
	}
	result, err := run(setting{})
	if err != nil {
		return badRecording(err)
	}
	var others []tried
	for _, s := range settings {
		other, err := run(s)
		if err != nil {
			return badRecording(err)
		}
		others = append(others, tried{s.named, other.Decision})
	}
	if a.output == "json" {
		return a.printJSON(struct {
			*backtest.Result
			Sweep []tried `json:"sweep,omitempty"`
		}{result, others})
	}
	return a.printBacktest(result, gates, settings, others)
}

// badRecording is an error that says the recording, or the part of it, is no good.
func badRecording(err error) error {
	if errors.Is(err, backtest.ErrInput) {
		return &usageError{err: err, next: []string{"--candidate names the slot, --from and --to the part of the recording"}}
	}
	return err
}

func (f backtesting) span() (backtest.Span, error) {
	s := backtest.Span{Candidate: f.candidate}
	if f.candidate != "blue" && f.candidate != "green" {
		return s, &usageError{err: fmt.Errorf("--candidate %s is no slot: it is blue or green", f.candidate)}
	}
	for _, flag := range []struct {
		name, text string
		to         *time.Time
	}{{"from", f.from, &s.From}, {"to", f.to, &s.To}} {
		if flag.text == "" {
			continue
		}
		at, err := time.Parse(time.RFC3339, flag.text)
		if err != nil {
			return s, &usageError{err: fmt.Errorf("--%s %s is no time such as 2026-11-25T09:10:00Z", flag.name, flag.text)}
		}
		*flag.to = at.UTC()
	}
	if !s.From.IsZero() && !s.To.IsZero() && !s.To.After(s.From) {
		return s, &usageError{err: fmt.Errorf("--from %s is not before --to %s", stamp(s.From), stamp(s.To))}
	}
	return s, nil
}

// defaultGates are what is asked where there is no configuration.
func defaultGates() *config.Config {
	return &config.Config{
		Environments: map[string]config.Environment{"": {
			Gates: []string{"failures", "latency"}, Telemetry: config.Telemetry{ApplicationInsights: &config.ApplicationInsights{}},
		}},
		Gates: map[string]config.Gate{
			"failures": {Requests: &config.Requests{FailureRate: &config.Rate{}}},
			"latency":  {Requests: &config.Requests{Quantile: 0.95}},
		},
	}
}

// judgedBy finds the environment whose gates are asked, and says which those are.
func (a *app) judgedBy(name string) (*config.Config, config.Environment, string, error) {
	cfg, _, err := config.Load(a.file, a.Getenv)
	if a.file == "" && name == "" && errors.Is(err, fs.ErrNotExist) {
		cfg, err = &config.Config{}, nil
	}
	if err != nil {
		return nil, config.Environment{}, "", err
	}
	if name == "" {
		var judged []string
		for n, e := range cfg.Environments {
			if slices.ContainsFunc(e.Gates, func(g string) bool { return cfg.Gates[g].OnInsights() }) {
				judged = append(judged, n)
			}
		}
		slices.Sort(judged)
		switch {
		case len(judged) == 1:
			name = judged[0]
		case len(judged) > 1:
			return nil, config.Environment{}, "", &usageError{err: fmt.Errorf("%d environments have gates on telemetry", len(judged)),
				next: []string{"name one with --env: " + strings.Join(judged, ", ")}}
		case a.file != "":
			return nil, config.Environment{}, "", &usageError{err: fmt.Errorf("no environment of %s has gates on telemetry", a.file),
				next: []string{"without --config and outside its directory, failures and latency are asked as they are by default"}}
		default:
			cfg = defaultGates()
		}
	}
	e, err := cfg.Environment(name)
	if err != nil {
		return nil, e, "", err
	}
	var asked []string
	for _, g := range e.Gates {
		if cfg.Gates[g].OnInsights() {
			asked = append(asked, g)
		}
	}
	switch {
	case len(asked) == 0:
		return nil, e, "", &usageError{err: fmt.Errorf("no gate of environment %s reads telemetry", name), next: []string{"add some to its gates, or name another environment with --env"}}
	case name == "":
		return cfg, e, "the default gates " + strings.Join(asked, " and "), nil
	}
	return cfg, e, "the gates of " + name, nil
}

// printBacktest says it in words: the verdict, its evidence, and what other settings would have done.
func (a *app) printBacktest(r *backtest.Result, gates string, settings []setting, others []tried) error {
	switch r.Verdict {
	case gate.Fail:
		fmt.Fprintf(a.Out, "The candidate would be rolled back %s after its first request: %s.\n", after(r.Decision), r.Reason)
	case gate.Pass:
		fmt.Fprintf(a.Out, "The candidate would pass %s after its first request: %s.\n", after(r.Decision), r.Reason)
	default:
		fmt.Fprintf(a.Out, "The gates would hold until the end, at %s: %s.\n", stamp(r.To), r.Reason)
	}
	until := "In all"
	if r.DecidedAt != nil {
		until = "Until then, " + stamp(*r.DecidedAt) + ","
	}
	beside := "beside production in " + r.Production
	if r.Production == "" {
		beside = "with no production beside it, so that gates went by their objectives"
	}
	fmt.Fprintf(a.Out, "%s the candidate in slot %s served %.0f requests, of which %.0f failed, %s. Judged by %s in %d looks.\n",
		until, r.Candidate, r.CandidateRequests, r.CandidateFailures, beside, gates, len(r.Looks))
	if r.Verdict == gate.Fail && r.PassedAt != nil {
		fmt.Fprintf(a.Out, "Before, at %s, it had passed.\n", stamp(*r.PassedAt))
	}
	w := tabwriter.NewWriter(a.Out, 0, 4, 2, ' ', 0)
	fmt.Fprintln(w, "\nGATE\tVERDICT\tSINCE\tSAYS")
	for _, g := range r.Gates {
		since := "-"
		if g.DecidedAt != nil {
			since = g.DecidedAt.Format("15:04:05Z")
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", g.Name, g.Verdict, since, g.Reason)
	}
	fmt.Fprintln(w, "\nOTHER SETTINGS\tVERDICT\tAFTER\tREQUESTS\tFAILED")
	for i, o := range others {
		fmt.Fprintf(w, "%s\t%s\t%s\t%.0f\t%.0f\n", settings[i], o.Verdict, after(o.Decision), o.CandidateRequests, o.CandidateFailures)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(a.Out, "\nnext: -o json has the evidence of every look; --sweep worseBy=0.2%,0.5% tries tolerances")
	return err
}

func after(d backtest.Decision) string {
	if d.AfterSeconds == nil {
		return "-"
	}
	return (time.Duration(*d.AfterSeconds * float64(time.Second))).Round(time.Second).String()
}
