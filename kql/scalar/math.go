package scalar

import (
	"fmt"
	"math"
	"math/bits"

	"github.com/shopspring/decimal"

	"github.com/slipway-cd/slipway/kql/column"
)

func mathFunctions() []*Func {
	r, long := column.Real, column.Long
	// where is a function of a real that has no result outside of its domain.
	where := func(name string, f func(float64) float64, defined func(float64) bool) *Func {
		return define(name, r, need(number), reals(func(a []*column.Vector, i int) (float64, bool) {
			x := a[0].Real(i)
			return f(x), defined(x)
		})).named(AutoArg)
	}
	of := func(name string, f func(float64) float64) *Func {
		return where(name, f, func(float64) bool { return true })
	}
	test := func(name string, f func(float64) bool) *Func {
		return define(name, column.Bool, need(smallNumber), bools(func(a []*column.Vector, i int) (bool, bool) { return f(a[0].Real(i)), true }))
	}
	two := func(name string, f func(a, b int64) int64) *Func {
		return define(name, long, need(whole, whole), ints(long, func(a []*column.Vector, i int) (int64, bool) {
			return f(a[0].Int(i), a[1].Int(i)), true
		})).named(AutoArg)
	}
	positive := func(x float64) bool { return x >= 0 }
	unit := func(x float64) bool { return x >= -1 && x <= 1 }
	return []*Func{
		of("exp", math.Exp), of("exp2", math.Exp2), of("exp10", func(x float64) float64 { return math.Pow(10, x) }),
		where("log", math.Log, positive), where("log2", math.Log2, positive), where("log10", math.Log10, positive),
		where("sqrt", math.Sqrt, positive),
		of("sin", math.Sin), of("cos", math.Cos), of("tan", math.Tan), of("atan", math.Atan),
		where("asin", math.Asin, unit), where("acos", math.Acos, unit),
		of("erf", math.Erf), of("erfc", math.Erfc), of("gamma", math.Gamma),
		of("loggamma", func(x float64) float64 { l, _ := math.Lgamma(x); return l }),
		of("cot", func(x float64) float64 { return 1 / math.Tan(x) }).named(AutoNone),
		of("degrees", func(x float64) float64 { return x * 180 / math.Pi }).named(AutoNone),
		of("radians", func(x float64) float64 { return x * math.Pi / 180 }).named(AutoNone),
		of("sign", func(x float64) float64 {
			switch {
			case x > 0:
				return 1
			case x < 0:
				return -1
			}
			return x
		}).named(AutoNone),
		of("ceiling", math.Ceil),
		define("pi", r, nil, func(_ *Context, _ []*column.Vector, n int) (*column.Vector, error) {
			return column.NewConst(r, math.Pi, n), nil
		}),
		define("pow", r, need(number, number), reals(func(a []*column.Vector, i int) (float64, bool) {
			return math.Pow(a[0].Real(i), a[1].Real(i)), true
		})).named(AutoArg),
		define("atan2", r, need(number, number), reals(func(a []*column.Vector, i int) (float64, bool) {
			return math.Atan2(a[0].Real(i), a[1].Real(i)), true
		})).named(AutoArg),
		test("isnan", math.IsNaN),
		test("isinf", func(x float64) bool { return math.IsInf(x, 0) }),
		test("isfinite", func(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }),
		two("binary_and", func(a, b int64) int64 { return a & b }),
		two("binary_or", func(a, b int64) int64 { return a | b }),
		two("binary_xor", func(a, b int64) int64 { return a ^ b }),
		two("binary_shift_left", func(a, b int64) int64 { return a << (uint64(b) % 64) }),
		two("binary_shift_right", func(a, b int64) int64 { return a >> (uint64(b) % 64) }),
		define("binary_not", long, need(whole), ints(long, func(a []*column.Vector, i int) (int64, bool) { return ^a[0].Int(i), true })).named(AutoArg),
		define("bitset_count_ones", long, need(whole), ints(long, func(a []*column.Vector, i int) (int64, bool) {
			return int64(bits.OnesCount64(uint64(a[0].Int(i)))), true
		})).named(AutoArg),
		absolute(), rounding(),
	}
}

