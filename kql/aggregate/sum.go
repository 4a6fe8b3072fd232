package aggregate

import (
	"errors"
	"math/big"
	"math/bits"

	"github.com/shopspring/decimal"

	"github.com/slipway-cd/slipway/kql/column"
)

func sums() []*Func {
	sum := &Func{Name: "sum", Prefix: "sum", MinArgs: 1, MaxArgs: 1,
		Resolve: func(args []column.Type) ([]column.Type, error) {
			switch t := args[0]; t {
			case column.Int:
				return one(column.Long), nil
			case column.Long, column.Real, column.Decimal, column.TimeSpan:
				return one(t), nil
			default:
				return nil, unsupported("sum()", t)
			}
		},
		New: func(args []column.Type, _ []*column.Vector) (Accumulator, error) { return newSum(args[0], false), nil },
	}
	avg := &Func{Name: "avg", Prefix: "avg", MinArgs: 1, MaxArgs: 1,
		Resolve: func(args []column.Type) ([]column.Type, error) {
			switch t := args[0]; t {
			case column.Int, column.Long, column.Real:
				return one(column.Real), nil
			case column.Decimal, column.TimeSpan, column.DateTime:
				return one(t), nil
			default:
				return nil, unsupported("avg()", t)
			}
		},
		New: func(args []column.Type, _ []*column.Vector) (Accumulator, error) { return newSum(args[0], true), nil },
	}
	return append(withIf(sum, "if"), withIf(avg, "if")...)
}

func newSum(t column.Type, mean bool) Accumulator {
	switch t {
	case column.Real:
		return &realSum{mean: mean}
	case column.Decimal:
		return &decimalSum{mean: mean}
	}
	return &intSum{typ: t, mean: mean}
}

// intSum adds whole numbers and ticks in 128 bits, so that no sum of rows overflows on the way.
type intSum struct {
	typ  column.Type
	mean bool
	low  []uint64
	high []int64
	n    []int64
}

func (s *intSum) Add(groups []uint32, ngroups int, args []*column.Vector) error {
	s.low, s.high, s.n = grow(s.low, ngroups), grow(s.high, ngroups), grow(s.n, ngroups)
	nulls := rowNulls(args[0], len(groups))
	all := longs(args[0], len(groups))
	for i, g := range groups {
		if nulls != nil && nulls[i] {
			continue
		}
		low, carry := bits.Add64(s.low[g], uint64(all[i]), 0)
		s.low[g] = low
		s.high[g] += all[i]>>63 + int64(carry)
		s.n[g]++
	}
	return nil
}

func (s *intSum) total(g int) *big.Int {
	t := big.NewInt(s.high[g])
	return t.Add(t.Lsh(t, 64), new(big.Int).SetUint64(s.low[g]))
}

func (s *intSum) Results(ngroups int) ([]*column.Vector, error) {
	s.low, s.high, s.n = grow(s.low, ngroups), grow(s.high, ngroups), grow(s.n, ngroups)
	if !s.mean {
		out := make([]int64, ngroups)
		for g := range out {
			out[g] = int64(s.low[g])
			if s.high[g] != out[g]>>63 {
				return nil, errors.New("the sum exceeds 64 bits; use sum(toreal(…))")
			}
		}
		t := column.Long
		if s.typ == column.TimeSpan {
			t = s.typ
		}
		return []*column.Vector{column.NewInts(t, out, nil)}, nil
	}
	if s.typ == column.Int || s.typ == column.Long {
		out := make([]float64, ngroups)
		for g := range out {
			f, _ := new(big.Float).SetInt(s.total(g)).Float64()
			out[g] = f / float64(s.n[g]) // of nothing: NaN
		}
		return []*column.Vector{column.NewReals(out, nil)}, nil
	}
	out, nulls := make([]int64, ngroups), make([]bool, ngroups)
	for g := range out {
		if nulls[g] = s.n[g] == 0; !nulls[g] {
			t := s.total(g)
			out[g] = t.Quo(t, big.NewInt(s.n[g])).Int64()
		}
	}
	return []*column.Vector{column.NewInts(s.typ, out, nulls)}, nil
}

func (s *intSum) Size() int64 { return int64(len(s.n)) * 24 }

// realSum adds reals.
type realSum struct {
	mean bool
	sum  []float64
	n    []int64
}

func (s *realSum) Add(groups []uint32, ngroups int, args []*column.Vector) error {
	s.sum, s.n = grow(s.sum, ngroups), grow(s.n, ngroups)
	nulls := rowNulls(args[0], len(groups))
	all := reals(args[0], len(groups))
	for i, g := range groups {
		if nulls == nil || !nulls[i] {
			s.sum[g] += all[i]
			s.n[g]++
		}
	}
	return nil
}

func (s *realSum) Results(ngroups int) ([]*column.Vector, error) {
	s.sum, s.n = grow(s.sum, ngroups), grow(s.n, ngroups)
	out := make([]float64, ngroups)
	for g := range out {
		out[g] = s.sum[g]
		if s.mean {
			out[g] /= float64(s.n[g]) // of nothing: NaN
		}
	}
	return []*column.Vector{column.NewReals(out, nil)}, nil
}

func (s *realSum) Size() int64 { return int64(len(s.n)) * 16 }

// decimalSum adds decimals.
type decimalSum struct {
	mean bool
	sum  []decimal.Decimal
	n    []int64
}

func (s *decimalSum) Add(groups []uint32, ngroups int, args []*column.Vector) error {
	s.sum, s.n = grow(s.sum, ngroups), grow(s.n, ngroups)
	for i, g := range groups {
		if !args[0].Null(i) {
			s.sum[g] = s.sum[g].Add(args[0].Decimal(i))
			s.n[g]++
		}
	}
	return nil
}

func (s *decimalSum) Results(ngroups int) ([]*column.Vector, error) {
	s.sum, s.n = grow(s.sum, ngroups), grow(s.n, ngroups)
	out, nulls := make([]decimal.Decimal, ngroups), make([]bool, ngroups)
	for g := range out {
		switch {
		case !s.mean:
			out[g] = s.sum[g]
		case s.n[g] == 0:
			nulls[g] = true
		default:
			out[g] = s.sum[g].Div(decimal.NewFromInt(s.n[g]))
		}
	}
	return []*column.Vector{column.NewDecimals(out, nulls)}, nil
}

func (s *decimalSum) Size() int64 { return int64(len(s.n)) * 64 }
