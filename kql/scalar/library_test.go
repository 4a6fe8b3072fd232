package scalar_test

import (
	"flag"
	"fmt"
	"os"
	"sync"
	"testing"

	"github.com/slipway-cd/slipway/kql/column"
	"github.com/slipway-cd/slipway/kql/scalar"
)

// called are the functions of which a test has checked a value.
var called sync.Map

// TestMain fails a run of all tests in which a function of the library was never called.
func TestMain(m *testing.M) {
	code := m.Run()
	if all := flag.Lookup("test.run").Value.String() == "" && flag.Lookup("test.fuzz").Value.String() == ""; all && code == 0 {
		for _, name := range scalar.Names() {
			if _, ok := called.Load(name); !ok {
				fmt.Printf("no test calls %s\n", name)
				code = 1
			}
		}
	}
	os.Exit(code)
}

func TestSynonymsDoTheSame(t *testing.T) {
	check(t, []example{
		ex("array_iif", dyn("[1]"), dyn("[true]"), 1, 2), ex("array_strcat", "1,2", dyn("[1,2]"), ","), ex("arraylength", 1, dyn("[1]")), ex("base64_decodestring", "a", "YQ=="),
		ex("base64_encodestring", "YQ==", "a"), ex("extractall", dyn(`["a"]`), "a", "a"), ex("extractjson", "1", "$.a", `{"a":1}`), ex("notempty", true, "a"), ex("notnull", true, 1),
		ex("pack", dyn(`{"a":1}`), "a", 1), ex("pack_dictionary", dyn(`{"a":1}`), "a", 1), ex("parsejson", dyn("[1]"), "[1]"), ex("toobject", dyn("[1]"), "[1]"), ex("toboolean", true, "true"), ex("totime", lasting("1h"), "01:00"),
		ex("parseurl", dyn(`{"Scheme":"","Host":"","Port":"","Path":"","Username":"","Password":"","Query Parameters":{},"Fragment":""}`), "no url"), ex("parseurlquery", dyn(`{"Query Parameters":{"a":"b c"}}`), "?a=b+c"),
		ex("unicode_codepoints_from_string", dyn("[97]"), "a"), ex("unicode_codepoints_to_string", "a", 97),
	})
}

func TestNoFunctionOfTheLibraryIsMissing(t *testing.T) {
	for _, name := range scalar.Names() {
		if scalar.Missing(name) {
			t.Errorf("%s is here, and listed as missing", name)
		}
	}
	for name, want := range map[string]bool{"parse_xml": true, "geo_angle": true, "strlenn": false, "": false} {
		if scalar.Missing(name) != want {
			t.Errorf("%q is missing: %t, want %t", name, !want, want)
		}
	}
}

func TestRandomFunctionsDifferInEveryRow(t *testing.T) {
	const n = 1000
	for _, c := range []struct {
		name string
		args []*column.Vector
		most float64 // of a number
	}{
		{"rand", nil, 1}, {"rand", []*column.Vector{column.NewConst(column.Long, int64(1_000_000), n)}, 1_000_000}, {"new_guid", nil, 0},
	} {
		f, _ := lookup(t, c.name)
		called.Store(c.name, true)
		v, err := f.Eval(ctx(), c.args, n)
		if err != nil || v.Len() != n || !f.NotPure {
			t.Fatalf("%s gave %d rows (%v), pure %t", c.name, v.Len(), err, !f.NotPure)
		}
		seen := map[column.Value]bool{}
		for i := range n {
			x := v.Value(i)
			seen[x] = true
			if f, ok := x.(float64); ok && (f < 0 || f >= c.most) {
				t.Errorf("%s gave %v", c.name, f)
			}
		}
		if len(seen) < n*9/10 {
			t.Errorf("%s gave %d different values in %d rows", c.name, len(seen), n)
		}
	}
}

// FuzzFunctions calls every function with values of every type: whatever they are, a function that takes them gives a result of the
// type that it announced, in every row, and does not panic.
func FuzzFunctions(f *testing.F) {
	f.Add(uint16(3), uint32(0x1234), int64(5), 1.5, "a,b", `{"a":[1,2]}`)
	f.Add(uint16(99), uint32(0), int64(-1), -1e-300, "", "")
	f.Add(uint16(200), uint32(0xffffffff), int64(1<<62), 1e300, "2020-01-01", `[null,"x",{"y":1.5}]`)
	names := scalar.Names()
	types := []column.Type{column.Bool, column.Int, column.Long, column.Real, column.Decimal, column.String, column.DateTime, column.TimeSpan,
		column.GUID, column.Dynamic}
	f.Fuzz(func(t *testing.T, which uint16, kinds uint32, n int64, x float64, s, json string) {
		fn, _ := scalar.Lookup(names[int(which)%len(names)])
		count := fn.MinArgs
		if extra := int(kinds >> 30); fn.MaxArgs < 0 || count+extra <= fn.MaxArgs {
			count += extra
		}
		argTypes := make([]column.Type, count)
		args := make([]*column.Vector, count)
		for i := range args {
			argTypes[i] = types[int(kinds>>(3*i%27))%len(types)]
			v := valueOf(argTypes[i], n+int64(i), x, s, json)
			args[i] = column.FromValues(argTypes[i], []column.Value{v, nil})
			if kinds>>i&1 == 1 {
				args[i] = column.NewConst(argTypes[i], v, 2)
			}
		}
		result, err := fn.Resolve(argTypes)
		if err != nil {
			return
		}
		if fn.ResolveConst != nil {
			consts := make([]*column.Vector, count)
			for i, v := range args {
				if v.IsConst() {
					consts[i] = v
				}
			}
			if result, err = fn.ResolveConst(argTypes, consts); err != nil {
				return
			}
		}
		got, err := fn.Eval(&scalar.Context{MaxBytes: 1 << 20}, args, 2)
		if err != nil {
			return
		}
		if got.Type() != result || got.Len() != 2 {
			t.Fatalf("%s%v gave %d rows of %s, not 2 of %s", fn.Name, argTypes, got.Len(), got.Type(), result)
		}
		for i := range 2 {
			if got.Type() != column.String && got.Null(i) != (got.Value(i) == nil) {
				t.Errorf("%s%v: row %d is null and is not", fn.Name, argTypes, i)
			}
			column.AppendJSON(nil, got.Value(i))
		}
	})
}

func valueOf(t column.Type, n int64, x float64, s, json string) column.Value {
	switch t {
	case column.Bool:
		return n%2 == 0
	case column.Int:
		return int64(int32(n))
	case column.Long:
		return n
	case column.Real:
		return x
	case column.String:
		return s
	case column.DateTime:
		if n < 0 {
			n = -(n + 1)
		}
		return column.Ticks(n % (column.MaxTicks + 1))
	case column.TimeSpan:
		return column.Span(n)
	case column.Dynamic:
		v, err := column.ParseJSON(json)
		if err != nil {
			return s
		}
		return v
	case column.GUID:
		return column.UUID{byte(n)}
	}
	return dec(fmt.Sprint(n % 1_000_000))
}
