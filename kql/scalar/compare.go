package scalar

import (
	"bytes"
	"cmp"
	"fmt"
	"strings"

	"github.com/shopspring/decimal"

	"github.com/slipway-cd/slipway/kql/column"
)

func comparisons() []*Func {
	all := []*Func{equality("==", false), equality("!=", true), between("between", false), between("!between", true), around()}
	for name, holds := range map[string]func(int) bool{
		"<":  func(c int) bool { return c < 0 },
		"<=": func(c int) bool { return c <= 0 },
		">":  func(c int) bool { return c > 0 },
		">=": func(c int) bool { return c >= 0 },
	} {
		all = append(all, ordering(name, holds))
	}
	return all
}

// comparedAs gives the one type that values of two types are compared in. ok is false if Kusto has no comparison of the two.
func comparedAs(a, b column.Type) (t column.Type, ok bool) {
	switch {
	case a == b:
		if a == column.Int {
			return column.Long, true
		}
		return a, true
	case a == column.Dynamic:
		a = comparedDynamic(b)
	case b == column.Dynamic:
		b = comparedDynamic(a)
	}
	if a == column.Bool && b.Numeric() {
		a = column.Long
	}
	if b == column.Bool && a.Numeric() {
		b = column.Long
	}
	switch {
	case a.Numeric() && b.Numeric():
		return widest(a, b), true
	case a == b:
		return a, true
	case a == column.GUID && b == column.String, a == column.String && b == column.GUID:
		return column.GUID, true
	}
	return column.Invalid, false
}

// comparedDynamic is the type that a dynamic is cast to before it is compared with a value of type t. Numbers are compared as real,
// so that 1.5 in a dynamic is not 1.
func comparedDynamic(t column.Type) column.Type {
	if t == column.Int || t == column.Long {
		return column.Real
	}
	return t
}

func equality(name string, negate bool) *Func {
	f := &Func{Name: name, MinArgs: 2, MaxArgs: 2}
	f.Resolve = func(args []column.Type) (column.Type, error) {
		if _, ok := comparedAs(args[0], args[1]); !ok {
			return column.Invalid, fmt.Errorf("%s cannot compare %s with %s: convert one of them, for example with to%s()",
				name, args[0], args[1], args[1])
		}
		return column.Bool, nil
	}
	f.Eval = func(c *Context, args []*column.Vector, n int) (*column.Vector, error) {
		return once(func(c *Context, args []*column.Vector, n int) (*column.Vector, error) {
			return equal(args[0], args[1], n, negate), nil
		}, c, args, n)
	}
	return f
}

// equal compares two columns. Null and null make null; null and a value are not equal, so that != keeps such rows.
func equal(a, b *column.Vector, n int, negate bool) *column.Vector {
	t, _ := comparedAs(a.Type(), b.Type())
	x, y := convert(t, a), convert(t, b)
	var values []bool
	switch t {
	case column.Long, column.DateTime, column.TimeSpan:
		values = equalOperands(intOperand(x, n), intOperand(y, n), n, negate)
	case column.Real:
		values = equalOperands(realOperand(x, n), realOperand(y, n), n, negate)
	case column.Bool:
		values = equalOperands(makeOperand(x, n, (*column.Vector).Bools, (*column.Vector).Bool),
			makeOperand(y, n, (*column.Vector).Bools, (*column.Vector).Bool), n, negate)
	default:
		same := equalRows(t)
		values = make([]bool, n)
		for i := range values {
			values[i] = same(x, y, i) != negate
		}
	}
	if hasNulls(x) || hasNulls(y) {
		nulls := make([]bool, n)
		for i := range nulls {
			switch l, r := nullAt(x, i), nullAt(y, i); {
			case l && r:
				nulls[i], values[i] = true, false
			case l || r:
				values[i] = negate
			}
		}
		return column.NewBools(values, nulls)
	}
	return column.NewBools(values, nil)
}

func hasNulls(v *column.Vector) bool { return v.Type() != column.String && v.MayHaveNulls() }

func nullAt(v *column.Vector, i int) bool { return v.Type() != column.String && v.Null(i) }

func equalOperands[T comparable](x, y operand[T], n int, negate bool) []bool {
	values := make([]bool, n)
	for i := range values {
		values[i] = (x.at(i) == y.at(i)) != negate
	}
	return values
}

