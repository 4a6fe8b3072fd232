package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/slipway-cd/slipway/internal/bundle"
	"github.com/slipway-cd/slipway/internal/config"
	"github.com/slipway-cd/slipway/internal/console"
	"github.com/slipway-cd/slipway/internal/event"
	"github.com/slipway-cd/slipway/internal/release"
	"github.com/slipway-cd/slipway/internal/target"
	"github.com/slipway-cd/slipway/internal/vault"
)

// releaseFlags are shared by the commands that run a release.
type releaseFlags struct {
	env, bundle, version string
	unlock               bool
}

func (a *app) releaseCommand() *cobra.Command {
	var f releaseFlags
	cmd := &cobra.Command{
		Use:   "release",
		Short: "Release a bundle into an environment, gated, and take it back by itself if a gate fails",
		Long: `Release a bundle into an environment: lock, preflight, deploy the candidate beside production at weight 0, smoke gates,
move the traffic step by step while the gates are asked, promote, bake, clean up. If anything fails on the way, all
traffic goes back to production first, then the candidate is removed (exit code 3).

Without --bundle the checkout is built first; a build without changes takes a second or two.
Ctrl-C takes the release back.`,
		Example: `  slipway release --env dev1
  slipway release --env prod1 --bundle registry.example.com/team/calculator/bundle@sha256:…
  slipway release --env dev1 -o json`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.begin(cmd.Context(), f, release.Until{})
		},
	}
	a.beginFlags(cmd, &f)
	return cmd
}

func (a *app) deployCommand() *cobra.Command {
	var f releaseFlags
	cmd := &cobra.Command{
		Use:   "deploy",
		Short: "Begin a release: candidate beside production at weight 0, smoke gates passed",
		Long: `The first part of a release, for pipelines that run each part in a step of its own: everything up to the smoke gates.
The release stays open in the cluster's journal; go on with slipway route, promote or rollback from any machine.`,
		Example: "  slipway deploy --env prod1 --bundle registry.example.com/team/calculator/bundle@sha256:…",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.begin(cmd.Context(), f, release.Until{Phase: release.PhaseSmoke})
		},
	}
	a.beginFlags(cmd, &f)
	return cmd
}

func (a *app) beginFlags(cmd *cobra.Command, f *releaseFlags) {
	a.envFlag(cmd, &f.env)
	cmd.Flags().StringVarP(&f.bundle, "bundle", "b", "", "bundle to release, REPOSITORY@sha256:… or REPOSITORY:VERSION (default: build the checkout)")
	cmd.Flags().BoolVar(&f.unlock, "unlock", false, "mark a Helm release that a dead process left pending as failed, and go on")
	cmd.Flags().StringVar(&f.version, "version", "", "with a build: the bundle's version, for people (default: the commit)")
	cmd.MarkFlagsMutuallyExclusive("bundle", "version")
	a.eventFlags(cmd)
}

// eventFlags are those of every command that emits events.
func (a *app) eventFlags(cmd *cobra.Command) {
	a.outputFlag(cmd, "with json one event a line")
	cmd.Flags().StringVar(&a.events, "events", "", "also write every event to this file, one JSON object a line")
}

func (a *app) routeCommand() *cobra.Command {
	var f releaseFlags
	var weight int
	cmd := &cobra.Command{
		Use:     "route",
		Short:   "Go on with an open release: move the traffic, step by step, gates asked",
		Example: "  slipway route --env prod1 --weight 25\n  slipway route --env prod1",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if weight < 0 || weight > 100 {
				return &usageError{err: fmt.Errorf("--weight %d is not a percentage: it is 1 to 100", weight)}
			}
			return a.goOn(cmd.Context(), f, release.Until{Phase: release.PhaseSteps, Weight: weight}, noneOpen)
		},
	}
	a.envFlag(cmd, &f.env)
	cmd.Flags().IntVarP(&weight, "weight", "w", 0, "stop after the first step of at least this weight in percent (default: all steps)")
	a.eventFlags(cmd)
	return cmd
}

func (a *app) promoteCommand() *cobra.Command {
	var f releaseFlags
	cmd := &cobra.Command{
		Use:     "promote",
		Short:   "Finish an open release: what is left of the steps, promote, bake, clean up",
		Example: "  slipway promote --env prod1",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.goOn(cmd.Context(), f, release.Until{}, noneOpen)
		},
	}
	a.envFlag(cmd, &f.env)
	a.eventFlags(cmd)
	return cmd
}

