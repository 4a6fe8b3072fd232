// Package cli turns flags into calls and results into exit codes. It holds no logic of its own: one file a command.
package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/klog/v2"

	"github.com/slipway-cd/slipway/internal/config"
	"github.com/slipway-cd/slipway/internal/console"
	"github.com/slipway-cd/slipway/internal/event"
	"github.com/slipway-cd/slipway/internal/release"
	"github.com/slipway-cd/slipway/internal/secret"
)

// Program is what a run of the program is given.
type Program struct {
	Version, Commit string
	Args            []string
	In              io.Reader
	Out, Err        *os.File
	Getenv          func(string) string
	// File is that of this program, which a build puts beside the bundle as the guardian of its releases; "" for none.
	File string
}

// app is one run of the program.
type app struct {
	Program
	// Out and Err are the program's, behind the masker; all that is written goes through them.
	Out, Err io.Writer
	masker   *secret.Masker
	ci       secret.Platform

	file    string
	output  string // -o of commands that print events or records
	table   string // -o of those that print a table of telemetry
	events  string
	verbose bool
}

// Main runs the program and returns its exit code, see [ExitCode]. A panic of the goroutine that calls it is told like an error,
// masked, with its stack, and is an internal error. A panic of another goroutine cannot be caught here: Go itself writes it to
// standard error, past the masker, and ends the process with its own exit code 2.
func Main(ctx context.Context, p Program) int {
	a := newApp(p)
	root := a.root()
	root.SetArgs(p.Args)
	root.SetIn(p.In)
	root.SetOut(a.Out)
	root.SetErr(a.Err)
	return a.run(func() error { return root.ExecuteContext(ctx) })
}

// run calls the command and says how it ended.
func (a *app) run(command func() error) (code int) {
	defer a.flush()
	defer func() {
		if p := recover(); p != nil {
			code = exitInternal
			printError(a.Err, &panicError{p})
			fmt.Fprintf(a.Err, "\n%s", debug.Stack())
		}
	}()
	err := command()
	if err != nil && !as[*saidError](err) && !as[*childExit](err) {
		printError(a.Err, err)
	}
	return ExitCode(err)
}

// panicError is a fault of this program itself.
type panicError struct{ value any }

func (e *panicError) Error() string { return fmt.Sprintf("internal error: %v", e.value) }

// Next says what a person may do.
func (e *panicError) Next() []string {
	return []string{"if a release was running, it is open in the cluster's journal as it was: slipway status --env … says how things stand, slipway rollback --env … takes it back",
		"please report this, with the stack below"}
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "slipway",
		Short: "Build, gate and release services on Kubernetes, and take a bad release back by itself",
		Long: `Slipway builds a service into an immutable bundle, releases it into an environment beside production,
moves the traffic step by step, and takes it back by itself when a gate fails.

Exit codes: 0 done · 1 internal error · 2 wrong usage or configuration, nothing was touched ·
3 gated out and rolled back, the environment is safe · 4 could not restore a safe state, a person is needed ·
5 another release holds the lock`,
		Example: `  slipway build
  slipway release --env dev1
  slipway status --env dev1
  slipway rollback --env dev1`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          known,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.PersistentPreRun = func(*cobra.Command, []string) { // Helm and client-go also log where nobody asked them to
		log := slog.New(slog.NewTextHandler(a.log(), nil))
		slog.SetDefault(log)
		klog.SetSlogLogger(log)
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &usageError{err: err, next: []string{cmd.CommandPath() + " --help"}}
	})
	flags := root.PersistentFlags()
	flags.StringVarP(&a.file, "file", "f", "", "slipway.yaml, or the directory it is in (default: the working directory)")
	flags.BoolVarP(&a.verbose, "verbose", "v", false, "also show what the libraries below say")
	root.AddGroup(&cobra.Group{ID: "ship", Title: "Ship:"}, &cobra.Group{ID: "parts", Title: "The parts of a release, for pipelines:"},
		&cobra.Group{ID: "look", Title: "Look:"}, &cobra.Group{ID: "other", Title: "Other:"})
	add := func(group string, cmds ...*cobra.Command) {
		for _, c := range cmds {
			c.GroupID = group
			root.AddCommand(c)
		}
	}
	add("ship", a.buildCommand(), a.releaseCommand(), a.rollbackCommand())
	add("parts", a.deployCommand(), a.routeCommand(), a.promoteCommand(), a.resumeCommand())
	add("look", a.statusCommand(), a.historyCommand(), a.gateCommand(), a.queryCommand(), a.recordCommand(), a.vaultCommand())
	add("other", a.doctorCommand(), a.guardCommand(), a.sandboxCommand(), a.versionCommand())
	root.SetHelpCommandGroupID("other")
	root.SetCompletionCommandGroupID("other")
	return root
}

