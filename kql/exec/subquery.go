package exec

import (
	"strings"

	"github.com/slipway-cd/slipway/kql/column"
	"github.com/slipway-cd/slipway/kql/group"
)

// ToScalar is toscalar(table): the first value of its first column, computed once per run; null of no rows.
type ToScalar struct{ Table Node }

// Type implements Expr.
func (e *ToScalar) Type() column.Type { return e.Table.Columns()[0].Type }

// Eval implements Expr.
func (e *ToScalar) Eval(r *Run, b *Batch) (*column.Vector, error) {
	known, ok := r.subquery[e]
	if !ok {
		next, err := e.Table.Open(r)
		if err != nil {
			return nil, err
		}
		known = column.NewConst(e.Type(), nil, 1)
		for {
			first, err := next()
			if err != nil {
				return nil, err
			}
			if first == nil {
				break
			}
			if first.Rows > 0 {
				known = first.Col(0).Repeat(0, 1)
				break
			}
		}
		r.subquery[e] = known
	}
	return known.(*column.Vector).Repeat(0, b.Rows), nil
}

// InTable is x in (table): whether the value is among those of the table's first column. A null is in no table.
type InTable struct {
	X     Expr
	Table Node
	Fold  bool // strings in any case
	Not   bool
}

// Type implements Expr.
func (e *InTable) Type() column.Type { return column.Bool }

// Eval implements Expr.
func (e *InTable) Eval(r *Run, b *Batch) (*column.Vector, error) {
	x, err := e.X.Eval(r, b)
	if err != nil {
		return nil, err
	}
	known, ok := r.subquery[e]
	if !ok {
		all, err := r.collect(e.Table)
		if err != nil {
			return nil, err
		}
		set := group.NewValues(e.X.Type())
		set.Number(e.fold(all.Col(0)), make([]uint32, all.Rows), true)
		known = set
		if err := r.keep(set.Size()); err != nil {
			return nil, err
		}
		r.subquery[e] = known
	}
	set := known.(*group.Values)
	nums := make([]uint32, b.Rows)
	set.Number(e.fold(x), nums, false)
	out := make([]bool, b.Rows)
	for i, num := range nums {
		out[i] = (num != group.None && num != set.Null()) != e.Not
	}
	return column.NewBools(out, nil), nil
}

func (e *InTable) fold(v *column.Vector) *column.Vector {
	if !e.Fold {
		return v
	}
	out := make([]string, v.Len())
	for i := range out {
		out[i] = strings.ToLower(v.Str(i))
	}
	return column.NewStrings(out)
}

// Shared is materialize(table): computed once per run, however often it is read.
type Shared struct{ Table Node }

// Columns implements Node.
func (n *Shared) Columns() []column.Field { return n.Table.Columns() }

// Open implements Node.
func (n *Shared) Open(r *Run) (Stream, error) {
	return later(r, func() (*Batch, error) {
		t, ok := r.shared[n]
		if !ok {
			var err error
			if t, err = r.Table(n.Table); err != nil {
				return nil, err
			}
			r.shared[n] = t
		}
		return full(t.Rows, t.Vectors...), nil
	}), nil
}
