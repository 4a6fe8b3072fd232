package exec

import (
	"errors"

	"github.com/slipway-cd/slipway/kql/aggregate"
	"github.com/slipway-cd/slipway/kql/column"
	"github.com/slipway-cd/slipway/kql/group"
	"github.com/slipway-cd/slipway/kql/syntax"
)

// Aggregate is one aggregate of a Summarize.
type Aggregate struct {
	Func   *aggregate.Func
	Args   []Expr
	Consts []*column.Vector // of the arguments that must be constants; nil of the others
	Pred   Expr             // which rows count; nil for all
	Types  []column.Type    // of the results
	At     syntax.Pos
}

func (a *Aggregate) open() (aggregate.Accumulator, error) {
	types := make([]column.Type, len(a.Args))
	for i, x := range a.Args {
		types[i] = x.Type()
	}
	acc, err := a.Func.New(types, a.Consts)
	return acc, a.placed(err)
}

func (a *Aggregate) placed(err error) error {
	var at *syntax.Error
	var limit *LimitError
	if err == nil || errors.As(err, &at) || errors.As(err, &limit) {
		return err
	}
	return syntax.Errorf(a.At, "", "%s: %v", a.Func.Name, err)
}

// add hands a batch, whose rows have the groups, to the accumulator.
func (a *Aggregate) add(r *Run, acc aggregate.Accumulator, b *Batch, groups []uint32, ngroups int) error {
	if a.Pred != nil {
		pred, err := a.Pred.Eval(r, b)
		if err != nil {
			return err
		}
		if rows, all := truths(pred, b.Rows); !all {
			b = b.gather(rows)
			chosen := make([]uint32, len(rows))
			for i, row := range rows {
				chosen[i] = groups[row]
			}
			groups = chosen
		}
	}
	args := make([]*column.Vector, len(a.Args))
	for i, x := range a.Args {
		v, err := x.Eval(r, b)
		if err != nil {
			return err
		}
		args[i] = v
	}
	return a.placed(acc.Add(groups, ngroups, args))
}

// Summarize groups rows by keys and aggregates each group. Without keys there is one group, also of no rows.
type Summarize struct {
	Input  Node
	Keys   []Expr
	Aggs   []*Aggregate
	Fields []column.Field // keys, then results
}

// Columns implements Node.
func (n *Summarize) Columns() []column.Field { return n.Fields }

// Open implements Node.
func (n *Summarize) Open(r *Run) (Stream, error) {
	return later(r, func() (*Batch, error) {
		g, err := n.run(r)
		if err != nil {
			return nil, err
		}
		cols := make([]*column.Vector, 0, len(n.Fields))
		for i := range n.Keys {
			cols = append(cols, g.rows.Keys(i))
		}
		for i, acc := range g.accs {
			vectors, err := acc.Results(g.rows.Len())
			if err != nil {
				return nil, n.Aggs[i].placed(err)
			}
			cols = append(cols, vectors...)
		}
		return full(g.rows.Len(), cols...), nil
	}), nil
}

type grouped struct {
	rows *group.Rows
	accs []aggregate.Accumulator
}

func (n *Summarize) run(r *Run) (*grouped, error) {
	types := make([]column.Type, len(n.Keys))
	for i, k := range n.Keys {
		types[i] = k.Type()
	}
	g := &grouped{rows: group.NewRows(types...)}
	for _, a := range n.Aggs {
		acc, err := a.open()
		if err != nil {
			return nil, err
		}
		g.accs = append(g.accs, acc)
	}
	next, err := n.Input.Open(r)
	if err != nil {
		return nil, err
	}
	keys := make([]*column.Vector, len(n.Keys))
	var size int64
	for {
		b, err := next()
		if err != nil {
			return nil, err
		}
		if b == nil {
			return g, nil
		}
		for i, k := range n.Keys {
			if keys[i], err = k.Eval(r, b); err != nil {
				return nil, err
			}
		}
		groups := g.rows.Number(keys, b.Rows, true)
		now := g.rows.Size()
		for i, a := range n.Aggs {
			if err := a.add(r, g.accs[i], b, groups, g.rows.Len()); err != nil {
				return nil, err
			}
			now += g.accs[i].Size()
		}
		if err := r.keep(max(now-size, 0)); err != nil {
			return nil, err
		}
		size = max(now, size)
	}
}
