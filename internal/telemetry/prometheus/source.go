// Package prometheus counts by counters in Prometheus' format: read straight from whoever exposes them (a gateway's metrics are
// there within a second), or through a Prometheus server.
package prometheus

import (
	"context"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/prometheus/common/model"

	"github.com/slipway-cd/slipway/internal/evidence"
	"github.com/slipway-cd/slipway/internal/promql"
)

// Reader reads counters.
type Reader interface {
	// Read answers queries as of one instant, in their order: the counters that each finds, with their labels.
	Read(ctx context.Context, queries []string) (time.Time, []model.Vector, error)
}

// Gate is what one gate counts: two queries in which [promql.Arm] is replaced, for counters that only grow.
type Gate struct {
	Measure        evidence.Measure
	Trials, Events string
}

// Source turns counters into batches: what they have grown by from look to look. It is for one goroutine at a time.
//
// What was counted before the first look is not seen, nor is what a counter that disappears has grown by since the look before.
// A counter that is smaller than before began anew from 0; one that appears after the first look began at 0.
type Source struct {
	reader Reader
	gates  []Gate
	arms   []promql.Arm // the candidate first
	at     time.Time
	last   map[string]float64
}

// NewSource makes a source for the arms of a release: the candidate, and production if there is one.
func NewSource(r Reader, gates []Gate, arms ...promql.Arm) *Source {
	return &Source{reader: r, gates: gates, arms: arms, last: map[string]float64{}}
}

// Look reads all counters once. Asking again after an error loses nothing.
func (s *Source) Look(ctx context.Context) (evidence.Look, error) {
	var queries []string
	var said strings.Builder
	for _, a := range s.arms {
		for _, g := range s.gates {
			queries = append(queries, a.Of(g.Trials), a.Of(g.Events))
			fmt.Fprintf(&said, "%s: %s of %s\n", a.Slot, a.Of(g.Events), a.Of(g.Trials))
		}
	}
	look := evidence.Look{Query: strings.TrimSpace(said.String())}
	at, found, err := s.reader.Read(ctx, queries)
	if err != nil {
		return look, err
	}
	if !at.After(s.at) {
		return look, fmt.Errorf("the clock went back from %s to %s", s.at.Format(time.RFC3339Nano), at.Format(time.RFC3339Nano))
	}
	look.At, look.Watermark = at.UTC(), at.UTC()
	first := s.at.IsZero()
	batch := evidence.Batch{From: s.at.UTC(), To: look.At}
	i := 0
	for _, a := range s.arms {
		for _, g := range s.gates {
			trials, events := s.grown(queries[i], found[i]), s.grown(queries[i+1], found[i+1])
			i += 2
			if trials == 0 && events == 0 {
				continue
			}
			// Two counters are not read at the very same instant: an event can be there before its trial.
			trials = max(trials, events)
			batch.Cells = append(batch.Cells, evidence.Cell{Key: evidence.Key{Measure: g.Measure, Slot: a.Slot},
				Count: evidence.Count{Trials: trials, Events: events, TrialItems: float64(trials), EventItems: float64(events)}})
		}
	}
	s.at = at
	if !first && len(batch.Cells) > 0 {
		look.Batches = []evidence.Batch{batch}
	}
	return look, nil
}

// grown is by how much a query's counters have grown since they were last seen.
func (s *Source) grown(query string, found model.Vector) int64 {
	sum := 0.0
	for _, sample := range found {
		value := float64(sample.Value)
		if math.IsNaN(value) || math.IsInf(value, 0) || value < 0 {
			continue
		}
		key := query + "\x00" + series(sample.Metric)
		before := s.last[key]
		if value < before {
			before = 0
		}
		sum += value - before
		s.last[key] = value
	}
	return int64(math.Round(sum))
}

func series(m model.Metric) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(m)) {
		fmt.Fprintf(&b, "%s=%q,", name, string(m[name]))
	}
	return b.String()
}
