package scalar

import (
	"github.com/slipway-cd/slipway/kql/column"
)

func setFunctions() []*Func {
	dyn := column.Dynamic
	combine := func(name string, keep func(in []map[any]struct{}, list int, key any) bool) *Func {
		return define(name, dyn, many(dynamics, need(dynamics)...), dyns(func(a []*column.Vector, i int) column.Value {
			lists := make([][]column.Value, len(a))
			sets := make([]map[any]struct{}, len(a))
			for k, v := range a {
				list, ok := v.Dyn(i).([]column.Value)
				if !ok {
					return nil
				}
				lists[k], sets[k] = list, asSet(list)
			}
			seen := map[any]struct{}{}
			result := []column.Value{}
			for k, list := range lists {
				for _, v := range list {
					key := elementKey(v)
					if _, dup := seen[key]; !dup && keep(sets, k, key) {
						seen[key] = struct{}{}
						result = append(result, v)
					}
				}
			}
			return result
		}))
	}
	return []*Func{
		combine("set_union", func([]map[any]struct{}, int, any) bool { return true }),
		combine("set_intersect", func(sets []map[any]struct{}, list int, key any) bool {
			if list > 0 {
				return false
			}
			for _, set := range sets {
				if _, ok := set[key]; !ok {
					return false
				}
			}
			return true
		}),
		combine("set_difference", func(sets []map[any]struct{}, list int, key any) bool {
			if list > 0 {
				return false
			}
			for _, set := range sets[1:] {
				if _, ok := set[key]; ok {
					return false
				}
			}
			return true
		}),
		define("set_has_element", column.Bool, need(dynamics, anyValue), bools(func(a []*column.Vector, i int) (bool, bool) {
			list, ok := a[0].Dyn(i).([]column.Value)
			_, has := asSet(list)[elementKey(a[1].Value(i))]
			return has, ok
		})),
		define("set_equals", column.Bool, need(dynamics, dynamics), bools(func(a []*column.Vector, i int) (bool, bool) {
			x, y, ok := twoSets(a, i)
			if !ok || len(x) != len(y) {
				return false, ok
			}
			return overlap(x, y) == len(x), true
		})),
		define("jaccard_index", column.Real, need(dynamics, dynamics), reals(func(a []*column.Vector, i int) (float64, bool) {
			x, y, ok := twoSets(a, i)
			both := overlap(x, y)
			return float64(both) / float64(len(x)+len(y)-both), ok
		})),
	}
}

func elementKey(v column.Value) any { return keyer{of: column.Dynamic}.key(v) }

func asSet(list []column.Value) map[any]struct{} {
	set := make(map[any]struct{}, len(list))
	for _, v := range list {
		set[elementKey(v)] = struct{}{}
	}
	return set
}

func twoSets(a []*column.Vector, i int) (x, y map[any]struct{}, ok bool) {
	first, ok := a[0].Dyn(i).([]column.Value)
	second, ok2 := a[1].Dyn(i).([]column.Value)
	return asSet(first), asSet(second), ok && ok2
}

func overlap(x, y map[any]struct{}) int {
	n := 0
	for key := range x {
		if _, ok := y[key]; ok {
			n++
		}
	}
	return n
}
