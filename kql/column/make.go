package column

import (
	"fmt"

	"github.com/shopspring/decimal"
)

// NewBools makes a flat bool vector. The slices are kept, not copied; nulls may be nil, and a null's element must be false.
func NewBools(values, nulls []bool) *Vector {
	checkNulls(len(values), nulls)
	return &Vector{typ: Bool, n: len(values), bools: values, nulls: nulls}
}

// NewInts makes a flat int, long, datetime or timespan vector. The slices are kept; nulls may be nil, and a null's element must be 0.
func NewInts(t Type, values []int64, nulls []bool) *Vector {
	if !t.Integral() {
		panic("column: NewInts of type " + t.String())
	}
	checkNulls(len(values), nulls)
	return &Vector{typ: t, n: len(values), ints: values, nulls: nulls}
}

// NewReals makes a flat real vector. The slices are kept; nulls may be nil, and a null's element must be 0.
func NewReals(values []float64, nulls []bool) *Vector {
	checkNulls(len(values), nulls)
	return &Vector{typ: Real, n: len(values), reals: values, nulls: nulls}
}

// NewStrings makes a flat string vector; the slice is kept.
func NewStrings(values []string) *Vector {
	return &Vector{typ: String, n: len(values), strs: values}
}

// NewArena makes a flat string vector, or a dynamic one of JSON text, over the bytes of all values end to end: value i is
// data[offs[i]:offs[i+1]], so that offs has one element more than there are values. The slices are kept. JSON text must be valid;
// an empty text is null.
func NewArena(t Type, data []byte, offs []uint64) (*Vector, error) {
	if t != String && t != Dynamic {
		return nil, fmt.Errorf("column: an arena holds strings or dynamics, not %s", t)
	}
	if len(offs) == 0 {
		return nil, fmt.Errorf("column: an arena's offsets are one more than its values, not none")
	}
	for i := 1; i < len(offs); i++ {
		if offs[i] < offs[i-1] {
			return nil, fmt.Errorf("column: offset %d of an arena is below the one before", i)
		}
	}
	if offs[len(offs)-1] > uint64(len(data)) {
		return nil, fmt.Errorf("column: an arena's last offset is beyond its %d bytes", len(data))
	}
	return &Vector{typ: t, n: len(offs) - 1, arena: &arena{data: data, offs: offs}}, nil
}

// Arena gives the bytes and offsets of a vector that NewArena or a Builder made so; false of any other.
func (v *Vector) Arena() (data []byte, offs []uint64, ok bool) {
	if v.arena == nil || v.enc != flat {
		return nil, nil, false
	}
	return v.arena.data, v.arena.offs, true
}

// NewGUIDs makes a flat guid vector. The slices are kept; nulls may be nil, and a null's element must be zero.
func NewGUIDs(values []UUID, nulls []bool) *Vector {
	checkNulls(len(values), nulls)
	return &Vector{typ: GUID, n: len(values), guids: values, nulls: nulls}
}

// NewDecimals makes a flat decimal vector. The slices are kept; nulls may be nil, and a null's element must be zero.
func NewDecimals(values []decimal.Decimal, nulls []bool) *Vector {
	checkNulls(len(values), nulls)
	return &Vector{typ: Decimal, n: len(values), decs: values, nulls: nulls}
}

// NewDynamics makes a flat dynamic vector of values as [Value] describes them; nil is null. The slice is kept.
func NewDynamics(values []Value) *Vector {
	return &Vector{typ: Dynamic, n: len(values), dyns: values}
}

// NewDictionary makes a dictionary-coded vector. The values must be flat, and every code below their number.
func NewDictionary(codes Codes, values *Vector) *Vector {
	if values.enc != flat {
		panic("column: the values of a dictionary must be flat")
	}
	return &Vector{typ: values.typ, enc: dictionary, n: codes.Len(), codes: codes, dict: values}
}

// NewConst makes a vector of n rows of one value. The value must be of the type, as [Value] describes, or nil.
func NewConst(t Type, value Value, n int) *Vector {
	v := FromValues(t, []Value{value})
	v.enc, v.n = constant, n
	return v
}

// Repeat gives the value of row i of v, n times.
func (v *Vector) Repeat(i, n int) *Vector {
	if v.enc == constant {
		return v.withLen(n)
	}
	r := v.Gather([]int32{int32(i)})
	if r.enc == dictionary {
		r = r.dict.Gather([]int32{int32(r.codes.At(0))})
	}
	r.enc, r.n = constant, n
	return r
}

