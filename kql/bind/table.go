package bind

import (
	"slices"

	"github.com/slipway-cd/slipway/kql/column"
	"github.com/slipway-cd/slipway/kql/exec"
	"github.com/slipway-cd/slipway/kql/syntax"
)

// table binds an expression that is a table.
func (b *binder) table(x syntax.Expr, s *scope) (*relation, error) {
	if err := b.step(x.Pos()); err != nil {
		return nil, err
	}
	switch x := x.(type) {
	case *syntax.Pipe:
		rel, err := b.table(x.Source, s)
		if err != nil {
			return nil, err
		}
		return b.pipe(rel, x.Ops, s)
	case *syntax.Name:
		return b.namedTable(x, s)
	case *syntax.Call:
		return b.calledTable(x, s)
	case *syntax.DataTable:
		return b.dataTable(x, s)
	case *syntax.Range:
		return b.rangeTable(x, s)
	case *syntax.Print:
		return b.print(x, s)
	case *syntax.Union:
		return b.union(nil, x, s)
	case *syntax.Evaluate:
		return b.evaluate(plain(exec.Single{}), x, s)
	}
	return nil, syntax.Errorf(x.Pos(), codeTable, "a table is expected here")
}

func (b *binder) namedTable(x *syntax.Name, s *scope) (*relation, error) {
	if v, ok := s.find(x.Name); ok {
		switch {
		case v.table != nil:
			return v.table.called(x.Name), nil
		case v.fn != nil:
			rel, err := b.invokeTable(x.At, v.fn, nil, s)
			if err != nil {
				return nil, err
			}
			return rel.called(x.Name), nil
		}
		return nil, syntax.Errorf(x.At, codeTable, "“%s” is a value, not a table", x.Name)
	}
	fields, ok := b.schema.Table(x.Name)
	if !ok {
		return nil, unknown(x.At, codeTable, "table", x.Name, append(b.schema.Names(), s.names()...))
	}
	rel := plain(&exec.Scan{Table: x.Name, Fields: slices.Clone(fields)})
	for i, f := range fields {
		if f.Name == IngestedAt && f.Type == column.DateTime {
			rel.ingested = i
			rel.cols = slices.Delete(rel.cols, i, i+1)
		}
	}
	return rel.called(x.Name), nil
}

func (r *relation) called(name string) *relation {
	out := *r
	out.name = name
	return &out
}

func (b *binder) calledTable(x *syntax.Call, s *scope) (*relation, error) {
	if v, ok := s.find(x.Func); ok && v.fn != nil {
		rel, err := b.invokeTable(x.At, v.fn, x.Args, s)
		if err != nil {
			return nil, err
		}
		return rel.called(x.Func), nil
	}
	switch x.Func {
	case "materialize":
		if len(x.Args) != 1 {
			return nil, arity(x.At, x.Func, 1, 1, len(x.Args))
		}
		rel, err := b.table(x.Args[0].X, s)
		if err != nil {
			return nil, err
		}
		return rel.over(&exec.Shared{Table: rel.node}), nil
	case "table":
		if len(x.Args) == 1 {
			if l, ok := x.Args[0].X.(*syntax.Literal); ok && l.Type == column.String {
				return b.namedTable(&syntax.Name{At: l.At, Name: l.Value.(string)}, s)
			}
		}
		return nil, syntax.Errorf(x.At, "", "table() takes the name of a table as a text")
	case "database", "cluster", "workspace", "app", "resource", "external_table", "materialized_view":
		return nil, syntax.Errorf(x.At, "", "%s() is not supported: name the table alone", x.Func)
	}
	return nil, unknown(x.At, codeFunction, "function that gives a table", x.Func+"()", s.names())
}

// invokeTable puts the body of a function that gives a table in the place of its call.
func (b *binder) invokeTable(at syntax.Pos, f *function, args []syntax.Arg, s *scope) (*relation, error) {
	e := &exprs{b: b, scope: s}
	inner, err := e.arguments(at, f, args)
	if err != nil {
		return nil, err
	}
	return b.table(f.Result, inner)
}

// pipe binds operators one after the other.
func (b *binder) pipe(rel *relation, ops []syntax.Operator, s *scope) (*relation, error) {
	own := *s // as names tables for the operators behind it
	s = &own
	for _, op := range ops {
		if err := b.step(op.Pos()); err != nil {
			return nil, err
		}
		var err error
		if as, ok := op.(*syntax.As); ok {
			rel = rel.over(&exec.Shared{Table: rel.node}).called(as.Name)
			s = s.with(as.Name, binding{table: rel})
			continue
		}
		if rel, err = b.operator(rel, op, s); err != nil {
			return nil, err
		}
	}
	return rel, nil
}

