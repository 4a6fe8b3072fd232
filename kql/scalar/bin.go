package scalar

import (
	"fmt"
	"math"

	"github.com/shopspring/decimal"

	"github.com/slipway-cd/slipway/kql/column"
)

func binning() []*Func {
	all := []*Func{binAt()}
	for _, name := range []string{"bin", "floor"} {
		f := &Func{Name: name, MinArgs: 2, MaxArgs: 2, AutoName: AutoArg}
		f.Resolve = func(args []column.Type) (column.Type, error) { return binType(name, args[0], args[1]) }
		f.Eval = func(c *Context, args []*column.Vector, n int) (*column.Vector, error) {
			return once(evalBin, c, args, n)
		}
		all = append(all, f)
	}
	return all
}

func binType(name string, value, size column.Type) (column.Type, error) {
	switch {
	case value.Numeric() && size.Numeric():
		return widest(value, size), nil
	case value == column.TimeSpan && size == column.TimeSpan:
		return value, nil
	case value == column.DateTime && (size == column.TimeSpan || size == column.DateTime):
		return value, nil
	}
	hint := ""
	if value == column.Dynamic {
		hint = ": convert the dynamic first, for example with tolong()"
	}
	return column.Invalid, fmt.Errorf("%s is not defined for %s and %s%s", name, value, size, hint)
}

// evalBin rounds down to a multiple of the size, datetimes from 0001-01-01 on. Without a positive size there is no result.
func evalBin(_ *Context, args []*column.Vector, n int) (*column.Vector, error) {
	fixed := column.NewConst(column.Long, int64(0), n)
	return binFrom(args[0], args[1], fixed, n)
}

// binFrom rounds down to a multiple of the size, counted from a fixed point.
func binFrom(value, size, fixed *column.Vector, n int) (*column.Vector, error) {
	t := value.Type()
	if t.Numeric() {
		t = widest(t, size.Type())
		if fixed.Type() != column.Long {
			t = widest(t, fixed.Type())
		}
	}
	args := []*column.Vector{value, size, fixed}
	marks := nullMarks(args, n)
	switch t {
	case column.Real:
		x, s, f := realOperand(convert(t, value), n), realOperand(convert(t, size), n), realOperand(convert(t, fixed), n)
		values, nulls := compute(n, marks, func(i int) (float64, bool) {
			size, from := s.at(i), f.at(i)
			return from + math.Floor((x.at(i)-from)/size)*size, size > 0
		})
		return column.NewReals(values, nulls), nil
	case column.Decimal:
		for i, v := range args {
			args[i] = convert(t, v)
		}
		values, nulls := lift(args, n, func(a []*column.Vector, i int) (decimal.Decimal, bool) {
			size, from := a[1].Decimal(i), a[2].Decimal(i)
			if !size.IsPositive() {
				return decimal.Decimal{}, false
			}
			return from.Add(a[0].Decimal(i).Sub(from).DivRound(size, 28).Floor().Mul(size)), true
		})
		return column.NewDecimals(values, nulls), nil
	}
	x, s, f := intOperand(value, n), intOperand(size, n), intOperand(fixed, n)
	// Telemetry is nearly in order of time: most rows fall into the bin of the row before, which needs no division.
	var low, high int64
	values, nulls := compute(n, marks, func(i int) (int64, bool) {
		v := x.at(i)
		if v >= low && v < high {
			return low, true
		}
		size, from := s.at(i), f.at(i)
		if size <= 0 {
			return 0, false
		}
		bin := from + floorDiv(v-from, size)*size
		if s.all == nil && f.all == nil {
			low, high = bin, bin+size
		}
		return bin, true
	})
	if t == column.DateTime {
		nulls = outsideOfTime(values, nulls)
	}
	return column.NewInts(t, values, nulls), nil
}

func binAt() *Func {
	f := &Func{Name: "bin_at", MinArgs: 3, MaxArgs: 3, AutoName: AutoArg}
	f.Resolve = func(args []column.Type) (column.Type, error) {
		t, err := binType("bin_at", args[0], args[1])
		if err != nil {
			return t, err
		}
		if t.Numeric() && args[2].Numeric() {
			return widest(t, args[2]), nil
		}
		if t != args[2] {
			return column.Invalid, fmt.Errorf("the fixed point of bin_at must be a %s as the value is, not %s", t, args[2])
		}
		return t, nil
	}
	f.Eval = func(c *Context, args []*column.Vector, n int) (*column.Vector, error) {
		return once(func(_ *Context, args []*column.Vector, n int) (*column.Vector, error) {
			return binFrom(args[0], args[1], args[2], n)
		}, c, args, n)
	}
	return f
}
