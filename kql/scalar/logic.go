package scalar

import (
	"fmt"

	"github.com/slipway-cd/slipway/kql/column"
)

func logic() []*Func {
	conditional := &Func{Name: "iff", MinArgs: 3, MaxArgs: 3, Resolve: resolveCase("iff"), Eval: evalCase}
	choice := &Func{Name: "case", MinArgs: 3, MaxArgs: -1, Resolve: resolveCase("case"), Eval: evalCase}
	all := []*Func{
		connective("and", false),
		connective("or", true),
		define("not", column.Bool, need(truth), bools(func(a []*column.Vector, i int) (bool, bool) { return !a[0].Bool(i), true })),
		choice,
		{Name: "coalesce", MinArgs: 2, MaxArgs: -1, Resolve: resolveCoalesce, Eval: evalCoalesce},
		extremum("min_of", func(c int) bool { return c < 0 }),
		extremum("max_of", func(c int) bool { return c > 0 }),
		define("isnull", column.Bool, need(anyValue), nullTest(nullAt)),
		define("isempty", column.Bool, need(anyValue), nullTest(emptyAt)),
	}
	all = append(all, synonyms(conditional, "iif")...)
	all = append(all, synonyms(define("isnotnull", column.Bool, need(anyValue), nullTest(not(nullAt))), "notnull")...)
	return append(all, synonyms(define("isnotempty", column.Bool, need(anyValue), nullTest(not(emptyAt))), "notempty")...)
}

func not(f func(*column.Vector, int) bool) func(*column.Vector, int) bool {
	return func(v *column.Vector, i int) bool { return !f(v, i) }
}

func emptyAt(v *column.Vector, i int) bool {
	switch v.Type() {
	case column.String:
		return v.Str(i) == ""
	case column.Dynamic:
		x := v.Dyn(i)
		return x == nil || x == ""
	}
	return v.Null(i)
}

func nullTest(f func(*column.Vector, int) bool) kernel {
	return func(_ *Context, args []*column.Vector, n int) (*column.Vector, error) {
		values := make([]bool, n)
		for i := range values {
			values[i] = f(args[0], i)
		}
		return column.NewBools(values, nil), nil
	}
}

// connective is and, or: dominant (false of and, true of or) wins over null, and null over the other value.
func connective(name string, dominant bool) *Func {
	f := &Func{Name: name, MinArgs: 2, MaxArgs: -1}
	f.Resolve = func(args []column.Type) (column.Type, error) {
		for _, t := range args {
			if t != column.Bool && t != column.Dynamic {
				return column.Invalid, fmt.Errorf("the operator %s is not defined for %s", name, t)
			}
		}
		return column.Bool, nil
	}
	eval := func(_ *Context, args []*column.Vector, n int) (*column.Vector, error) {
		values := make([]bool, n)
		for i := range values {
			values[i] = !dominant
		}
		var nulls []bool
		for _, v := range args {
			v = convert(column.Bool, v)
			mayBeNull := v.MayHaveNulls()
			for i := range values {
				switch {
				case mayBeNull && v.Null(i):
					if nulls == nil {
						nulls = make([]bool, n)
					}
					nulls[i] = true
				case v.Bool(i) == dominant:
					values[i] = dominant
				}
			}
		}
		for i := range nulls {
			if values[i] == dominant {
				nulls[i] = false
			} else if nulls[i] {
				values[i] = false
			}
		}
		return column.NewBools(values, nulls), nil
	}
	f.Eval = func(c *Context, args []*column.Vector, n int) (*column.Vector, error) { return once(eval, c, args, n) }
	return f
}

// commonType is the type that values of all the types can have. Dynamics give way to the other type, as in Kusto; without a common
// type it is dynamic.
func commonType(types []column.Type) column.Type {
	common := column.Invalid
	for _, t := range types {
		switch {
		case t == column.Dynamic || t == common:
		case common == column.Invalid:
			common = t
		case t.Numeric() && common.Numeric():
			common = widest(t, common)
		default:
			return column.Dynamic
		}
	}
	if common == column.Invalid {
		return column.Dynamic
	}
	return common
}

// resolveCase is of condition, value, condition, value …, value otherwise.
func resolveCase(name string) func([]column.Type) (column.Type, error) {
	return func(args []column.Type) (column.Type, error) {
		if len(args)%2 == 0 {
			return column.Invalid, fmt.Errorf("%s takes pairs of a condition and a value, then one value for otherwise; there are %d arguments",
				name, len(args))
		}
		var values []column.Type
		for i, t := range args {
			if i%2 == 1 || i == len(args)-1 {
				values = append(values, t)
			} else if t != column.Bool {
				return column.Invalid, fmt.Errorf("the %s argument of %s must be a bool, not %s", ordinal(i), name, t)
			}
		}
		return commonType(values), nil
	}
}

