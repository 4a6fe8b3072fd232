package aggregate

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// FuzzSelectNth: whatever the values are, position k holds what a sort would put there, with smaller ones before it.
func FuzzSelectNth(f *testing.F) {
	f.Add(uint64(1), 100, 5, 50)
	f.Add(uint64(2), 1000, 1, 0)
	f.Fuzz(func(t *testing.T, seed uint64, n, distinct, k int) {
		if n < 1 || n > 5000 || distinct < 1 || k < 0 || k >= n {
			return
		}
		rng := rand.New(rand.NewPCG(seed, 0))
		s := make([]int64, n)
		for i := range s {
			s[i] = rng.Int64N(int64(distinct))
			if seed%3 == 0 {
				s[i] = int64(i) // in order
			}
		}
		sorted := slices.Sorted(slices.Values(s))
		selectNth(s, k)
		if s[k] != sorted[k] || slices.Max(s[:k+1]) != s[k] {
			t.Fatalf("position %d is %d, want %d", k, s[k], sorted[k])
		}
		slices.Sort(s)
		if !slices.Equal(s, sorted) {
			t.Fatal("values were lost")
		}
	})
}

func TestTheNearestRankIsTheLeastThatCoversThePercentage(t *testing.T) {
	for n := int64(1); n < 300; n++ {
		for p := 0; p <= 1000; p++ {
			want := (int64(p)*n + 999) / 1000 // ceil of n·p/1000, in whole numbers
			if got := nearest(float64(p)/10, n); got != min(max(want, 1), n)-1 {
				t.Fatalf("percentile %v of %d values is position %d, want %d", float64(p)/10, n, got, want-1)
			}
		}
	}
}
