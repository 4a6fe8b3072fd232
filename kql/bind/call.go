package bind

import (
	"strconv"

	"github.com/slipway-cd/slipway/kql/aggregate"
	"github.com/slipway-cd/slipway/kql/column"
	"github.com/slipway-cd/slipway/kql/exec"
	"github.com/slipway-cd/slipway/kql/scalar"
	"github.com/slipway-cd/slipway/kql/syntax"
)

func itoa(n int) string { return strconv.Itoa(n) }

// function binds a call: of a let function, of a function that needs more than values, of an aggregate, or of the library.
func (e *exprs) function(x *syntax.Call) (exec.Expr, error) {
	if v, ok := e.scope.find(x.Func); ok {
		if v.fn == nil {
			return nil, syntax.Errorf(x.At, codeFunction, "“%s” is no function", x.Func)
		}
		return e.invoke(x.At, v.fn, x.Args)
	}
	if bind, ok := special(x.Func); ok {
		return bind(e, x)
	}
	if f, ok := aggregate.Lookup(x.Func); ok && e.aggs != nil {
		return e.aggs.slot(e, f, x)
	}
	if _, ok := scalar.Lookup(x.Func); !ok || isOperator(x.Func) {
		if _, ok := aggregate.Lookup(x.Func); ok {
			return nil, syntax.Errorf(x.At, codeAggregate, "the aggregate %s() has no meaning here, only in summarize and make-series", x.Func)
		}
		if scalar.Missing(x.Func) {
			return nil, syntax.Errorf(x.At, codeFunction, "the function %s() is not supported", x.Func)
		}
		known := append(scalar.Names(), e.scope.names()...)
		if e.aggs != nil {
			known = append(known, aggregate.Names()...)
		}
		return nil, unknown(x.At, codeFunction, "function", x.Func+"()", known)
	}
	args := make([]exec.Expr, len(x.Args))
	for i, a := range x.Args {
		v, err := e.bind(a.X)
		if err != nil {
			return nil, err
		}
		args[i] = v
	}
	return e.call(x.At, x.Func, args...)
}

// special gives the binder of a function that needs more than the values of its arguments.
func special(name string) (func(*exprs, *syntax.Call) (exec.Expr, error), bool) {
	switch name {
	case "now":
		return (*exprs).now, true
	case "ago":
		return (*exprs).ago, true
	case "toscalar":
		return (*exprs).toScalar, true
	case "ingestion_time":
		return (*exprs).ingestionTime, true
	case "column_ifexists", "columnifexists":
		return (*exprs).columnIfExists, true
	case "materialize":
		return (*exprs).materializeScalar, true
	case "pack_all":
		return (*exprs).packAll, true
	case "bag_pack_columns":
		return (*exprs).packColumns, true
	case "prev", "next", "row_number", "row_cumsum", "row_rank_dense", "row_rank_min":
		return (*exprs).rowFunction, true
	}
	return nil, false
}

func (e *exprs) count(x *syntax.Call, least, most int) error {
	if len(x.Args) < least || len(x.Args) > most {
		return arity(x.At, x.Func, least, most, len(x.Args))
	}
	return nil
}

func (e *exprs) now(x *syntax.Call) (exec.Expr, error) {
	if err := e.count(x, 0, 1); err != nil {
		return nil, err
	}
	if len(x.Args) == 0 {
		return exec.Now{}, nil
	}
	return e.shift(x, "+")
}

func (e *exprs) ago(x *syntax.Call) (exec.Expr, error) {
	if err := e.count(x, 1, 1); err != nil {
		return nil, err
	}
	return e.shift(x, "-")
}

// shift is the time of the query and a span.
func (e *exprs) shift(x *syntax.Call, op string) (exec.Expr, error) {
	span, err := e.bind(x.Args[0].X)
	if err != nil {
		return nil, err
	}
	if span.Type() != column.TimeSpan {
		return nil, syntax.Errorf(x.Args[0].At, codeArgType, "%s() takes a timespan such as 1h, not a %s", x.Func, span.Type())
	}
	return e.call(x.At, op, exec.Now{}, span)
}

func (e *exprs) toScalar(x *syntax.Call) (exec.Expr, error) {
	if err := e.count(x, 1, 1); err != nil {
		return nil, err
	}
	if !e.b.tabular(x.Args[0].X, e.scope, nil) {
		return (&exprs{b: e.b, scope: e.scope}).bind(x.Args[0].X)
	}
	rel, err := e.b.table(x.Args[0].X, e.scope)
	if err != nil {
		return nil, err
	}
	node := rel.visible()
	if len(node.Columns()) == 0 {
		return nil, syntax.Errorf(x.At, "", "toscalar() of a table without columns")
	}
	return &exec.ToScalar{Table: node}, nil
}

func (e *exprs) materializeScalar(x *syntax.Call) (exec.Expr, error) {
	return nil, syntax.Errorf(x.At, "", "materialize() gives a table, which has no value here")
}

func (e *exprs) ingestionTime(x *syntax.Call) (exec.Expr, error) {
	if err := e.count(x, 0, 0); err != nil {
		return nil, err
	}
	if e.row == nil || e.row.ingested < 0 {
		return &exec.Const{T: column.DateTime}, nil
	}
	return &exec.Column{Index: e.row.ingested, T: column.DateTime}, nil
}

