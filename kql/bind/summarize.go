package bind

import (
	"strings"

	"github.com/slipway-cd/slipway/kql/aggregate"
	"github.com/slipway-cd/slipway/kql/column"
	"github.com/slipway-cd/slipway/kql/exec"
	"github.com/slipway-cd/slipway/kql/syntax"
)

// aggregates collects the aggregates in the expressions of a summarize. Each result gets a place behind the keys in the row that the
// rest of the expressions is computed from.
type aggregates struct {
	input *relation
	keys  int
	list  []*exec.Aggregate
	width int // of all results so far
}

// add binds an aggregate and gives the place of its first result.
func (a *aggregates) add(e *exprs, f *aggregate.Func, x *syntax.Call) (*exec.Aggregate, int, error) {
	if len(x.Args) < f.MinArgs || f.MaxArgs >= 0 && len(x.Args) > f.MaxArgs {
		return nil, 0, arity(x.At, x.Func, f.MinArgs, f.MaxArgs, len(x.Args))
	}
	inner := &exprs{b: e.b, scope: e.scope, row: a.input}
	agg := &exec.Aggregate{Func: f, At: x.At}
	var types []column.Type
	for i, arg := range x.Args {
		if f.Predicate > 0 && i == f.Predicate {
			pred, err := inner.predicate(arg.X, codeArgType)
			if err != nil {
				return nil, 0, err
			}
			agg.Pred = pred
			continue
		}
		v, err := inner.bind(arg.X)
		if err != nil {
			return nil, 0, err
		}
		var c *column.Vector
		if f.Const > 0 && len(agg.Args) >= f.Const {
			k, ok := v.(*exec.Const)
			if !ok {
				return nil, 0, syntax.Errorf(arg.At, codeArgument, "this argument of %s() must be a constant", x.Func)
			}
			c = column.NewConst(k.T, k.Value, 1)
		}
		agg.Args, agg.Consts, types = append(agg.Args, v), append(agg.Consts, c), append(types, v.Type())
	}
	return a.place(agg, types)
}

// place resolves the types of an aggregate and gives it its place.
func (a *aggregates) place(agg *exec.Aggregate, types []column.Type) (*exec.Aggregate, int, error) {
	var err error
	if agg.Types, err = agg.Func.Resolve(types); err != nil {
		return nil, 0, syntax.Errorf(agg.At, aggregateCode(agg.Func.Name), "%v", err)
	}
	if _, err := agg.Func.New(types, agg.Consts); err != nil {
		return nil, 0, syntax.Errorf(agg.At, codeArgument, "%s(): %v", agg.Func.Name, err)
	}
	at := a.keys + a.width
	a.list = append(a.list, agg)
	a.width += len(agg.Types)
	return agg, at, nil
}

// aggregateCode is Kusto's code for an argument of a type that an aggregate does not take.
func aggregateCode(name string) string {
	switch strings.TrimSuffix(name, "if") {
	case "sum", "stdev", "stdevp", "variance", "variancep":
		return codeSummable
	case "min", "max", "arg_min", "arg_max":
		return codeOrderable
	case "count":
		return codeArgType
	}
	return codeArgument
}

// slot binds an aggregate within an expression, where it has one result.
func (a *aggregates) slot(e *exprs, f *aggregate.Func, x *syntax.Call) (exec.Expr, error) {
	agg, at, err := a.add(e, f, x)
	if err != nil {
		return nil, err
	}
	if len(agg.Types) != 1 {
		return nil, syntax.Errorf(x.At, "", "%s() gives %d columns, which have no value within an expression", x.Func, len(agg.Types))
	}
	return &exec.Column{Index: at, T: agg.Types[0]}, nil
}

func countAggregate(at syntax.Pos) *exec.Aggregate {
	f, _ := aggregate.Lookup("count")
	return &exec.Aggregate{Func: f, Types: []column.Type{column.Long}, At: at}
}