// known refuses a command that does not exist, with those that may have been meant.
func known(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	next := []string{cmd.CommandPath() + " --help lists the commands"}
	if cmd.SuggestionsMinimumDistance <= 0 {
		cmd.SuggestionsMinimumDistance = 2
	}
	for _, s := range cmd.SuggestionsFor(args[0]) {
		next = append(next, "did you mean "+cmd.CommandPath()+" "+s+"?")
	}
	return &usageError{err: fmt.Errorf("there is no command %q", args[0]), next: next}
}

// outputFlag adds -o with the formats a command knows.
func (a *app) outputFlag(cmd *cobra.Command, what string) {
	cmd.Flags().StringVarP(&a.output, "output", "o", "text", "text or json: "+what)
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions([]string{"text", "json"}, cobra.ShellCompDirectiveNoFileComp))
}

func (a *app) checkOutput() error {
	if a.output != "text" && a.output != "json" && a.output != "" {
		return &usageError{err: fmt.Errorf("-o %s is not known: it is text or json", a.output)}
	}
	return nil
}

// envFlag adds --env with completion from slipway.yaml.
func (a *app) envFlag(cmd *cobra.Command, env *string) {
	a.optionalEnvFlag(cmd, env)
	_ = cmd.MarkFlagRequired("env")
}

func (a *app) optionalEnvFlag(cmd *cobra.Command, env *string) {
	cmd.Flags().StringVarP(env, "env", "e", "", "environment of slipway.yaml")
	_ = cmd.RegisterFlagCompletionFunc("env", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		cfg, _, err := config.Load(a.file, a.Getenv)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		var names []string
		for n := range cfg.Environments {
			names = append(names, n)
		}
		return names, cobra.ShellCompDirectiveNoFileComp
	})
}

func (a *app) log() io.Writer {
	if a.verbose {
		return a.Err
	}
	return io.Discard
}

// stage is a console and the context of a command that shows progress. The context ends, with the cause
// [release.Interrupted], when the person confirms Ctrl-C or a signal arrives.
func (a *app) stage(ctx context.Context) (context.Context, console.Console, func()) {
	return a.stageOn(ctx, a.Program.Out, a.Out, a.output)
}

func (a *app) stageOn(ctx context.Context, file *os.File, out io.Writer, format string) (context.Context, console.Console, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	opts := console.Detect(file, a.Getenv)
	opts.Format = format
	opts.Out = terminal{File: file, masked: out}
	opts.OnInterrupt = func() { cancel(release.Interrupted) }
	c := console.New(opts)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	done := make(chan struct{})
	go func() {
		for {
			select {
			case s := <-signals:
				c.Emit(event.Event{Time: time.Now().UTC(), Kind: event.Warning, Message: fmt.Sprintf("got %s: bringing the environment into a safe state, then stopping", s)})
				cancel(release.Interrupted)
			case <-done:
				return
			}
		}
	}()
	return ctx, c, sync.OnceFunc(func() {
		signal.Stop(signals)
		close(done)
		c.Close()
		cancel(nil)
	})
}

// printJSON prints a value as indented JSON.
func (a *app) printJSON(v any) error {
	enc := json.NewEncoder(a.Out)
	enc.SetIndent("", "  ")
	return enc.Encode(v)
}
