package aggregate

import (
	"cmp"
	"fmt"
	"math"
	"math/bits"
	"slices"

	"github.com/slipway-cd/slipway/kql/column"
)

func percentiles() []*Func {
	resolve := func(name string, weighted, array bool) func([]column.Type) ([]column.Type, error) {
		return func(args []column.Type) ([]column.Type, error) {
			t := args[0]
			if t != column.Real && !t.Integral() {
				return nil, unsupported(name+"()", t)
			}
			ranks := args[1:]
			if weighted {
				if args[1] != column.Int && args[1] != column.Long {
					return nil, fmt.Errorf("the second argument of %s() is a weight, a whole number, not %s", name, args[1])
				}
				ranks = args[2:]
			}
			if array {
				return one(column.Dynamic), nil
			}
			types := make([]column.Type, len(ranks))
			for i := range types {
				types[i] = t
			}
			return types, nil
		}
	}
	var all []*Func
	for _, f := range []struct {
		name            string
		weighted, array bool
		most            int
	}{
		{"percentile", false, false, 2}, {"percentiles", false, false, -1}, {"percentiles_array", false, true, -1},
		{"percentilew", true, false, 3}, {"percentilesw", true, false, -1}, {"percentilesw_array", true, true, -1},
	} {
		first := 1
		if f.weighted {
			first = 2
		}
		all = append(all, &Func{Name: f.name, Prefix: "percentiles", MinArgs: first + 1, MaxArgs: f.most, Const: first,
			Resolve: resolve(f.name, f.weighted, f.array),
			New: func(args []column.Type, consts []*column.Vector) (Accumulator, error) {
				ranks, err := Ranks(consts[first:])
				if err != nil {
					return nil, err
				}
				if args[0] == column.Real {
					return &quantiles[float64]{typ: args[0], ranks: ranks, weighted: f.weighted, array: f.array, all: reals}, nil
				}
				return &quantiles[int64]{typ: args[0], ranks: ranks, weighted: f.weighted, array: f.array, all: longs}, nil
			}})
	}
	return all
}

// Ranks reads the percentages of percentiles(): numbers from 0 to 100, or one array of them.
func Ranks(consts []*column.Vector) ([]float64, error) {
	var ranks []float64
	var add func(x column.Value) error
	add = func(x column.Value) error {
		switch x := x.(type) {
		case int64:
			ranks = append(ranks, float64(x))
		case float64:
			ranks = append(ranks, x)
		case []column.Value:
			for _, y := range x {
				if err := add(y); err != nil {
					return err
				}
			}
			return nil
		default:
			return fmt.Errorf("a percentile is a number from 0 to 100")
		}
		if r := ranks[len(ranks)-1]; !(r >= 0 && r <= 100) {
			return fmt.Errorf("a percentile is a number from 0 to 100, not %v", r)
		}
		return nil
	}
	for _, c := range consts {
		if err := add(c.Value(0)); err != nil {
			return nil, err
		}
	}
	return ranks, nil
}

// quantiles keeps all values and picks the nearest rank: of n values in order, percentile p is the value at position ceil(p/100·n),
// counted from 1. Kusto estimates with a t-digest from some thousand values on; this is exact. Nulls and NaNs do not count; of
// nothing the result is null.
type quantiles[T int64 | float64] struct {
	typ             column.Type
	ranks           []float64
	weighted, array bool
	all             func(*column.Vector, int) []T

	parts []part[T]
	rows  int
}

// part is a batch's rows without nulls; values may be the table's own memory.
type part[T int64 | float64] struct {
	values  []T
	weights []int64 // of weighted ones
	groups  []uint32
}

func (q *quantiles[T]) Add(groups []uint32, _ int, args []*column.Vector) error {
	nulls := rowNulls(args[0], len(groups))
	all := q.all(args[0], len(groups))
	if nulls == nil && !q.weighted && !slices.ContainsFunc(all, isNaN) {
		q.parts = append(q.parts, part[T]{values: all, groups: slices.Clone(groups)})
		q.rows += len(groups)
		return nil
	}
	var p part[T]
	for i, g := range groups {
		x := all[i]
		if nulls != nil && nulls[i] || isNaN(x) {
			continue
		}
		if q.weighted {
			w := args[1].Int(i)
			if w <= 0 {
				continue
			}
			p.weights = append(p.weights, w)
		}
		p.values, p.groups = append(p.values, x), append(p.groups, g)
	}
	q.parts = append(q.parts, p)
	q.rows += len(p.values)
	return nil
}

func isNaN[T int64 | float64](x T) bool { return x != x }