func (b *binder) operator(rel *relation, op syntax.Operator, s *scope) (*relation, error) {
	switch op := op.(type) {
	case *syntax.Where:
		return b.where(rel, op, s)
	case *syntax.Extend:
		return b.extend(rel, op.Exprs, s)
	case *syntax.Serialize:
		out := *rel
		out.serialized = true
		return b.extend(&out, op.Exprs, s)
	case *syntax.Project:
		return b.project(rel, op.Exprs, s)
	case *syntax.Select:
		return b.selectColumns(rel, op)
	case *syntax.Rename:
		return b.rename(rel, op)
	case *syntax.Summarize:
		return b.summarize(rel, op, s)
	case *syntax.Distinct:
		return b.distinct(rel, op, s)
	case *syntax.Sort:
		return b.sort(rel, op.Keys, nil, s)
	case *syntax.Top:
		n, err := b.rowCount(op.N, s)
		if err != nil {
			return nil, err
		}
		return b.sort(rel, op.Keys, n, s)
	case *syntax.Take:
		n, err := b.rowCount(op.N, s)
		if err != nil {
			return nil, err
		}
		return rel.over(&exec.Take{Input: rel.node, N: *n}), nil
	case *syntax.SampleDistinct:
		return b.sampleDistinct(rel, op, s)
	case *syntax.Count:
		f := countAggregate(op.At)
		return plain(&exec.Summarize{Input: rel.node, Aggs: []*exec.Aggregate{f}, Fields: []column.Field{{Name: "Count", Type: column.Long}}}), nil
	case *syntax.Union:
		return b.union(rel, op, s)
	case *syntax.Join:
		return b.join(rel, op, s)
	case *syntax.MvExpand:
		return b.mvExpand(rel, op, s)
	case *syntax.MvApply:
		return b.mvApply(rel, op, s)
	case *syntax.MakeSeries:
		return b.makeSeries(rel, op, s)
	case *syntax.Parse:
		return b.parse(rel, op, s)
	case *syntax.ParseKV:
		return b.parseKV(rel, op, s)
	case *syntax.Render:
		return rel, nil
	case *syntax.GetSchema:
		return getSchema(rel), nil
	case *syntax.Evaluate:
		return b.evaluate(rel, op, s)
	case *syntax.Invoke:
		return b.invokeOn(rel, op, s)
	case *syntax.Reduce:
		return b.reduce(rel, op, s)
	case *syntax.Partition:
		return b.partition(rel, op, s)
	}
	return nil, syntax.Errorf(op.Pos(), "", "this operator is not supported")
}

// invokeOn calls a function with the input as its first argument.
func (b *binder) invokeOn(rel *relation, op *syntax.Invoke, s *scope) (*relation, error) {
	v, ok := s.find(op.Call.Func)
	if !ok || v.fn == nil {
		return nil, unknown(op.Call.At, codeFunction, "function", op.Call.Func+"()", s.names())
	}
	const input = "(input)" // no query can name it
	args := append([]syntax.Arg{{At: op.At, X: &syntax.Name{At: op.At, Name: input}}}, op.Call.Args...)
	return b.invokeTable(op.Call.At, v.fn, args, s.with(input, binding{table: rel}))
}

func (b *binder) where(rel *relation, op *syntax.Where, s *scope) (*relation, error) {
	var conds []exec.Expr
	e := &exprs{b: b, scope: s, row: rel, window: rel.serialized}
	for _, x := range conjuncts(op.Cond) {
		c, err := e.predicate(x, codeWantedType)
		if err != nil {
			return nil, err
		}
		conds = append(conds, c)
	}
	if e.windowed {
		return nil, syntax.Errorf(op.At, "", "a function of other rows in where is not supported: compute it with extend first")
	}
	return rel.over(&exec.Filter{Input: rel.node, Conds: conds}), nil
}

// conjuncts takes a and b and c apart.
func conjuncts(x syntax.Expr) []syntax.Expr {
	if and, ok := x.(*syntax.Binary); ok && and.Op == "and" {
		return append(conjuncts(and.L), conjuncts(and.R)...)
	}
	return []syntax.Expr{x}
}

func (b *binder) rowCount(x syntax.Expr, s *scope) (*exec.Count, error) {
	e := &exprs{b: b, scope: s}
	n, err := e.bind(x)
	if err != nil {
		return nil, err
	}
	if n.Type() != column.Long && n.Type() != column.Int {
		return nil, syntax.Errorf(syntax.Start(x), codeWhole, "a number of rows is a whole number, not a %s", n.Type())
	}
	if c, ok := n.(*exec.Const); ok {
		if k, ok := c.Value.(int64); !ok || k < 0 {
			return nil, syntax.Errorf(syntax.Start(x), "", "a number of rows cannot be negative or null")
		}
	}
	return &exec.Count{X: n, At: syntax.Start(x)}, nil
}

