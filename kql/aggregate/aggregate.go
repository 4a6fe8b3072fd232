// Package aggregate is the library of aggregate functions of the Kusto Query Language, over columns of grouped rows.
package aggregate

import (
	"fmt"
	"maps"
	"slices"

	"github.com/slipway-cd/slipway/kql/column"
)

// Func is one aggregate function.
type Func struct {
	Name    string
	Prefix  string // of the name that an unnamed result gets: sum_x; "" gives the name of the argument alone
	MinArgs int
	MaxArgs int // -1: any number

	// Predicate is the position of a bool argument that decides which rows count, or 0. It is not among the arguments that the other
	// members get.
	Predicate int

	// Const is the position from which on arguments must be constants, which New gets; 0 if none.
	Const int

	// Rows says that the function picks a row: its arguments are also its results. With Ordered the first of them is ordered by.
	Rows, Ordered bool

	// Resolve gives the types of the results for those of the arguments, or an error in words.
	Resolve func(args []column.Type) ([]column.Type, error)

	// New makes an accumulator. The vector of an argument that need not be constant is nil.
	New func(args []column.Type, consts []*column.Vector) (Accumulator, error)
}

// Accumulator computes one aggregate for many groups at once. Groups are numbered from 0.
type Accumulator interface {
	// Add takes rows: groups[i] is the group of row i, below ngroups, which never falls; args are the rows' arguments.
	Add(groups []uint32, ngroups int, args []*column.Vector) error

	// Results gives a vector of one value per group for each result.
	Results(ngroups int) ([]*column.Vector, error)

	// Size is about how many bytes the accumulator holds.
	Size() int64
}

// Lookup finds a function by its exact name.
func Lookup(name string) (*Func, bool) {
	f, ok := library[name]
	return f, ok
}

// Names gives the names of all functions, sorted.
func Names() []string { return slices.Sorted(maps.Keys(library)) }

var library = func() map[string]*Func {
	byName := map[string]*Func{}
	for _, family := range [][]*Func{counts(), sums(), extremes(), percentiles(), moments(), collections(), picks()} {
		for _, f := range family {
			if f.MaxArgs == 0 && f.MinArgs == 0 && f.Name != "count" {
				panic("aggregate: " + f.Name + " takes no arguments")
			}
			byName[f.Name] = f
		}
	}
	return byName
}()

// withIf gives a function and its kin whose name ends in suffix and whose second argument says which rows count.
func withIf(f *Func, suffix string) []*Func {
	g := *f
	g.Name += suffix
	g.Predicate = 1
	g.MinArgs++
	if g.MaxArgs >= 0 {
		g.MaxArgs++
	}
	if f.Prefix == f.Name {
		g.Prefix = g.Name
	}
	return []*Func{f, &g}
}

func one(t column.Type) []column.Type { return []column.Type{t} }

// always gives a function's type whatever its arguments are.
func always(t column.Type) func([]column.Type) ([]column.Type, error) {
	return func([]column.Type) ([]column.Type, error) { return one(t), nil }
}

func unsupported(what string, t column.Type) error {
	if t == column.Dynamic {
		return fmt.Errorf("%s of a dynamic: convert it first, with tolong(), toreal(), tostring() …", what)
	}
	return fmt.Errorf("%s is not defined for the type %s", what, t)
}

// grow makes s at least n long.
func grow[T any](s []T, n int) []T {
	if len(s) >= n {
		return s
	}
	return append(s, make([]T, n-len(s))...)
}

// rowNulls gives the null marks of a vector; nil if it has none.
func rowNulls(v *column.Vector, n int) []bool {
	if !v.MayHaveNulls() {
		return nil
	}
	if nulls := v.Nulls(); nulls != nil {
		return nulls
	}
	nulls := make([]bool, n)
	some := false
	for i := range nulls {
		nulls[i] = v.Null(i)
		some = some || nulls[i]
	}
	if !some {
		return nil
	}
	return nulls
}

// longs gives the values of an integral vector, reals those of any numeric one.
func longs(v *column.Vector, n int) []int64 {
	if all := v.Ints(); all != nil {
		return all
	}
	all := make([]int64, n)
	for i := range all {
		all[i] = v.Int(i)
	}
	return all
}

func reals(v *column.Vector, n int) []float64 {
	if all := v.Reals(); all != nil {
		return all
	}
	all := make([]float64, n)
	for i := range all {
		switch {
		case v.Type().Integral():
			all[i] = float64(v.Int(i))
		case v.Type() == column.Decimal:
			all[i] = v.Decimal(i).InexactFloat64()
		default:
			all[i] = v.Real(i)
		}
	}
	return all
}
