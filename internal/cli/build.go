package cli

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/slipway-cd/slipway/internal/build"
	"github.com/slipway-cd/slipway/internal/bundle"
	"github.com/slipway-cd/slipway/internal/chart"
	"github.com/slipway-cd/slipway/internal/config"
	"github.com/slipway-cd/slipway/internal/console"
	"github.com/slipway-cd/slipway/internal/event"
	"github.com/slipway-cd/slipway/internal/target"
)

// charts lets a build package and push charts.
type charts struct{ push chart.PushOptions }

func (charts) Package(dir string) (name, version string, tgz []byte, err error) {
	ch, err := chart.Load(dir)
	if err != nil {
		return "", "", nil, err
	}
	tgz, err = chart.Package(ch)
	return ch.Name(), ch.Version(), tgz, err
}

func (c charts) Push(ctx context.Context, ref string, tgz []byte) (string, error) {
	return chart.Push(ctx, ref, tgz, c.push)
}

func (a *app) buildCommand() *cobra.Command {
	var version string
	cmd := &cobra.Command{
		Use:   "build",
		Short: "Build images and chart into a bundle and push it",
		Long: `Build the images and the chart of slipway.yaml, push them, and push the bundle that names them all by digest.
The bundle's digest is what is released; the same source always gives the same digest.`,
		Example: `  slipway build
  slipway build -o json | jq -r .reference
  slipway release --env dev1 --bundle $(slipway build -o json | jq -r .reference)`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := a.checkOutput(); err != nil {
				return err
			}
			cfg, raw, err := config.Load(a.file, a.Getenv)
			if err != nil {
				return err
			}
			asJSON := a.output == "json"
			file, out := a.Program.Out, a.Out
			if asJSON {
				file, out = a.Program.Err, a.Err // progress must not mix with what a program reads
			}
			ctx, c, done := a.stageOn(cmd.Context(), file, out, console.FormatText)
			res, err := a.build(ctx, cfg, cfg.Azure, raw, version, c, nil)
			if err == nil {
				c.Emit(built(res))
			}
			done()
			if err != nil {
				return err
			}
			if asJSON {
				return a.printJSON(res)
			}
			return nil // the console's last words say it all
		},
	}
	cmd.Flags().StringVar(&version, "version", "", "the bundle's version, for people (default: the commit)")
	a.outputFlag(cmd, "with json the bundle is printed and nothing else")
	return cmd
}

// build builds, unless before, which may be nil, finds that it would be for nothing.
func (a *app) build(ctx context.Context, cfg *config.Config, registry config.Azure, raw []byte, version string, sink event.Sink, before func(context.Context) error) (*build.Result, error) {
	remote, err := target.Registry(registry, a.Getenv)
	if err != nil {
		return nil, &usageError{err: err}
	}
	keychain, transport, err := target.RegistryAccess(registry, a.Getenv)
	if err != nil {
		return nil, &usageError{err: err}
	}
	return build.Run(ctx, build.Options{
		Program: a.File,
		Config:  cfg, ConfigBytes: raw, Version: version, Builder: "slipway " + a.Version,
		Charts: charts{chart.PushOptions{Keychain: keychain, Transport: transport}}, Sink: sink, Log: a.log(), Remote: remote, Before: before,
	})
}

// built says at the end what was made.
func built(res *build.Result) event.Event {
	b := res.Bundle
	ev := event.Event{Time: time.Now().UTC(), Kind: event.Finished, Outcome: "built", Took: res.Took,
		Message: fmt.Sprintf("Built %s %s.", b.Service, b.Version),
		Next:    []string{"slipway release --env … --bundle " + res.Reference}}
	for _, name := range slices.Sorted(maps.Keys(b.Images)) {
		ev.Fields = append(ev.Fields, event.Field{Key: "image " + name, Value: bundle.ShortDigest(b.Images[name].Digest)})
	}
	ev.Fields = append(ev.Fields,
		event.Field{Key: "chart " + b.Chart.Name + " " + b.Chart.Version, Value: bundle.ShortDigest(b.Chart.Digest)},
		event.Field{Key: "bundle", Value: bundle.ShortDigest(res.Digest)})
	return ev
}