func (b *binder) sort(rel *relation, keys []syntax.SortKey, n *exec.Count, s *scope) (*relation, error) {
	node := &exec.Sort{Input: rel.node, N: n}
	for _, k := range keys {
		v, err := b.scalar(k.X, s, rel)
		if err != nil {
			return nil, err
		}
		if v.Type() == column.Dynamic {
			return nil, syntax.Errorf(syntax.Start(k.X), codeDynamic, "a dynamic cannot be sorted by: convert it first, with tolong(), tostring() …")
		}
		node.Keys = append(node.Keys, exec.SortKey{X: v, Ascending: k.Ascending, NullsFirst: k.NullsFirst})
	}
	out := rel.over(node)
	out.serialized = true
	return out, nil
}

func (b *binder) dataTable(x *syntax.DataTable, s *scope) (*relation, error) {
	t := &column.Table{}
	n := newNamer()
	for _, c := range x.Columns {
		if err := n.declare(c.At, c.Name); err != nil {
			return nil, err
		}
		t.Columns = append(t.Columns, column.Field{Name: c.Name, Type: c.Type})
	}
	width := len(t.Columns)
	if width == 0 || len(x.Values)%width != 0 {
		return nil, syntax.Errorf(x.At, codeValues, "a datatable of %d columns has %d values: the last row is not full", width, len(x.Values))
	}
	t.Rows = len(x.Values) / width
	e := &exprs{b: b, scope: s}
	for i, c := range t.Columns {
		values := make([]column.Value, t.Rows)
		for r := range values {
			at := x.Values[r*width+i]
			v, err := e.bind(at)
			if err != nil {
				return nil, err
			}
			if v.Type() == column.String && c.Type == column.Dynamic { // a text is a dynamic text, not JSON to parse
				if k, ok := v.(*exec.Const); ok {
					v = &exec.Const{T: column.Dynamic, Value: k.Value}
				}
			}
			if v, err = e.convert(at.Pos(), v, c.Type); err != nil {
				return nil, err
			}
			k, ok := v.(*exec.Const)
			if !ok {
				return nil, syntax.Errorf(syntax.Start(at), "", "a value of a datatable must be a constant")
			}
			values[r] = k.Value
		}
		t.Vectors = append(t.Vectors, column.FromValues(c.Type, values))
	}
	return plain(&exec.Rows{Table: t}), nil
}

func (b *binder) rangeTable(x *syntax.Range, s *scope) (*relation, error) {
	e := &exprs{b: b, scope: s}
	var ends [3]exec.Expr
	for i, a := range []syntax.Expr{x.From, x.To, x.Step} {
		v, err := e.bind(a)
		if err != nil {
			return nil, err
		}
		ends[i] = v
	}
	t := ends[0].Type()
	step := t
	switch t {
	case column.DateTime:
		step = column.TimeSpan
	case column.TimeSpan:
	case column.Int, column.Long, column.Real:
		t = column.Long
		for _, v := range ends {
			if v.Type() == column.Real {
				t = column.Real
			}
		}
		step = t
	default:
		return nil, syntax.Errorf(syntax.Start(x.From), codeSummable, "range is not defined for the type %s", t)
	}
	for i, want := range []column.Type{t, t, step} {
		if ends[i].Type() == want {
			continue
		}
		if !ends[i].Type().Numeric() || !want.Numeric() {
			return nil, syntax.Errorf(syntax.Start([]syntax.Expr{x.From, x.To, x.Step}[i]), codeSummable, "range from a %s wants a %s here, not a %s", t, want, ends[i].Type())
		}
		var err error
		if ends[i], err = e.convert(x.At, ends[i], want); err != nil {
			return nil, err
		}
	}
	if c, ok := ends[2].(*exec.Const); ok && (c.Value == int64(0) || c.Value == 0.0 || c.Value == column.Span(0)) {
		return nil, syntax.Errorf(syntax.Start(x.Step), codeZero, "the step of range must not be 0")
	}
	rel := plain(&exec.Range{At: x.At, Name: x.Name, T: t, From: ends[0], To: ends[1], Step: ends[2]})
	rel.serialized = true
	return rel, nil
}

func (b *binder) print(x *syntax.Print, s *scope) (*relation, error) {
	e := &exprs{b: b, scope: s}
	out := &exec.Project{Input: exec.Single{}}
	n := newNamer()
	for i, item := range x.Exprs {
		v, err := e.bind(item.X)
		if err != nil {
			return nil, err
		}
		name := "print_" + itoa(i)
		if len(item.Names) == 1 {
			name = item.Names[0]
		}
		out.Fields = append(out.Fields, column.Field{Name: n.auto(name), Type: v.Type()})
		out.Exprs = append(out.Exprs, v)
	}
	return plain(out), nil
}
