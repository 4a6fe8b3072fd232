package scalar

import (
	"math"
	"slices"

	"github.com/slipway-cd/slipway/kql/column"
)

// series functions compute element by element over arrays of numbers. An element that is no number has a null result.
func seriesFunctions() []*Func {
	dyn := column.Dynamic
	arithmetic := func(f func(a, b float64) float64) func(a, b float64) column.Value {
		return func(a, b float64) column.Value { return f(a, b) }
	}
	var all []*Func
	for name, f := range map[string]func(a, b float64) column.Value{
		"add":            arithmetic(func(a, b float64) float64 { return a + b }),
		"subtract":       arithmetic(func(a, b float64) float64 { return a - b }),
		"multiply":       arithmetic(func(a, b float64) float64 { return a * b }),
		"divide":         arithmetic(func(a, b float64) float64 { return a / b }),
		"pow":            arithmetic(math.Pow),
		"equals":         func(a, b float64) column.Value { return a == b },
		"not_equals":     func(a, b float64) column.Value { return a != b },
		"less":           func(a, b float64) column.Value { return a < b },
		"less_equals":    func(a, b float64) column.Value { return a <= b },
		"greater":        func(a, b float64) column.Value { return a > b },
		"greater_equals": func(a, b float64) column.Value { return a >= b },
	} {
		all = append(all, seriesOperator("series_"+name, f))
	}
	for name, f := range map[string]func(float64) float64{
		"abs": math.Abs, "exp": math.Exp, "log": math.Log, "sin": math.Sin, "cos": math.Cos, "tan": math.Tan, "asin": math.Asin,
		"acos": math.Acos, "atan": math.Atan, "floor": math.Floor, "ceiling": math.Ceil,
		"sign": func(x float64) float64 {
			switch {
			case x > 0:
				return 1
			case x < 0:
				return -1
			}
			return x
		},
	} {
		all = append(all, define("series_"+name, dyn, need(dynamics), dyns(func(a []*column.Vector, i int) column.Value {
			list, ok := a[0].Dyn(i).([]column.Value)
			if !ok {
				return nil
			}
			result := make([]column.Value, len(list))
			for k, v := range list {
				if x, ok := asNumber(v); ok {
					result[k] = f(x)
				}
			}
			return result
		})))
	}
	total := func(name string, start float64, f func(sum, x float64) float64, end func(float64) float64) *Func {
		return define(name, column.Real, need(dynamics), reals(func(a []*column.Vector, i int) (float64, bool) {
			list, ok := a[0].Dyn(i).([]column.Value)
			sum := start
			for _, v := range list {
				x, isNumber := asNumber(v)
				sum, ok = f(sum, x), ok && isNumber
			}
			return end(sum), ok
		}))
	}
	same := func(x float64) float64 { return x }
	return append(all,
		total("series_sum", 0, func(sum, x float64) float64 { return sum + x }, same),
		total("series_product", 1, func(sum, x float64) float64 { return sum * x }, same),
		total("series_magnitude", 0, func(sum, x float64) float64 { return sum + x*x }, math.Sqrt),
		define("series_dot_product", column.Real, need(dynamics, dynamics), reals(func(a []*column.Vector, i int) (float64, bool) {
			x, ok := numbers(a[0].Dyn(i))
			y, ok2 := numbers(a[1].Dyn(i))
			sum := 0.0
			for k := range min(len(x), len(y)) {
				sum += x[k] * y[k]
			}
			return sum, ok && ok2
		})),
		define("series_pearson_correlation", column.Real, need(dynamics, dynamics), reals(func(a []*column.Vector, i int) (float64, bool) {
			x, ok := numbers(a[0].Dyn(i))
			y, ok2 := numbers(a[1].Dyn(i))
			if !ok || !ok2 || len(x) != len(y) || len(x) == 0 {
				return 0, false
			}
			return correlation(x, y), true
		})),
		define("series_stats_dynamic", dyn, opt(need(dynamics), truth), dyns(seriesStats)),
		define("series_fill_const", dyn, opt(need(dynamics, anyNumber), anyNumber), loose(seriesFillConst)).named(AutoArg),
		define("series_fill_linear", dyn, opt(need(dynamics), anyNumber, truth, anyNumber), loose(seriesFillLinear)).named(AutoArg),
		define("series_fill_forward", dyn, opt(need(dynamics), anyNumber), loose(func(a []*column.Vector, i int) column.Value { return seriesFill(a, i, true) })).named(AutoArg),
		define("series_fill_backward", dyn, opt(need(dynamics), anyNumber), loose(func(a []*column.Vector, i int) column.Value { return seriesFill(a, i, false) })).named(AutoArg),
	)
}

// seriesOperator computes over two arrays, or over an array and a number that stands for every element.
func seriesOperator(name string, f func(a, b float64) column.Value) *Func {
	fn := define(name, column.Dynamic, need(anyValue, anyValue), dyns(func(a []*column.Vector, i int) column.Value {
		x, isList := a[0].Value(i).([]column.Value)
		y, isList2 := a[1].Value(i).([]column.Value)
		length := max(len(x), len(y))
		if !isList && !isList2 {
			return nil
		}
		element := func(list []column.Value, isList bool, v *column.Vector, k int) (float64, bool) {
			if !isList {
				return asNumber(v.Value(i))
			}
			if k >= len(list) {
				return 0, false
			}
			return asNumber(list[k])
		}
		result := make([]column.Value, length)
		for k := range result {
			l, ok := element(x, isList, a[0], k)
			r, ok2 := element(y, isList2, a[1], k)
			if ok && ok2 {
				result[k] = f(l, r)
			}
		}
		return result
	}))
	resolve := fn.Resolve
	fn.Resolve = func(args []column.Type) (column.Type, error) {
		for i, t := range args {
			if t != column.Dynamic && !t.Numeric() || args[0] != column.Dynamic && args[1] != column.Dynamic {
				return column.Invalid, badArgument(name, i, "a dynamic array, or a number beside one", t)
			}
		}
		return resolve(args)
	}
	return fn
}

