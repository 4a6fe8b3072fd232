package recorded

import (
	"context"
	"fmt"
	"math"
	"math/bits"
	"reflect"
	"slices"
	"time"

	"github.com/slipway-cd/slipway/internal/telemetry/loganalytics"
	"github.com/slipway-cd/slipway/kql/column"
)

// tally counts rows as they arrive, as the query of a look would count all of them again: the same numbers, as a test shows.
type tally struct {
	*events
	spec loganalytics.Spec
	now  column.Ticks
	next int // row to arrive

	ops    []opState
	counts []count // by cell
	// seen bins have a row, changed ones have something to tell.
	seen, changed []bool

	from      int64 // the first bin that counts, in ticks
	oldest    int   // row that arrived within the time that delays are measured in
	delays    []histogram
	watermark int64
}

// opState is an operation as far as it is known.
type opState struct {
	known, failed bool
	items         int32
	slowest       float64
}

type count struct {
	trials, items, failed, failedItems int64
	slow, slowItems                    []int64
}

// Count implements [loganalytics.Counter].
func (r *Replay) Count(ctx context.Context, s loganalytics.Spec, from time.Time) (loganalytics.Answer, error) {
	t := r.tally
	first := int64(column.FromTime(from))
	if t == nil || r.now < t.now || first < t.from || !reflect.DeepEqual(s, t.spec) {
		e, err := r.prepare(ctx, s)
		if err != nil {
			return loganalytics.Answer{}, err
		}
		t = &tally{events: e, spec: s, ops: make([]opState, len(e.ops)), counts: make([]count, len(e.cells)), seen: make([]bool, len(e.bins)),
			changed: make([]bool, len(e.bins)), delays: make([]histogram, len(e.slots))}
		slow := make([]int64, 2*len(s.Slow)*len(e.cells))
		for i := range t.counts {
			n := len(s.Slow)
			t.counts[i].slow, t.counts[i].slowItems, slow = slow[:n], slow[n:2*n], slow[2*n:]
		}
		r.tally = t
	}
	t.now = r.now
	t.arrive(first)
	return t.answer(), nil
}

// arrive takes in the rows that have arrived by now, and forgets what is no longer looked at.
func (t *tally) arrive(from int64) {
	settled := int64(t.now) - int64(loganalytics.Settle/100)
	if from != t.from {
		for i := t.oldest; i < t.next; i++ {
			if r := &t.rows[i]; r.start >= t.from && r.start < from {
				t.measure(r, -1)
			}
		}
		t.from = from
	}
	for ; t.oldest < t.next && t.rows[t.oldest].arrived <= settled; t.oldest++ {
		if r := &t.rows[t.oldest]; r.start >= t.from {
			t.measure(r, -1)
		}
	}
	for ; t.next < len(t.rows) && t.rows[t.next].arrived <= int64(t.now); t.next++ {
		r := &t.rows[t.next]
		t.add(r)
		if r.arrived <= settled {
			t.oldest = t.next + 1
		} else if r.start >= t.from {
			t.measure(r, 1)
		}
	}
}

// measure enters the delay of a request, or takes it out again.
func (t *tally) measure(r *row, times int) {
	if r.slot >= 0 {
		t.delays[r.slot].add(r.delay, times)
	}
}

// add counts a row.
func (t *tally) add(r *row) {
	at := t.events.ops[r.op]
	t.seen[t.cells[at].bin], t.changed[t.cells[at].bin] = true, true
	o, c := &t.ops[r.op], &t.counts[at]
	if !o.known {
		c.trials++
		*o = opState{known: true, slowest: math.Inf(-1), items: r.items}
		c.items += int64(r.items)
	} else if more := r.items - o.items; more > 0 {
		o.items = r.items
		c.items += int64(more)
		if o.failed {
			c.failedItems += int64(more)
		}
		for i, s := range t.spec.Slow {
			if o.slowest > milliseconds(s) {
				c.slowItems[i] += int64(more)
			}
		}
	}
	if r.failing && !o.failed {
		o.failed = true
		c.failed++
		c.failedItems += int64(o.items)
	}
	if r.took > o.slowest {
		for i, s := range t.spec.Slow {
			if limit := milliseconds(s); o.slowest <= limit && r.took > limit {
				c.slow[i]++
				c.slowItems[i] += int64(o.items)
			}
		}
		o.slowest = r.took
	}
}

