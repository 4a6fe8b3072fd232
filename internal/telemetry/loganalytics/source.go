package loganalytics

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/slipway-cd/slipway/internal/evidence"
)

// Querier asks a workspace, or a recording of one; *[Client] is one.
type Querier interface {
	Query(ctx context.Context, query string) (Answer, error)
}

// Counter answers a look as the query of the look would, but may leave out intervals that are not complete, and those that it
// has given before and that have not changed since. A [Querier] that is one too is asked so: a replay, which would have to count the
// same rows in each of many looks.
type Counter interface {
	Count(ctx context.Context, s Spec, from time.Time) (Answer, error)
}

// lateness is how long after its interval a row may arrive and still be counted.
const lateness = 10 * time.Minute

// baseline is how far before the candidate production's latency is looked at; history how far its counts are, from which a
// judge learns how production's pods differ.
const (
	baseline = 30 * time.Minute
	history  = 10 * time.Minute
)

// enough requests make a quantile of production's latency worth comparing with.
const enough = 200

// Latency is a quantile to be compared.
type Latency struct {
	Gate     string
	Quantile float64
	// Slower is how many times as long as production's the candidate's may be, at least 1.
	Slower float64
	// Within is the limit where production has no quantile to compare with; 0: there is none.
	Within time.Duration
}

// Release says what to look at.
type Release struct {
	// Candidate and Production are slots; Production is "" in a first release.
	Candidate, Production string
	// Since is when the candidate was deployed, ProductionSince when production was: what had its slot before, a candidate that was
	// taken back for example, says nothing of it. Zero: not known.
	Since, ProductionSince time.Time
}

// Source counts telemetry for one release. It is for one goroutine at a time.
type Source struct {
	ask       Querier
	spec      Spec
	latencies []Latency
	custom    []Custom
	release   Release

	frozen bool
	ledger evidence.Ledger
	mark   time.Time // the last watermark
}

// NewSource makes a source. Spec.Slow is its own business: thresholds are frozen at the first look, from production's latency
// before the candidate was deployed, so that another process that continues the release finds the same.
// Custom queries that count (not those that give a value) are asked after the one query that answers all built-in gates.
func NewSource(ask Querier, spec Spec, latencies []Latency, custom []Custom, r Release) *Source {
	spec.Slow = nil
	return &Source{ask: ask, spec: spec, latencies: latencies, custom: custom, release: r, ledger: evidence.Ledger{Length: spec.Batch}}
}

// from is where the next look begins. Whole intervals only: a total must not shrink because its interval was cut.
func (s *Source) from() time.Time {
	from := s.release.Since.Add(-history)
	if !s.mark.IsZero() {
		from = later(from, s.mark.Add(-lateness))
	}
	return ceiling(from, s.spec.Batch)
}

// Query is the text of the next look.
func (s *Source) Query() string { return lookQuery(s.spec, s.from()) }

// Look asks once and returns what has newly become known. Asking again after an error loses nothing.
func (s *Source) Look(ctx context.Context) (evidence.Look, error) {
	if err := s.freeze(ctx); err != nil {
		return evidence.Look{}, err
	}
	query := s.Query()
	answer, err := s.answer(ctx, query)
	if err != nil {
		return evidence.Look{Query: query}, err
	}
	look, totals, err := s.read(answer)
	look.Query = query
	if err != nil {
		return look, err
	}
	if !look.At.IsZero() {
		for _, c := range s.custom {
			if err := s.count(ctx, c, s.from(), look.At, totals); err != nil {
				look.Failed = append(look.Failed, evidence.Failure{Measure: evidence.Custom(c.Gate), Err: err})
			}
		}
	}
	if look.Watermark.Before(s.mark) { // the delay has grown: what was closed stays closed
		look.Watermark = s.mark
	}
	s.mark = look.Watermark
	if !s.mark.IsZero() {
		look.Batches = s.ledger.Close(totals, s.mark)
	}
	return look, nil
}

func (s *Source) answer(ctx context.Context, query string) (Answer, error) {
	if c, ok := s.ask.(Counter); ok {
		return c.Count(ctx, s.spec, s.from())
	}
	return s.ask.Query(ctx, query)
}

// Unknown are the latency gates for which there is neither a baseline nor an objective. It is empty before the first look.
func (s *Source) Unknown() []string {
	if !s.frozen {
		return nil
	}
	var out []string
	for _, l := range s.latencies {
		if !slices.ContainsFunc(s.spec.Slow, func(t Threshold) bool { return t.Measure == evidence.Slow(l.Gate) }) {
			out = append(out, l.Gate)
		}
	}
	return out
}

// Thresholds are the frozen latency thresholds.
func (s *Source) Thresholds() []Threshold { return slices.Clone(s.spec.Slow) }

// freeze sets the latency thresholds, once.
func (s *Source) freeze(ctx context.Context) error {
	if s.frozen || len(s.latencies) == 0 {
		return nil
	}
	found := map[float64]time.Duration{}
	if s.release.Production != "" {
		answer, err := s.ask.Query(ctx, BaselineQuery(s.spec, s.release, s.latencies))
		if err != nil {
			return fmt.Errorf("asking for production's latency before the release: %w", err)
		}
		rows, err := newRows(answer, "requests")
		if err != nil {
			return err
		}
		if len(answer.Rows) == 1 && rows.whole(0, "requests") >= enough {
			for i, q := range quantiles(s.latencies) {
				found[q] = time.Duration(rows.number(0, fmt.Sprintf("q%d", i)) * float64(time.Millisecond))
			}
		}
	}
	for _, l := range s.latencies {
		limit, slower := found[l.Quantile], l.Slower
		if limit == 0 {
			limit, slower = l.Within, 1
		}
		if limit == 0 {
			continue
		}
		s.spec.Slow = append(s.spec.Slow, Threshold{evidence.Slow(l.Gate), limit},
			Threshold{evidence.Slower(l.Gate), time.Duration(float64(limit) * slower)})
	}
	s.frozen = true
	return nil
}

