package scalar

import (
	"fmt"
	"math"

	"github.com/shopspring/decimal"

	"github.com/slipway-cd/slipway/kql/column"
)

func arithmetic() []*Func {
	return []*Func{
		arith("+", addition), arith("-", subtraction), arith("*", multiplication), arith("/", division), arith("%", modulo),
	}
}

// op is one arithmetic operator in each of the types it knows. Nil: it does not know the type.
type op struct {
	result func(a, b column.Type) column.Type // of timespans and datetimes; Invalid where it has no meaning
	scales bool                               // a dynamic beside a timespan has no meaning: it may be a number or a timespan
	longs  func(a, b int64) (int64, bool)
	reals  func(a, b float64) (float64, bool)
	decs   func(a, b decimal.Decimal) (decimal.Decimal, bool)
}

var (
	addition = op{
		result: func(a, b column.Type) column.Type {
			switch {
			case a == column.TimeSpan && b == column.TimeSpan:
				return column.TimeSpan
			case a == column.DateTime && b == column.TimeSpan, a == column.TimeSpan && b == column.DateTime:
				return column.DateTime
			}
			return column.Invalid
		},
		longs: func(a, b int64) (int64, bool) { return a + b, true },
		reals: func(a, b float64) (float64, bool) { return a + b, true },
		decs:  func(a, b decimal.Decimal) (decimal.Decimal, bool) { return a.Add(b), true },
	}
	subtraction = op{
		result: func(a, b column.Type) column.Type {
			switch {
			case a == b:
				return column.TimeSpan
			case a == column.DateTime && b == column.TimeSpan:
				return column.DateTime
			}
			return column.Invalid
		},
		longs: func(a, b int64) (int64, bool) { return a - b, true },
		reals: func(a, b float64) (float64, bool) { return a - b, true },
		decs:  func(a, b decimal.Decimal) (decimal.Decimal, bool) { return a.Sub(b), true },
	}
	multiplication = op{
		scales: true,
		result: func(a, b column.Type) column.Type {
			if a == column.TimeSpan && b.Numeric() || a.Numeric() && b == column.TimeSpan {
				return column.TimeSpan
			}
			return column.Invalid
		},
		longs: func(a, b int64) (int64, bool) { return a * b, true },
		reals: func(a, b float64) (float64, bool) { return a * b, true },
		decs:  func(a, b decimal.Decimal) (decimal.Decimal, bool) { return a.Mul(b), true },
	}
	division = op{
		scales: true,
		result: func(a, b column.Type) column.Type {
			switch {
			case a == column.TimeSpan && b == column.TimeSpan:
				return column.Real
			case a == column.TimeSpan && b.Numeric():
				return column.TimeSpan
			}
			return column.Invalid
		},
		longs: func(a, b int64) (int64, bool) {
			if b == 0 {
				return 0, false
			}
			return a / b, true
		},
		reals: func(a, b float64) (float64, bool) { return a / b, true },
		decs: func(a, b decimal.Decimal) (decimal.Decimal, bool) {
			if b.IsZero() {
				return decimal.Decimal{}, false
			}
			return a.DivRound(b, 28), true
		},
	}
	modulo = op{
		scales: true,
		result: func(a, b column.Type) column.Type {
			if b == column.TimeSpan && (a == column.TimeSpan || a == column.DateTime) {
				return column.TimeSpan
			}
			return column.Invalid
		},
		longs: positiveModulo,
		reals: func(a, b float64) (float64, bool) {
			b = math.Abs(b)
			m := math.Mod(a, b)
			if m < 0 {
				m += b
			}
			return m, true
		},
		decs: func(a, b decimal.Decimal) (decimal.Decimal, bool) {
			if b.IsZero() {
				return decimal.Decimal{}, false
			}
			b = b.Abs()
			m := a.Mod(b)
			if m.IsNegative() {
				m = m.Add(b)
			}
			return m, true
		},
	}
)

// positiveModulo is never negative, whatever the signs: in Kusto -14 % 12 and -14 % -12 are both 10.
func positiveModulo(a, b int64) (int64, bool) {
	if b == 0 {
		return 0, false
	}
	m := a % b
	if m < 0 {
		if b < 0 {
			m -= b
		} else {
			m += b
		}
	}
	return m, true
}

func arith(name string, o op) *Func {
	f := &Func{Name: name, MinArgs: 2, MaxArgs: 2}
	if name == "-" || name == "+" {
		f.MinArgs = 1
	}
	f.Resolve = func(args []column.Type) (column.Type, error) {
		if len(args) == 1 {
			switch t := args[0]; {
			case t == column.Int:
				return column.Long, nil
			case t.Numeric(), t == column.TimeSpan, t == column.Dynamic:
				return t, nil
			}
			return column.Invalid, fmt.Errorf("the operator %s is not defined for %s", name, args[0])
		}
		if t := arithResult(o, args[0], args[1]); t != column.Invalid {
			return t, nil
		}
		hint := ""
		if name == "+" && (args[0] == column.String || args[1] == column.String) {
			hint = ": strings are joined with strcat()"
		}
		return column.Invalid, fmt.Errorf("the operator %s is not defined for %s and %s%s", name, args[0], args[1], hint)
	}
	f.Eval = func(c *Context, args []*column.Vector, n int) (*column.Vector, error) {
		if len(args) == 1 {
			sign, t := int64(1), column.Long
			if name == "-" {
				sign = -1
			}
			if args[0].Type() == column.Dynamic {
				t = column.Dynamic
			}
			return once(multiplication.kernel, c, []*column.Vector{args[0], column.NewConst(t, sign, n)}, n)
		}
		return once(o.kernel, c, args, n)
	}
	return f
}

