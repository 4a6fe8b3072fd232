package column

import (
	"math"
	"slices"
	"strings"
)

// Sizes of a dictionary. From firstDoubt distinct values on, and again at each doubling, a column asks itself whether a dictionary
// still pays: with more than one distinct value in wornOut it does not, since an entry costs several times a row's bytes.
const (
	firstDoubt = 4096
	wornOut    = 4
)

// text is a growing column of texts: a dictionary first, an arena once most texts are distinct.
type text struct {
	n      int
	parsed bool // keep each dictionary entry's JSON value beside its text

	codes  Codes // empty while there is only one entry
	strs   []string
	dyns   []Value
	lookup map[string]int
	last   int // the code appended last: telemetry repeats itself
	doubt  int // size of the dictionary at which to reconsider

	arena *arena // set once the dictionary has been given up
}

func (t *text) append(x string, value Value) {
	if t.arena != nil {
		t.arena.append(x)
		t.n++
		return
	}
	t.code(t.intern(x, value))
}

func (t *text) appendJSON(x string) error {
	if t.arena == nil {
		if code, ok := t.find(x); ok {
			t.code(code)
			return nil
		}
	}
	value, err := ParseJSON(x)
	if err != nil {
		return err
	}
	t.append(x, value)
	return nil
}

func (t *text) find(x string) (int, bool) {
	if t.last < len(t.strs) && t.strs[t.last] == x {
		return t.last, true
	}
	code, ok := t.lookup[x]
	return code, ok
}

func (t *text) intern(x string, value Value) int {
	if code, ok := t.find(x); ok {
		return code
	}
	x = strings.Clone(x)
	if t.lookup == nil {
		t.lookup = map[string]int{}
	}
	t.lookup[x] = len(t.strs)
	t.strs = append(t.strs, x)
	if t.parsed {
		if s, ok := value.(string); ok {
			value = strings.Clone(s)
		}
		t.dyns = append(t.dyns, value)
	}
	return len(t.strs) - 1
}

// code appends the code of a row, in wider codes if it does not fit, and gives the dictionary up if it no longer pays.
func (t *text) code(code int) {
	t.last = code
	if len(t.strs) == 1 {
		t.n++
		return
	}
	if t.codes.Len() == 0 && t.n > 0 {
		t.codes.Bytes = make([]uint8, t.n, max(2*t.n, 16)) // until now all were code 0
	}
	c := &t.codes
	switch {
	case c.Words != nil || code > math.MaxUint16:
		if c.Words == nil {
			c.Words = widen[uint32](c, t.n)
			c.Bytes, c.Shorts = nil, nil
		}
		c.Words = append(c.Words, uint32(code))
	case c.Shorts != nil || code > math.MaxUint8:
		if c.Shorts == nil {
			c.Shorts = widen[uint16](c, t.n)
			c.Bytes = nil
		}
		c.Shorts = append(c.Shorts, uint16(code))
	default:
		c.Bytes = append(c.Bytes, uint8(code))
	}
	t.n++
	if len(t.strs) >= max(t.doubt, firstDoubt) {
		t.doubt = 2 * len(t.strs)
		if len(t.strs) > t.n/wornOut {
			t.spill()
		}
	}
}

func widen[T uint16 | uint32](c *Codes, n int) []T {
	w := make([]T, n, n+n/4+1)
	for i := range w {
		w[i] = T(c.At(i))
	}
	return w
}

// spill moves the rows from the dictionary to an arena.
func (t *text) spill() {
	size := 0
	for i := range t.n {
		size += len(t.strs[t.codes.At(i)])
	}
	a := &arena{data: make([]byte, 0, size+size/4), offs: append(make([]uint64, 0, t.n+t.n/4+1), 0)}
	for i := range t.n {
		a.append(t.strs[t.codes.At(i)])
	}
	*t = text{n: t.n, parsed: t.parsed, arena: a}
}

func (a *arena) append(x string) {
	a.data = append(a.data, x...)
	a.offs = append(a.offs, uint64(len(a.data)))
}

func (t *text) truncate(n int) {
	t.n = n
	switch {
	case t.arena != nil:
		t.arena.offs = t.arena.offs[:n+1]
		t.arena.data = t.arena.data[:t.arena.offs[n]]
	case t.codes.Len() > 0:
		c := &t.codes
		c.Bytes, c.Shorts, c.Words = c.Bytes[:min(n, len(c.Bytes))], c.Shorts[:min(n, len(c.Shorts))], c.Words[:min(n, len(c.Words))]
	case n == 0:
		*t = text{parsed: t.parsed}
	}
}

func (t *text) view(v *Vector) {
	v.n = t.n
	if t.arena != nil {
		v.arena = &arena{data: slices.Clip(t.arena.data), offs: slices.Clip(t.arena.offs)}
		return
	}
	values := &Vector{typ: v.typ, n: len(t.strs)}
	if t.parsed {
		values.dyns = slices.Clip(t.dyns)
	} else {
		values.strs = slices.Clip(t.strs)
	}
	switch {
	case t.n == 0:
		v.strs, v.dyns = values.strs[:0], values.dyns[:0]
	case t.codes.Len() == 0: // one entry
		v.enc, v.strs, v.dyns = constant, values.strs, values.dyns
	default:
		v.enc, v.codes, v.dict = dictionary, t.codes, values
	}
}
