package scalar

import (
	"fmt"
	"math"
	"slices"

	"github.com/slipway-cd/slipway/kql/column"
)

// maxRange is the most elements that range() and repeat() make, as in Kusto.
const maxRange = 1_048_576

func arrayFunctions() []*Func {
	dyn, long := column.Dynamic, column.Long
	// turned is a function of an array and of numbers or values that change it.
	turned := func(name string, params []param, f func(list []column.Value, a []*column.Vector, i int) column.Value) *Func {
		return define(name, dyn, params, dyns(func(a []*column.Vector, i int) column.Value {
			list, ok := a[0].Dyn(i).([]column.Value)
			if !ok {
				return nil
			}
			return f(list, a, i)
		}))
	}
	shift := func(sign int64) func([]column.Value, []*column.Vector, int) column.Value {
		return func(list []column.Value, a []*column.Vector, i int) column.Value {
			var filler column.Value
			if len(a) > 2 {
				filler = a[2].Value(i)
			}
			by := a[1].Int(i)
			shifted := make([]column.Value, len(list))
			for k := range shifted {
				shifted[k] = filler
				if from := int64(k) + sign*by; by > -maxRange && by < maxRange && from >= 0 && from < int64(len(list)) {
					shifted[k] = list[from]
				}
			}
			return shifted
		}
	}
	rotate := func(sign int64) func([]column.Value, []*column.Vector, int) column.Value {
		return func(list []column.Value, a []*column.Vector, i int) column.Value {
			if len(list) == 0 {
				return list
			}
			by, _ := positiveModulo(sign*(a[1].Int(i)%int64(len(list))), int64(len(list)))
			return slices.Concat(list[by:], list[:by])
		}
	}
	all := []*Func{
		define("pack_array", dyn, many(anyValue), loose(func(a []*column.Vector, i int) column.Value {
			list := make([]column.Value, len(a))
			for k, v := range a {
				list[k] = v.Value(i)
			}
			return list
		})),
		define("array_sum", column.Real, need(dynamics), reals(func(a []*column.Vector, i int) (float64, bool) {
			list, ok := a[0].Dyn(i).([]column.Value)
			sum := 0.0
			for _, v := range list {
				f, isNumber := asNumber(v)
				sum, ok = sum+f, ok && isNumber
			}
			return sum, ok
		})),
		define("array_concat", dyn, many(dynamics), dyns(func(a []*column.Vector, i int) column.Value {
			joined := []column.Value{}
			for _, v := range a {
				list, ok := v.Dyn(i).([]column.Value)
				if !ok {
					return nil
				}
				joined = append(joined, list...)
			}
			return joined
		})),
		turned("array_reverse", need(dynamics), func(list []column.Value, _ []*column.Vector, _ int) column.Value {
			list = slices.Clone(list)
			slices.Reverse(list)
			return list
		}),
		turned("array_shift_left", opt(need(dynamics, whole), anyValue), shift(1)),
		turned("array_shift_right", opt(need(dynamics, whole), anyValue), shift(-1)),
		turned("array_rotate_left", need(dynamics, whole), rotate(1)),
		turned("array_rotate_right", need(dynamics, whole), rotate(-1)),
		turned("array_slice", need(dynamics, whole, whole), func(list []column.Value, a []*column.Vector, i int) column.Value {
			from, to := fromEnd(a[1].Int(i), len(list)), fromEnd(a[2].Int(i), len(list))
			if from > to || from >= int64(len(list)) {
				return []column.Value{}
			}
			return slices.Clone(list[max(from, 0):min(to+1, int64(len(list)))])
		}),
		turned("array_split", need(dynamics, wholes), arraySplit),
		define("array_index_of", long, opt(need(dynamics, anyValue), whole, whole, whole), ints(long, arrayIndexOf)),
		define("zip", dyn, many(dynamics, need(dynamics)...), dyns(zip)),
		define("repeat", dyn, need(anyValue, whole), loose(func(a []*column.Vector, i int) column.Value {
			if a[1].Null(i) || a[1].Int(i) < 0 || a[1].Int(i) > maxRange {
				return nil
			}
			return slices.Repeat([]column.Value{a[0].Value(i)}, int(a[1].Int(i)))
		})),
		sorter("array_sort_asc", 1), sorter("array_sort_desc", -1), rangeFunction(),
	}
	all = append(all, synonyms(define("array_length", long, need(dynamics), ints(long, func(a []*column.Vector, i int) (int64, bool) {
		list, ok := a[0].Dyn(i).([]column.Value)
		return int64(len(list)), ok
	})), "arraylength")...)
	return append(all, synonyms(define("array_iff", dyn, need(dynamics, anyValue, anyValue), loose(arrayIff)), "array_iif")...)
}