// FromValues makes a flat vector of values, each of the type or nil. It panics if one is of another type: its callers have
// checked, or converted, them.
func FromValues(t Type, values []Value) *Vector {
	v := &Vector{typ: t, n: len(values)}
	switch t {
	case Dynamic:
		v.dyns = values
		return v
	case String:
		v.strs = make([]string, len(values))
		for i, x := range values {
			if x != nil {
				v.strs[i] = x.(string)
			}
		}
		return v
	case Bool:
		v.bools = make([]bool, len(values))
	case Int, Long, DateTime, TimeSpan:
		v.ints = make([]int64, len(values))
	case Real:
		v.reals = make([]float64, len(values))
	case GUID:
		v.guids = make([]UUID, len(values))
	case Decimal:
		v.decs = make([]decimal.Decimal, len(values))
	default:
		panic("column: values of type " + t.String())
	}
	for i, x := range values {
		if x == nil {
			if v.nulls == nil {
				v.nulls = make([]bool, len(values))
			}
			v.nulls[i] = true
			continue
		}
		switch t {
		case Bool:
			v.bools[i] = x.(bool)
		case Int, Long:
			v.ints[i] = x.(int64)
		case DateTime:
			v.ints[i] = int64(x.(Ticks))
		case TimeSpan:
			v.ints[i] = int64(x.(Span))
		case Real:
			v.reals[i] = x.(float64)
		case GUID:
			v.guids[i] = x.(UUID)
		case Decimal:
			v.decs[i] = x.(decimal.Decimal)
		}
	}
	return v
}

// Concat gives the rows of all vectors one after the other. All must be of the type t.
func Concat(t Type, parts ...*Vector) *Vector {
	switch len(parts) {
	case 0:
		return FromValues(t, nil)
	case 1:
		return parts[0]
	}
	n := 0
	for _, p := range parts {
		n += p.n
	}
	if sameDictionary(parts) {
		return NewDictionary(joinCodes(n, parts), parts[0].dict)
	}
	v := &Vector{typ: t, n: n}
	for _, p := range parts {
		if p.typ != t {
			panic(fmt.Sprintf("column: concatenation of %s with %s", t, p.typ))
		}
		if t != String && t != Dynamic && p.MayHaveNulls() && v.nulls == nil {
			v.nulls = make([]bool, n)
		}
	}
	at := 0
	for _, p := range parts {
		if v.nulls != nil && p.MayHaveNulls() {
			for i := range p.n {
				v.nulls[at+i] = p.Null(i)
			}
		}
		at += p.n
	}
	switch t {
	case Bool:
		v.bools = join(n, parts, (*Vector).Bools, (*Vector).Bool)
	case Int, Long, DateTime, TimeSpan:
		v.ints = join(n, parts, (*Vector).Ints, (*Vector).Int)
	case Real:
		v.reals = join(n, parts, (*Vector).Reals, (*Vector).Real)
	case GUID:
		v.guids = join(n, parts, nil, (*Vector).GUID)
	case Decimal:
		v.decs = join(n, parts, nil, (*Vector).Decimal)
	case String:
		v.strs = join(n, parts, nil, (*Vector).Str)
	case Dynamic:
		v.dyns = join(n, parts, nil, (*Vector).Dyn)
	}
	return v
}

func sameDictionary(parts []*Vector) bool {
	for _, p := range parts {
		if p.enc != dictionary || p.dict != parts[0].dict {
			return false
		}
	}
	return true
}

func joinCodes(n int, parts []*Vector) Codes {
	words := make([]uint32, 0, n)
	for _, p := range parts {
		for i := range p.n {
			words = append(words, uint32(p.codes.At(i)))
		}
	}
	return Codes{Words: words}
}

// join copies parts; whole is the way to all rows of a flat one.
func join[T any](n int, parts []*Vector, whole func(*Vector) []T, at func(*Vector, int) T) []T {
	to := make([]T, 0, n)
	for _, p := range parts {
		if p.enc == flat && whole != nil {
			to = append(to, whole(p)...)
			continue
		}
		for i := range p.n {
			to = append(to, at(p, i))
		}
	}
	return to
}

func checkNulls(n int, nulls []bool) {
	if nulls != nil && len(nulls) != n {
		panic(fmt.Sprintf("column: %d values but %d null marks", n, len(nulls)))
	}
}
