package bind

import (
	"strings"

	"github.com/slipway-cd/slipway/kql/column"
	"github.com/slipway-cd/slipway/kql/exec"
	"github.com/slipway-cd/slipway/kql/scalar"
	"github.com/slipway-cd/slipway/kql/syntax"
)

// exprs binds scalar expressions in one place of a query.
type exprs struct {
	b     *binder
	scope *scope
	row   *relation   // the columns that can be named; nil where there are none
	aggs  *aggregates // where aggregates are allowed; nil elsewhere
	right *relation   // of a join: $right; row is $left

	perRow bool // in the body of a function that is called for each row

	window   bool // whether functions of other rows are allowed
	windowed bool // whether one was used
}

// scalar binds an expression over the rows of a relation, which may be nil.
func (b *binder) scalar(x syntax.Expr, s *scope, row *relation) (exec.Expr, error) {
	return (&exprs{b: b, scope: s, row: row}).bind(x)
}

func (e *exprs) bind(x syntax.Expr) (exec.Expr, error) {
	if l, ok := x.(*syntax.Literal); ok {
		return &exec.Const{T: l.Type, Value: l.Value}, nil
	}
	if err := e.b.step(x.Pos()); err != nil {
		return nil, err
	}
	switch x := x.(type) {
	case *syntax.Name:
		return e.name(x)
	case *syntax.Member:
		return e.member(x)
	case *syntax.Index:
		base, err := e.bind(x.X)
		if err != nil {
			return nil, err
		}
		i, err := e.bind(x.I)
		if err != nil {
			return nil, err
		}
		return e.call(x.At, "[]", base, i)
	case *syntax.Unary:
		operand, err := e.bind(x.X)
		if err != nil {
			return nil, err
		}
		if x.Op == "+" {
			if !operand.Type().Numeric() && operand.Type() != column.TimeSpan {
				return nil, syntax.Errorf(x.At, codeTypes, "the operator + is not defined for the type %s", operand.Type())
			}
			return operand, nil
		}
		return e.call(x.At, "-", operand)
	case *syntax.Binary:
		if _, ok := x.L.(*syntax.Wildcard); ok {
			return e.anyColumn(x)
		}
		l, err := e.bind(x.L)
		if err != nil {
			return nil, err
		}
		r, err := e.bind(x.R)
		if err != nil {
			return nil, err
		}
		return e.call(x.At, x.Op, l, r)
	case *syntax.In:
		return e.in(x)
	case *syntax.Between:
		return e.between(x)
	case *syntax.Call:
		return e.function(x)
	case *syntax.Wildcard:
		return nil, syntax.Errorf(x.At, "", "* has no value here")
	case *syntax.TypeOf:
		return nil, syntax.Errorf(x.At, "", "typeof() has no value here")
	case *syntax.Function:
		return nil, syntax.Errorf(x.At, "", "a function has no value here; name it with let")
	}
	return nil, syntax.Errorf(x.Pos(), "", "a table has no value here; toscalar() makes one of it")
}

// anyColumn is * has "x": whether it holds for any string column.
func (e *exprs) anyColumn(x *syntax.Binary) (exec.Expr, error) {
	var any exec.Expr
	if e.row == nil {
		return nil, syntax.Errorf(x.At, "", "* has no columns here")
	}
	r, err := e.bind(x.R)
	if err != nil {
		return nil, err
	}
	for i, c := range e.row.cols {
		if c.Type != r.Type() {
			continue
		}
		one, err := e.call(x.At, x.Op, e.row.column(i), r)
		if err != nil {
			return nil, err
		}
		if any == nil {
			any = one
		} else if any, err = e.call(x.At, "or", any, one); err != nil {
			return nil, err
		}
	}
	if any == nil {
		return &exec.Const{T: column.Bool, Value: false}, nil
	}
	return any, nil
}

func (e *exprs) name(x *syntax.Name) (exec.Expr, error) {
	if e.row != nil {
		if i := e.row.index(x.Name); i >= 0 {
			return e.row.column(i), nil
		}
	}
	if v, ok := e.scope.find(x.Name); ok {
		switch {
		case v.scalar != nil && !e.perRow && !constant(v.scalar):
			return nil, syntax.Errorf(x.At, "", "“%s” has a value in each row of the call, and none within another table", x.Name)
		case v.scalar != nil:
			return v.scalar, nil
		case v.table != nil:
			return nil, noValue(x)
		}
		return e.invoke(x.At, v.fn, nil)
	}
	if _, ok := e.b.schema.Table(x.Name); ok {
		return nil, noValue(x)
	}
	known := e.scope.names()
	if e.row != nil {
		known = append(known, e.row.names()...)
	}
	if e.aggs != nil {
		if e.aggs.input.index(x.Name) >= 0 {
			return nil, syntax.Errorf(x.At, codeOutside, "the column “%s” has many values here: put it in an aggregate such as take_any(%s), or after by", x.Name, x.Name)
		}
		known = append(known, e.aggs.input.names()...)
	}
	return nil, unknown(x.At, codeColumn, "column, table or variable", x.Name, known)
}