func absolute() *Func {
	f := &Func{Name: "abs", MinArgs: 1, MaxArgs: 1, AutoName: AutoArg}
	f.Resolve = func(args []column.Type) (column.Type, error) {
		switch t := args[0]; {
		case t == column.Int:
			return column.Long, nil
		case t.Numeric(), t == column.TimeSpan:
			return t, nil
		}
		return column.Invalid, fmt.Errorf("the first argument of abs must be a number or a timespan, not %s", args[0])
	}
	f.Eval = func(c *Context, args []*column.Vector, n int) (*column.Vector, error) {
		k := reals(func(a []*column.Vector, i int) (float64, bool) { return math.Abs(a[0].Real(i)), true })
		switch t := args[0].Type(); t {
		case column.Int, column.Long, column.TimeSpan:
			if t == column.Int {
				t = column.Long
			}
			k = ints(t, func(a []*column.Vector, i int) (int64, bool) { return max(a[0].Int(i), -a[0].Int(i)), true })
		case column.Decimal:
			k = decs(func(d decimal.Decimal) decimal.Decimal { return d.Abs() })
		}
		return once(k, c, args, n)
	}
	return f
}

func decs(f func(decimal.Decimal) decimal.Decimal) kernel {
	return func(_ *Context, args []*column.Vector, n int) (*column.Vector, error) {
		values, nulls := lift(args, n, func(a []*column.Vector, i int) (decimal.Decimal, bool) { return f(a[0].Decimal(i)), true })
		return column.NewDecimals(values, nulls), nil
	}
}

// rounding is round(number, precision): half away from zero; a negative precision rounds to tens, hundreds …
func rounding() *Func {
	f := &Func{Name: "round", MinArgs: 1, MaxArgs: 2, AutoName: AutoArg}
	f.Resolve = func(args []column.Type) (column.Type, error) {
		if !args[0].Numeric() {
			return column.Invalid, fmt.Errorf("the first argument of round must be a number, not %s", args[0])
		}
		if len(args) > 1 && !whole.accepts(args[1]) {
			return column.Invalid, fmt.Errorf("the second argument of round must be a whole number, not %s", args[1])
		}
		return args[0], nil
	}
	f.Eval = func(c *Context, args []*column.Vector, n int) (*column.Vector, error) {
		precision := func(a []*column.Vector, i int) int64 {
			if len(a) < 2 {
				return 0
			}
			return min(max(a[1].Int(i), -308), 308)
		}
		k := reals(func(a []*column.Vector, i int) (float64, bool) { return roundTo(a[0].Real(i), precision(a, i)), true })
		switch t := args[0].Type(); t {
		case column.Int, column.Long:
			k = ints(t, func(a []*column.Vector, i int) (int64, bool) {
				x, p := a[0].Int(i), precision(a, i)
				if p >= 0 {
					return x, true
				}
				return realToLong(roundTo(float64(x), p))
			})
		case column.Decimal:
			k = func(_ *Context, args []*column.Vector, n int) (*column.Vector, error) {
				values, nulls := lift(args, n, func(a []*column.Vector, i int) (decimal.Decimal, bool) {
					return a[0].Decimal(i).Round(int32(precision(a, i))), true
				})
				return column.NewDecimals(values, nulls), nil
			}
		}
		return once(k, c, args, n)
	}
	return f
}

func roundTo(x float64, precision int64) float64 {
	if precision == 0 {
		return math.Round(x)
	}
	scale := math.Pow(10, math.Abs(float64(precision)))
	if precision < 0 {
		return math.Round(x/scale) * scale
	}
	if r := math.Round(x*scale) / scale; !math.IsInf(r, 0) && !math.IsNaN(r) {
		return r
	}
	return x
}