// fromEnd makes a negative position one from the start.
func fromEnd(at int64, length int) int64 {
	if at < 0 {
		return max(at+int64(length), 0)
	}
	return at
}

// arraySplit splits before each of the positions.
func arraySplit(list []column.Value, a []*column.Vector, i int) column.Value {
	var at []column.Value
	switch x := a[1].Value(i).(type) {
	case int64:
		at = []column.Value{x}
	case []column.Value:
		at = x
	}
	parts := []column.Value{}
	start := int64(0)
	for _, v := range at {
		position, ok := v.(int64)
		if !ok {
			return nil
		}
		position = min(max(fromEnd(position, len(list)), start), int64(len(list)))
		parts = append(parts, slices.Clone(list[start:position]))
		start = position
	}
	return append(parts, slices.Clone(list[start:]))
}

// arrayIndexOf gives the position of a value, -1 if there is none; start, length and occurrence are as those of indexof().
func arrayIndexOf(a []*column.Vector, i int) (int64, bool) {
	list, ok := a[0].Dyn(i).([]column.Value)
	start, length, occurrence := int64(0), int64(len(list)), int64(1)
	for k, p := range []*int64{&start, &length, &occurrence} {
		if len(a) > k+2 {
			*p = a[k+2].Int(i)
		}
	}
	if length < 0 {
		length = int64(len(list))
	}
	start = fromEnd(start, len(list))
	for k := start; k < int64(len(list)) && k-start < length; k++ {
		if sameValue(list[k], a[1].Value(i)) {
			if occurrence--; occurrence == 0 {
				return k, ok
			}
		}
	}
	return -1, ok
}

// zip gives an array of the first elements, one of the second ones, and so on, with null where an array is shorter.
func zip(a []*column.Vector, i int) column.Value {
	lists := make([][]column.Value, len(a))
	longest := 0
	for k, v := range a {
		lists[k], _ = v.Dyn(i).([]column.Value)
		longest = max(longest, len(lists[k]))
	}
	rows := make([]column.Value, longest)
	for at := range rows {
		tuple := make([]column.Value, len(lists))
		for k, list := range lists {
			if at < len(list) {
				tuple[k] = list[at]
			}
		}
		rows[at] = tuple
	}
	return rows
}

// arrayIff takes each element from one of two arrays, or scalars that stand for all elements. Conditions are bools, or numbers other
// than 0; any other condition has no element.
func arrayIff(a []*column.Vector, i int) column.Value {
	conditions, ok := a[0].Dyn(i).([]column.Value)
	if !ok {
		return nil
	}
	chosen := make([]column.Value, len(conditions))
	for k, condition := range conditions {
		from := a[2]
		switch x := condition.(type) {
		case bool:
			if x {
				from = a[1]
			}
		case int64, float64:
			if f, _ := asNumber(x); f != 0 {
				from = a[1]
			}
		default:
			continue
		}
		v := from.Value(i)
		if list, ok := v.([]column.Value); ok {
			v = nil
			if k < len(list) {
				v = list[k]
			}
		}
		chosen[k] = v
	}
	return chosen
}

// sorter sorts an array; nulls last unless the second argument is false. Kusto's sorting of several arrays at once, which gives
// several columns, is not supported.
func sorter(name string, sign int) *Func {
	f := define(name, column.Dynamic, opt(need(dynamics), truth), dyns(func(a []*column.Vector, i int) column.Value {
		list, ok := a[0].Dyn(i).([]column.Value)
		if !ok {
			return nil
		}
		nullsLast := len(a) < 2 || a[1].Bool(i)
		return sorted(list, sign, nullsLast)
	}))
	resolve := f.Resolve
	f.Resolve = func(args []column.Type) (column.Type, error) {
		if len(args) == 2 && args[1] == column.Dynamic {
			return column.Invalid, fmt.Errorf("%s of several arrays is not supported: sort one array", name)
		}
		return resolve(args)
	}
	return f
}

