// Package factor finds the prime factors of 64-bit numbers.
package factor

import (
	"math/big"
	"math/bits"
	"slices"
)

// Of returns the prime factors of n in ascending order, each as often as it divides n:
// their product is n. 0 and 1 have none. It is exact for every n, always gives the same
// answer, and takes milliseconds at worst (Pollard's rho, about n^¼ steps).
func Of(n uint64) []uint64 {
	factors := []uint64{}
	if n == 0 {
		return factors
	}
	for _, p := range []uint64{2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37} {
		for n%p == 0 {
			factors = append(factors, p)
			n /= p
		}
	}
	factors = split(factors, n)
	slices.Sort(factors)
	return factors
}

func split(factors []uint64, n uint64) []uint64 {
	if n == 1 {
		return factors
	}
	// ProbablyPrime(0) is proven exact below 2⁶⁴.
	if new(big.Int).SetUint64(n).ProbablyPrime(0) {
		return append(factors, n)
	}
	d := divisor(n)
	return split(split(factors, d), n/d)
}

// divisor returns a divisor of the odd composite n that is neither 1 nor n.
func divisor(n uint64) uint64 {
	for c := uint64(1); ; c++ {
		slow, fast, d := uint64(2), uint64(2), uint64(1)
		for d == 1 {
			slow = step(slow, c, n)
			fast = step(step(fast, c, n), c, n)
			d = gcd(max(slow, fast)-min(slow, fast), n)
		}
		if d != n {
			return d
		}
		// The walk closed its circle without meeting a divisor: take another polynomial.
	}
}

// step returns (x² + c) mod n without overflow, for x < n and a small c.
func step(x, c, n uint64) uint64 {
	hi, lo := bits.Mul64(x, x)
	lo, carry := bits.Add64(lo, c, 0)
	return bits.Rem64(hi+carry, lo, n)
}

func gcd(a, b uint64) uint64 {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}
