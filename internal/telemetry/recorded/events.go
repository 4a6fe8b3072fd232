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
}

type row struct {
	arrived, delay int64 // ticks
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
	g := &grouping{slots: map[string]int32{}, cells: map[groupedBy]int32{}, ops: map[operation]int32{}}
	for _, q := range queries {
		t, err := r.table(ctx, q.Query)
		if err != nil {
			return nil, err
		}
		g.add(q.Kind, t)
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

type groupedBy struct {
	kind, pod string
	slot      int32
	start     int64
}

type operation struct {
	cell int32
	id   string
}

// grouping gives numbers to what rows are grouped by.
type grouping struct {
	e      events
	starts []int64 // of each cell
	slots  map[string]int32
	cells  map[groupedBy]int32
	ops    map[operation]int32
}

func (g *grouping) add(kind string, t *column.Table) {
	col := func(name string) *column.Vector { return t.Vectors[t.Index(name)] }
	slot, pod, start, id := col("slot"), col("pod"), col("start"), col("operation")
	failing, items, took, arrived, delay := col("failing"), col("items"), col("took"), col("arrived"), col("delay")
	g.e.rows = slices.Grow(g.e.rows, t.Rows)
	for i := range t.Rows {
		s, known := g.slots[slot.Str(i)]
		if !known {
			s = int32(len(g.e.slots))
			g.slots[slot.Str(i)], g.e.slots = s, append(g.e.slots, slot.Str(i))
		}
		by := groupedBy{kind, pod.Str(i), s, start.Int(i)}
		c, known := g.cells[by]
		if !known {
			c = int32(len(g.e.cells))
			g.cells[by], g.e.cells = c, append(g.e.cells, cell{kind: kind, pod: by.pod, slot: s})
			g.starts = append(g.starts, by.start)
		}
		of := operation{c, id.Str(i)}
		o, known := g.ops[of]
		if !known {
			o = int32(len(g.e.ops))
			g.ops[of], g.e.ops = o, append(g.e.ops, c)
		}
		ms := took.Real(i)
		if took.Null(i) || math.IsNaN(ms) {
			ms = math.Inf(-1)
		}
		g.e.rows = append(g.e.rows, row{arrived.Int(i), delay.Int(i), o, int32(items.Int(i)), ms, failing.Bool(i)})
	}
}

func (g *grouping) events() *events {
	e := &g.e
	slices.SortStableFunc(e.rows, func(a, b row) int { return cmp.Compare(a.arrived, b.arrived) })
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
