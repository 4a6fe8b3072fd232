package aggregate

import (
	"cmp"

	"github.com/slipway-cd/slipway/kql/column"
)

func extremes() []*Func {
	var all []*Func
	for _, f := range []struct {
		name string
		sign int
	}{{"min", -1}, {"max", 1}} {
		all = append(all, withIf(&Func{Name: f.name, Prefix: f.name, MinArgs: 1, MaxArgs: 1,
			Resolve: func(args []column.Type) ([]column.Type, error) {
				if args[0] == column.Dynamic || args[0] == column.GUID {
					return nil, unsupported(f.name+"()", args[0])
				}
				return one(args[0]), nil
			},
			New: func(args []column.Type, _ []*column.Vector) (Accumulator, error) {
				switch t := args[0]; {
				case t.Integral():
					return &extreme[int64]{typ: t, sign: f.sign, all: longs}, nil
				case t == column.Real:
					return &extreme[float64]{typ: t, sign: f.sign, all: reals}, nil
				case t == column.String:
					return &extreme[string]{typ: t, sign: f.sign, all: texts}, nil
				}
				return newPick(args, true, f.sign), nil
			},
		}, "if")...)
	}
	return all
}

func texts(v *column.Vector, n int) []string {
	all := make([]string, n)
	for i := range all {
		all[i] = v.Str(i)
	}
	return all
}

// extreme is the least or the greatest value; null of none. A NaN is below every number.
type extreme[T cmp.Ordered] struct {
	typ  column.Type
	sign int
	all  func(*column.Vector, int) []T
	best []T
	some []bool
}

func (e *extreme[T]) Add(groups []uint32, ngroups int, args []*column.Vector) error {
	e.best, e.some = grow(e.best, ngroups), grow(e.some, ngroups)
	nulls := rowNulls(args[0], len(groups))
	all := e.all(args[0], len(groups))
	for i, g := range groups {
		if nulls != nil && nulls[i] {
			continue
		}
		if !e.some[g] || cmp.Compare(all[i], e.best[g]) == e.sign {
			e.best[g], e.some[g] = all[i], true
		}
	}
	return nil
}

func (e *extreme[T]) Results(ngroups int) ([]*column.Vector, error) {
	e.best, e.some = grow(e.best, ngroups), grow(e.some, ngroups)
	nulls := make([]bool, ngroups)
	for g := range nulls {
		nulls[g] = !e.some[g]
	}
	var v *column.Vector
	switch best := any(e.best).(type) {
	case []int64:
		v = column.NewInts(e.typ, best, nulls)
	case []float64:
		v = column.NewReals(best, nulls)
	case []string:
		v = column.NewStrings(best)
	}
	return []*column.Vector{v}, nil
}

func (e *extreme[T]) Size() int64 { return int64(len(e.best)) * 17 }
