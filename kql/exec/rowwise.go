package exec

import (
	"fmt"

	"github.com/slipway-cd/slipway/kql/column"
	"github.com/slipway-cd/slipway/kql/syntax"
)

// Filter keeps the rows for which all conditions are true. They are tried in order, each on the rows that are left.
type Filter struct {
	Input Node
	Conds []Expr
}

// Columns implements Node.
func (n *Filter) Columns() []column.Field { return n.Input.Columns() }

// Open implements Node.
func (n *Filter) Open(r *Run) (Stream, error) {
	next, err := n.Input.Open(r)
	if err != nil {
		return nil, err
	}
	return func() (*Batch, error) {
		for {
			b, err := next()
			if err != nil || b == nil {
				return nil, err
			}
			for _, c := range n.Conds {
				v, err := c.Eval(r, b)
				if err != nil {
					return nil, err
				}
				if rows, all := truths(v, b.Rows); !all {
					b = b.gather(rows)
				}
				if b.Rows == 0 {
					break
				}
			}
			if b.Rows > 0 {
				return b, nil
			}
		}
	}, nil
}

// Project computes columns. A *Column passes one of the input's through.
type Project struct {
	Input  Node
	Fields []column.Field
	Exprs  []Expr
	Whole  bool // an expression looks at other rows: compute over all rows at once
}

// Columns implements Node.
func (n *Project) Columns() []column.Field { return n.Fields }

// Open implements Node.
func (n *Project) Open(r *Run) (Stream, error) {
	if n.Whole {
		return later(r, func() (*Batch, error) {
			b, err := r.collect(n.Input)
			if err != nil {
				return nil, err
			}
			return n.apply(r, b)
		}), nil
	}
	next, err := n.Input.Open(r)
	if err != nil {
		return nil, err
	}
	return func() (*Batch, error) {
		b, err := next()
		if err != nil || b == nil {
			return nil, err
		}
		return n.apply(r, b)
	}, nil
}

func (n *Project) apply(r *Run, b *Batch) (*Batch, error) {
	if err := r.check(); err != nil {
		return nil, err
	}
	out := lazy(b.Rows, len(n.Exprs), func(i int) *column.Vector { return b.Col(n.Exprs[i].(*Column).Index) })
	for i, e := range n.Exprs {
		if _, pass := e.(*Column); pass {
			continue
		}
		v, err := e.Eval(r, b)
		if err != nil {
			return nil, err
		}
		if v.Len() != b.Rows || v.Type() != e.Type() {
			return nil, fmt.Errorf("internal: column %s has %d rows of %s instead of %d of %s", n.Fields[i].Name, v.Len(), v.Type(), b.Rows, e.Type())
		}
		out.cols[i] = v
	}
	return out, nil
}

// Take is the first N rows.
type Take struct {
	Input Node
	N     Count
}

// Columns implements Node.
func (n *Take) Columns() []column.Field { return n.Input.Columns() }

// Open implements Node.
func (n *Take) Open(r *Run) (Stream, error) {
	left, err := n.N.eval(r)
	if err != nil {
		return nil, err
	}
	next, err := n.Input.Open(r)
	if err != nil {
		return nil, err
	}
	return func() (*Batch, error) {
		if left <= 0 {
			return nil, nil
		}
		b, err := next()
		if err != nil || b == nil {
			return nil, err
		}
		if int64(b.Rows) > left {
			b = b.slice(0, int(left))
		}
		left -= int64(b.Rows)
		return b, nil
	}, nil
}

// Count is a number of rows.
type Count struct {
	X  Expr // long or int
	At syntax.Pos
}

func (c Count) eval(r *Run) (int64, error) {
	v, err := r.Scalar(c.X)
	if err != nil {
		return 0, err
	}
	k, ok := v.(int64)
	if !ok || k < 0 {
		return 0, syntax.Errorf(c.At, "", "a number of rows cannot be negative or null")
	}
	return k, nil
}
