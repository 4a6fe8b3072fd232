package scalar

import (
	"fmt"

	"github.com/slipway-cd/slipway/kql/column"
)

// The functions here lift a function of one row to a kernel. Each is strict: a row with a null argument has a null result (of a
// string result: ""), and the function does not see it. A false second result of the function is null as well.

func bools(f func(a []*column.Vector, i int) (bool, bool)) kernel {
	return func(_ *Context, args []*column.Vector, n int) (*column.Vector, error) {
		values, nulls := lift(args, n, f)
		return column.NewBools(values, nulls), nil
	}
}

func ints(t column.Type, f func(a []*column.Vector, i int) (int64, bool)) kernel {
	return func(_ *Context, args []*column.Vector, n int) (*column.Vector, error) {
		values, nulls := lift(args, n, f)
		return column.NewInts(t, values, nulls), nil
	}
}

func reals(f func(a []*column.Vector, i int) (float64, bool)) kernel {
	return func(_ *Context, args []*column.Vector, n int) (*column.Vector, error) {
		values, nulls := lift(args, n, f)
		return column.NewReals(values, nulls), nil
	}
}

func strs(f func(a []*column.Vector, i int) string) kernel {
	return func(c *Context, args []*column.Vector, n int) (*column.Vector, error) {
		null := nullable(args)
		values := make([]string, n)
		b := budget{left: c.MaxBytes}
		for i := range values {
			if anyNull(null, i) {
				continue
			}
			values[i] = f(args, i)
			if err := b.take(len(values[i])); err != nil {
				return nil, err
			}
		}
		return column.NewStrings(values), nil
	}
}

func dyns(f func(a []*column.Vector, i int) column.Value) kernel {
	return func(_ *Context, args []*column.Vector, n int) (*column.Vector, error) {
		null := nullable(args)
		values := make([]column.Value, n)
		for i := range values {
			if !anyNull(null, i) {
				values[i] = f(args, i)
			}
		}
		return column.NewDynamics(values), nil
	}
}

// loose is dyns without strictness: the function sees nulls.
func loose(f func(a []*column.Vector, i int) column.Value) kernel {
	return func(_ *Context, args []*column.Vector, n int) (*column.Vector, error) {
		values := make([]column.Value, n)
		for i := range values {
			values[i] = f(args, i)
		}
		return column.NewDynamics(values), nil
	}
}

func lift[T any](args []*column.Vector, n int, f func([]*column.Vector, int) (T, bool)) ([]T, []bool) {
	return compute(n, nullMarks(args, n), func(i int) (T, bool) { return f(args, i) })
}

// compute computes every row that is not marked as null yet, and marks the rows for which f has no result. It may change the marks.
func compute[T any](n int, nulls []bool, f func(i int) (T, bool)) ([]T, []bool) {
	values := make([]T, n)
	for i := range values {
		if nulls != nil && nulls[i] {
			continue
		}
		x, ok := f(i)
		if !ok {
			if nulls == nil {
				nulls = make([]bool, n)
			}
			nulls[i] = true
			continue
		}
		values[i] = x
	}
	return values, nulls
}

// nullable gives the arguments that can be null at all.
func nullable(args []*column.Vector) []*column.Vector {
	var some []*column.Vector
	for _, v := range args {
		if v.Type() != column.String && v.MayHaveNulls() {
			some = append(some, v)
		}
	}
	return some
}

func anyNull(args []*column.Vector, i int) bool {
	for _, v := range args {
		if v.Null(i) {
			return true
		}
	}
	return false
}

// operand reads the rows of an argument as slices, so that a loop over two operands is one loop for every encoding.
type operand[T any] struct {
	all []T
	one T // if all is nil
}

func (o operand[T]) at(i int) T {
	if o.all != nil {
		return o.all[i]
	}
	return o.one
}

func intOperand(v *column.Vector, n int) operand[int64] {
	return makeOperand(v, n, (*column.Vector).Ints, (*column.Vector).Int)
}

func realOperand(v *column.Vector, n int) operand[float64] {
	return makeOperand(v, n, (*column.Vector).Reals, (*column.Vector).Real)
}

func makeOperand[T any](v *column.Vector, n int, whole func(*column.Vector) []T, at func(*column.Vector, int) T) operand[T] {
	if v.IsConst() {
		return operand[T]{one: at(v, 0)}
	}
	if all := whole(v); all != nil {
		return operand[T]{all: all}
	}
	all := make([]T, n)
	for i := range all {
		all[i] = at(v, i)
	}
	return operand[T]{all: all}
}

// nullMarks gives the rows in which an argument is null; nil if there is none for sure.
func nullMarks(args []*column.Vector, n int) []bool {
	some := nullable(args)
	if len(some) == 0 {
		return nil
	}
	marks := make([]bool, n)
	for _, v := range some {
		if nulls := v.Nulls(); nulls != nil {
			for i, null := range nulls {
				marks[i] = marks[i] || null
			}
			continue
		}
		for i := range marks {
			marks[i] = marks[i] || v.Null(i)
		}
	}
	return marks
}

// each applies f to the distinct rows of a vector, which it gets as a flat one, and keeps the encoding.
func each(v *column.Vector, f func(v *column.Vector, n int) *column.Vector) *column.Vector {
	if v.IsConst() {
		return f(column.FromValues(v.Type(), []column.Value{v.Value(0)}), 1).Repeat(0, v.Len())
	}
	if codes, values, ok := v.Dictionary(); ok {
		return column.NewDictionary(codes, f(values, values.Len()))
	}
	return f(v, v.Len())
}

// budget bounds the bytes that one result may take; 0 is no bound.
type budget struct {
	left  int64
	spent int64
}

func (b *budget) take(bytes int) error {
	b.spent += int64(bytes)
	if b.left > 0 && b.spent > b.left {
		return fmt.Errorf("a result takes more than the query's limit of %d bytes: ask for fewer rows or shorter values", b.left)
	}
	return nil
}
