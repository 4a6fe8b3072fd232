package scalar_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/shopspring/decimal"

	"github.com/slipway-cd/slipway/kql/column"
	"github.com/slipway-cd/slipway/kql/scalar"
)

// arg is an argument whose type does not follow from its value.
type arg struct {
	t column.Type
	v column.Value
}

func null(t column.Type) arg { return arg{t, nil} }

func integer(n int64) arg { return arg{column.Int, n} }

// dyn is a dynamic, from JSON.
func dyn(text string) arg {
	v, err := column.ParseJSON(text)
	if err != nil {
		panic(err)
	}
	return arg{column.Dynamic, v}
}

func at(text string) column.Ticks {
	t, ok := column.ParseDateTime(text)
	if !ok {
		panic("no datetime: " + text)
	}
	return t
}

func lasting(text string) column.Span {
	s, ok := column.ParseSpan(text)
	if !ok {
		panic("no timespan: " + text)
	}
	return s
}

func dec(text string) decimal.Decimal { return decimal.RequireFromString(text) }

func uuid(text string) column.UUID {
	u, ok := column.ParseUUID(text)
	if !ok {
		panic("no guid: " + text)
	}
	return u
}

// typed gives an argument's type and value; a plain Go int is a long.
func typed(a any) (column.Type, column.Value) {
	switch x := a.(type) {
	case arg:
		return x.t, x.v
	case int:
		return column.Long, int64(x)
	}
	return column.TypeOf(a), a
}

// call evaluates a function as the binder and the executor would: over constants, over flat columns, and over dictionaries. The three
// must agree.
func call(t testing.TB, name string, args ...any) (column.Type, column.Value) {
	t.Helper()
	f, ok := scalar.Lookup(name)
	if !ok {
		t.Fatalf("there is no %s", name)
	}
	if len(args) < f.MinArgs || f.MaxArgs >= 0 && len(args) > f.MaxArgs {
		t.Fatalf("%s takes %d to %d arguments, not %d", name, f.MinArgs, f.MaxArgs, len(args))
	}
	called.Store(name, true)
	const n = 3
	types := make([]column.Type, len(args))
	consts, flats, coded := make([]*column.Vector, len(args)), make([]*column.Vector, len(args)), make([]*column.Vector, len(args))
	for i, a := range args {
		var v column.Value
		types[i], v = typed(a)
		consts[i] = column.NewConst(types[i], v, n)
		flats[i] = column.FromValues(types[i], []column.Value{v, nil, v})
		coded[i] = column.NewDictionary(column.Codes{Bytes: []uint8{1, 0, 1}}, column.FromValues(types[i], []column.Value{nil, v}))
	}
	result, err := resolve(f, types, consts)
	if err != nil {
		t.Fatalf("%s does not take %v: %v", name, types, err)
	}
	var values [3]column.Value
	for i, vectors := range [][]*column.Vector{consts, flats, coded} {
		got, err := f.Eval(&scalar.Context{MaxBytes: 1 << 27}, vectors, n)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got.Type() != result || got.Len() != n {
			t.Fatalf("%s gave %d rows of %s, not %d of %s", name, got.Len(), got.Type(), n, result)
		}
		values[i] = got.Value(0)
		if last := got.Value(2); render(last) != render(values[i]) {
			t.Errorf("%s gave %s in the first row, but %s in the last one, of the same arguments", name, render(values[i]), render(last))
		}
	}
	for i, encoding := range []string{"constants", "flat columns", "dictionaries"} {
		if render(values[i]) != render(values[0]) {
			t.Errorf("%s gave %s over %s, but %s over constants", name, render(values[i]), encoding, render(values[0]))
		}
	}
	return result, values[0]
}

func resolve(f *scalar.Func, types []column.Type, consts []*column.Vector) (column.Type, error) {
	if f.ResolveConst != nil {
		return f.ResolveConst(types, consts)
	}
	return f.Resolve(types)
}

// refusal gives the error of binding a function to arguments that are constants.
func refusal(t testing.TB, name string, args ...any) string {
	t.Helper()
	f, ok := scalar.Lookup(name)
	if !ok {
		t.Fatalf("there is no %s", name)
	}
	types := make([]column.Type, len(args))
	consts := make([]*column.Vector, len(args))
	for i, a := range args {
		var v column.Value
		types[i], v = typed(a)
		consts[i] = column.NewConst(types[i], v, 1)
	}
	if _, err := resolve(f, types, consts); err != nil {
		return err.Error()
	}
	t.Fatalf("%s takes %v, which it should refuse", name, types)
	return ""
}

// render writes a value with its type, so that 1 and 1.0 differ; reals to 12 digits.
func render(v column.Value) string {
	switch x := v.(type) {
	case float64:
		if x == math.Trunc(x) && math.Abs(x) < 1e15 {
			return fmt.Sprintf("%.1f", x)
		}
		return fmt.Sprintf("%.12g", x)
	case string:
		return fmt.Sprintf("%q", x)
	case column.Ticks, column.Span:
		return fmt.Sprintf(`"%s"`, x)
	case []column.Value:
		texts := make([]string, len(x))
		for i, v := range x {
			texts[i] = render(v)
		}
		return "[" + strings.Join(texts, ",") + "]"
	case *column.Bag:
		texts := make([]string, x.Len())
		for i := range texts {
			key, v := x.At(i)
			texts[i] = key + ":" + render(v)
		}
		return "{" + strings.Join(texts, ",") + "}"
	}
	return fmt.Sprintf("%v", v)
}

// example is a call and what it gives.
type example struct {
	name string
	args []any
	want any // a value, an int for a long, or an arg
}

func ex(name string, want any, args ...any) example { return example{name, args, want} }

func check(t *testing.T, examples []example) {
	t.Helper()
	for _, e := range examples {
		t.Run(fmt.Sprintf("%s%v", e.name, e.args), func(t *testing.T) {
			gotType, got := call(t, e.name, e.args...)
			wantType, want := typed(e.want)
			if render(got) != render(want) || gotType != wantType {
				t.Errorf("got %s %s, want %s %s", gotType, render(got), wantType, render(want))
			}
		})
	}
}

func lookup(t testing.TB, name string) (*scalar.Func, bool) {
	t.Helper()
	f, ok := scalar.Lookup(name)
	if !ok {
		t.Fatalf("there is no %s", name)
	}
	return f, ok
}

func ctx() *scalar.Context { return &scalar.Context{MaxBytes: 1 << 24} }