// begin opens a release and runs it.
func (a *app) begin(ctx context.Context, f releaseFlags, until release.Until) error {
	if err := a.checkOutput(); err != nil {
		return err
	}
	return a.show(ctx, func(ctx context.Context, sink event.Sink) (*release.Record, error) {
		ref, o := f.bundle, a.targetOptions(f.env, sink)
		o.Unlock = f.unlock
		var local *config.Config
		var access config.Azure // to the registry
		if ref == "" {
			cfg, raw, err := config.Load(a.file, a.Getenv)
			if err != nil {
				return nil, err
			}
			local = cfg
			env, err := cfg.Environment(f.env)
			if err != nil { // before a build that would be for nothing
				return nil, err
			}
			access = env.Azure
			res, err := a.build(ctx, cfg, access, raw, f.version, sink, func(ctx context.Context) (err error) {
				o.Known, err = target.BeforeBuild(ctx, cfg, o)
				return untouched(err)
			})
			if err != nil {
				return nil, err
			}
			ref = res.Reference
		} else if cfg, _, err := config.Load(a.file, a.Getenv); err == nil {
			local = cfg
			if env, err := cfg.Environment(f.env); err == nil {
				access = env.Azure
			}
		}
		pulled, err := a.pull(ctx, ref, access)
		if err != nil {
			return nil, err
		}
		if local != nil && local.Service != pulled.Bundle.Service {
			return nil, &release.RefusedError{Err: fmt.Errorf("bundle %s is of service %s, but slipway.yaml here is of service %s", ref, pulled.Bundle.Service, local.Service),
				Next: []string{"name a bundle of " + local.Service + ", or run it outside this directory"}}
		}
		t, err := a.open(ctx, pulled, local, o)
		if err != nil {
			return nil, err
		}
		defer t.Close()
		if err := t.Prepare(ctx); err != nil {
			return nil, untouched(err)
		}
		t.WarnUnguarded(sink)
		return a.after(t, t.Engine.Release(ctx, t.Plan, until))
	})
}

// untouched is an error that came before anything was touched.
func untouched(err error) error {
	if ExitCode(err) == exitInternal {
		return &release.RefusedError{Err: err}
	}
	return err
}

// open reads the release configuration out of the bundle: what is released is what was built.
func (a *app) open(ctx context.Context, pulled *bundle.Pulled, local *config.Config, o target.Options) (*target.Target, error) {
	cfg, err := config.Parse("slipway.yaml of bundle "+bundle.ShortDigest(pulled.Digest), pulled.ConfigYAML, a.Getenv)
	if err != nil {
		return nil, err
	}
	if local != nil {
		cfg.Dir = local.Dir
	}
	return target.Open(ctx, cfg, pulled, o)
}

// noneOpen is what a stage of a pipeline says when there is no release to go on with.
func noneOpen(t *target.Target, _ *release.Record, _ event.Sink) (*release.Record, error) {
	return nil, &release.RefusedError{Err: fmt.Errorf("no release of %s is open in %s", t.Config.Service, t.Name), Next: []string{"slipway deploy --env " + t.Name + " begins one"}}
}

// goOn continues the open release: with its own bundle, whatever is checked out here. If there is none, nothing says what that means.
func (a *app) goOn(ctx context.Context, f releaseFlags, until release.Until, nothing func(*target.Target, *release.Record, event.Sink) (*release.Record, error)) error {
	if err := a.checkOutput(); err != nil {
		return err
	}
	return a.show(ctx, func(ctx context.Context, sink event.Sink) (*release.Record, error) {
		t, err := a.openHere(ctx, f.env, sink)
		if err != nil {
			return nil, err
		}
		defer t.Close()
		rec, err := t.Store.Load(ctx)
		if err != nil {
			return nil, err
		}
		if rec.Open == nil {
			return nothing(t, rec, sink)
		}
		if rec.Open.Back != "" || rec.Open.Return != "" { // which must need neither the registry nor the vault
			back := a.openBack(ctx, t, rec.Open, sink)
			defer back.Close()
			return a.after(back, back.Engine.Continue(ctx, until))
		}
		pulled, err := a.pull(ctx, rec.Open.Plan.Bundle, t.Environment.Azure)
		if err != nil {
			return nil, err
		}
		o := a.targetOptions(f.env, sink)
		o.Unlock, o.Begun = f.unlock, rec.Open.Plan.Variables
		full, err := a.open(ctx, pulled, t.Config, o)
		if as[*vault.ReadError](err) {
			return nil, &release.RefusedError{Err: fmt.Errorf("release %d cannot go on with the variables that it began with: %w", rec.Open.Number, err),
				Next: []string{"slipway rollback --env " + f.env + " takes it back; that reads no secret"}}
		}
		if err != nil {
			return nil, err
		}
		defer full.Close()
		return a.after(full, full.Engine.Continue(ctx, until))
	})
}

