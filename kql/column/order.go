package column

import (
	"bytes"
	"cmp"
	"strings"

	"github.com/shopspring/decimal"
)

// Compare orders row i of a against row j of b, which have the same type and are not null: -1, 0 or 1. Strings are ordered by their
// bytes, false is before true, a NaN before every number.
func Compare(a *Vector, i int, b *Vector, j int) int {
	switch a.typ {
	case Bool:
		return compareBool(a.Bool(i), b.Bool(j))
	case Real:
		return cmp.Compare(a.Real(i), b.Real(j))
	case String:
		return strings.Compare(a.Str(i), b.Str(j))
	case GUID:
		x, y := a.GUID(i), b.GUID(j)
		return bytes.Compare(x[:], y[:])
	case Decimal:
		return a.Decimal(i).Cmp(b.Decimal(j))
	case Dynamic:
		return CompareValues(a.Dyn(i), b.Dyn(j))
	}
	return cmp.Compare(a.Int(i), b.Int(j))
}

// CompareValues orders two values of any types: numbers by their value, then the other types one after another; null is first.
// Arrays and bags are ordered by their JSON text.
func CompareValues(a, b Value) int {
	if x, y := rank(a), rank(b); x != y {
		return cmp.Compare(x, y)
	}
	switch a := a.(type) {
	case nil:
		return 0
	case bool:
		return compareBool(a, b.(bool))
	case string:
		return strings.Compare(a, b.(string))
	case Ticks:
		return cmp.Compare(a, b.(Ticks))
	case Span:
		return cmp.Compare(a, b.(Span))
	case UUID:
		y := b.(UUID)
		return bytes.Compare(a[:], y[:])
	case int64:
		if y, ok := b.(int64); ok {
			return cmp.Compare(a, y)
		}
	case []Value, *Bag:
		return bytes.Compare(AppendJSON(nil, a), AppendJSON(nil, b))
	}
	if x, y := float(a), float(b); x != y {
		return cmp.Compare(x, y)
	}
	return 0
}

func rank(v Value) int {
	switch v.(type) {
	case nil:
		return 0
	case bool:
		return 1
	case int64, float64, decimal.Decimal:
		return 2
	case Ticks:
		return 3
	case Span:
		return 4
	case UUID:
		return 5
	case string:
		return 6
	}
	return 7
}

func float(v Value) float64 {
	switch v := v.(type) {
	case int64:
		return float64(v)
	case float64:
		return v
	case decimal.Decimal:
		return v.InexactFloat64()
	}
	return 0
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// Flat gives the same rows without a dictionary or a constant.
func (v *Vector) Flat() *Vector {
	switch v.enc {
	case constant:
		return v.flatten(1).Gather(make([]int32, v.n))
	case dictionary:
		rows := make([]int32, v.n)
		for i := range rows {
			rows[i] = int32(v.codes.At(i))
		}
		return v.dict.Gather(rows)
	}
	return v
}
