package column

import (
	"fmt"

	"github.com/shopspring/decimal"
)

// Builder grows a column at its end. It keeps what it is given as small as the data allows: one value while all are the same; then
// codes into a dictionary (strings and dynamics), then, if most values turn out to differ, their bytes end to end. Values never
// change in place, so that a [Builder.Vector] taken earlier stays valid. A Builder itself serves one goroutine at a time.
type Builder struct {
	typ   Type
	bools run[bool]
	ints  run[int64]
	reals run[float64]
	guids run[UUID]
	decs  run[decimal.Decimal]
	text  text // strings, and dynamics as JSON text
}

// NewBuilder makes an empty column of a type.
func NewBuilder(t Type) *Builder {
	if t == Invalid || t > Dynamic {
		panic("column: a builder of type " + t.String())
	}
	b := &Builder{typ: t}
	b.decs.same = decimal.Decimal.Equal
	b.text.parsed = t == Dynamic
	return b
}

// Type of the column.
func (b *Builder) Type() Type { return b.typ }

// Len is the number of values so far.
func (b *Builder) Len() int {
	switch b.typ {
	case Bool:
		return b.bools.n
	case Real:
		return b.reals.n
	case GUID:
		return b.guids.n
	case Decimal:
		return b.decs.n
	case String, Dynamic:
		return b.text.n
	}
	return b.ints.n
}

func (b *Builder) check(what string, ok bool) {
	if !ok {
		panic("column: " + what + " appended to a column of type " + b.typ.String())
	}
}

// AppendNull appends a null; the empty string to a string column.
func (b *Builder) AppendNull() {
	switch b.typ {
	case Bool:
		b.bools.append(false, true)
	case Real:
		b.reals.append(0, true)
	case GUID:
		b.guids.append(UUID{}, true)
	case Decimal:
		b.decs.append(decimal.Decimal{}, true)
	case String, Dynamic:
		b.text.append("", nil)
	default:
		b.ints.append(0, true)
	}
}

// AppendBool appends to a bool column.
func (b *Builder) AppendBool(x bool) {
	b.check("a bool", b.typ == Bool)
	b.bools.append(x, false)
}

// AppendInt appends to an int, long, datetime or timespan column.
func (b *Builder) AppendInt(x int64) {
	b.check("a whole number", b.typ.Integral())
	b.ints.append(x, false)
}

// AppendReal appends to a real column.
func (b *Builder) AppendReal(x float64) {
	b.check("a real", b.typ == Real)
	b.reals.append(x, false)
}

// AppendString appends to a string column. The text is copied if it is kept.
func (b *Builder) AppendString(x string) {
	b.check("a string", b.typ == String)
	b.text.append(x, nil)
}

// AppendJSON appends JSON text to a dynamic column; the empty text and "null" are null. The text is copied if it is kept. An error
// says what is wrong with the text, and appends nothing.
func (b *Builder) AppendJSON(x string) error {
	b.check("JSON", b.typ == Dynamic)
	if x == "null" {
		x = ""
	}
	return b.text.appendJSON(x)
}

// AppendGUID appends to a guid column.
func (b *Builder) AppendGUID(x UUID) {
	b.check("a guid", b.typ == GUID)
	b.guids.append(x, false)
}

// AppendDecimal appends to a decimal column.
func (b *Builder) AppendDecimal(x decimal.Decimal) {
	b.check("a decimal", b.typ == Decimal)
	b.decs.append(x, false)
}

// Append appends a value of the column's type, or null. A dynamic column keeps it as JSON, so that a datetime in it becomes a
// string. An error appends nothing.
func (b *Builder) Append(x Value) error {
	if x == nil {
		b.AppendNull()
		return nil
	}
	if b.typ == Dynamic {
		return b.AppendJSON(string(AppendJSON(nil, x)))
	}
	if t := TypeOf(x); t != b.typ && !(t == Long && b.typ == Int) {
		return fmt.Errorf("a %s cannot be put in a column of type %s", t, b.typ)
	}
	switch x := x.(type) {
	case bool:
		b.bools.append(x, false)
	case int64:
		b.ints.append(x, false)
	case Ticks:
		b.ints.append(int64(x), false)
	case Span:
		b.ints.append(int64(x), false)
	case float64:
		b.reals.append(x, false)
	case string:
		b.text.append(x, nil)
	case UUID:
		b.guids.append(x, false)
	case decimal.Decimal:
		b.decs.append(x, false)
	}
	return nil
}

// Truncate takes the values from n on away. Vectors that had them must no longer be in use.
func (b *Builder) Truncate(n int) {
	if n < 0 || n > b.Len() {
		panic(fmt.Sprintf("column: truncation of %d values to %d", b.Len(), n))
	}
	switch b.typ {
	case Bool:
		b.bools.truncate(n)
	case Real:
		b.reals.truncate(n)
	case GUID:
		b.guids.truncate(n)
	case Decimal:
		b.decs.truncate(n)
	case String, Dynamic:
		b.text.truncate(n)
	default:
		b.ints.truncate(n)
	}
}

// Vector gives the values so far, without copying them.
func (b *Builder) Vector() *Vector {
	v := &Vector{typ: b.typ}
	switch b.typ {
	case Bool:
		v.bools = b.bools.view(v)
	case Real:
		v.reals = b.reals.view(v)
	case GUID:
		v.guids = b.guids.view(v)
	case Decimal:
		v.decs = b.decs.view(v)
	case String, Dynamic:
		b.text.view(v)
	default:
		v.ints = b.ints.view(v)
	}
	return v
}

// run is a growing slice that holds one value as long as all are the same.
type run[T comparable] struct {
	n      int
	values []T // one value while constant, then n
	nulls  []bool
	spread bool // no longer constant
	same   func(a, b T) bool
}

func (r *run[T]) append(x T, null bool) {
	if !r.spread {
		if r.n == 0 {
			r.values = append(r.values[:0:0], x)
			r.nulls = nil
			if null {
				r.nulls = []bool{true}
			}
			r.n = 1
			return
		}
		if null == (r.nulls != nil) && (null || r.equal(x, r.values[0])) {
			r.n++
			return
		}
		r.fill()
	}
	r.values = append(r.values, x)
	if null && r.nulls == nil {
		r.nulls = make([]bool, r.n, cap(r.values))
	}
	if r.nulls != nil {
		r.nulls = append(r.nulls, null)
	}
	r.n++
}

func (r *run[T]) equal(a, b T) bool {
	if r.same != nil {
		return r.same(a, b)
	}
	return a == b
}

// fill writes the constant out.
func (r *run[T]) fill() {
	values := make([]T, r.n, max(2*r.n, 16))
	for i := range values {
		values[i] = r.values[0]
	}
	if r.nulls != nil {
		r.nulls = make([]bool, r.n, cap(values))
		for i := range r.nulls {
			r.nulls[i] = true
		}
	}
	r.values, r.spread = values, true
}

func (r *run[T]) truncate(n int) {
	r.n = n
	if r.spread {
		r.values = r.values[:n]
		if r.nulls != nil {
			r.nulls = r.nulls[:n]
		}
	}
}

func (r *run[T]) view(v *Vector) []T {
	v.n = r.n
	v.nulls = r.nulls[:len(r.nulls):len(r.nulls)]
	if !r.spread && r.n > 0 {
		v.enc = constant
	}
	return r.values[:len(r.values):len(r.values)]
}
