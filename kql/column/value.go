package column

import (
	"encoding/hex"
	"strings"

	"github.com/shopspring/decimal"
)

// Value is one value outside of a column, and what a dynamic holds. Its dynamic type is one of
//
//	nil             null
//	bool            bool
//	int64           int and long
//	float64         real
//	string          string
//	Ticks           datetime
//	Span            timespan
//	UUID            guid
//	decimal.Decimal decimal
//	[]Value         an array (dynamic only)
//	*Bag            a property bag (dynamic only)
//
// Arrays and bags are shared between columns and must not be changed once they are in one.
type Value = any

// UUID is a 128-bit identifier in the order of its text.
type UUID [16]byte

// String formats u as 8-4-4-4-12 lower-case hexadecimal digits.
func (u UUID) String() string {
	var b [36]byte
	hex.Encode(b[:8], u[:4])
	b[8] = '-'
	hex.Encode(b[9:13], u[4:6])
	b[13] = '-'
	hex.Encode(b[14:18], u[6:8])
	b[18] = '-'
	hex.Encode(b[19:23], u[8:10])
	b[23] = '-'
	hex.Encode(b[24:], u[10:])
	return string(b[:])
}

// ParseUUID reads a guid with or without dashes and braces.
func ParseUUID(s string) (UUID, bool) {
	var u UUID
	s = strings.TrimSpace(s)
	if len(s) >= 2 && s[0] == '{' && s[len(s)-1] == '}' {
		s = s[1 : len(s)-1]
	}
	if len(s) == 36 && s[8] == '-' && s[13] == '-' && s[18] == '-' && s[23] == '-' {
		s = s[:8] + s[9:13] + s[14:18] + s[19:23] + s[24:]
	}
	if len(s) != 32 {
		return u, false
	}
	_, err := hex.Decode(u[:], []byte(s))
	return u, err == nil
}

// Bag is a property bag: names to values in the order in which the names were first set. The zero Bag is empty and usable.
type Bag struct {
	keys   []string
	values []Value
	index  map[string]int // only of a large bag
}

// largeBag is the size from which a map finds names faster than a scan.
const largeBag = 12

// Len is the number of names.
func (b *Bag) Len() int { return len(b.keys) }

// At gives the i-th name and its value.
func (b *Bag) At(i int) (string, Value) { return b.keys[i], b.values[i] }

func (b *Bag) find(key string) int {
	if b.index != nil {
		if i, ok := b.index[key]; ok {
			return i
		}
		return -1
	}
	for i, k := range b.keys {
		if k == key {
			return i
		}
	}
	return -1
}

// Get gives the value of a name.
func (b *Bag) Get(key string) (Value, bool) {
	if i := b.find(key); i >= 0 {
		return b.values[i], true
	}
	return nil, false
}

// Set gives a name a value, in the name's old place if it has one. Only the code that makes a bag may call it.
func (b *Bag) Set(key string, v Value) {
	if i := b.find(key); i >= 0 {
		b.values[i] = v
		return
	}
	b.keys = append(b.keys, key)
	b.values = append(b.values, v)
	if b.index != nil {
		b.index[key] = len(b.keys) - 1
	} else if len(b.keys) > largeBag {
		b.index = make(map[string]int, 2*largeBag)
		for i, k := range b.keys {
			b.index[k] = i
		}
	}
}

// TypeOf gives the type of a value; Dynamic for arrays and bags, Invalid for null. A whole number is Long.
func TypeOf(v Value) Type {
	switch v.(type) {
	case bool:
		return Bool
	case int64:
		return Long
	case float64:
		return Real
	case string:
		return String
	case Ticks:
		return DateTime
	case Span:
		return TimeSpan
	case UUID:
		return GUID
	case decimal.Decimal:
		return Decimal
	case []Value, *Bag:
		return Dynamic
	}
	return Invalid
}