// read turns an answer into totals by interval, and the watermark that it measures.
func (s *Source) read(a Answer) (evidence.Look, map[time.Time]map[evidence.Key]evidence.Count, error) {
	look := evidence.Look{Delay: map[string]time.Duration{}}
	totals := map[time.Time]map[evidence.Key]evidence.Count{}
	rows, err := newRows(a, "kind", "slot", "pod", "start", "trials", "trialItems", "failed", "failedItems", "delayMs", "asked")
	if err != nil {
		return look, nil, err
	}
	var slowest time.Duration
	for i := range a.Rows {
		slot := rows.text(i, "slot")
		asked, err := rows.time(i, "asked")
		if err != nil {
			return look, nil, err
		}
		look.At = asked
		kind := rows.text(i, "kind")
		if kind == "delay" {
			d := time.Duration(rows.number(i, "delayMs") * float64(time.Millisecond))
			look.Delay[slot] = d
			slowest = max(slowest, d)
			continue
		}
		start, err := rows.time(i, "start")
		if err != nil {
			return look, nil, err
		}
		if slot == s.release.Candidate && start.Before(s.release.Since) {
			continue // what had the slot before
		}
		if slot == s.release.Production && start.Before(s.release.ProductionSince) {
			continue
		}
		cells := totals[start]
		if cells == nil {
			cells = map[evidence.Key]evidence.Count{}
			totals[start] = cells
		}
		pod := rows.text(i, "pod")
		all := evidence.Count{Trials: rows.whole(i, "trials"), TrialItems: rows.number(i, "trialItems")}
		failed := all
		failed.Events, failed.EventItems = rows.whole(i, "failed"), rows.number(i, "failedItems")
		switch kind {
		case "requests":
			cells[evidence.Key{Measure: evidence.RequestsFailed, Slot: slot, Pod: pod}] = failed
			for n, t := range s.spec.Slow {
				c := all
				c.Events, c.EventItems = rows.whole(i, fmt.Sprintf("slow%d", n)), rows.number(i, fmt.Sprintf("slow%dItems", n))
				cells[evidence.Key{Measure: t.Measure, Slot: slot, Pod: pod}] = c
			}
			if s.spec.Exceptions { // its trials are requests, its events come in rows of their own
				key := evidence.Key{Measure: evidence.Exceptions, Slot: slot, Pod: pod}
				c := cells[key]
				c.Trials, c.TrialItems = all.Trials, all.TrialItems
				cells[key] = c
			}
		case "exceptions":
			key := evidence.Key{Measure: evidence.Exceptions, Slot: slot, Pod: pod}
			c := cells[key]
			c.Events, c.EventItems = failed.Events, failed.EventItems
			cells[key] = c
		case "dependencies":
			cells[evidence.Key{Measure: evidence.DependenciesFailed, Slot: slot, Pod: pod}] = failed
		case availability:
			cells[evidence.Key{Measure: evidence.AvailabilityFailed, Slot: slot, Pod: pod}] = failed
		default:
			return look, nil, fmt.Errorf("the answer of Log Analytics has a row of kind %q", kind)
		}
	}
	if slowest > 0 || len(look.Delay) > 0 {
		look.Watermark = look.At.Add(-slowest)
	}
	return look, totals, nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// ceiling is the first start of an interval that is not before t.
func ceiling(t time.Time, length time.Duration) time.Time {
	if down := t.Truncate(length); down.Before(t) {
		return down.Add(length)
	}
	return t
}

// rows reads an answer by column names.
type rows struct {
	at   map[string]int
	rows [][]any
}

func newRows(a Answer, want ...string) (rows, error) {
	r := rows{at: map[string]int{}, rows: a.Rows}
	for i, c := range a.Columns {
		r.at[c.Name] = i
	}
	for _, name := range want {
		if _, ok := r.at[name]; !ok && len(a.Rows) > 0 {
			return r, fmt.Errorf("the answer of Log Analytics has no column %s", name)
		}
	}
	for i, row := range a.Rows {
		if len(row) != len(a.Columns) {
			return r, fmt.Errorf("row %d of Log Analytics' answer has %d values for %d columns", i+1, len(row), len(a.Columns))
		}
	}
	return r, nil
}

func (r rows) value(i int, name string) any {
	at, ok := r.at[name]
	if !ok {
		return nil
	}
	return r.rows[i][at]
}

func (r rows) text(i int, name string) string {
	s, _ := r.value(i, name).(string)
	return s
}

// number is 0 for null.
func (r rows) number(i int, name string) float64 {
	switch v := r.value(i, name).(type) {
	case float64:
		return v
	case int64: // from a recording
		return float64(v)
	}
	return 0
}

func (r rows) whole(i int, name string) int64 { return int64(r.number(i, name)) }

var errNoTime = errors.New("no datetime")

func (r rows) time(i int, name string) (time.Time, error) {
	t, err := time.Parse(time.RFC3339Nano, r.text(i, name))
	if err != nil {
		return time.Time{}, fmt.Errorf("column %s of Log Analytics' answer: %w: %v", name, errNoTime, r.value(i, name))
	}
	return t.UTC(), nil
}