func evalCase(c *Context, args []*column.Vector, n int) (*column.Vector, error) {
	return once(func(_ *Context, args []*column.Vector, n int) (*column.Vector, error) {
		types := []column.Type{args[len(args)-1].Type()}
		for i := 1; i < len(args); i += 2 {
			types = append(types, args[i].Type())
		}
		// pick tells for each row which argument it takes its value from.
		pick := make([]int32, n)
		for i := range pick {
			pick[i] = int32(len(args) - 1)
			for k := 0; k+1 < len(args); k += 2 {
				if args[k].Bool(i) { // false if null
					pick[i] = int32(k + 1)
					break
				}
			}
		}
		return choose(commonType(types), args, pick), nil
	}, c, args, n)
}

// choose takes row i from the argument pick[i], as type t; a negative pick is null.
func choose(t column.Type, args []*column.Vector, pick []int32) *column.Vector {
	as := make([]*column.Vector, len(args))
	starts := make([]int32, len(args))
	var parts []*column.Vector
	var total int32
	rows := make([]int32, len(pick))
	for i, k := range pick {
		if k < 0 {
			rows[i] = -1
			continue
		}
		v := as[k]
		if v == nil {
			v = convert(t, args[k])
			if v.IsConst() {
				v = v.Repeat(0, 1)
			}
			as[k], starts[k] = v, total
			total += int32(v.Len())
			parts = append(parts, v)
		}
		rows[i] = starts[k]
		if !args[k].IsConst() {
			rows[i] += int32(i)
		}
	}
	return column.Concat(t, parts...).Gather(rows)
}

func resolveCoalesce(args []column.Type) (column.Type, error) {
	t := commonType(args)
	for i, a := range args {
		if (a == column.Dynamic) != (t == column.Dynamic) || t == column.Dynamic && a != t {
			return column.Invalid, fmt.Errorf("the arguments of coalesce must have one type; the first is %s, the %s is %s",
				args[0], ordinal(i), a)
		}
	}
	return t, nil
}

func evalCoalesce(c *Context, args []*column.Vector, n int) (*column.Vector, error) {
	return once(func(_ *Context, args []*column.Vector, n int) (*column.Vector, error) {
		types := make([]column.Type, len(args))
		for i, v := range args {
			types[i] = v.Type()
		}
		pick := make([]int32, n)
		for i := range pick {
			pick[i] = -1
			for k, v := range args {
				if v.Type() == column.String && v.Str(i) != "" || v.Type() != column.String && !v.Null(i) {
					pick[i] = int32(k)
					break
				}
			}
		}
		return choose(commonType(types), args, pick), nil
	}, c, args, n)
}

// extremum is min_of and max_of: nulls do not count.
func extremum(name string, better func(int) bool) *Func {
	f := &Func{Name: name, MinArgs: 2, MaxArgs: -1}
	f.Resolve = func(args []column.Type) (column.Type, error) {
		t := commonType(args)
		for i, a := range args {
			if a == column.Dynamic || a == column.GUID {
				return column.Invalid, fmt.Errorf("the %s argument of %s must be a number, timespan, datetime, string or bool, not %s",
					ordinal(i), name, a)
			}
		}
		if t == column.Dynamic {
			return column.Invalid, fmt.Errorf("the arguments of %s have no common type", name)
		}
		return t, nil
	}
	f.Eval = func(c *Context, args []*column.Vector, n int) (*column.Vector, error) {
		return once(func(_ *Context, args []*column.Vector, n int) (*column.Vector, error) {
			types := make([]column.Type, len(args))
			for i, v := range args {
				types[i] = v.Type()
			}
			t := commonType(types)
			as := make([]*column.Vector, len(args))
			for i, v := range args {
				as[i] = convert(t, v)
			}
			pick := make([]int32, n)
			for i := range pick {
				pick[i] = -1
				for k, v := range as {
					if nullAt(v, i) {
						continue
					}
					if pick[i] >= 0 {
						if c, ok := compareValues(v.Value(i), as[pick[i]].Value(i)); !ok || !better(c) {
							continue
						}
					}
					pick[i] = int32(k)
				}
			}
			return choose(t, as, pick), nil
		}, c, args, n)
	}
	return f
}