// constant tells whether an expression has the same value in every row.
func constant(x exec.Expr) bool {
	switch x := x.(type) {
	case *exec.Const, exec.Now, *exec.ToScalar:
		return true
	case *exec.Call:
		for _, a := range x.Args {
			if !constant(a) {
				return false
			}
		}
		return true
	}
	return false
}

func noValue(table *syntax.Name) error {
	return syntax.Errorf(table.At, "", "“%s” is a table and has no value here; toscalar(%s) makes one of it", table.Name, table.Name)
}

func (e *exprs) member(x *syntax.Member) (exec.Expr, error) {
	if n, ok := x.X.(*syntax.Name); ok && strings.HasPrefix(n.Name, "$") {
		side := e.row
		switch {
		case n.Name == "$right" && e.right != nil:
			side = e.right
		case n.Name == "$left" && e.right != nil:
		default:
			return nil, syntax.Errorf(n.At, "", "%s has a meaning only in the condition of a join", n.Name)
		}
		i := side.index(x.Name)
		if i < 0 {
			return nil, unknown(x.At, codeColumn, "column", x.Name, side.names())
		}
		return side.column(i), nil
	}
	base, err := e.bind(x.X)
	if err != nil {
		return nil, err
	}
	if base.Type() != column.Dynamic {
		return nil, syntax.Errorf(x.At, codeTypes, "“.%s” asks for a member of a %s; only a dynamic has members", x.Name, base.Type())
	}
	return e.call(x.At, "[]", base, &exec.Const{T: column.String, Value: x.Name})
}

func (e *exprs) between(x *syntax.Between) (exec.Expr, error) {
	var args [3]exec.Expr
	for i, a := range []syntax.Expr{x.X, x.Low, x.Hi} {
		v, err := e.bind(a)
		if err != nil {
			return nil, err
		}
		args[i] = v
	}
	if args[1].Type() == column.DateTime && args[2].Type() == column.TimeSpan { // from a time on, that long
		high, err := e.call(x.At, "+", args[1], args[2])
		if err != nil {
			return nil, err
		}
		args[2] = high
	}
	return e.call(x.At, x.Op, args[:]...)
}

func (e *exprs) in(x *syntax.In) (exec.Expr, error) {
	v, err := e.bind(x.X)
	if err != nil {
		return nil, err
	}
	if len(x.List) == 1 && e.b.tabular(x.List[0], e.scope, e.row) && strings.HasPrefix(strings.TrimPrefix(x.Op, "!"), "in") {
		rel, err := e.b.table(x.List[0], e.scope)
		if err != nil {
			return nil, err
		}
		node := rel.visible()
		fields := node.Columns()
		if len(fields) == 0 {
			return nil, syntax.Errorf(x.At, "", "the table of %s has no columns", x.Op)
		}
		if v, err = e.castTo(x.At, v, fields[0].Type); err != nil {
			return nil, syntax.Errorf(x.At, codeTypes, "the operator %s is not defined for the types %s and %s", x.Op, v.Type(), fields[0].Type)
		}
		return &exec.InTable{X: v, Table: node, Not: x.Op[0] == '!', Fold: strings.HasSuffix(x.Op, "~") && v.Type() == column.String}, nil
	}
	args := []exec.Expr{v}
	for _, item := range x.List {
		a, err := e.bind(item)
		if err != nil {
			return nil, err
		}
		args = append(args, a)
	}
	return e.call(x.At, x.Op, args...)
}

// castTo makes v the type t where the two can be compared: int with long, whole numbers with reals, dynamics with strings.
func (e *exprs) castTo(at syntax.Pos, v exec.Expr, t column.Type) (exec.Expr, error) {
	if v.Type() == t {
		return v, nil
	}
	if v.Type() == column.Dynamic || v.Type().Numeric() && t.Numeric() {
		return e.convert(at, v, t)
	}
	return v, syntax.Errorf(at, codeTypes, "a %s cannot be compared with a %s", v.Type(), t)
}