func arithResult(o op, a, b column.Type) column.Type {
	mixed := false
	switch {
	case a == column.Dynamic && b == column.Dynamic:
		return column.Dynamic
	case a == column.Dynamic:
		a, mixed = dynamicAs(b), true
	case b == column.Dynamic:
		b, mixed = dynamicAs(a), true
	}
	if a.Numeric() && b.Numeric() {
		return widest(a, b)
	}
	if mixed && o.scales {
		return column.Invalid
	}
	if a == column.TimeSpan || b == column.TimeSpan || a == column.DateTime && b == column.DateTime {
		return o.result(a, b)
	}
	return column.Invalid
}

// dynamicAs is the type a dynamic is cast to beside an operand of type t.
func dynamicAs(t column.Type) column.Type {
	if t == column.Int {
		return column.Long
	}
	return t
}

// widest is the type of arithmetic on two numbers: int and int make long.
func widest(a, b column.Type) column.Type {
	switch {
	case a == column.Decimal || b == column.Decimal:
		return column.Decimal
	case a == column.Real || b == column.Real:
		return column.Real
	}
	return column.Long
}

func (o op) kernel(c *Context, args []*column.Vector, n int) (*column.Vector, error) {
	a, b := args[0], args[1]
	if a.Type() == column.Dynamic && b.Type() == column.Dynamic {
		return loose(func(a []*column.Vector, i int) column.Value { return o.dynamic(a[0].Dyn(i), a[1].Dyn(i)) })(c, args, n)
	}
	result := arithResult(o, a.Type(), b.Type())
	var err error
	if a, err = castOperand(a, b.Type()); err != nil {
		return nil, err
	}
	if b, err = castOperand(b, a.Type()); err != nil {
		return nil, err
	}
	// A timespan by a real is computed in reals and cut to whole ticks; timespans and datetimes otherwise are whole numbers.
	if a.Type().Integral() && b.Type().Integral() && result != column.Real {
		nulls := nullMarks([]*column.Vector{a, b}, n)
		x, y := intOperand(a, n), intOperand(b, n)
		values, nulls := compute(n, nulls, func(i int) (int64, bool) { return o.longs(x.at(i), y.at(i)) })
		if result == column.DateTime {
			nulls = outsideOfTime(values, nulls)
		}
		return column.NewInts(result, values, nulls), nil
	}
	if a.Type() == column.Decimal || b.Type() == column.Decimal {
		return o.decimals(a, b, result, n)
	}
	a, b = ticksAsReal(a), ticksAsReal(b)
	x, y := realOperand(a, n), realOperand(b, n)
	values, nulls := compute(n, nullMarks([]*column.Vector{a, b}, n), func(i int) (float64, bool) { return o.reals(x.at(i), y.at(i)) })
	v := column.NewReals(values, nulls)
	if result == column.TimeSpan {
		v = realsAsTicks(v, n)
	}
	return v, nil
}

func (o op) decimals(a, b *column.Vector, result column.Type, n int) (*column.Vector, error) {
	if a.Type() == column.TimeSpan {
		a = retype(column.Long, a)
	}
	if b.Type() == column.TimeSpan {
		b = retype(column.Long, b)
	}
	a, b = convert(column.Decimal, a), convert(column.Decimal, b)
	values, nulls := lift([]*column.Vector{a, b}, n, func(args []*column.Vector, i int) (decimal.Decimal, bool) {
		return o.decs(args[0].Decimal(i), args[1].Decimal(i))
	})
	v := column.NewDecimals(values, nulls)
	if result == column.TimeSpan {
		return realsAsTicks(convert(column.Real, v), n), nil
	}
	return v, nil
}

func (o op) dynamic(a, b column.Value) column.Value {
	x, ok := a.(int64)
	y, ok2 := b.(int64)
	if ok && ok2 {
		if r, ok := o.longs(x, y); ok {
			return r
		}
		return nil
	}
	f, ok := asNumber(a)
	g, ok2 := asNumber(b)
	if ok && ok2 {
		if r, ok := o.reals(f, g); ok {
			return r
		}
	}
	return nil
}

// castOperand casts a dynamic to the type of the other operand. Beside a whole number that is long, as Kusto has it; a dynamic that
// holds a fraction is refused there, so that no digits are lost in silence.
func castOperand(v *column.Vector, other column.Type) (*column.Vector, error) {
	if v.Type() != column.Dynamic || other == column.Dynamic {
		return v, nil
	}
	to := dynamicAs(other)
	if to == column.Long {
		for i := range v.Len() {
			if f, ok := v.Dyn(i).(float64); ok && f != math.Trunc(f) {
				return nil, fmt.Errorf("a dynamic holds %s, but arithmetic of a dynamic and a whole number gives long: "+
					"write toreal() around the dynamic", column.FormatReal(f))
			}
		}
	}
	return convert(to, v), nil
}

func ticksAsReal(v *column.Vector) *column.Vector {
	if v.Type() == column.TimeSpan || v.Type() == column.DateTime {
		v = retype(column.Long, v)
	}
	return convert(column.Real, v)
}

func realsAsTicks(v *column.Vector, n int) *column.Vector {
	values, nulls := lift([]*column.Vector{v}, n, func(a []*column.Vector, i int) (int64, bool) { return realToLong(a[0].Real(i)) })
	return column.NewInts(column.TimeSpan, values, nulls)
}

// outsideOfTime marks the datetimes outside of the years 1 to 9999 as null.
func outsideOfTime(ticks []int64, nulls []bool) []bool {
	for i, t := range ticks {
		if t < 0 || t > column.MaxTicks {
			if nulls == nil {
				nulls = make([]bool, len(ticks))
			}
			ticks[i], nulls[i] = 0, true
		}
	}
	return nulls
}
