package aggregate

import (
	"math"

	"github.com/slipway-cd/slipway/kql/column"
)

func moments() []*Func {
	var all []*Func
	for _, f := range []struct {
		name         string
		sample, root bool
	}{{"stdev", true, true}, {"stdevp", false, true}, {"variance", true, false}, {"variancep", false, false}} {
		all = append(all, withIf(&Func{Name: f.name, Prefix: f.name, MinArgs: 1, MaxArgs: 1,
			Resolve: func(args []column.Type) ([]column.Type, error) {
				if !args[0].Numeric() && args[0] != column.TimeSpan {
					return nil, unsupported(f.name+"()", args[0])
				}
				return one(column.Real), nil
			},
			New: func([]column.Type, []*column.Vector) (Accumulator, error) {
				return &spread{sample: f.sample, root: f.root}, nil
			},
		}, "if")...)
	}
	return all
}

// spread is the variance or the standard deviation, by Welford's algorithm (Technometrics 4, 1962), which does not lose digits.
// Of fewer than two values it is 0.
type spread struct {
	sample, root bool
	n, mean, m2  []float64
}

func (s *spread) Add(groups []uint32, ngroups int, args []*column.Vector) error {
	s.n, s.mean, s.m2 = grow(s.n, ngroups), grow(s.mean, ngroups), grow(s.m2, ngroups)
	nulls := rowNulls(args[0], len(groups))
	all := reals(args[0], len(groups))
	for i, g := range groups {
		if nulls != nil && nulls[i] {
			continue
		}
		s.n[g]++
		d := all[i] - s.mean[g]
		s.mean[g] += d / s.n[g]
		s.m2[g] += d * (all[i] - s.mean[g])
	}
	return nil
}

func (s *spread) Results(ngroups int) ([]*column.Vector, error) {
	s.n, s.mean, s.m2 = grow(s.n, ngroups), grow(s.mean, ngroups), grow(s.m2, ngroups)
	out := make([]float64, ngroups)
	for g := range out {
		if s.n[g] < 2 {
			continue
		}
		out[g] = s.m2[g] / s.n[g]
		if s.sample {
			out[g] = s.m2[g] / (s.n[g] - 1)
		}
		if s.root {
			out[g] = math.Sqrt(out[g])
		}
	}
	return []*column.Vector{column.NewReals(out, nil)}, nil
}

func (s *spread) Size() int64 { return int64(len(s.n)) * 24 }