// convert puts in the function that makes v the type t.
func (e *exprs) convert(at syntax.Pos, v exec.Expr, t column.Type) (exec.Expr, error) {
	if v.Type() == t {
		return v, nil
	}
	if c, ok := v.(*exec.Const); ok && c.Value == nil {
		return &exec.Const{T: t}, nil
	}
	return e.call(at, castName(t), v)
}

// castName is the function that reads a value as a type.
func castName(t column.Type) string {
	return map[column.Type]string{
		column.Bool: "tobool", column.Int: "toint", column.Long: "tolong", column.Real: "toreal", column.Decimal: "todecimal", column.String: "tostring",
		column.DateTime: "todatetime", column.TimeSpan: "totimespan", column.GUID: "toguid", column.Dynamic: "todynamic",
	}[t]
}

// operators that are written between operands, for errors.
func isOperator(name string) bool { return name != "" && !(name[0] >= 'a' && name[0] <= 'z') }

// call makes a call of a function or operator of the library; of constants, its value.
func (e *exprs) call(at syntax.Pos, name string, args ...exec.Expr) (exec.Expr, error) {
	f, ok := scalar.Lookup(name)
	if !ok {
		if isOperator(name) {
			return nil, syntax.Errorf(at, "", "the operator %s is not supported", name)
		}
		return nil, unknown(at, codeFunction, "function", name, scalar.Names())
	}
	if len(args) < f.MinArgs || f.MaxArgs >= 0 && len(args) > f.MaxArgs {
		return nil, arity(at, name, f.MinArgs, f.MaxArgs, len(args))
	}
	types := make([]column.Type, len(args))
	consts := make([]*column.Vector, len(args))
	folds := !f.NotPure
	given := int64(0)
	for i, a := range args {
		types[i] = a.Type()
		if c, ok := a.(*exec.Const); ok {
			consts[i] = column.NewConst(c.T, c.Value, 1)
			given += column.SizeOf(c.Value, foldBytes)
		} else {
			folds = false
		}
	}
	var t column.Type
	var err error
	if f.ResolveConst != nil {
		t, err = f.ResolveConst(types, consts)
	} else {
		t, err = f.Resolve(types)
	}
	if err != nil {
		code := codeArgument
		if isOperator(name) || len(args) == 2 && infix[name] {
			code = codeTypes
		}
		return nil, syntax.Errorf(at, code, "%v", err)
	}
	if folds && given < foldBytes/16 {
		v, err := f.Eval(&scalar.Context{MaxBytes: foldBytes}, consts, 1)
		if err != nil {
			return nil, syntax.Errorf(at, "", "%s: %v", name, err)
		}
		return &exec.Const{T: t, Value: v.Value(0)}, nil
	}
	return &exec.Call{Func: f, Args: args, T: t, At: at}, nil
}

// foldBytes bounds a value that is computed while binding.
const foldBytes = 16 << 20

// infix are the operators that are written as words.
var infix = map[string]bool{
	"and": true, "or": true, "has": true, "has_cs": true, "contains": true, "contains_cs": true, "startswith": true, "startswith_cs": true,
	"endswith": true, "endswith_cs": true, "hasprefix": true, "hasprefix_cs": true, "hassuffix": true, "hassuffix_cs": true,
	"matches regex": true, "in": true, "in~": true, "has_any": true, "has_all": true, "between": true,
}

func arity(at syntax.Pos, name string, least, most, got int) error {
	want := plural(least)
	switch {
	case most < 0:
		want = "at least " + want
	case most != least:
		want = strings.TrimSuffix(plural(least), "s") // "2 to 3 arguments"
		want = strings.TrimSuffix(want, " argument") + " to " + plural(most)
	}
	return syntax.Errorf(at, codeArity, "%s() takes %s, not %d", name, want, got)
}

func plural(n int) string {
	if n == 1 {
		return "1 argument"
	}
	return itoa(n) + " arguments"
}

// predicate binds a condition; code is Kusto's where it is no bool.
func (e *exprs) predicate(x syntax.Expr, code string) (exec.Expr, error) {
	v, err := e.bind(x)
	if err != nil {
		return nil, err
	}
	if v.Type() != column.Bool {
		return nil, syntax.Errorf(syntax.Start(x), code, "a condition must be a bool, not a %s", v.Type())
	}
	return v, nil
}
