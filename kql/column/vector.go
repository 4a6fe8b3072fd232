package column

import (
	"fmt"
	"unsafe"

	"github.com/shopspring/decimal"
)

// Vector is an immutable column of values of one type. It is flat (a slice of values), constant (one value for all rows) or
// dictionary-coded (a small number per row that points into a flat vector of values). The methods that read a row work on all
// three; code that wants speed asks for the slices ([Vector.Ints] …) or the dictionary ([Vector.Dictionary]).
//
// A dictionary may hold the same value more than once, and values that no row has.
type Vector struct {
	typ   Type
	enc   encoding
	n     int
	nulls []bool // nil: none is null. Not of strings and dynamics.

	bools []bool
	ints  []int64 // int, long, datetime, timespan
	reals []float64
	guids []UUID
	decs  []decimal.Decimal
	strs  []string
	dyns  []Value
	arena *arena // strings, or dynamics as JSON text, instead of strs or dyns

	codes Codes
	dict  *Vector
}

type encoding uint8

const (
	flat encoding = iota
	constant
	dictionary
)

// arena is the text of many values end to end: value i is data[offs[i]:offs[i+1]].
type arena struct {
	data []byte
	offs []uint64
}

func (a *arena) at(i int) string {
	from, to := a.offs[i], a.offs[i+1]
	if from == to {
		return ""
	}
	// The bytes are never changed once written, so that a string may share them.
	return unsafe.String(&a.data[from], int(to-from))
}

// Codes are the positions in a dictionary, one a row, in the narrowest of three widths: exactly one of the slices is in use.
type Codes struct {
	Bytes  []uint8
	Shorts []uint16
	Words  []uint32
}

// Len is the number of codes.
func (c Codes) Len() int { return len(c.Bytes) + len(c.Shorts) + len(c.Words) }

// At gives the code of row i.
func (c Codes) At(i int) int {
	switch {
	case c.Bytes != nil:
		return int(c.Bytes[i])
	case c.Shorts != nil:
		return int(c.Shorts[i])
	}
	return int(c.Words[i])
}

func (c Codes) slice(i, j int) Codes {
	switch {
	case c.Bytes != nil:
		return Codes{Bytes: c.Bytes[i:j:j]}
	case c.Shorts != nil:
		return Codes{Shorts: c.Shorts[i:j:j]}
	}
	return Codes{Words: c.Words[i:j:j]}
}

// Type of the values.
func (v *Vector) Type() Type { return v.typ }

// Len is the number of rows.
func (v *Vector) Len() int { return v.n }

// IsConst reports whether one value stands for all rows. Its value may be read at any index, even at 0 of no rows.
func (v *Vector) IsConst() bool { return v.enc == constant }

// Dictionary gives the codes and the flat vector they point into; false if the vector is not dictionary-coded.
func (v *Vector) Dictionary() (Codes, *Vector, bool) { return v.codes, v.dict, v.enc == dictionary }

// resolve leads a row of a constant or coded vector to the place of its value.
func (v *Vector) resolve(i int) (*Vector, int) {
	if v.enc == constant {
		return v, 0
	}
	return v.dict, v.codes.At(i)
}

// Null reports whether row i is null. A string never is.
func (v *Vector) Null(i int) bool {
	if v.enc != flat {
		v, i = v.resolve(i)
	}
	if v.typ == Dynamic {
		if v.arena != nil {
			text := v.arena.at(i)
			return text == "" || text == "null"
		}
		return v.dyns[i] == nil
	}
	return v.nulls != nil && v.nulls[i]
}

// MayHaveNulls is false only if no row is null, and cheap. Of a dynamic vector it is always true.
func (v *Vector) MayHaveNulls() bool {
	if v.enc == dictionary {
		v = v.dict
	}
	return v.typ == Dynamic || v.nulls != nil
}

// Bool gives row i of a bool vector; false if it is null.
func (v *Vector) Bool(i int) bool {
	if v.enc != flat {
		v, i = v.resolve(i)
	}
	return v.bools[i]
}

// Int gives row i of an int, long, datetime or timespan vector; 0 if it is null.
func (v *Vector) Int(i int) int64 {
	if v.enc != flat {
		v, i = v.resolve(i)
	}
	return v.ints[i]
}

// Real gives row i of a real vector; 0 if it is null.
func (v *Vector) Real(i int) float64 {
	if v.enc != flat {
		v, i = v.resolve(i)
	}
	return v.reals[i]
}

// Str gives row i of a string vector.
func (v *Vector) Str(i int) string {
	if v.enc != flat {
		v, i = v.resolve(i)
	}
	if v.arena != nil {
		return v.arena.at(i)
	}
	return v.strs[i]
}

// GUID gives row i of a guid vector; the zero UUID if it is null.
func (v *Vector) GUID(i int) UUID {
	if v.enc != flat {
		v, i = v.resolve(i)
	}
	return v.guids[i]
}

// Decimal gives row i of a decimal vector; 0 if it is null.
func (v *Vector) Decimal(i int) decimal.Decimal {
	if v.enc != flat {
		v, i = v.resolve(i)
	}
	return v.decs[i]
}

// Dyn gives row i of a dynamic vector; nil if it is null. A column of many distinct values is kept as JSON text, which each call
// parses again.
func (v *Vector) Dyn(i int) Value {
	if v.enc != flat {
		v, i = v.resolve(i)
	}
	if v.arena != nil {
		x, err := ParseJSON(v.arena.at(i))
		if err != nil {
			panic(fmt.Sprintf("column: stored JSON does not parse: %v", err)) // a Builder stores only what it has parsed
		}
		return x
	}
	return v.dyns[i]
}

// Value gives row i of a vector of any type; nil if it is null.
func (v *Vector) Value(i int) Value {
	if v.enc != flat {
		v, i = v.resolve(i)
	}
	if v.typ != Dynamic && v.nulls != nil && v.nulls[i] {
		return nil
	}
	switch v.typ {
	case Bool:
		return v.bools[i]
	case Int, Long:
		return v.ints[i]
	case DateTime:
		return Ticks(v.ints[i])
	case TimeSpan:
		return Span(v.ints[i])
	case Real:
		return v.reals[i]
	case String:
		return v.Str(i)
	case GUID:
		return v.guids[i]
	case Decimal:
		return v.decs[i]
	case Dynamic:
		return v.Dyn(i)
	}
	return nil
}

// Bools gives the rows of a flat bool vector, nil of any other. Do not change them; a null's element is false.
func (v *Vector) Bools() []bool {
	if v.enc != flat {
		return nil
	}
	return v.bools
}

// Ints gives the rows of a flat int, long, datetime or timespan vector, nil of any other. A null's element is 0.
func (v *Vector) Ints() []int64 {
	if v.enc != flat {
		return nil
	}
	return v.ints
}

// Reals gives the rows of a flat real vector, nil of any other. A null's element is 0.
func (v *Vector) Reals() []float64 {
	if v.enc != flat {
		return nil
	}
	return v.reals
}

// Nulls says of each row of a flat vector whether it is null; nil if none is, or if the vector is not flat, a string or a dynamic.
func (v *Vector) Nulls() []bool {
	if v.enc != flat {
		return nil
	}
	return v.nulls
}
