package exec

import (
	"errors"

	"github.com/slipway-cd/slipway/kql/column"
	"github.com/slipway-cd/slipway/kql/scalar"
	"github.com/slipway-cd/slipway/kql/syntax"
)

// Expr is a scalar expression over the rows of a batch.
type Expr interface {
	// Type of its values.
	Type() column.Type
	// Eval gives a value for each row.
	Eval(r *Run, b *Batch) (*column.Vector, error)
}

// Column is a column of the input.
type Column struct {
	Index int
	T     column.Type
}

// Type implements Expr.
func (e *Column) Type() column.Type { return e.T }

// Eval implements Expr.
func (e *Column) Eval(_ *Run, b *Batch) (*column.Vector, error) { return b.Col(e.Index), nil }

// Const is a value that is known before the query runs.
type Const struct {
	T     column.Type
	Value column.Value
}

// Type implements Expr.
func (e *Const) Type() column.Type { return e.T }

// Eval implements Expr.
func (e *Const) Eval(_ *Run, b *Batch) (*column.Vector, error) {
	return column.NewConst(e.T, e.Value, b.Rows), nil
}

// Now is the time of the query.
type Now struct{}

// Type implements Expr.
func (Now) Type() column.Type { return column.DateTime }

// Eval implements Expr.
func (Now) Eval(r *Run, b *Batch) (*column.Vector, error) {
	return column.NewConst(column.DateTime, column.FromTime(r.now), b.Rows), nil
}

// Call is a scalar function or operator.
type Call struct {
	Func *scalar.Func
	Args []Expr
	T    column.Type
	At   syntax.Pos
}

// Type implements Expr.
func (e *Call) Type() column.Type { return e.T }

// Eval implements Expr. Over one dictionary-coded argument it computes once per entry of the dictionary.
func (e *Call) Eval(r *Run, b *Batch) (*column.Vector, error) {
	args := make([]*column.Vector, len(e.Args))
	for i, a := range e.Args {
		v, err := a.Eval(r, b)
		if err != nil {
			return nil, err
		}
		args[i] = v
	}
	if codes, inner, ok := throughDictionary(args, b.Rows); ok && !e.Func.NotPure {
		v, err := e.call(r, inner.args, inner.n)
		if err != nil {
			return nil, err
		}
		if v.IsConst() {
			return v.Repeat(0, b.Rows), nil
		}
		return column.NewDictionary(codes, v.Flat()), nil
	}
	return e.call(r, args, b.Rows)
}

func (e *Call) call(r *Run, args []*column.Vector, n int) (*column.Vector, error) {
	if e.T != column.Dynamic || e.Func.Name == "[]" {
		v, err := e.Func.Eval(&r.scalar, args, n)
		return v, e.placed(err)
	}
	// Functions of arrays can multiply what they are given: they compute a part of the rows at a time, and each part is measured.
	const part = 1024
	var parts []*column.Vector
	left := r.limits.Bytes
	for at := 0; at == 0 || at < n; at += part {
		to := min(at+part, n)
		cut := make([]*column.Vector, len(args))
		for i, v := range args {
			cut[i] = v.Slice(at, to)
		}
		if len(args) > manyArgs { // the result may be as large as all of them
			given := left
			for _, v := range cut {
				if err := r.measure(v, &given); err != nil {
					return nil, err
				}
			}
		}
		v, err := e.Func.Eval(&r.scalar, cut, to-at)
		if err != nil {
			return nil, e.placed(err)
		}
		if err := r.measure(v, &left); err != nil {
			return nil, err
		}
		parts = append(parts, v)
		if v.IsConst() && allConst(args) {
			return v.Repeat(0, n), nil
		}
	}
	return column.Concat(e.T, parts...), r.check()
}

// manyArgs is from where on arguments are measured before a call.
const manyArgs = 4

func allConst(args []*column.Vector) bool {
	for _, v := range args {
		if !v.IsConst() {
			return false
		}
	}
	return true
}

func (e *Call) placed(err error) error {
	var at *syntax.Error
	if err == nil || errors.As(err, &at) {
		return err
	}
	return syntax.Errorf(e.At, "", "%s: %v", e.Func.Name, err)
}

type dictionaryArgs struct {
	args []*column.Vector
	n    int
}

// throughDictionary gives the arguments of a call over a dictionary, if all but constants are coded by the same codes and the
// dictionary is no longer than the rows.
func throughDictionary(args []*column.Vector, n int) (column.Codes, dictionaryArgs, bool) {
	var codes column.Codes
	entries := -1
	for _, v := range args {
		if v.IsConst() {
			continue
		}
		c, dict, ok := v.Dictionary()
		if !ok || dict.Len() > n || entries >= 0 && (entries != dict.Len() || !sameCodes(codes, c)) {
			return codes, dictionaryArgs{}, false
		}
		codes, entries = c, dict.Len()
	}
	if entries < 0 {
		return codes, dictionaryArgs{}, false
	}
	inner := dictionaryArgs{args: make([]*column.Vector, len(args)), n: entries}
	for i, v := range args {
		if _, dict, ok := v.Dictionary(); ok {
			inner.args[i] = dict
		} else {
			inner.args[i] = v.Repeat(0, entries)
		}
	}
	return codes, inner, true
}

// sameCodes reports whether two codings are the same memory.
func sameCodes(a, b column.Codes) bool {
	return same(a.Bytes, b.Bytes) && same(a.Shorts, b.Shorts) && same(a.Words, b.Words)
}

func same[T any](a, b []T) bool {
	return len(a) == len(b) && (len(a) == 0 || &a[0] == &b[0])
}

// Scalar evaluates an expression that needs no row.
func (r *Run) Scalar(e Expr) (column.Value, error) {
	v, err := e.Eval(r, &Batch{Rows: 1})
	if err != nil {
		return nil, err
	}
	return v.Value(0), nil
}

// truths gives the rows in which a bool vector is true; all is set if every row is.
func truths(v *column.Vector, n int) (rows []int32, all bool) {
	if v.IsConst() {
		return nil, v.Bool(0)
	}
	rows = make([]int32, 0, n)
	if flat := v.Bools(); flat != nil {
		for i, ok := range flat {
			if ok {
				rows = append(rows, int32(i))
			}
		}
	} else {
		for i := range n {
			if v.Bool(i) {
				rows = append(rows, int32(i))
			}
		}
	}
	return rows, len(rows) == n
}