func milliseconds(t loganalytics.Threshold) float64 {
	return float64(t.Limit) / float64(time.Millisecond)
}

var answerColumns = []string{"kind", "slot", "pod", "start", "trials", "trialItems", "failed", "failedItems", "delayMs", "asked"}

// answer is the delays, and the bins that have changed and are complete.
func (t *tally) answer() loganalytics.Answer {
	var a loganalytics.Answer
	for _, name := range answerColumns {
		a.Columns = append(a.Columns, loganalytics.Column{Name: name})
	}
	for i := range t.spec.Slow {
		a.Columns = append(a.Columns, loganalytics.Column{Name: fmt.Sprintf("slow%d", i)}, loganalytics.Column{Name: fmt.Sprintf("slow%dItems", i)})
	}
	asked := t.now.Time().Format(time.RFC3339Nano)
	slowest, known := int64(0), false
	for slot := range t.delays {
		delay, ok := t.percentile(int32(slot), 0.99)
		if !ok {
			continue
		}
		slowest, known = max(slowest, delay), true
		row := make([]any, len(a.Columns))
		row[0], row[1], row[8], row[9] = "delay", t.slots[slot], float64(delay)/float64(column.Millisecond), asked
		a.Rows = append(a.Rows, row)
	}
	if known {
		t.watermark = max(t.watermark, int64(t.now)-slowest)
	}
	first, _ := slices.BinarySearchFunc(t.bins, t.from, func(b bin, from int64) int { return int(min(1, max(-1, b.start-from))) })
	latest := -1
	for i := first; i < len(t.bins) && t.bins[i].start <= int64(t.now); i++ {
		if t.seen[i] {
			latest = i
		}
		if t.changed[i] && t.bins[i].start+int64(t.spec.Batch/100) <= t.watermark {
			t.changed[i] = false
			a.Rows = t.rowsOf(a, i, asked)
		}
	}
	if len(a.Rows) == 0 && latest >= 0 { // the answer says when it was asked, which takes a row
		a.Rows = t.rowsOf(a, latest, asked)
	}
	return a
}

func (t *tally) rowsOf(a loganalytics.Answer, at int, asked string) [][]any {
	start := column.Ticks(t.bins[at].start).Time().Format(time.RFC3339Nano)
	for _, id := range t.bins[at].cells {
		c, n := t.cells[id], t.counts[id]
		if n.trials == 0 {
			continue
		}
		row := append(make([]any, 0, len(a.Columns)), c.kind, t.slots[c.slot], c.pod, start, n.trials, n.items, n.failed, n.failedItems, nil, asked)
		for i := range n.slow {
			if c.kind == "requests" {
				row = append(row, n.slow[i], n.slowItems[i])
			} else {
				row = append(row, nil, nil)
			}
		}
		a.Rows = append(a.Rows, row)
	}
	return a.Rows
}

// percentile is the delay's nearest rank, as the engine's percentile() has it.
func (t *tally) percentile(slot int32, q float64) (int64, bool) {
	h := &t.delays[slot]
	if h.n == 0 {
		return 0, false
	}
	rank := max(1, min(h.n, int(math.Ceil(100*q*float64(h.n)/100-1e-9))))
	b, before := 0, 0
	for before+h.buckets[b] < rank {
		before += h.buckets[b]
		b++
	}
	values := make([]int64, 0, h.buckets[b])
	for i := t.oldest; i < t.next; i++ {
		if int(t.events.delays[i]) != b {
			continue
		}
		if r := &t.rows[i]; r.slot == slot && r.start >= t.from {
			values = append(values, r.delay)
		}
	}
	slices.Sort(values)
	return values[rank-before-1], true
}

// histogram counts values of 0 or more in buckets whose bounds rise by about 1 %.
type histogram struct {
	n       int
	buckets [64 << 6]int
}

func (h *histogram) add(v int64, times int) {
	h.n += times
	h.buckets[bucketOf(v)] += times
}

// bucketOf is the length of a number and the six bits after its first.
func bucketOf(v int64) int {
	n := bits.Len64(uint64(v))
	if n <= 7 {
		return int(v) // fewer than 128
	}
	return n<<6 + int(uint64(v)>>(n-7))&63
}