// openHere opens an environment of the slipway.yaml at hand, without a bundle.
func (a *app) openHere(ctx context.Context, env string, sink event.Sink) (*target.Target, error) {
	cfg, _, err := config.Load(a.file, a.Getenv)
	if err != nil {
		return nil, err
	}
	return target.Open(ctx, cfg, nil, a.targetOptions(env, sink))
}

func (a *app) targetOptions(env string, sink event.Sink) target.Options {
	return target.Options{Environment: env, Program: a.Version, Sink: sink, Getenv: a.Getenv, Learn: a.learn, Redact: a.masker.String, Log: a.log()}
}

// pull reads a bundle from a registry that may be Azure's.
func (a *app) pull(ctx context.Context, ref string, access config.Azure) (*bundle.Pulled, error) {
	options, err := target.Registry(access, a.Getenv)
	if err != nil {
		return nil, &usageError{err: err}
	}
	return bundle.Pull(ctx, ref, options...)
}

// after reads how things stand, for the closing words.
func (a *app) after(t *target.Target, err error) (*release.Record, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	rec, loadErr := t.Store.Load(ctx)
	if loadErr != nil {
		rec = nil
	}
	return rec, err
}

// show runs f with a console and says at the end, in one event, how it ended.
func (a *app) show(ctx context.Context, f func(context.Context, event.Sink) (*release.Record, error)) error {
	start := time.Now()
	var record console.Console
	if a.events != "" {
		file, err := os.Create(a.events)
		if err != nil {
			return &usageError{err: fmt.Errorf("opening the file for events (--events): %w", err)}
		}
		defer file.Close()
		masked := a.masker.Writer(file)
		defer func() { _ = masked.Flush() }()
		record = console.New(console.Options{Out: masked, Format: console.FormatJSON})
	}
	ctx, c, done := a.stage(ctx)
	defer done() // whatever happens, the terminal is as it was
	sink := event.SinkFunc(func(e event.Event) {
		c.Emit(e)
		if record != nil {
			record.Emit(e)
		}
	})
	rec, err := f(ctx, sink)
	sink.Emit(finished(rec, err, time.Since(start)))
	done()
	if record != nil {
		record.Close()
	}
	if err != nil {
		return &saidError{err}
	}
	return nil
}

// finished puts the end of a release into words.
func finished(rec *release.Record, err error, took time.Duration) event.Event {
	ev := event.Event{Time: time.Now().UTC(), Kind: event.Finished, Took: took, Next: next(err)}
	env, service := "", ""
	if rec != nil {
		env, service = rec.Environment, rec.Service
		if s, ok := rec.Slots[rec.Production]; ok {
			ev.Fields = append(ev.Fields, event.Field{Key: "production", Value: fmt.Sprintf("%s in slot %s", orUnknown(s.Version), rec.Production)})
		}
	}
	var rb *release.RolledBackError
	switch {
	case err == nil && rec != nil && rec.Open != nil:
		ev.Outcome = "open"
		ev.Message = fmt.Sprintf("%s %s is at %d %% in %s; the release is open.", service, rec.Open.Plan.Version, rec.Open.Weight, env)
		ev.Next = []string{"slipway route --env " + env + " moves the traffic", "slipway promote --env " + env + " finishes it", "slipway rollback --env " + env + " takes it back"}
	case err == nil && rec != nil && len(rec.History) > 0:
		ev.Outcome = release.Promoted
		ev.Message = fmt.Sprintf("%s %s takes all traffic in %s.", service, orUnknown(rec.Slots[rec.Production].Version), env)
		ev.Next = []string{"slipway status --env " + env}
	case err == nil:
		ev.Outcome, ev.Message = "done", "Done."
	case errors.As(err, &rb):
		ev.Outcome = release.RolledBack
		ev.Message = fmt.Sprintf("Rolled back, the environment is safe: %s.", rb.Reason)
		ev.Next = append(ev.Next, "slipway history --env "+env+" keeps the reason")
	default:
		ev.Outcome = release.Failed
		if ExitCode(err) == exitUsage || ExitCode(err) == exitLocked {
			ev.Outcome = "refused"
		}
		ev.Message = err.Error()
	}
	return ev
}

func orUnknown(version string) string {
	if version == "" {
		return "(adopted)"
	}
	return version
}
