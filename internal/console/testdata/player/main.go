// Command player replays a recorded stream of events in its own time, to look at the console with one's own eyes:
//
//	go run ./internal/console/testdata/player [-format json] [-speed 2] internal/console/testdata/promoted.ndjson
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

func main() {
	format, speed := flag.String("format", "text", "text or json"), flag.Float64("speed", 1, "how much faster than recorded")
	flag.Parse()
	f, err := os.Open(flag.Arg(0))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	defer f.Close()
	stop := make(chan struct{})
	o := console.Detect(os.Stdout, os.Getenv)
	o.Format, o.OnInterrupt = *format, func() { close(stop) }
	c := console.New(o)
	defer c.Close()
	began := time.Now()
	var first time.Time
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var e event.Event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			c.Close()
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		if first.IsZero() {
			first = e.Time
		}
		at := began.Add(time.Duration(float64(e.Time.Sub(first)) / *speed))
		select {
		case <-time.After(time.Until(at)):
		case <-stop:
			c.Emit(event.Event{Kind: event.Finished, Outcome: "rolled-back", Message: "interrupted"})
			return
		}
		e.Time = time.Now().UTC()
		c.Emit(e)
	}
}