func equalRows(t column.Type) func(x, y *column.Vector, i int) bool {
	switch t {
	case column.String:
		return func(x, y *column.Vector, i int) bool { return x.Str(i) == y.Str(i) }
	case column.GUID:
		return func(x, y *column.Vector, i int) bool { return x.GUID(i) == y.GUID(i) }
	case column.Decimal:
		return func(x, y *column.Vector, i int) bool { return x.Decimal(i).Equal(y.Decimal(i)) }
	}
	return func(x, y *column.Vector, i int) bool { return sameValue(x.Dyn(i), y.Dyn(i)) }
}

func ordering(name string, holds func(int) bool) *Func {
	f := &Func{Name: name, MinArgs: 2, MaxArgs: 2}
	f.Resolve = func(args []column.Type) (column.Type, error) {
		t, ok := comparedAs(args[0], args[1])
		switch {
		case ok && (t == column.String || t == column.GUID):
			return column.Invalid, fmt.Errorf("the operator %s is not defined for %s and %s: strings are compared with strcmp()",
				name, args[0], args[1])
		case ok && !ordered(args[0], args[1]):
			return column.Invalid, fmt.Errorf("the operator %s is not defined for %s and %s: convert the dynamic first, for example with todatetime()",
				name, args[0], args[1])
		case !ok:
			return column.Invalid, fmt.Errorf("the operator %s is not defined for %s and %s", name, args[0], args[1])
		}
		return column.Bool, nil
	}
	f.Eval = func(c *Context, args []*column.Vector, n int) (*column.Vector, error) {
		return once(func(c *Context, args []*column.Vector, n int) (*column.Vector, error) {
			return order(args[0], args[1], n, holds), nil
		}, c, args, n)
	}
	return f
}

// ordered tells whether Kusto orders two types that it can compare: a dynamic only with numbers and with dynamics.
func ordered(a, b column.Type) bool {
	if (a == column.Dynamic) == (b == column.Dynamic) {
		return true
	}
	return a.Numeric() || b.Numeric()
}

// order compares two columns; null if either is null. A NaN is in no order.
func order(a, b *column.Vector, n int, holds func(int) bool) *column.Vector {
	t, _ := comparedAs(a.Type(), b.Type())
	x, y := convert(t, a), convert(t, b)
	both := []*column.Vector{x, y}
	switch t {
	case column.Long, column.DateTime, column.TimeSpan:
		l, r := intOperand(x, n), intOperand(y, n)
		values, nulls := compute(n, nullMarks(both, n), func(i int) (bool, bool) { return holds(cmp.Compare(l.at(i), r.at(i))), true })
		return column.NewBools(values, nulls)
	case column.Real:
		l, r := realOperand(x, n), realOperand(y, n)
		values, nulls := compute(n, nullMarks(both, n), func(i int) (bool, bool) {
			a, b := l.at(i), r.at(i)
			return a == a && b == b && holds(cmp.Compare(a, b)), true
		})
		return column.NewBools(values, nulls)
	}
	values, nulls := lift(both, n, func(a []*column.Vector, i int) (bool, bool) {
		c, ok := compareValues(a[0].Value(i), a[1].Value(i))
		return holds(c), ok
	})
	return column.NewBools(values, nulls)
}

// compareValues orders two values of one type, or two numbers; ok is false of values that have no order.
func compareValues(a, b column.Value) (c int, ok bool) {
	switch x := a.(type) {
	case bool:
		if y, ok := b.(bool); ok {
			return cmp.Compare(boolToLong(x), boolToLong(y)), true
		}
	case string:
		if y, ok := b.(string); ok {
			return strings.Compare(x, y), true
		}
	case column.Ticks:
		if y, ok := b.(column.Ticks); ok {
			return cmp.Compare(x, y), true
		}
	case column.Span:
		if y, ok := b.(column.Span); ok {
			return cmp.Compare(x, y), true
		}
	case column.UUID:
		if y, ok := b.(column.UUID); ok {
			return bytes.Compare(x[:], y[:]), true
		}
	case int64:
		if y, ok := b.(int64); ok {
			return cmp.Compare(x, y), true
		}
	case decimal.Decimal:
		if y, ok := b.(decimal.Decimal); ok {
			return x.Cmp(y), true
		}
	}
	x, ok := asNumber(a)
	y, ok2 := asNumber(b)
	if ok && ok2 && x == x && y == y {
		return cmp.Compare(x, y), true
	}
	return 0, false
}