func numbers(v column.Value) ([]float64, bool) {
	list, ok := v.([]column.Value)
	xs := make([]float64, len(list))
	for i, v := range list {
		x, isNumber := asNumber(v)
		xs[i], ok = x, ok && isNumber
	}
	return xs, ok
}

func correlation(x, y []float64) float64 {
	mx, my := mean(x), mean(y)
	var xy, xx, yy float64
	for i := range x {
		xy += (x[i] - mx) * (y[i] - my)
		xx += (x[i] - mx) * (x[i] - mx)
		yy += (y[i] - my) * (y[i] - my)
	}
	return xy / math.Sqrt(xx*yy)
}

func mean(x []float64) float64 {
	sum := 0.0
	for _, v := range x {
		sum += v
	}
	return sum / float64(len(x))
}

// seriesStats gives min, max, average and, of the sample, standard deviation and variance. With true as the second argument elements
// that are no finite numbers are left out.
func seriesStats(a []*column.Vector, i int) column.Value {
	list, ok := a[0].Dyn(i).([]column.Value)
	if !ok {
		return nil
	}
	ignore := len(a) > 1 && a[1].Bool(i)
	var xs []float64
	var lowest, highest int
	for k, v := range list {
		x, isNumber := asNumber(v)
		if !isNumber || math.IsNaN(x) || math.IsInf(x, 0) {
			if ignore {
				continue
			}
			return nil
		}
		if len(xs) == 0 {
			lowest, highest = k, k
		}
		if low, _ := asNumber(list[lowest]); x < low {
			lowest = k
		}
		if high, _ := asNumber(list[highest]); x > high {
			highest = k
		}
		xs = append(xs, x)
	}
	if len(xs) == 0 {
		return nil
	}
	avg, sum, variance := mean(xs), 0.0, 0.0
	for _, x := range xs {
		sum += x
		variance += (x - avg) * (x - avg)
	}
	if len(xs) > 1 {
		variance /= float64(len(xs) - 1)
	}
	low, _ := asNumber(list[lowest])
	high, _ := asNumber(list[highest])
	bag := &column.Bag{}
	bag.Set("min", low)
	bag.Set("min_idx", int64(lowest))
	bag.Set("max", high)
	bag.Set("max_idx", int64(highest))
	bag.Set("avg", avg)
	bag.Set("stdev", math.Sqrt(variance))
	bag.Set("variance", variance)
	bag.Set("sum", sum)
	bag.Set("len", int64(len(list)))
	return bag
}

// lacking tells whether an element is to be filled: null, or the placeholder that stands for a missing value.
func lacking(v, placeholder column.Value) bool {
	return v == nil || placeholder != nil && sameValue(v, placeholder)
}

func seriesFillConst(a []*column.Vector, i int) column.Value {
	list, ok := a[0].Dyn(i).([]column.Value)
	if !ok {
		return nil
	}
	var placeholder column.Value
	if len(a) > 2 {
		placeholder = a[2].Value(i)
	}
	filled := make([]column.Value, len(list))
	for k, v := range list {
		if filled[k] = v; lacking(v, placeholder) {
			filled[k] = a[1].Value(i)
		}
	}
	return filled
}

// seriesFill fills missing elements with the nearest one before or after them.
func seriesFill(a []*column.Vector, i int, forward bool) column.Value {
	list, ok := a[0].Dyn(i).([]column.Value)
	if !ok {
		return nil
	}
	var placeholder, last column.Value
	if len(a) > 1 {
		placeholder = a[1].Value(i)
	}
	filled := make([]column.Value, len(list))
	for step := range list {
		k := step
		if !forward {
			k = len(list) - 1 - step
		}
		filled[k] = list[k]
		if !lacking(list[k], placeholder) {
			last = list[k]
		} else if last != nil {
			filled[k] = last
		}
	}
	return filled
}

// seriesFillLinear fills missing elements on a straight line between those beside them; at the ends with the nearest one, unless the third
// argument is false. An array of which all is missing is filled with the fourth argument, 0 if there is none.
func seriesFillLinear(a []*column.Vector, i int) column.Value {
	list, ok := a[0].Dyn(i).([]column.Value)
	if !ok {
		return nil
	}
	var placeholder, constant column.Value = nil, 0.0
	edges := true
	if len(a) > 1 {
		placeholder = a[1].Value(i)
	}
	if len(a) > 2 && !a[2].Null(i) {
		edges = a[2].Bool(i)
	}
	if len(a) > 3 {
		constant = a[3].Value(i)
	}
	filled := slices.Clone(list)
	last := -1 // the place of the last element that is there
	for k, v := range list {
		if lacking(v, placeholder) {
			continue
		}
		for gap := last + 1; gap < k; gap++ {
			switch {
			case last >= 0:
				from, ok := asNumber(list[last])
				to, ok2 := asNumber(v)
				if filled[gap] = nil; ok && ok2 {
					filled[gap] = from + (to-from)*float64(gap-last)/float64(k-last)
				}
			case edges:
				filled[gap] = v
			}
		}
		last = k
	}
	for gap := last + 1; gap < len(list); gap++ {
		switch {
		case last < 0:
			filled[gap] = constant
		case edges:
			filled[gap] = list[last]
		}
	}
	return filled
}
