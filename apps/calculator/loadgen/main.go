// Loadgen puts a constant load on a service and reports what its clients saw, by the
// version and slot that answered (headers X-Version and X-Slot).
//
//	loadgen --url http://127.0.0.1:8080 --host calculator.example --rate 100 --duration 30s
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/slipway-cd/slipway/apps/calculator/internal/load"
)

// Exit codes.
const (
	exitOK       = 0
	exitInternal = 1 // could not write the report or the record, or more failed than --fail-over allows
	exitUsage    = 2
)

type flags struct {
	load.Options
	output   string
	record   string
	failOver int
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	context.AfterFunc(ctx, stop) // a second signal ends it at once
	code := run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string, out, messages io.Writer) int {
	f, err := parse(args, messages)
	if errors.Is(err, flag.ErrHelp) {
		return exitOK
	}
	if err != nil {
		_, _ = fmt.Fprintln(messages, "loadgen:", err)
		return exitUsage
	}
	if err := generate(ctx, f, out); err != nil {
		_, _ = fmt.Fprintln(messages, "loadgen:", err)
		return exitInternal
	}
	return exitOK
}

func parse(args []string, messages io.Writer) (flags, error) {
	f := flags{Options: load.Options{Header: http.Header{}}}
	set := flag.NewFlagSet("loadgen", flag.ContinueOnError)
	set.SetOutput(messages)
	set.StringVar(&f.URL, "url", "http://127.0.0.1:8080", "base `URL` of the service")
	set.StringVar(&f.Host, "host", "", "Host `header` (default: that of --url)")
	set.StringVar(&f.Path, "path", "/api/calculate", "`path` to ask for")
	set.StringVar(&f.Method, "method", http.MethodPost, "HTTP `method`")
	set.StringVar(&f.Body, "body", "", "request `body` (default with POST: a different number each time)")
	set.Func("header", "further header, `'Name: value'`; may be repeated", func(s string) error {
		name, value, ok := strings.Cut(s, ":")
		if !ok || strings.TrimSpace(name) == "" {
			return errors.New("want 'Name: value'")
		}
		f.Header.Add(strings.TrimSpace(name), strings.TrimSpace(value))
		return nil
	})
	set.IntVar(&f.Rate, "rate", 100, "requests a `second`")
	set.DurationVar(&f.Duration, "duration", 30*time.Second, "how `long`; 0 = until SIGINT or SIGTERM")
	set.DurationVar(&f.Timeout, "timeout", 30*time.Second, "how `long` one request may take")
	set.Uint64Var(&f.Workers, "workers", 1000, "`requests` that may be under way at a time")
	set.StringVar(&f.output, "output", "text", "`format` of the report: text or json")
	set.DurationVar(&f.Every, "every", 0, "print a line of progress to stderr this `often`; 0 = never")
	set.StringVar(&f.record, "record", "", "`file` to write one JSON line to for each request")
	set.IntVar(&f.failOver, "fail-over", -1, "exit 1 when more than `N` requests fail; -1 = never")
	if err := set.Parse(args); err != nil {
		return f, err
	}
	u, err := url.Parse(f.URL)
	switch {
	case set.NArg() > 0:
		return f, fmt.Errorf("unexpected argument %q: all settings are flags, see --help", set.Arg(0))
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return f, fmt.Errorf("--url %q: want an http or https URL, for example http://127.0.0.1:8080", f.URL)
	case f.Rate < 1:
		return f, fmt.Errorf("--rate %d: want at least 1", f.Rate)
	case f.Duration < 0 || f.Every < 0:
		return f, errors.New("--duration and --every: want 0 or more")
	case f.Timeout <= 0 || f.Workers < 1:
		return f, errors.New("--timeout and --workers: want more than 0")
	case f.output != "text" && f.output != "json":
		return f, fmt.Errorf("--output %q: want text or json", f.output)
	}
	f.Progress = func(line string) {
		_, _ = fmt.Fprintln(messages, time.Now().UTC().Format("15:04:05"), line)
	}
	return f, nil
}

func generate(ctx context.Context, f flags, out io.Writer) (err error) {
	if f.record != "" {
		file, e := os.Create(f.record)
		if e != nil {
			return fmt.Errorf("opening the record: %w", e)
		}
		f.Record = file // not buffered: who reads along sees whole lines at once
		defer func() {
			if e := file.Close(); e != nil && err == nil {
				err = fmt.Errorf("closing the record: %w", e)
			}
		}()
	}
	seen, err := load.Run(ctx, f.Options)
	if err != nil {
		return err
	}
	report := seen.Report(float64(f.Rate))
	if f.output == "json" {
		enc := json.NewEncoder(out)
		enc.SetIndent("", "  ")
		err = enc.Encode(report)
	} else {
		err = report.WriteText(out)
	}
	if err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	if f.failOver >= 0 && seen.Failures() > f.failOver {
		return fmt.Errorf("%d requests failed, more than the %d that --fail-over allows", seen.Failures(), f.failOver)
	}
	return nil
}
