package loganalytics

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/slipway-cd/slipway/internal/evidence"
)

// Custom is a gate's own query. It sees from, to (datetimes), batch (a timespan), candidate and production (strings).
type Custom struct {
	Gate, Query string
}

// Bound is the query with what it sees put before it, on one line: line n of the query is line n+1 of the text.
func (c Custom) Bound(r Release, from, to time.Time, batch time.Duration) string {
	return fmt.Sprintf("let from = %s; let to = %s; let batch = %s; let candidate = %s; let production = %s;\n%s",
		datetime(from), datetime(to), timespan(batch), quote(r.Candidate), quote(r.Production), c.Query)
}

// unbound takes the line that [Custom.Bound] puts before a query off an error's place.
func unbound(err error) error {
	if q, ok := err.(*QueryError); ok && q.Line > 1 {
		own := *q
		own.Line--
		return &own
	}
	return err
}

// count asks a custom query for trials and events by slot and interval, and enters them into the totals.
func (s *Source) count(ctx context.Context, c Custom, from, to time.Time, totals map[time.Time]map[evidence.Key]evidence.Count) error {
	answer, err := s.ask.Query(ctx, c.Bound(s.release, from, to, s.spec.Batch))
	if err != nil {
		return unbound(err)
	}
	if err := checkColumns(answer.Columns, counting()...); err != nil {
		return err
	}
	rows, err := newRows(answer)
	if err != nil {
		return err
	}
	for i := range answer.Rows {
		start, err := rows.time(i, "bin")
		if err != nil {
			return err
		}
		start = start.Truncate(s.spec.Batch)
		key := evidence.Key{Measure: evidence.Custom(c.Gate), Slot: rows.text(i, "slot"), Pod: rows.text(i, "pod")}
		if key.Slot == "" {
			return fmt.Errorf("row %d of the query's answer names no slot", i+1)
		}
		n := evidence.Count{Trials: rows.whole(i, "trials"), Events: rows.whole(i, "events")}
		if n.Trials < 0 || n.Events < 0 || n.Events > n.Trials {
			return fmt.Errorf("row %d of the query's answer counts %d events in %d trials", i+1, n.Events, n.Trials)
		}
		n.TrialItems, n.EventItems = float64(n.Trials), float64(n.Events)
		if totals[start] == nil {
			totals[start] = map[evidence.Key]evidence.Count{}
		}
		totals[start][key] = totals[start][key].Plus(n)
	}
	return nil
}

// Value asks a custom query for one number by slot.
func Value(ctx context.Context, ask Querier, c Custom, r Release, from, to time.Time, batch time.Duration) (map[string]float64, error) {
	answer, err := ask.Query(ctx, c.Bound(r, from, to, batch))
	if err != nil {
		return nil, unbound(err)
	}
	if err := checkColumns(answer.Columns, valuing()...); err != nil {
		return nil, err
	}
	rows, err := newRows(answer)
	if err != nil {
		return nil, err
	}
	out := map[string]float64{}
	for i := range answer.Rows {
		slot := rows.text(i, "slot")
		if slot == "" {
			return nil, fmt.Errorf("row %d of the query's answer names no slot", i+1)
		}
		if rows.value(i, "value") != nil {
			out[slot] = rows.number(i, "value")
		}
	}
	return out, nil
}

// counting are the columns of a query that counts, valuing those of one that gives a value.
func counting() []string { return []string{"slot", "bin", "trials", "events"} }
func valuing() []string  { return []string{"slot", "value"} }

// Check asks a custom query once and says whether its answer has the columns that its gate needs.
func Check(ctx context.Context, ask Querier, c Custom, value bool, r Release, to time.Time, batch time.Duration) error {
	answer, err := ask.Query(ctx, c.Bound(r, r.Since, to, batch))
	if err != nil {
		return unbound(err)
	}
	if value {
		return checkColumns(answer.Columns, valuing()...)
	}
	return checkColumns(answer.Columns, counting()...)
}

// checkColumns says which columns a custom query's answer lacks.
func checkColumns(columns []Column, want ...string) error {
	have := map[string]bool{}
	var names []string
	for _, c := range columns {
		have[c.Name] = true
		names = append(names, c.Name)
	}
	var missing []string
	for _, w := range want {
		if !have[w] {
			missing = append(missing, w)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("the query's answer has no column %s; it has %s", strings.Join(missing, ", "), strings.Join(names, ", "))
	}
	return nil
}
