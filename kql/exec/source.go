package exec

import (
	"fmt"

	"github.com/slipway-cd/slipway/kql/column"
	"github.com/slipway-cd/slipway/kql/syntax"
)

// Scan reads a table of the database.
type Scan struct {
	Table  string
	Fields []column.Field // as the plan was made for
}

// Columns implements Node.
func (n *Scan) Columns() []column.Field { return n.Fields }

// Open implements Node.
func (n *Scan) Open(r *Run) (Stream, error) {
	t, ok := r.tables[n.Table]
	if !ok {
		if t, ok = r.db.Table(n.Table); !ok {
			return nil, fmt.Errorf("there is no table %s", n.Table)
		}
		r.tables[n.Table] = t
	}
	vectors := make([]*column.Vector, len(n.Fields))
	for i, f := range n.Fields {
		at := t.Index(f.Name)
		if at < 0 || t.Columns[at].Type != f.Type {
			return nil, fmt.Errorf("the table %s no longer has a column %s of type %s", n.Table, f.Name, f.Type)
		}
		vectors[i] = t.Vectors[at]
	}
	at := 0
	return func() (*Batch, error) {
		if at >= t.Rows {
			return nil, nil
		}
		if err := r.check(); err != nil {
			return nil, err
		}
		from := at
		at = min(at+batchRows, t.Rows)
		to := at
		r.stats.RowsScanned += int64(to - from)
		return lazy(to-from, len(vectors), func(i int) *column.Vector { return vectors[i].Slice(from, to) }), nil
	}, nil
}

// Rows is a table that is in the plan: a datatable, or a result that is there already.
type Rows struct{ Table *column.Table }

// Columns implements Node.
func (n *Rows) Columns() []column.Field { return n.Table.Columns }

// Open implements Node.
func (n *Rows) Open(r *Run) (Stream, error) {
	return pieces(r, full(n.Table.Rows, n.Table.Vectors...)), nil
}

// Single is one row without columns, which print extends.
type Single struct{}

// Columns implements Node.
func (Single) Columns() []column.Field { return nil }

// Open implements Node.
func (Single) Open(r *Run) (Stream, error) { return pieces(r, full(1)), nil }

// Range is range name from a to b step c: long, datetime, timespan or real.
type Range struct {
	Name           string
	T              column.Type
	From, To, Step Expr // of type T, but the step of datetimes is a timespan
	At             syntax.Pos
}

// Columns implements Node.
func (n *Range) Columns() []column.Field { return []column.Field{{Name: n.Name, Type: n.T}} }

// Open implements Node.
func (n *Range) Open(r *Run) (Stream, error) {
	var ends [3]column.Value
	for i, e := range []Expr{n.From, n.To, n.Step} {
		v, err := r.Scalar(e)
		if err != nil {
			return nil, err
		}
		if v == nil {
			return pieces(r, full(0, column.FromValues(n.T, nil))), nil
		}
		ends[i] = v
	}
	if n.T == column.Real {
		return n.reals(r, ends[0].(float64), ends[1].(float64), ends[2].(float64))
	}
	from, to, step := whole(ends[0]), whole(ends[1]), whole(ends[2])
	if step == 0 {
		return nil, syntax.Errorf(n.At, "", "the step of range must not be 0")
	}
	done := false
	return func() (*Batch, error) {
		if err := r.check(); err != nil || done {
			return nil, err
		}
		values := make([]int64, 0, 64)
		for len(values) < batchRows && (step > 0 && from <= to || step < 0 && from >= to) {
			values = append(values, from)
			if next := from + step; (next > from) == (step > 0) {
				from = next
				continue
			}
			done = true // the next value does not fit 64 bits
			break
		}
		if len(values) == 0 {
			return nil, nil
		}
		return full(len(values), column.NewInts(n.T, values, nil)), nil
	}, nil
}

func (n *Range) reals(r *Run, from, to, step float64) (Stream, error) {
	if !(step > 0 || step < 0) {
		return nil, syntax.Errorf(n.At, "", "the step of range must not be 0")
	}
	i := 0.0
	return func() (*Batch, error) {
		if err := r.check(); err != nil {
			return nil, err
		}
		var values []float64
		for ; len(values) < batchRows; i++ {
			x := from + i*step
			if step > 0 && !(x <= to) || step < 0 && !(x >= to) {
				break
			}
			values = append(values, x)
		}
		if len(values) == 0 {
			return nil, nil
		}
		return full(len(values), column.NewReals(values, nil)), nil
	}, nil
}

// whole gives a long, datetime or timespan as a number.
func whole(v column.Value) int64 {
	switch v := v.(type) {
	case column.Ticks:
		return int64(v)
	case column.Span:
		return int64(v)
	case int64:
		return v
	}
	return 0
}