func (b *binder) summarize(rel *relation, op *syntax.Summarize, s *scope) (*relation, error) {
	e := &exprs{b: b, scope: s, row: rel}
	node := &exec.Summarize{Input: rel.node}
	var fields []column.Field
	names := newNamer()
	for _, item := range op.By {
		k, err := b.key(e, item)
		if err != nil {
			return nil, err
		}
		for _, o := range k {
			f := column.Field{Name: names.auto(o.name), Type: o.x.Type()}
			node.Keys, fields = append(node.Keys, o.x), append(fields, f)
		}
	}
	if len(op.Aggs) == 0 && len(op.By) == 0 {
		return nil, syntax.Errorf(op.At, "", "summarize wants an aggregate such as count(), or by and a column")
	}
	collected := &aggregates{input: rel, keys: len(node.Keys)}
	outer := &exprs{b: b, scope: s, aggs: collected}
	var outs []output
	for _, item := range op.Aggs {
		o, err := outer.aggregate(item, fields)
		if err != nil {
			return nil, err
		}
		outs = append(outs, o...)
	}
	node.Aggs = collected.list
	node.Fields = append(node.Fields, fields...)
	for _, a := range collected.list {
		for _, t := range a.Types {
			node.Fields = append(node.Fields, column.Field{Type: t})
		}
	}
	out := &exec.Project{Input: node}
	for i, f := range fields {
		out.Fields, out.Exprs = append(out.Fields, f), append(out.Exprs, &exec.Column{Index: i, T: f.Type})
	}
	for _, o := range outs {
		name := o.name
		if o.given {
			if err := names.declare(o.at, name); err != nil {
				return nil, err
			}
		} else {
			name = names.auto(name)
		}
		out.Fields, out.Exprs = append(out.Fields, column.Field{Name: name, Type: o.x.Type()}), append(out.Exprs, o.x)
	}
	return plain(out), nil
}

// key binds an expression to group by.
func (b *binder) key(e *exprs, item syntax.Named) ([]output, error) {
	outs, err := e.outputs(item)
	if err != nil {
		return nil, err
	}
	for _, o := range outs {
		if o.x.Type() == column.Dynamic {
			return nil, syntax.Errorf(item.At, codeDynamic, "a dynamic cannot be grouped by: convert it first, with tostring() or tolong() …")
		}
	}
	return outs, nil
}

// aggregate binds an item of summarize. An aggregate alone may give several columns.
func (e *exprs) aggregate(item syntax.Named, keys []column.Field) ([]output, error) {
	x, ok := item.X.(*syntax.Call)
	if !ok {
		return e.outputs(item)
	}
	f, ok := aggregate.Lookup(x.Func)
	if _, own := e.scope.find(x.Func); own || !ok {
		return e.outputs(item)
	}
	if f.Rows {
		return e.rows(item, f, x, keys)
	}
	agg, at, err := e.aggs.add(e, f, x)
	if err != nil {
		return nil, err
	}
	first := len(x.Args) - len(agg.Types) // of several results each belongs to one of the last arguments
	var outs []output
	for i, t := range agg.Types {
		o := output{at: item.At, x: &exec.Column{Index: at + i, T: t}, name: nameOf(x)}
		if len(agg.Types) > 1 || strings.HasPrefix(f.Name, "percentile") && !strings.HasSuffix(f.Name, "_array") {
			o.name = percentileName(x, first+i)
		}
		outs = append(outs, o)
	}
	return renamed(outs, item)
}

// renamed gives columns the names of an item, in order; the rest keep theirs.
func renamed(outs []output, item syntax.Named) ([]output, error) {
	if len(item.Names) > len(outs) {
		return nil, syntax.Errorf(item.At, "", "%d names for %d columns", len(item.Names), len(outs))
	}
	for i, name := range item.Names {
		outs[i].name, outs[i].given = name, true
	}
	return outs, nil
}

