package bind

import (
	"github.com/slipway-cd/slipway/kql/column"
	"github.com/slipway-cd/slipway/kql/exec"
	"github.com/slipway-cd/slipway/kql/syntax"
)

// rowFunction binds prev, next, row_number, row_cumsum and row_rank_*: functions of other rows, which need an order of rows.
func (e *exprs) rowFunction(x *syntax.Call) (exec.Expr, error) {
	if !e.window {
		return nil, syntax.Errorf(x.At, "", "%s() needs rows in order: put serialize or sort before, in extend or project", x.Func)
	}
	least, most := 1, 2
	switch x.Func {
	case "prev", "next":
		most = 3
	case "row_number":
		least = 0
	}
	if err := e.count(x, least, most); err != nil {
		return nil, err
	}
	w := &exec.Window{At: x.At, Func: x.Func, Args: make([]exec.Expr, most), T: column.Long}
	for i, a := range x.Args {
		v, err := e.bind(a.X)
		if err != nil {
			return nil, err
		}
		w.Args[i] = v
	}
	e.windowed = true
	bad := func(i int, want string) error {
		return syntax.Errorf(x.Args[i].At, codeArgument, "this argument of %s() is %s, not a %s", x.Func, want, w.Args[i].Type())
	}
	for i, a := range w.Args {
		offset := i > 0 && (x.Func == "prev" || x.Func == "next") || x.Func == "row_number" && i == 0
		if offset && a != nil && !constant(a) {
			return nil, syntax.Errorf(syntax.Start(x.Args[i].X), codeArgument, "this argument of %s() must be a constant", x.Func)
		}
	}
	restart := 1
	switch x.Func {
	case "prev", "next":
		w.T = w.Args[0].Type()
		if len(x.Args) > 1 && w.Args[1].Type() != column.Long && w.Args[1].Type() != column.Int {
			return nil, bad(1, "a whole number")
		}
		if len(x.Args) > 2 {
			v, err := e.castTo(x.Args[2].At, w.Args[2], w.T)
			if err != nil {
				return nil, bad(2, "a "+w.T.String())
			}
			w.Args[2] = v
		}
		restart = -1
	case "row_number":
		if len(x.Args) > 0 && w.Args[0].Type() != column.Long && w.Args[0].Type() != column.Int {
			return nil, bad(0, "a whole number")
		}
	case "row_cumsum":
		switch t := w.Args[0].Type(); t {
		case column.Int, column.Long:
			w.T = column.Long
		case column.Real, column.TimeSpan:
			w.T = t
		default:
			return nil, bad(0, "a number or a timespan")
		}
	}
	if restart > 0 && len(x.Args) > restart && w.Args[restart].Type() != column.Bool {
		return nil, bad(restart, "a bool")
	}
	return w, nil
}

// multiple binds an expression that gives several columns; ok is false if x is none.
func (e *exprs) multiple(item syntax.Named) (outs []output, ok bool, err error) {
	x, isCall := item.X.(*syntax.Call)
	if !isCall || x.Func != "series_stats" {
		return nil, false, nil
	}
	if err := e.count(x, 1, 2); err != nil {
		return nil, true, err
	}
	var args []exec.Expr
	for _, a := range x.Args {
		v, err := e.bind(a.X)
		if err != nil {
			return nil, true, err
		}
		args = append(args, v)
	}
	bag, err := e.call(x.At, "series_stats_dynamic", args...)
	if err != nil {
		return nil, true, err
	}
	for _, part := range []struct {
		name string
		t    column.Type
	}{
		{"min", column.Real}, {"min_idx", column.Long}, {"max", column.Real}, {"max_idx", column.Long},
		{"avg", column.Real}, {"stdev", column.Real}, {"variance", column.Real},
	} {
		v, err := e.call(x.At, "[]", bag, &exec.Const{T: column.String, Value: part.name})
		if err != nil {
			return nil, true, err
		}
		if v, err = e.convert(x.At, v, part.t); err != nil {
			return nil, true, err
		}
		outs = append(outs, output{at: item.At, x: v, name: "series_stats_" + firstArg(x) + "_" + part.name})
	}
	outs, err = renamed(outs, item)
	return outs, true, err
}
