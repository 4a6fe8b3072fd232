package exec

import (
	"slices"

	"github.com/slipway-cd/slipway/kql/column"
)

// SortKey is an expression to order rows by.
type SortKey struct {
	X          Expr
	Ascending  bool
	NullsFirst bool
}

// Sort orders rows; rows with equal keys keep their order. With N set only the first N are kept.
type Sort struct {
	Input Node
	Keys  []SortKey
	N     *Count // or nil
}

// Columns implements Node.
func (n *Sort) Columns() []column.Field { return n.Input.Columns() }

// Open implements Node.
func (n *Sort) Open(r *Run) (Stream, error) {
	return later(r, func() (*Batch, error) {
		if n.N == nil {
			b, err := r.collect(n.Input, false)
			if err != nil {
				return nil, err
			}
			return n.sort(r, b, b.Rows)
		}
		most, err := n.N.eval(r)
		if err != nil {
			return nil, err
		}
		return n.top(r, most)
	}), nil
}

// top keeps the first rows of what it has read, so that it never holds much more than those.
func (n *Sort) top(r *Run, most int64) (*Batch, error) {
	next, err := n.Input.Open(r)
	if err != nil {
		return nil, err
	}
	var held []*Batch
	rows := 0
	cut := func() error {
		b, err := n.sort(r, n.concat(held, rows), int(min(most, int64(rows))))
		if err != nil {
			return err
		}
		held, rows = []*Batch{b}, b.Rows
		return nil
	}
	for {
		b, err := next()
		if err != nil {
			return nil, err
		}
		if b == nil {
			break
		}
		held, rows = append(held, b), rows+b.Rows
		if int64(rows)/2 > most+2*batchRows {
			if err := cut(); err != nil {
				return nil, err
			}
		}
	}
	if err := cut(); err != nil {
		return nil, err
	}
	return held[0], nil
}

func (n *Sort) concat(parts []*Batch, rows int) *Batch {
	fields := n.Columns()
	return lazy(rows, len(fields), func(i int) *column.Vector {
		vectors := make([]*column.Vector, len(parts))
		for k, p := range parts {
			vectors[k] = p.Col(i)
		}
		return column.Concat(fields[i].Type, vectors...)
	})
}

func (n *Sort) sort(r *Run, b *Batch, most int) (*Batch, error) {
	keys := make([]*column.Vector, len(n.Keys))
	for i, k := range n.Keys {
		v, err := k.X.Eval(r, b)
		if err != nil {
			return nil, err
		}
		keys[i] = v
	}
	if err := r.keep(int64(b.Rows) * 4); err != nil {
		return nil, err
	}
	rows := make([]int32, b.Rows)
	for i := range rows {
		rows[i] = int32(i)
	}
	slices.SortStableFunc(rows, func(i, j int32) int {
		for k, v := range keys {
			if c := n.Keys[k].compare(v, int(i), int(j)); c != 0 {
				return c
			}
		}
		return 0
	})
	return b.gather(rows[:most]), nil
}

func (k SortKey) compare(v *column.Vector, i, j int) int {
	if a, b := v.Null(i), v.Null(j); a || b {
		switch {
		case a && b:
			return 0
		case a == k.NullsFirst:
			return -1
		}
		return 1
	}
	c := column.Compare(v, i, v, j)
	if !k.Ascending {
		c = -c
	}
	return c
}