// rows binds an aggregate that picks a row: arg_max(x, *), take_any(*).
func (e *exprs) rows(item syntax.Named, f *aggregate.Func, x *syntax.Call, keys []column.Field) ([]output, error) {
	if len(x.Args) < f.MinArgs {
		return nil, arity(x.At, x.Func, f.MinArgs, f.MaxArgs, len(x.Args))
	}
	in := e.aggs.input
	inner := &exprs{b: e.b, scope: e.scope, row: in}
	agg := &exec.Aggregate{Func: f, At: x.At}
	var types []column.Type
	var names []string
	add := func(v exec.Expr, name string) {
		agg.Args, types, names = append(agg.Args, v), append(types, v.Type()), append(names, name)
		agg.Consts = append(agg.Consts, nil)
	}
	for i, a := range x.Args {
		if f.Predicate > 0 && i == len(x.Args)-1 {
			pred, err := inner.predicate(a.X, codeArgType)
			if err != nil {
				return nil, err
			}
			agg.Pred = pred
			break
		}
		if w, ok := a.X.(*syntax.Wildcard); ok && w.Pattern == "*" && (i > 0 || !f.Ordered) {
			for c, col := range in.cols {
				if !hasField(keys, col.Name) && !(f.Ordered && col.Name == names[0]) {
					add(in.column(c), col.Name)
				}
			}
			continue
		}
		v, err := inner.bind(a.X)
		if err != nil {
			return nil, err
		}
		name := inner.columnName(a.X)
		if name == "" && f.Ordered {
			name = strings.TrimPrefix(f.Name, "arg_") + "_"
			if i > 0 {
				name += firstName(names) + "_arg" + itoa(i)
			}
		}
		add(v, name)
	}
	if len(agg.Args) == 0 {
		return nil, nil
	}
	agg, at, err := e.aggs.place(agg, types)
	if err != nil {
		return nil, err
	}
	var outs []output
	for i, t := range agg.Types {
		name := names[i]
		if f.Prefix != "" {
			name = f.Prefix + "_" + name
		}
		outs = append(outs, output{at: item.At, x: &exec.Column{Index: at + i, T: t}, name: name})
	}
	return renamed(outs, item)
}

func firstName(names []string) string {
	if len(names) == 0 {
		return ""
	}
	return names[0]
}

func hasField(fields []column.Field, name string) bool {
	for _, f := range fields {
		if f.Name == name {
			return true
		}
	}
	return false
}

func (b *binder) distinct(rel *relation, op *syntax.Distinct, s *scope) (*relation, error) {
	items := op.Exprs
	if len(items) == 0 {
		for _, c := range rel.cols {
			items = append(items, syntax.Named{At: op.At, X: &syntax.Name{At: op.At, Name: c.Name}})
		}
	}
	node := &exec.Summarize{Input: rel.node}
	e := &exprs{b: b, scope: s, row: rel}
	names := newNamer()
	for _, item := range items {
		keys, err := b.key(e, item)
		if err != nil {
			return nil, err
		}
		for _, o := range keys {
			node.Keys = append(node.Keys, o.x)
			node.Fields = append(node.Fields, column.Field{Name: names.auto(o.name), Type: o.x.Type()})
		}
	}
	return plain(node), nil
}

func (b *binder) sampleDistinct(rel *relation, op *syntax.SampleDistinct, s *scope) (*relation, error) {
	n, err := b.rowCount(op.N, s)
	if err != nil {
		return nil, err
	}
	if _, ok := op.X.X.(*syntax.Name); !ok {
		return nil, syntax.Errorf(syntax.Start(op.X.X), codeColumnName, "sample-distinct wants a column, not an expression")
	}
	out, err := b.distinct(rel, &syntax.Distinct{Op: op.Op, Exprs: []syntax.Named{op.X}}, s)
	if err != nil {
		return nil, err
	}
	return out.over(&exec.Take{Input: out.node, N: *n}), nil
}