func (e *exprs) columnIfExists(x *syntax.Call) (exec.Expr, error) {
	if err := e.count(x, 2, 2); err != nil {
		return nil, err
	}
	name, err := e.bind(x.Args[0].X)
	if err != nil {
		return nil, err
	}
	c, ok := name.(*exec.Const)
	text, isText := any(nil), false
	if ok {
		text, isText = c.Value, c.T == column.String
	}
	if !isText {
		return nil, syntax.Errorf(x.Args[0].At, codeArgument, "the first argument of %s() is the name of a column as a text", x.Func)
	}
	if e.row != nil {
		if i := e.row.index(text.(string)); i >= 0 {
			return e.row.column(i), nil
		}
	}
	return e.bind(x.Args[1].X)
}

func (e *exprs) packAll(x *syntax.Call) (exec.Expr, error) {
	if err := e.count(x, 0, 1); err != nil {
		return nil, err
	}
	p := &exec.Pack{}
	if len(x.Args) == 1 {
		v, err := e.bind(x.Args[0].X)
		if err != nil {
			return nil, err
		}
		c, ok := v.(*exec.Const)
		if !ok || c.T != column.Bool {
			return nil, syntax.Errorf(x.Args[0].At, codeArgument, "the argument of pack_all() is true or false")
		}
		p.SkipEmpty = c.Value == true
	}
	if e.row == nil {
		return nil, syntax.Errorf(x.At, "", "pack_all() has no columns here")
	}
	for i, c := range e.row.cols {
		p.Names = append(p.Names, c.Name)
		p.Values = append(p.Values, e.row.column(i))
	}
	return p, nil
}

func (e *exprs) packColumns(x *syntax.Call) (exec.Expr, error) {
	if len(x.Args) == 0 {
		return nil, arity(x.At, x.Func, 1, -1, 0)
	}
	p := &exec.Pack{}
	for _, a := range x.Args {
		n, ok := a.X.(*syntax.Name)
		if !ok {
			return nil, syntax.Errorf(a.At, codeArgument, "the arguments of %s() are columns", x.Func)
		}
		v, err := e.name(n)
		if err != nil {
			return nil, err
		}
		p.Names = append(p.Names, n.Name)
		p.Values = append(p.Values, v)
	}
	return p, nil
}

// arguments binds what a function is called with, and gives the scope of its body.
func (e *exprs) arguments(at syntax.Pos, f *function, args []syntax.Arg) (*scope, error) {
	if len(args) > len(f.Params) {
		return nil, arity(at, f.name, required(f), len(f.Params), len(args))
	}
	given := make([]syntax.Expr, len(f.Params))
	for i, a := range args {
		at := i
		if a.Name != "" {
			at = -1
			for k, p := range f.Params {
				if p.Name == a.Name {
					at = k
				}
			}
			if at < 0 {
				return nil, syntax.Errorf(a.At, "", "%s() has no parameter “%s”", f.name, a.Name)
			}
		}
		if given[at] != nil {
			return nil, syntax.Errorf(a.At, "", "the parameter “%s” of %s() is given twice", f.Params[at].Name, f.name)
		}
		given[at] = a.X
	}
	s := *f.scope
	inner := &s
	for i, p := range f.Params {
		x := given[i]
		if x == nil {
			if x = p.Default; x == nil {
				return nil, arity(at, f.name, required(f), len(f.Params), len(args))
			}
		}
		var v binding
		var err error
		if p.Table {
			v.table, err = e.b.table(x, e.scope)
			if err == nil {
				err = fits(x.Pos(), v.table, p)
			}
		} else {
			if v.scalar, err = e.bind(x); err == nil {
				v.scalar, err = e.parameter(x.Pos(), v.scalar, p)
			}
		}
		if err != nil {
			return nil, err
		}
		inner = inner.with(p.Name, v)
	}
	return inner, e.b.lets(f.Lets, inner, true)
}

func required(f *function) int {
	n := 0
	for _, p := range f.Params {
		if p.Default == nil {
			n++
		}
	}
	return n
}

// parameter checks the type of an argument; numbers are made what the parameter is.
func (e *exprs) parameter(at syntax.Pos, v exec.Expr, p syntax.Param) (exec.Expr, error) {
	if v.Type() != p.Type && !(v.Type().Numeric() && p.Type.Numeric()) && p.Type != column.Dynamic {
		return nil, syntax.Errorf(at, codeTypes, "the parameter “%s” is a %s, not a %s", p.Name, p.Type, v.Type())
	}
	return e.convert(at, v, p.Type)
}

// fits checks that a table has the columns that a parameter asks for.
func fits(at syntax.Pos, rel *relation, p syntax.Param) error {
	for _, c := range p.Columns {
		i := rel.index(c.Name)
		if i < 0 || rel.cols[i].Type != c.Type {
			return syntax.Errorf(at, codeTableShape, "the table for the parameter “%s” must have a column %s of type %s", p.Name, c.Name, c.Type)
		}
	}
	return nil
}

// invoke puts the body of a scalar function in the place of its call.
func (e *exprs) invoke(at syntax.Pos, f *function, args []syntax.Arg) (exec.Expr, error) {
	if err := e.b.step(at); err != nil {
		return nil, err
	}
	s, err := e.arguments(at, f, args)
	if err != nil {
		return nil, err
	}
	if e.b.tabular(f.Result, s, nil) {
		return nil, syntax.Errorf(at, "", "%s() gives a table, which has no value here; toscalar() makes one of it", f.name)
	}
	return (&exprs{b: e.b, scope: s, perRow: true}).bind(f.Result)
}
