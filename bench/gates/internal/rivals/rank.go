package rivals

import (
	"cmp"
	"math"
	"slices"
)

// MannWhitneyZ is the normal form of the Mann–Whitney U statistic, corrected for ties: positive if x tends to be larger.
func MannWhitneyZ(x, y []float64) float64 {
	type value struct {
		v     float64
		first bool
	}
	all := make([]value, 0, len(x)+len(y))
	for _, v := range x {
		all = append(all, value{v, true})
	}
	for _, v := range y {
		all = append(all, value{v, false})
	}
	slices.SortFunc(all, func(a, b value) int { return cmp.Compare(a.v, b.v) })
	n, ranks, ties := float64(len(all)), 0.0, 0.0
	for i := 0; i < len(all); {
		k := i
		for k < len(all) && all[k].v == all[i].v {
			k++
		}
		size := float64(k - i)
		ties += size*size*size - size
		for _, v := range all[i:k] {
			if v.first {
				ranks += float64(i+k+1) / 2
			}
		}
		i = k
	}
	nx, ny := float64(len(x)), float64(len(y))
	u := ranks - nx*(nx+1)/2
	variance := nx * ny / 12 * (n + 1 - ties/(n*(n-1)))
	if variance <= 0 {
		return 0
	}
	return (u - nx*ny/2) / math.Sqrt(variance)
}
