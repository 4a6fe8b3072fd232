// Timeline tells, from the load generator's record and a release's events, how long a bad version hurt.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"time"

	"github.com/slipway-cd/slipway/internal/console"
	"github.com/slipway-cd/slipway/internal/event"
)

// answer is one line of the load generator's record.
type answer struct {
	Time    time.Time `json:"time"`
	Code    int       `json:"code"`
	Version string    `json:"version"`
}

func main() {
	record := flag.String("record", "", "the load generator's record")
	events := flag.String("events", "", "the release's events")
	version := flag.String("version", "", "the bad version")
	flag.Parse()
	if err := run(*record, *events, *version); err != nil {
		fmt.Fprintln(os.Stderr, "timeline:", err)
		os.Exit(1)
	}
}

func run(record, events, version string) error {
	var exposed, decided, verified, firstBad time.Time
	if err := lines(events, func(e event.Event) {
		switch {
		case e.Kind == event.WeightSet && e.Weight != nil && *e.Weight > 0 && exposed.IsZero():
			exposed = e.Time
		case e.Kind == event.Verdict && e.Outcome == "fail":
			for _, f := range e.Fields {
				if f.Key == event.FirstFailure && firstBad.IsZero() {
					firstBad, _ = time.Parse(time.RFC3339Nano, f.Value)
				}
			}
		case e.Kind == event.Phase && e.Phase == "rollback" && decided.IsZero():
			decided = e.Time
		case e.Kind == event.Verified && e.Phase == "rollback" && verified.IsZero():
			verified = e.Time
		}
	}); err != nil {
		return err
	}
	var last time.Time
	hurt := false
	if err := lines(record, func(a answer) {
		if a.Code < 200 || a.Code > 299 {
			hurt = true
			if firstBad.IsZero() || a.Time.Before(firstBad) {
				firstBad = a.Time
			}
		}
		if a.Version == version && a.Time.After(last) {
			last = a.Time
		}
	}); err != nil {
		return err
	}
	if verified.IsZero() {
		return fmt.Errorf("%s does not tell of weight 0", events)
	}
	row := func(what string, d time.Duration) {
		fmt.Printf("  %-68s %s\n", what, console.FormatDuration(max(0, d)))
	}
	if !hurt {
		fmt.Println("  no user got a bad answer: only the gate did")
	}
	row("first bad answer, to a user or the gate → weight 0 at the gateway:", verified.Sub(firstBad))
	row("first traffic to "+version+" → weight 0 at the gateway:", verified.Sub(exposed))
	row("decision to go back → weight 0 at the gateway:", verified.Sub(decided))
	if !last.IsZero() {
		row("decision to go back → last answer of "+version+" to a user:", last.Sub(decided))
	}
	return nil
}

// lines reads a file of one JSON object a line.
func lines[T any](path string, each func(T)) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	s := bufio.NewScanner(f)
	s.Buffer(nil, 1<<20)
	for s.Scan() {
		var v T
		if err := json.Unmarshal(s.Bytes(), &v); err != nil {
			return fmt.Errorf("reading %s: %w", path, err)
		}
		each(v)
	}
	return s.Err()
}