// sorted orders numbers and other values of one type. As in Kusto an array with values of several types is grouped by type.
func sorted(list []column.Value, sign int, nullsLast bool) []column.Value {
	list = slices.Clone(list)
	slices.SortStableFunc(list, func(x, y column.Value) int {
		if x == nil || y == nil {
			c := 0
			switch {
			case x == nil && y != nil:
				c = 1
			case x != nil && y == nil:
				c = -1
			}
			if !nullsLast {
				c = -c
			}
			return c
		}
		if c, ok := compareValues(x, y); ok {
			return sign * c
		}
		return rank(x) - rank(y)
	})
	return list
}

// rank puts values of different types in an order.
func rank(v column.Value) int {
	switch v.(type) {
	case bool:
		return 0
	case int64, float64:
		return 1
	case string:
		return 3
	case []column.Value, *column.Bag:
		return 4
	}
	return 2
}

// rangeFunction is range(start, stop, step): numbers, datetimes or timespans, both ends included.
func rangeFunction() *Func {
	f := &Func{Name: "range", MinArgs: 2, MaxArgs: 3}
	f.Resolve = func(args []column.Type) (column.Type, error) {
		first, last := args[0], args[1]
		step := last
		if len(args) > 2 {
			step = args[2]
		}
		switch {
		case first.Numeric() && last.Numeric() && step.Numeric():
		case first == column.TimeSpan && last == first && step == first:
		case first == column.DateTime && last == first && (step == column.TimeSpan || len(args) == 2):
		default:
			return column.Invalid, fmt.Errorf("range is not defined for %s, %s and %s: it takes numbers, timespans, or datetimes with a timespan as the step",
				first, last, step)
		}
		return column.Dynamic, nil
	}
	f.Eval = func(c *Context, args []*column.Vector, n int) (*column.Vector, error) {
		return once(evalRange, c, args, n)
	}
	return f
}

func evalRange(c *Context, args []*column.Vector, n int) (*column.Vector, error) {
	first := args[0]
	asReal := false
	for _, v := range args {
		asReal = asReal || v.Type() == column.Real || v.Type() == column.Decimal
	}
	lists := make([]column.Value, n)
	some := nullable(args)
	b := budget{left: c.MaxBytes}
	for i := range lists {
		if anyNull(some, i) {
			continue
		}
		var list []column.Value
		if asReal {
			step := 1.0
			if len(args) > 2 {
				step, _ = asNumber(args[2].Value(i))
			}
			from, _ := asNumber(first.Value(i))
			to, _ := asNumber(args[1].Value(i))
			list = realRange(from, to, step)
		} else {
			step := map[column.Type]int64{column.DateTime: column.Day, column.TimeSpan: column.Hour}[first.Type()]
			if step == 0 {
				step = 1
			}
			if len(args) > 2 {
				step = args[2].Int(i)
			}
			list = wholeRange(first.Type(), first.Int(i), args[1].Int(i), step)
		}
		const perElement = 24
		if err := b.take(perElement * len(list)); err != nil {
			return nil, err
		}
		if list != nil {
			lists[i] = list
		}
	}
	return column.NewDynamics(lists), nil
}

func realRange(from, to, step float64) []column.Value {
	count := math.Floor((to-from)/step) + 1
	if !(count > 0) || step == 0 || math.IsInf(count, 0) {
		return []column.Value{}
	}
	list := make([]column.Value, int(min(count, maxRange)))
	for k := range list {
		list[k] = from + float64(k)*step
	}
	return list
}

func wholeRange(t column.Type, from, to, step int64) []column.Value {
	list := []column.Value{}
	if step == 0 {
		return nil
	}
	for x := from; (step > 0 && x <= to || step < 0 && x >= to) && len(list) < maxRange; {
		switch t {
		case column.DateTime:
			list = append(list, column.Ticks(x))
		case column.TimeSpan:
			list = append(list, column.Span(x))
		default:
			list = append(list, x)
		}
		next := x + step
		if (next > x) != (step > 0) {
			break // beyond what a long can hold
		}
		x = next
	}
	return list
}
