package exec

import (
	"fmt"

	"github.com/slipway-cd/slipway/kql/column"
	"github.com/slipway-cd/slipway/kql/syntax"
)

// Window is a function that looks at other rows: prev, next, row_number, row_cumsum, row_rank_dense and row_rank_min. It needs all rows
// in one batch (see Project.Whole).
type Window struct {
	Func string
	Args []Expr // as the language has them, those left out are nil
	T    column.Type
	At   syntax.Pos
}

// Type implements Expr.
func (e *Window) Type() column.Type { return e.T }

// Eval implements Expr.
func (e *Window) Eval(r *Run, b *Batch) (*column.Vector, error) {
	args := make([]*column.Vector, len(e.Args))
	for i, a := range e.Args {
		if a == nil {
			continue
		}
		v, err := a.Eval(r, b)
		if err != nil {
			return nil, err
		}
		args[i] = v
	}
	switch e.Func {
	case "prev":
		return e.shifted(args, b.Rows, -1)
	case "next":
		return e.shifted(args, b.Rows, 1)
	case "row_number":
		return rowNumber(args[0], args[1], b.Rows), nil
	case "row_cumsum":
		return rowSum(e.T, args[0], args[1], b.Rows), nil
	case "row_rank_dense", "row_rank_min":
		return rowRank(args[0], args[1], b.Rows, e.Func == "row_rank_dense"), nil
	}
	return nil, fmt.Errorf("internal: no window function %s", e.Func)
}

// shifted is the value of a row further up or down, or the default where there is none.
func (e *Window) shifted(args []*column.Vector, n, direction int) (*column.Vector, error) {
	offset := int64(1)
	if args[1] != nil && n > 0 {
		offset = args[1].Int(0)
		if offset < 0 || args[1].Null(0) {
			return nil, syntax.Errorf(e.At, "", "the offset of %s() must not be negative", e.Func)
		}
	}
	rows := make([]int32, n)
	for i := range rows {
		rows[i] = -1
		if at := int64(i) + int64(direction)*offset; offset <= int64(n) && at >= 0 && at < int64(n) {
			rows[i] = int32(at)
		}
	}
	v := args[0].Gather(rows)
	if args[2] == nil {
		return v, nil
	}
	both := column.Concat(e.T, v.Flat(), args[2].Repeat(0, 1).Flat())
	for i, at := range rows {
		rows[i] = int32(i)
		if at < 0 {
			rows[i] = int32(n)
		}
	}
	return both.Gather(rows), nil
}

func restarts(v *column.Vector, i int) bool { return v != nil && !v.Null(i) && v.Bool(i) }

func rowNumber(start, restart *column.Vector, n int) *column.Vector {
	out := make([]int64, n)
	first := int64(1)
	if start != nil && n > 0 {
		first = start.Int(0)
	}
	next := first
	for i := range out {
		if restarts(restart, i) {
			next = first
		}
		out[i] = next
		next++
	}
	return column.NewInts(column.Long, out, nil)
}

// rowSum adds up; a null adds nothing.
func rowSum(t column.Type, x, restart *column.Vector, n int) *column.Vector {
	if t == column.Real {
		out := make([]float64, n)
		sum := 0.0
		for i := range out {
			if restarts(restart, i) {
				sum = 0
			}
			sum += x.Real(i)
			out[i] = sum
		}
		return column.NewReals(out, nil)
	}
	out := make([]int64, n)
	sum := int64(0)
	for i := range out {
		if restarts(restart, i) {
			sum = 0
		}
		sum += x.Int(i)
		out[i] = sum
	}
	return column.NewInts(t, out, nil)
}

// rowRank counts the different values so far (dense), or gives the position of the first row of the current value (min).
func rowRank(x, restart *column.Vector, n int, dense bool) *column.Vector {
	out := make([]int64, n)
	rank, seen := int64(0), int64(0)
	for i := range out {
		fresh := i == 0 || restarts(restart, i)
		if fresh {
			rank, seen = 0, 0
		}
		seen++
		if fresh || !sameValue(x, i, i-1) {
			rank++
			if !dense {
				rank = seen
			}
		}
		out[i] = rank
	}
	return column.NewInts(column.Long, out, nil)
}

func sameValue(v *column.Vector, i, j int) bool {
	if v.Null(i) || v.Null(j) {
		return v.Null(i) && v.Null(j)
	}
	return column.Compare(v, i, v, j) == 0
}
