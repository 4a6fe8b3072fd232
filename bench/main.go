// Bench measures Slipway on its sandbox, each thing against a named yardstick in the same run, and prints medians with
// their range. `make bench` runs it.
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
	"strings"
	"syscall"
	"time"

	"github.com/slipway-cd/slipway/bench/internal/measure"
	"github.com/slipway-cd/slipway/bench/internal/report"
	"github.com/slipway-cd/slipway/bench/internal/sandbox"
)

// Exit codes.
const (
	exitOK       = 0 // measured; goals may have been missed, the report says so
	exitInternal = 1
	exitUsage    = 2
)

type options struct {
	root, dir, output, only, file string
	runs                          int
	sandbox                       bool
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string, out, messages io.Writer) int {
	o, err := parse(args, messages)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		_, _ = fmt.Fprintln(messages, "bench:", err)
		return exitUsage
	}
	r := &report.Report{Started: time.Now().UTC(), Machine: report.ThisMachine()}
	err = bench(ctx, o, r, messages)
	if err != nil {
		r.Notes = append([]string{"INCOMPLETE: " + err.Error()}, r.Notes...)
	}
	r.Finish(time.Now())
	if o.file != "" {
		err = errors.Join(err, save(r, o.file))
	}
	write := r.Text
	if o.output == "json" {
		write = r.JSON
	}
	if e := write(out); e != nil {
		err = errors.Join(err, fmt.Errorf("writing the report: %w", e))
	}
	if err != nil {
		_, _ = fmt.Fprintln(messages, "bench:", err)
		return exitInternal
	}
	return exitOK
}

func save(r *report.Report, path string) error {
	f, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("writing the report (--json): %w", err)
	}
	if err := errors.Join(r.JSON(f), f.Close()); err != nil {
		return fmt.Errorf("writing the report (--json): %w", err)
	}
	return nil
}

// parts that --only can name, in the order in which they are measured. The last takes half an hour: it must be named.
var parts = []string{"sandbox", "start", "back", "whole", decide}

const decide = "decide"

func parse(args []string, messages io.Writer) (options, error) {
	var o options
	set := flag.NewFlagSet("bench", flag.ContinueOnError)
	set.SetOutput(messages)
	set.StringVar(&o.root, "root", ".", "the `checkout`, whose bin directory has the programs")
	set.StringVar(&o.dir, "dir", "/var/lib/slipway-sandbox", "data `directory` of the sandbox")
	set.IntVar(&o.runs, "runs", 7, "`runs` of each release that is measured; at least 5")
	set.BoolVar(&o.sandbox, "sandbox", false, "also measure how the sandbox comes up: takes it down first")
	set.StringVar(&o.only, "only", "", "measure only these `parts`, with commas between: "+strings.Join(parts, ", "))
	set.StringVar(&o.output, "o", "text", "`format` of the report: text or json")
	set.StringVar(&o.file, "json", "", "also write the report, as JSON, to this `file`")
	if err := set.Parse(args); err != nil {
		return o, err
	}
	var err error
	if o.root, err = filepath.Abs(o.root); err != nil {
		return o, fmt.Errorf("--root: %w", err)
	}
	for part := range strings.SplitSeq(o.only, ",") {
		if part != "" && !has(parts, part) {
			return o, fmt.Errorf("--only %s: there is no part %q; the parts are %s", o.only, part, strings.Join(parts, ", "))
		}
	}
	switch {
	case set.NArg() > 0:
		return o, fmt.Errorf("unexpected argument %q: all settings are flags, see --help", set.Arg(0))
	case o.runs < 5:
		return o, fmt.Errorf("--runs %d: a median of fewer than 5 says too little", o.runs)
	case o.output != "text" && o.output != "json":
		return o, fmt.Errorf("-o %q: want text or json", o.output)
	}
	p := sandbox.Programs{Root: o.root}
	for _, name := range []string{"slipway", "slipway-sandbox", "slipway-cluster", "slipway-gateway", "helm4", "loadgen"} {
		if _, err := os.Stat(p.Path(name)); err != nil {
			return o, fmt.Errorf("%s is not built (%w): make bench builds what is needed", name, err)
		}
	}
	return o, nil
}

func has(all []string, one string) bool {
	for _, s := range all {
		if s == one {
			return true
		}
	}
	return false
}

func (o options) wants(part string) bool {
	return o.only == "" && part != decide || has(strings.Split(o.only, ","), part)
}

// bench measures the parts that are wanted, into r. What was measured before an error stays there.
func bench(ctx context.Context, o options, r *report.Report, messages io.Writer) (err error) {
	temp, err := os.MkdirTemp("", "slipway-bench-")
	if err != nil {
		return fmt.Errorf("making a temporary directory: %w", err)
	}
	defer func() { _ = os.RemoveAll(temp) }()
	if r.Machine.Busy() {
		r.Notes = append(r.Notes, "the machine was busy with something else when this began: take the figures as rough")
	}
	b := &measure.Bench{Programs: sandbox.Programs{Root: o.root, Dir: o.dir}, Report: r, Runs: o.runs, Temp: temp, Log: messages}
	if err := b.Versions(ctx); err != nil {
		return err
	}
	if o.wants("start") { // before the cluster has much to do
		if err := b.Sizes(); err != nil {
			return err
		}
		if err := b.Start(ctx); err != nil {
			return err
		}
	}
	up := o.sandbox && o.wants("sandbox")
	if !up && !o.wants("back") && !o.wants("whole") && !o.wants(decide) {
		return nil
	}
	if err := b.Up(ctx); err != nil {
		return err
	}
	if up {
		if err := b.Sandbox(ctx); err != nil {
			return err
		}
	}
	if !o.wants("back") && !o.wants("whole") && !o.wants(decide) {
		return nil
	}
	defer func() {
		// Also after Ctrl-C: nothing of the benchmark stays in the cluster.
		clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), 3*time.Minute)
		defer cancel()
		err = errors.Join(err, b.Close(clean))
	}()
	if err := b.Open(ctx); err != nil {
		return err
	}
	if o.wants("back") {
		if err := b.Back(ctx); err != nil {
			return err
		}
	}
	if o.wants("whole") {
		if err := b.Whole(ctx); err != nil {
			return err
		}
	}
	if o.wants(decide) {
		return b.Decide(ctx)
	}
	return nil
}