func (q *quantiles[T]) Size() int64 {
	return int64(q.rows) * (8 + 4 + 8) // values, groups, and the copy in order that Results makes
}

// ends gives where the values of each group go: those of group g to ends[g]:ends[g+1].
func (q *quantiles[T]) ends(ngroups int) []int {
	ends := make([]int, ngroups+1)
	for _, p := range q.parts {
		for _, g := range p.groups {
			ends[g+1]++
		}
	}
	for g := range ngroups {
		ends[g+1] += ends[g]
	}
	return ends
}

func (q *quantiles[T]) Results(ngroups int) ([]*column.Vector, error) {
	out := make([][]T, len(q.ranks))
	for r := range out {
		out[r] = make([]T, ngroups)
	}
	nulls := make([]bool, ngroups)
	ends := q.ends(ngroups)
	next := slices.Clone(ends[:ngroups])
	sorted := make([]T, q.rows)
	var weights []int64
	if q.weighted {
		weights = make([]int64, q.rows)
	}
	for _, p := range q.parts {
		for i, g := range p.groups {
			at := next[g]
			next[g]++
			sorted[at] = p.values[i]
			if q.weighted {
				weights[at] = p.weights[i]
			}
		}
	}
	for g := range ngroups {
		from, to := ends[g], ends[g+1]
		nulls[g] = from == to
		if nulls[g] {
			continue
		}
		if q.weighted {
			q.pickWeighted(sorted[from:to], weights[from:to], g, out)
		} else {
			q.pick(sorted[from:to], g, out)
		}
	}
	vectors := make([]*column.Vector, len(out))
	for r, values := range out {
		if q.typ == column.Real {
			vectors[r] = column.NewReals(any(values).([]float64), nulls)
		} else {
			vectors[r] = column.NewInts(q.typ, any(values).([]int64), nulls)
		}
	}
	if q.array {
		return []*column.Vector{zip(vectors, nulls)}, nil
	}
	return vectors, nil
}

// zip makes one array of the values in each row.
func zip(vectors []*column.Vector, nulls []bool) *column.Vector {
	rows := make([]column.Value, len(nulls))
	for i := range rows {
		if nulls[i] {
			continue
		}
		list := make([]column.Value, len(vectors))
		for r, v := range vectors {
			list[r] = v.Value(i)
		}
		rows[i] = list
	}
	return column.NewDynamics(rows)
}

// pick selects the ranks in rising order, each in what the one before left above it.
func (q *quantiles[T]) pick(values []T, g int, out [][]T) {
	order := make([]int, len(q.ranks))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(q.ranks[a], q.ranks[b]) })
	from := 0
	for _, r := range order {
		k := nearest(q.ranks[r], int64(len(values)))
		selectNth(values[from:], int(k)-from)
		out[r][g] = values[k]
		from = int(k)
	}
}

// nearest is the position from 0 of a percentile among n.
func nearest(percent float64, n int64) int64 {
	k := int64(math.Ceil(percent*float64(n)/100 - 1e-9)) // the product may come out a hair above a whole number
	return min(max(k, 1), n) - 1
}

func (q *quantiles[T]) pickWeighted(values []T, weights []int64, g int, out [][]T) {
	order := make([]int, len(values))
	var total int64
	for i := range order {
		order[i] = i
		total += weights[i]
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(values[a], values[b]) })
	for r, percent := range q.ranks {
		k := nearest(percent, total)
		for _, i := range order {
			if k -= weights[i]; k < 0 {
				out[r][g] = values[i]
				break
			}
		}
	}
}

// selectNth brings the value that is at position k of the sorted slice there, smaller ones before and greater ones behind it:
// Hoare's quickselect with the median of three as pivot, and a full sort if that goes badly.
func selectNth[T int64 | float64](s []T, k int) {
	for budget := 4 * (bits.Len(uint(len(s))) + 4); len(s) > 24; budget-- {
		if budget == 0 {
			break
		}
		pivot := medianOfThree(s[0], s[len(s)/2], s[len(s)-1])
		i, j := 0, len(s)-1
		for i <= j {
			for s[i] < pivot {
				i++
			}
			for s[j] > pivot {
				j--
			}
			if i <= j {
				s[i], s[j] = s[j], s[i]
				i++
				j--
			}
		}
		switch {
		case k <= j:
			s = s[:j+1]
		case k >= i:
			s, k = s[i:], k-i
		default:
			return
		}
	}
	slices.Sort(s)
}

func medianOfThree[T int64 | float64](a, b, c T) T {
	return max(min(a, b), min(max(a, b), c))
}
