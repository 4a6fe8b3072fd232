package recorded

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/slipway-cd/slipway/internal/telemetry/loganalytics"
	"github.com/slipway-cd/slipway/kql"
	"github.com/slipway-cd/slipway/kql/column"
)

// events are all rows that looks with some spec count, in the order in which they arrived. The engine has said which those are, and
// their slots, pods and operations.
type events struct {
	rows  []row
	ops   []int32 // the cell of each operation
	cells []cell
	bins  []bin // by start
	slots []string
	// delays are the rows' buckets (see histogram).
	delays []uint16
}

type row struct {
	arrived, delay int64 // ticks
	start          int64 // of its bin
	slot           int32 // of a request; -1: its delay does not count
	op             int32
	items          int32
	took           float64 // milliseconds, -Inf: not known
	failing        bool
}

// cell is what one row of a look's answer is about.
type cell struct {
	kind, pod string
	slot, bin int32
}

type bin struct {
	start int64   // ticks
	cells []int32 // in the order of the answer's kinds
}

// prepare asks for the rows once.
func (r *Replay) prepare(ctx context.Context, s loganalytics.Spec) (*events, error) {
	queries := loganalytics.RowsQueries(s, time.Time{})
	var text strings.Builder
	for _, q := range queries {
		text.WriteString(q.Query)
	}
	if e, ok := r.counted[text.String()]; ok {
		return e, nil
	}
	g := &grouping{cells: map[groupedBy]int32{}}
	for i, q := range queries {
		t, err := r.table(ctx, q.Query)
		if err != nil {
			return nil, err
		}
		g.add(int32(i), q.Kind, t)
	}
	e := g.events()
	r.counted[text.String()] = e
	return e, nil
}

// table is the answer of a query over the whole recording.
func (r *Replay) table(ctx context.Context, query string) (*column.Table, error) {
	q, err := kql.Compile(query, kql.SchemaOf(r.db))
	if err != nil {
		return nil, explain(err)
	}
	t, _, err := q.Run(ctx, r.db, kql.RunOptions{MaxRows: -1, MaxBytes: -1, Timeout: -1})
	return t, explain(err)
}

// groupedBy has numbers for texts.
type groupedBy struct {
	kind, slot, pod int32
	start           int64
}

// names numbers texts.
type names struct {
	numbers map[string]int32
	texts   []string
}

func (n *names) number(text string) int32 {
	i, known := n.numbers[text]
	if !known {
		if n.numbers == nil {
			n.numbers = map[string]int32{}
		}
		i = int32(len(n.texts))
		n.numbers[text], n.texts = i, append(n.texts, text)
	}
	return i
}

// grouping gives numbers to what rows are grouped by.
type grouping struct {
	e           events
	slots, pods names
	starts      []int64 // of each cell
	cells       map[groupedBy]int32
}

func (g *grouping) add(number int32, kind string, t *column.Table) {
	col := func(name string) *column.Vector { return t.Vectors[t.Index(name)] }
	slot, pod, start, id := col("slot"), col("pod"), col("start"), col("operation")
	failing, items, took, arrived, delay := col("failing"), col("items"), col("took"), col("arrived"), col("delay")
	g.e.rows = slices.Grow(g.e.rows, t.Rows)
	in := make([]int64, t.Rows) // the cell of each row
	for i := range t.Rows {
		by := groupedBy{number, g.slots.number(slot.Str(i)), g.pods.number(pod.Str(i)), start.Int(i)}
		c, known := g.cells[by]
		if !known {
			c = int32(len(g.e.cells))
			g.cells[by], g.e.cells = c, append(g.e.cells, cell{kind: kind, pod: g.pods.texts[by.pod], slot: by.slot})
			g.starts = append(g.starts, by.start)
		}
		in[i] = int64(c)
	}
	// Cell by cell, because a map of few operations takes a fifth of the time of a map of all.
	ops, last := map[string]int32{}, int64(-1)
	for _, i := range rising(in) {
		if in[i] != last {
			last = in[i]
			clear(ops)
		}
		o, known := ops[id.Str(int(i))]
		if !known {
			o = int32(len(g.e.ops))
			ops[id.Str(int(i))], g.e.ops = o, append(g.e.ops, int32(last))
		}
		ms := took.Real(int(i))
		if took.Null(int(i)) || math.IsNaN(ms) {
			ms = math.Inf(-1)
		}
		slot := g.e.cells[last].slot
		if number > 0 {
			slot = -1
		}
		g.e.rows = append(g.e.rows, row{arrived: arrived.Int(int(i)), delay: delay.Int(int(i)), start: g.starts[last], slot: slot, op: o,
			items: int32(items.Int(int(i))), took: ms, failing: failing.Bool(int(i))})
	}
}

func (g *grouping) events() *events {
	e := &g.e
	e.slots = g.slots.texts
	times := make([]int64, len(e.rows))
	for i, r := range e.rows {
		times[i] = r.arrived
	}
	sorted := make([]row, len(times))
	for i, from := range rising(times) {
		sorted[i] = e.rows[from]
	}
	e.rows, e.delays = sorted, make([]uint16, len(sorted))
	for i, r := range sorted {
		e.delays[i] = uint16(bucketOf(r.delay))
	}
	starts := slices.Clone(g.starts)
	slices.Sort(starts)
	for _, s := range slices.Compact(starts) {
		e.bins = append(e.bins, bin{start: s})
	}
	for c := range e.cells {
		at, _ := slices.BinarySearchFunc(e.bins, g.starts[c], func(b bin, s int64) int { return cmp.Compare(b.start, s) })
		e.cells[c].bin = int32(at)
		e.bins[at].cells = append(e.bins[at].cells, int32(c))
	}
	return e
}
