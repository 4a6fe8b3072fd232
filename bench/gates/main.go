// Gates simulates releases and compares judges on them: how often each rolls back a good candidate, and how soon each finds a bad
// one. `make bench-gates` runs it and writes the figures into docs/gating.md.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/slipway-cd/slipway/bench/gates/internal/page"
)

func main() {
	debug.SetGCPercent(400) // all that is in memory is small and soon gone
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	err := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	switch {
	case err == nil, errors.Is(err, flag.ErrHelp):
	default:
		_, _ = fmt.Fprintln(os.Stderr, "gates:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, out, messages io.Writer) error {
	flags := flag.NewFlagSet("gates", flag.ContinueOnError)
	flags.SetOutput(messages)
	nulls := flags.Int("nulls", 2000, "runs of each release with a good candidate")
	effects := flags.Int("effects", 1000, "runs of each release with a bad candidate")
	seed := flags.Uint64("seed", 1, "of the simulator")
	only := flags.String("only", "", "play only rows whose name contains this")
	docs := flags.String("docs", "", "folder whose gating.md and gating.svg are to be brought up to date")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *nulls < 1 || *effects < 1 {
		return errors.New("-nulls and -effects are numbers of runs: give 1 or more")
	}
	start := time.Now()
	tables, err := measure(ctx, options{nulls: *nulls, effects: *effects, seed: *seed, only: *only}, messages)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprint(out, tables.Markdown())
	_, _ = fmt.Fprintf(messages, "took %v\n", time.Since(start).Round(time.Second))
	if *docs == "" {
		return nil
	}
	if err := page.Replace(filepath.Join(*docs, "gating.md"), tables.Markdown()); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(*docs, "gating.svg"), []byte(tables.Plot.SVG()), 0o644)
}
