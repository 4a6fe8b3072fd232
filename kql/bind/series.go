package bind

import (
	"github.com/slipway-cd/slipway/kql/aggregate"
	"github.com/slipway-cd/slipway/kql/column"
	"github.com/slipway-cd/slipway/kql/exec"
	"github.com/slipway-cd/slipway/kql/syntax"
)

func (b *binder) makeSeries(rel *relation, op *syntax.MakeSeries, s *scope) (*relation, error) {
	e := &exprs{b: b, scope: s, row: rel}
	node := &exec.MakeSeries{At: op.At, Input: rel.node, NonEmpty: op.NonEmpty}
	names := newNamer()
	add := func(name string, t column.Type) {
		node.Fields = append(node.Fields, column.Field{Name: names.auto(name), Type: t})
	}
	for _, item := range op.By {
		keys, err := b.key(e, item)
		if err != nil {
			return nil, err
		}
		for _, k := range keys {
			node.Keys = append(node.Keys, k.x)
			add(k.name, k.x.Type())
		}
	}
	collected := &aggregates{input: rel}
	outer := &exprs{b: b, scope: s, aggs: collected}
	for _, a := range op.Aggs {
		name, err := b.seriesAggregate(outer, node, a)
		if err != nil {
			return nil, err
		}
		add(name, column.Dynamic)
	}
	on, err := e.outputs(op.On)
	if err != nil {
		return nil, err
	}
	node.Axis = on[0].x
	if err := b.axis(node, op, s); err != nil {
		return nil, err
	}
	add(on[0].name, column.Dynamic)
	narrow(node)
	return plain(node), nil
}

// narrow lets a series keep no more of its input than its own expressions.
func narrow(node *exec.MakeSeries) {
	p := &exec.Project{Input: node.Input}
	keep := func(x *exec.Expr) {
		if *x == nil {
			return
		}
		c := &exec.Column{Index: len(p.Exprs), T: (*x).Type()}
		p.Exprs, p.Fields = append(p.Exprs, *x), append(p.Fields, column.Field{Type: c.T})
		*x = c
	}
	for i := range node.Keys {
		keep(&node.Keys[i])
	}
	keep(&node.Axis)
	for _, a := range node.Aggs {
		for i := range a.Args {
			keep(&a.Args[i])
		}
		keep(&a.Pred)
	}
	node.Input = p
}

// seriesAggregate binds one aggregate with its default, and gives its name.
func (b *binder) seriesAggregate(e *exprs, node *exec.MakeSeries, a syntax.SeriesAgg) (string, error) {
	x, ok := a.X.(*syntax.Call)
	var f *aggregate.Func
	if ok {
		f, ok = aggregate.Lookup(x.Func)
	}
	if !ok || f.Rows {
		return "", syntax.Errorf(a.At, "", "make-series wants an aggregate such as avg(x) alone here")
	}
	agg, _, err := e.aggs.add(e, f, x)
	if err != nil {
		return "", err
	}
	if len(agg.Types) != 1 {
		return "", syntax.Errorf(a.At, "", "%s() of several results is not supported in make-series", x.Func)
	}
	node.Aggs = append(node.Aggs, agg)
	fill, err := b.seriesDefault(e, a, agg.Types[0])
	if err != nil {
		return "", err
	}
	node.Defaults = append(node.Defaults, fill)
	if len(a.Names) > 0 {
		return a.Names[0], nil
	}
	return nameOf(x), nil
}

// seriesDefault is what a bin without rows has: the given constant, or 0.
func (b *binder) seriesDefault(e *exprs, a syntax.SeriesAgg, t column.Type) (column.Value, error) {
	if a.Default == nil {
		switch t {
		case column.Int, column.Long:
			return int64(0), nil
		case column.Real:
			return 0.0, nil
		case column.TimeSpan:
			return column.Span(0), nil
		}
		return nil, nil
	}
	v, err := (&exprs{b: b, scope: e.scope}).bind(a.Default)
	if err != nil {
		return nil, err
	}
	c, ok := v.(*exec.Const)
	if !ok {
		return nil, syntax.Errorf(a.Default.Pos(), "", "a default of make-series must be a constant")
	}
	if n, ok := c.Value.(int64); ok && t == column.Real {
		return float64(n), nil
	}
	return c.Value, nil
}

// axis binds from, to and step to the type of the axis.
func (b *binder) axis(node *exec.MakeSeries, op *syntax.MakeSeries, s *scope) error {
	t := node.Axis.Type()
	step := t
	switch t {
	case column.DateTime:
		step = column.TimeSpan
	case column.TimeSpan, column.Real, column.Int, column.Long:
	default:
		return syntax.Errorf(op.On.At, codeStep, "the axis of make-series is a number, a datetime or a timespan, not a %s", t)
	}
	e := &exprs{b: b, scope: s}
	for _, end := range []struct {
		x    syntax.Expr
		want column.Type
		to   *exec.Expr
	}{{op.From, t, &node.From}, {op.To, t, &node.To}, {op.Step, step, &node.Step}} {
		if end.x == nil {
			continue
		}
		v, err := e.bind(end.x)
		if err != nil {
			return err
		}
		if v.Type() != end.want {
			if !v.Type().Numeric() || !end.want.Numeric() || v.Type() == column.Real {
				return syntax.Errorf(syntax.Start(end.x), codeStep, "a %s is wanted here for an axis of %s, not a %s", end.want, t, v.Type())
			}
			if v, err = e.convert(end.x.Pos(), v, end.want); err != nil {
				return err
			}
		}
		*end.to = v
	}
	return nil
}
