package factor

import (
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestFactorsAreThoseOfTheTable(t *testing.T) {
	for n, want := range map[uint64][]uint64{
		0:                    {},
		1:                    {},
		2:                    {2},
		5040:                 {2, 2, 2, 2, 3, 3, 5, 7},
		1681:                 {41, 41}, // the square of the smallest prime that rho has to find
		68921:                {41, 41, 41},
		4294967291:           {4294967291},
		18446744030759878681: {4294967291, 4294967291}, // the hardest: two equal primes below 2³²
		18446743979220271189: {4294967279, 4294967291},
		18446744073709551557: {18446744073709551557}, // the largest prime below 2⁶⁴
		math.MaxUint64:       {3, 5, 17, 257, 641, 65537, 6700417},
		3215031751:           {151, 751, 28351}, // fools Miller-Rabin with bases 2, 3, 5 and 7
	} {
		if got := Of(n); !slices.Equal(got, want) {
			t.Errorf("Of(%d) = %v, want %v", n, got, want)
		}
	}
}

func TestFactorsArePrimeSortedAndMultiplyToTheNumber(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 20_000 {
		n := random.Uint64()>>(i%64) | 1<<(i%3)
		check(t, n)
	}
	for n := uint64(1); n < 20_000; n++ {
		check(t, n)
	}
}

func check(t *testing.T, n uint64) {
	t.Helper()
	factors := Of(n)
	product := big.NewInt(1)
	for _, f := range factors {
		prime := new(big.Int).SetUint64(f)
		if !prime.ProbablyPrime(20) {
			t.Fatalf("Of(%d) = %v: %d is not prime", n, factors, f)
		}
		product.Mul(product, prime)
	}
	if !slices.IsSorted(factors) || !product.IsUint64() || product.Uint64() != n {
		t.Fatalf("Of(%d) = %v: want ascending factors whose product is the number", n, factors)
	}
}

func FuzzOf(f *testing.F) {
	f.Add(uint64(18446744030759878681))
	f.Fuzz(func(t *testing.T, n uint64) {
		if n > 0 {
			check(t, n)
		}
	})
}

func BenchmarkHardestNumber(b *testing.B) {
	for b.Loop() {
		Of(18446743979220271189)
	}
}
