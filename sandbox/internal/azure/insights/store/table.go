package store

import (
	"fmt"
	"time"

	"github.com/slipway-cd/slipway/kql/column"

	"github.com/slipway-cd/slipway/sandbox/internal/azure/insights/envelope"
)

// compactFrom is the number of dropped rows from which a table is copied to
// give their memory back.
const compactFrom = 50_000

// table is one table: all rows in the order in which they were accepted. The
// first dropped of them are no longer there; those before settled are visible,
// and of the others each from its own time on.
type table struct {
	schema           Schema
	fields           []column.Field
	rows             *column.Appender
	dropped, settled int
	// position is where a column of the envelope is in the table, -1 if it is not.
	position [256]int16
	columns  map[string]envelope.Column // those of the envelope, by name
	ingested int
	time     int
}

func newTable(s Schema) (*table, error) {
	t := &table{schema: s, time: -1, columns: map[string]envelope.Column{}}
	for i := range t.position {
		t.position[i] = -1
	}
	byName := map[string]int{}
	for i, f := range s.Fields {
		byName[f.Name] = i
	}
	for _, c := range envelope.Columns() {
		if i, ok := byName[c.String()]; ok {
			t.position[c] = int16(i)
			t.columns[c.String()] = c
		}
	}
	i, ok := byName["TimeGenerated"]
	if !ok || s.Fields[i].Type != column.DateTime {
		return nil, fmt.Errorf("table %s has no datetime column TimeGenerated", s.Name)
	}
	t.time = i
	t.fields = append(append(t.fields, s.Fields...), column.Field{Name: IngestedAt, Type: column.DateTime})
	t.ingested = len(s.Fields)
	t.rows = column.NewAppender(s.Name, t.fields)
	return t, nil
}

// append lets fill add rows: all of them, or none if it fails.
func (t *table) append(fill func(add func(*envelope.Row, time.Time) error) error) error {
	return t.rows.Append(func(b *column.Batch) error {
		return fill(func(r *envelope.Row, at time.Time) error { return t.add(b, r, at) })
	})
}

func (t *table) add(b *column.Batch, r *envelope.Row, at time.Time) error {
	for i := range r.Cells {
		c := &r.Cells[i]
		p := t.position[c.Column]
		if p < 0 {
			return fmt.Errorf("table %s has no column %s", t.schema.Name, c.Column)
		}
		to := b.Column(int(p))
		switch typ := t.fields[p].Type; {
		case typ == column.String && c.Kind == envelope.Text:
			to.AppendString(c.Text)
		case typ == column.Dynamic && c.Kind == envelope.Text:
			if err := to.AppendJSON(c.Text); err != nil {
				return fmt.Errorf("column %s: %w", c.Column, err)
			}
		case typ == column.Real && c.Kind == envelope.Number:
			to.AppendReal(c.Num())
		case typ == column.Int && c.Kind == envelope.Integer:
			to.AppendInt(c.Int)
		case typ == column.Bool && c.Kind == envelope.Boolean:
			to.AppendBool(c.Int != 0)
		case typ == column.DateTime && c.Kind == envelope.Instant:
			to.AppendInt(int64(column.FromTime(time.Unix(0, c.Int))))
		default:
			return fmt.Errorf("column %s of table %s is a %s", c.Column, t.schema.Name, typ)
		}
	}
	b.Column(t.ingested).AppendInt(int64(column.FromTime(at)))
	return b.EndRow()
}

// snapshot gives the rows that are visible at now and whose TimeGenerated is in
// [from, to]; zero times do not limit.
func (t *table) snapshot(now, from, to time.Time) *column.Table {
	all := t.rows.Snapshot()
	t.settle(all, now)
	if from.IsZero() && to.IsZero() {
		return t.choose(all, t.settled, now, nil)
	}
	low, high := int64(0), column.MaxTicks
	if !from.IsZero() {
		low = int64(column.FromTime(from))
	}
	if !to.IsZero() {
		high = int64(column.FromTime(to))
	}
	generated := all.Vectors[t.time]
	return t.choose(all, t.dropped, now, func(i int) bool { x := generated.Int(i); return x >= low && x <= high })
}

// settle finds how far all rows are visible.
func (t *table) settle(all *column.Table, now time.Time) {
	ticks, at := int64(column.FromTime(now)), all.Vectors[t.ingested]
	t.settled = max(t.settled, t.dropped)
	for t.settled < all.Rows && at.Int(t.settled) <= ticks {
		t.settled++
	}
}

// choose gives the visible rows that pick wants. Those before known, and after
// the dropped ones, are all wanted. Where the chosen rows are one stretch, as
// they are unless rows overtake each other, nothing is copied.
func (t *table) choose(all *column.Table, known int, now time.Time, pick func(i int) bool) *column.Table {
	first := t.dropped
	ticks, at := int64(column.FromTime(now)), all.Vectors[t.ingested]
	wanted := func(i int) bool { return (i < t.settled || at.Int(i) <= ticks) && (pick == nil || pick(i)) }
	// The stretch [first, end), and then further rows one by one.
	end := known
	if first == known {
		for first < all.Rows && !wanted(first) {
			first++
		}
		end = first
	}
	for end < all.Rows && wanted(end) {
		end++
	}
	var more []int32
	for i := end; i < all.Rows; i++ {
		if wanted(i) {
			more = append(more, int32(i))
		}
	}
	s := &column.Table{Name: all.Name, Columns: all.Columns, Rows: end - first + len(more), Vectors: make([]*column.Vector, len(all.Vectors))}
	if len(more) == 0 {
		for i, v := range all.Vectors {
			s.Vectors[i] = v.Slice(first, end)
		}
		return s
	}
	rows := make([]int32, 0, s.Rows)
	for i := first; i < end; i++ {
		rows = append(rows, int32(i))
	}
	rows = append(rows, more...)
	for i, v := range all.Vectors {
		s.Vectors[i] = v.Gather(rows)
	}
	return s
}

// counts gives the number of rows that are visible at now, and of the others.
func (t *table) counts(now time.Time) (visible, pending int) {
	all := t.rows.Snapshot()
	t.settle(all, now)
	n := t.choose(all, t.settled, now, nil).Rows
	return n, all.Rows - t.dropped - n
}

// drop takes the n oldest rows away. Their memory is given back once they are
// as many as those that are left.
func (t *table) drop(n int) error {
	t.dropped += n
	all := t.rows.Snapshot()
	if t.dropped < compactFrom || t.dropped < all.Rows-t.dropped {
		return nil
	}
	fresh := column.NewAppender(t.schema.Name, t.fields)
	err := fresh.Append(func(b *column.Batch) error {
		for row := t.dropped; row < all.Rows; row++ {
			for i, v := range all.Vectors {
				if err := b.Column(i).Append(v.Value(row)); err != nil {
					return err
				}
			}
			if err := b.EndRow(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("copy the rows that are left of %s: %w", t.schema.Name, err)
	}
	t.settled = max(t.settled-t.dropped, 0)
	t.rows, t.dropped = fresh, 0
	return nil
}