// sameValue tells whether two dynamic values are equal: numbers by value, whole or real; bags whatever the order of their names.
func sameValue(a, b column.Value) bool {
	switch x := a.(type) {
	case nil:
		return b == nil
	case []column.Value:
		y, ok := b.([]column.Value)
		if !ok || len(x) != len(y) {
			return false
		}
		for i := range x {
			if !sameValue(x[i], y[i]) {
				return false
			}
		}
		return true
	case *column.Bag:
		y, ok := b.(*column.Bag)
		if !ok || x.Len() != y.Len() {
			return false
		}
		for i := range x.Len() {
			key, value := x.At(i)
			other, ok := y.Get(key)
			if !ok || !sameValue(value, other) {
				return false
			}
		}
		return true
	}
	c, ok := compareValues(a, b)
	return ok && c == 0
}

// between is inclusive at both ends. datetime between (start .. timespan) ends a timespan after the start.
func between(name string, negate bool) *Func {
	f := &Func{Name: name, MinArgs: 3, MaxArgs: 3}
	f.Resolve = func(args []column.Type) (column.Type, error) {
		high := args[2]
		if args[0] == column.DateTime && args[1] == column.DateTime && high == column.TimeSpan {
			high = column.DateTime
		}
		for _, bound := range []column.Type{args[1], high} {
			t, ok := comparedAs(args[0], bound)
			if !ok || t == column.String || t == column.GUID || args[0] == column.Bool || bound == column.Bool || !ordered(args[0], bound) ||
				(args[1] == column.Dynamic) != (high == column.Dynamic) {
				return column.Invalid, fmt.Errorf("the operator %s is not defined for %s, %s and %s", name, args[0], args[1], args[2])
			}
		}
		return column.Bool, nil
	}
	eval := func(c *Context, args []*column.Vector, n int) (*column.Vector, error) {
		x, low, high := args[0], args[1], args[2]
		if low.Type() == column.DateTime && high.Type() == column.TimeSpan {
			var err error
			if high, err = addition.kernel(c, []*column.Vector{low, high}, n); err != nil {
				return nil, err
			}
		}
		above := order(x, low, n, func(c int) bool { return c >= 0 })
		below := order(x, high, n, func(c int) bool { return c <= 0 })
		return bools(func(a []*column.Vector, i int) (bool, bool) {
			return (a[0].Bool(i) && a[1].Bool(i)) != negate, true
		})(c, []*column.Vector{above, below}, n)
	}
	f.Eval = func(c *Context, args []*column.Vector, n int) (*column.Vector, error) { return once(eval, c, args, n) }
	return f
}

// around is around(value, center, delta): whether the value is within center ± delta, both ends included.
func around() *Func {
	f := &Func{Name: "around", MinArgs: 3, MaxArgs: 3}
	bounds := func(args []column.Type) (low, high column.Type) {
		return arithResult(subtraction, args[1], args[2]), arithResult(addition, args[1], args[2])
	}
	f.Resolve = func(args []column.Type) (column.Type, error) {
		low, high := bounds(args)
		for _, bound := range []column.Type{low, high} {
			if t, ok := comparedAs(args[0], bound); bound == column.Invalid || !ok || t == column.String {
				return column.Invalid, fmt.Errorf("around is not defined for %s, %s and %s", args[0], args[1], args[2])
			}
		}
		return column.Bool, nil
	}
	eval := func(c *Context, args []*column.Vector, n int) (*column.Vector, error) {
		low, err := subtraction.kernel(c, args[1:], n)
		if err != nil {
			return nil, err
		}
		high, err := addition.kernel(c, args[1:], n)
		if err != nil {
			return nil, err
		}
		above := order(args[0], low, n, func(c int) bool { return c >= 0 })
		below := order(args[0], high, n, func(c int) bool { return c <= 0 })
		return bools(func(a []*column.Vector, i int) (bool, bool) { return a[0].Bool(i) && a[1].Bool(i), true })(c, []*column.Vector{above, below}, n)
	}
	f.Eval = func(c *Context, args []*column.Vector, n int) (*column.Vector, error) { return once(eval, c, args, n) }
	return f
}
