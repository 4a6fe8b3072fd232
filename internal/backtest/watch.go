package backtest

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/slipway-cd/slipway/internal/evidence"
	"github.com/slipway-cd/slipway/internal/telemetry/loganalytics"
)

// Telemetry is a recording: what had arrived of it at a time, and the whole of it.
type Telemetry interface {
	loganalytics.Querier
	// At sets the time for queries, which may go back to begin anew.
	At(time.Time)
	// Last is when the last row arrived.
	Last() time.Time
	// Whole asks about everything, whenever it arrived.
	Whole(ctx context.Context, query string) (loganalytics.Answer, error)
}

// Span is the part of a recording that is replayed.
type Span struct {
	// Candidate is its slot, blue or green; production is the other.
	Candidate string
	// From is when the candidate was deployed: its slot's earlier requests are another version's. Zero: its first request. To ends the
	// replay; zero: when the recording does.
	From, To time.Time
}

// ErrInput is why a recording, or a part of it, cannot be replayed.
var ErrInput = errors.New("the recording cannot be replayed")

// mostLooks bounds a replay: nearly six days at a look every five seconds.
const mostLooks = 100_000

// Watch is all that a release would have seen. Judging it is quick, and may be done often.
type Watch struct {
	release loganalytics.Release
	first   time.Time // of the candidate's requests
	looks   []seen
	served  []served
}

// seen is one look.
type seen struct {
	at     time.Time
	look   evidence.Look
	err    error
	values []value // of each gate that bounds a number
}

type value struct {
	bySlot map[string]float64
	err    error
}

// served is what the candidate served in a second.
type served struct {
	at                 time.Time
	requests, failures float64
}

// Find says which requests of the recording are the candidate's, and whether production had any beside it.
func Find(ctx context.Context, t Telemetry, s loganalytics.Spec, span Span) (*Watch, error) {
	production := map[string]string{"green": "blue", "blue": "green"}[span.Candidate]
	to := span.To
	if to.IsZero() {
		to = t.Last()
	}
	if !span.From.IsZero() && !span.From.Before(to) {
		return nil, fmt.Errorf("%w: it ends at %s, and is to be replayed from %s", ErrInput, stamp(to), stamp(span.From))
	}
	answer, err := t.Whole(ctx, loganalytics.SlotsQuery(s, span.From, to))
	if err != nil {
		return nil, fmt.Errorf("asking for the slots in the recording: %w", err)
	}
	w := &Watch{release: loganalytics.Release{Candidate: span.Candidate, Since: span.From}}
	var others []string
	for _, row := range answer.Rows {
		slot, first := fmt.Sprint(row[0]), instant(row[2])
		others = append(others, fmt.Sprintf("%v of slot %s, from %s to %s", row[1], slot, stamp(first), stamp(instant(row[3]))))
		switch slot {
		case span.Candidate:
			w.first = first
		case production:
			w.release.Production = production
		}
	}
	if w.first.IsZero() {
		if len(others) == 0 {
			others = []string{"none of any slot: " + s.Slot + " is neither blue nor green in any row that counts"}
		}
		return nil, fmt.Errorf("%w: there is no request of the candidate, slot %s, %s; there are %s", ErrInput, span.Candidate, between(span.From, to), strings.Join(others, "; "))
	}
	if w.release.Since.IsZero() {
		w.release.Since = w.first.Truncate(s.Batch)
	}
	return w, w.count(ctx, t, s, to)
}

// count asks what the candidate served.
func (w *Watch) count(ctx context.Context, t Telemetry, s loganalytics.Spec, to time.Time) error {
	answer, err := t.Whole(ctx, loganalytics.ServedQuery(s, w.release.Candidate, w.first, to))
	if err != nil {
		return fmt.Errorf("asking what the candidate served: %w", err)
	}
	for _, row := range answer.Rows {
		w.served = append(w.served, served{instant(row[0]), number(row[1]), number(row[2])})
	}
	return nil
}

// Production is the slot to compare with, "" if it had no traffic.
func (w *Watch) Production() string { return w.release.Production }

// Looked says whether it has looked.
func (w *Watch) Looked() bool { return w.looks != nil }

// Look looks as often as a release would have, as telemetry arrived. A watch that has looked before forgets that.
func (w *Watch) Look(ctx context.Context, t Telemetry, a Asking, to time.Time) (*Watch, error) {
	out := *w
	out.looks = nil
	last := t.Last().Add(a.Interval)
	if to.IsZero() || to.After(last) {
		to = last
	}
	if n := to.Sub(w.release.Since) / a.Interval; n > mostLooks {
		return nil, fmt.Errorf("%w: from the candidate's first request, at %s, to %s it takes %d looks, at most %d are made; name the part that matters",
			ErrInput, stamp(w.release.Since), stamp(to), n, mostLooks)
	}
	source := loganalytics.NewSource(t, a.Spec, a.Latencies, a.Custom, w.release)
	for at := w.release.Since; !at.After(to); at = at.Add(a.Interval) {
		t.At(at)
		s := seen{at: at}
		s.look, s.err = source.Look(ctx)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		var wrong *loganalytics.QueryError
		if errors.As(s.err, &wrong) && wrong.Final() { // in a release the preflight check finds that
			return nil, fmt.Errorf("asking the recording: %w", s.err)
		}
		for _, v := range a.Values {
			by, err := loganalytics.Value(ctx, t, loganalytics.Custom{Gate: v.Gate, Query: v.Query}, w.release, w.release.Since, at, a.Spec.Batch)
			s.values = append(s.values, value{by, err})
		}
		out.looks = append(out.looks, s)
	}
	return &out, nil
}

func instant(v any) time.Time {
	text, _ := v.(string)
	at, _ := time.Parse(time.RFC3339Nano, text)
	return at.UTC()
}

func number(v any) float64 {
	switch v := v.(type) {
	case int64:
		return float64(v)
	case float64:
		return v
	}
	return 0
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.999Z") }

func between(from, to time.Time) string {
	if from.IsZero() {
		return "up to " + stamp(to)
	}
	return "from " + stamp(from) + " to " + stamp(to)
}
