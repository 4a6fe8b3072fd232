// Package group numbers values and combinations of values, so that grouping, joining and counting of distinct values work on small
// whole numbers instead of values.
package group

import (
	"math"

	"github.com/slipway-cd/slipway/kql/column"
)

// None is the number of a value that is not there.
const None = math.MaxUint32

// Values numbers the distinct values of a column from 0 in order of first appearance. A null is one of them. All NaNs are one
// value, and so are 0 and -0; dynamics are the same if their JSON text is.
type Values struct {
	typ    column.Type
	null   uint32 // number of null, or None
	n      uint32
	ints   table    // of int64 and real bits; numbers in it are positions in order
	order  []uint32 // number of the i-th entry of ints
	texts  map[string]uint32
	firsts []column.Value // by number, of all types but those below
	longs  []int64        // by number, of integral types
	strs   []string       // by number, of strings

	dict     *column.Vector // the dictionary seen last
	dictNums []uint32
}

// NewValues makes an empty numbering of values of a type.
func NewValues(t column.Type) *Values {
	return &Values{typ: t, null: None}
}

// Len is the number of distinct values so far.
func (s *Values) Len() int { return int(s.n) }

// Null is the number of null, or None if there was no null so far.
func (s *Values) Null() uint32 { return s.null }

// Size is about how many bytes the numbering holds.
func (s *Values) Size() int64 {
	return int64(len(s.ints.ids))*12 + int64(len(s.texts))*64 + int64(len(s.longs)+len(s.order))*8 + int64(len(s.strs)+len(s.firsts))*16
}

// Number writes the number of each row of v to out, which has as many elements. A value that is new gets the next number if grow is
// set, and None if it is not.
func (s *Values) Number(v *column.Vector, out []uint32, grow bool) {
	if v.IsConst() && len(out) > 0 {
		s.flat(v.Slice(0, 1), out[:1], grow)
		for i := range out {
			out[i] = out[0]
		}
		return
	}
	codes, dict, coded := v.Dictionary()
	if !coded || dict.Len() > len(out) && dict != s.dict {
		s.flat(v, out, grow)
		return
	}
	if s.dict != dict || !grow {
		if cap(s.dictNums) < dict.Len() {
			s.dictNums = make([]uint32, dict.Len())
		}
		s.dictNums = s.dictNums[:dict.Len()]
		for i := range s.dictNums {
			s.dictNums[i] = unasked
		}
		s.dict = dict
		if !grow {
			s.dict = nil
		}
	}
	// Only entries that a row has are values of the column.
	number := func(code int) uint32 {
		s.flat(dict.Slice(code, code+1), s.dictNums[code:code+1], grow)
		return s.dictNums[code]
	}
	switch {
	case codes.Bytes != nil:
		spread(codes.Bytes, s.dictNums, out, number)
	case codes.Shorts != nil:
		spread(codes.Shorts, s.dictNums, out, number)
	default:
		spread(codes.Words, s.dictNums, out, number)
	}
}

// unasked is the number of a dictionary's entry that no row has had yet.
const unasked = None - 1

func spread[C uint8 | uint16 | uint32](codes []C, nums, out []uint32, number func(code int) uint32) {
	for i, c := range codes {
		n := nums[c]
		if n == unasked {
			n = number(int(c))
		}
		out[i] = n
	}
}

func (s *Values) flat(v *column.Vector, out []uint32, grow bool) {
	nulls := v.MayHaveNulls()
	switch {
	case s.typ.Integral():
		if all := v.Ints(); all != nil && !nulls {
			s.numberInts(all, out, grow)
			return
		}
		s.each(v, out, grow, func(i int) uint32 { return s.long(v.Int(i), grow) })
	case s.typ == column.Real:
		s.each(v, out, grow, func(i int) uint32 { return s.real(v.Real(i), grow) })
	case s.typ == column.String:
		last, lastNum := "", uint32(None)
		for i := range out {
			x := v.Str(i)
			if lastNum == None || x != last {
				last, lastNum = x, s.str(x, grow)
			}
			out[i] = lastNum
		}
	case s.typ == column.Bool:
		s.each(v, out, grow, func(i int) uint32 {
			key := int64(0)
			if v.Bool(i) {
				key = 1
			}
			return s.keyed(uint64(key), grow, func() { s.firsts = append(s.firsts, v.Bool(i)) })
		})
	default: // guid, decimal, dynamic: by their JSON text
		var buf []byte
		s.each(v, out, grow, func(i int) uint32 {
			x := v.Value(i)
			buf = column.AppendJSON(buf[:0], x)
			if id, ok := s.texts[string(buf)]; ok {
				return id
			}
			if !grow {
				return None
			}
			s.firsts = append(s.firsts, x)
			return s.text(string(buf))
		})
	}
}

// numberInts is the way of most keys, times in bins among them: equal to the row before more often than not.
func (s *Values) numberInts(all []int64, out []uint32, grow bool) {
	var last int64
	lastNum := uint32(None)
	for i, x := range all {
		if lastNum == None || x != last {
			last, lastNum = x, s.long(x, grow)
		}
		out[i] = lastNum
	}
}

func (s *Values) each(v *column.Vector, out []uint32, grow bool, number func(i int) uint32) {
	for i := range out {
		if v.Null(i) {
			if s.null == None && grow {
				s.null = s.next()
				s.longs, s.firsts = append(s.longs, 0), append(s.firsts, nil)
			}
			out[i] = s.null
			continue
		}
		out[i] = number(i)
	}
}

func (s *Values) next() uint32 {
	s.n++
	return s.n - 1
}

// keyed numbers a value by a 64-bit key; fresh is called for a new one.
func (s *Values) keyed(key uint64, grow bool, fresh func()) uint32 {
	i := s.ints.number(key, grow)
	if i == None {
		return None
	}
	if int(i) == len(s.order) {
		s.order = append(s.order, s.next())
		fresh()
	}
	return s.order[i]
}

func (s *Values) long(x int64, grow bool) uint32 {
	i := s.ints.number(uint64(x), grow)
	if i == None {
		return None
	}
	if int(i) == len(s.order) {
		s.order = append(s.order, s.next())
		s.longs = append(s.longs, x)
	}
	return s.order[i]
}

func (s *Values) real(x float64, grow bool) uint32 {
	switch {
	case math.IsNaN(x):
		x = math.NaN()
	case x == 0:
		x = 0
	}
	return s.keyed(math.Float64bits(x), grow, func() { s.firsts = append(s.firsts, x) })
}

func (s *Values) str(x string, grow bool) uint32 {
	if id, ok := s.texts[x]; ok {
		return id
	}
	if !grow {
		return None
	}
	s.strs = append(s.strs, x)
	return s.text(x)
}

func (s *Values) text(x string) uint32 {
	if s.texts == nil {
		s.texts = map[string]uint32{}
	}
	id := s.next()
	s.texts[x] = id
	return id
}

// Vector gives the distinct values in the order of their numbers.
func (s *Values) Vector() *column.Vector {
	switch {
	case s.typ.Integral():
		var nulls []bool
		if s.null != None {
			nulls = make([]bool, s.n)
			nulls[s.null] = true
		}
		return column.NewInts(s.typ, s.longs[:s.n:s.n], nulls)
	case s.typ == column.String:
		return column.NewStrings(s.strs[:s.n:s.n])
	}
	return column.FromValues(s.typ, s.firsts[:s.n:s.n])
}
