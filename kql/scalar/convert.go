package scalar

import (
	"math"
	"strconv"
	"strings"

	"github.com/shopspring/decimal"

	"github.com/slipway-cd/slipway/kql/column"
)

func conversions() []*Func {
	to := func(name string, t column.Type, k kind) *Func {
		return define(name, t, need(k), func(_ *Context, args []*column.Vector, _ int) (*column.Vector, error) {
			return convert(t, args[0]), nil
		}).named(AutoArg)
	}
	all := []*Func{
		to("tostring", column.String, anyValue), to("toint", column.Int, anyValue), to("tolong", column.Long, anyValue),
		to("todecimal", column.Decimal, anyValue), to("todatetime", column.DateTime, anyValue), to("toguid", column.GUID, anyValue),
		define("gettype", column.String, need(anyValue), gettype),
	}
	all = append(all, synonyms(to("tobool", column.Bool, anyValue), "toboolean")...)
	all = append(all, synonyms(to("toreal", column.Real, anyValue), "todouble")...)
	all = append(all, synonyms(to("totimespan", column.TimeSpan, anyValue), "totime")...)
	all = append(all, synonyms(to("parse_json", column.Dynamic, texts), "parsejson")...)
	return append(all, synonyms(to("todynamic", column.Dynamic, anyValue), "toobject")...)
}

// convert gives a column as another type, as the functions to…() do: what cannot be converted is null. It keeps the encoding.
func convert(to column.Type, v *column.Vector) *column.Vector {
	from := v.Type()
	switch {
	case from == to:
		return v
	case from == column.Int && to == column.Long:
		return retype(column.Long, v)
	}
	return each(v, func(v *column.Vector, n int) *column.Vector {
		switch {
		case to == column.Real && (from == column.Int || from == column.Long):
			values, nulls := lift([]*column.Vector{v}, n, func(a []*column.Vector, i int) (float64, bool) {
				return float64(a[0].Int(i)), true
			})
			return column.NewReals(values, nulls)
		case to == column.Real && from == column.String:
			values, nulls := lift([]*column.Vector{v}, n, func(a []*column.Vector, i int) (float64, bool) {
				return parseReal(a[0].Str(i))
			})
			return column.NewReals(values, nulls)
		case to == column.Long && from == column.String:
			values, nulls := lift([]*column.Vector{v}, n, func(a []*column.Vector, i int) (int64, bool) {
				return parseLong(a[0].Str(i))
			})
			return column.NewInts(to, values, nulls)
		case to == column.String:
			values := make([]string, n)
			for i := range values {
				values[i] = Display(v.Value(i))
			}
			return column.NewStrings(values)
		}
		values := make([]column.Value, n)
		for i := range values {
			values[i] = convertValue(to, v.Value(i))
		}
		return column.FromValues(to, values)
	})
}

// retype gives whole numbers, datetimes or timespans as another of these types, ticks as numbers.
func retype(to column.Type, v *column.Vector) *column.Vector {
	return each(v, func(v *column.Vector, n int) *column.Vector { return column.NewInts(to, v.Ints()[:n:n], v.Nulls()) })
}

// Display renders a value as tostring() does: null as "", a string as it is, arrays and bags as JSON.
func Display(v column.Value) string {
	switch x := v.(type) {
	case nil:
		return ""
	case string:
		return x
	case bool:
		return strconv.FormatBool(x)
	case int64:
		return strconv.FormatInt(x, 10)
	case float64:
		return column.FormatReal(x)
	case column.Ticks:
		return x.String()
	case column.Span:
		return x.String()
	case column.UUID:
		return x.String()
	case decimal.Decimal:
		return x.String()
	}
	return string(column.AppendJSON(nil, v))
}

// convertValue is convert of one value.
func convertValue(to column.Type, v column.Value) column.Value {
	if v == nil {
		return nil
	}
	switch to {
	case column.String:
		return Display(v)
	case column.Dynamic:
		return toDynamic(v)
	case column.Bool:
		return boxed(toBool(v))
	case column.Int:
		n, ok := toLong(v)
		return boxed(n, ok && n >= math.MinInt32 && n <= math.MaxInt32)
	case column.Long:
		return boxed(toLong(v))
	case column.Real:
		return boxed(toReal(v))
	case column.Decimal:
		return boxed(toDecimal(v))
	case column.DateTime:
		return boxed(toTicks(v))
	case column.TimeSpan:
		return boxed(toSpan(v))
	case column.GUID:
		switch x := v.(type) {
		case column.UUID:
			return x
		case string:
			return boxed(column.ParseUUID(x))
		}
	}
	return nil
}

func boxed[T any](v T, ok bool) column.Value {
	if !ok {
		return nil
	}
	return v
}

// toDynamic parses a string as JSON; a string that is no JSON stays a string.
func toDynamic(v column.Value) column.Value {
	s, ok := v.(string)
	if !ok {
		return v
	}
	if x, err := column.ParseJSON(s); err == nil {
		return x
	}
	return s
}

func toBool(v column.Value) (bool, bool) {
	switch x := v.(type) {
	case bool:
		return x, true
	case int64:
		return x != 0, true
	case float64:
		return x != 0, x == x
	case decimal.Decimal:
		return !x.IsZero(), true
	case string:
		switch strings.ToLower(strings.TrimSpace(x)) {
		case "true", "1":
			return true, true
		case "false", "0":
			return false, true
		}
	}
	return false, false
}

func boolToLong(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

func toLong(v column.Value) (int64, bool) {
	switch x := v.(type) {
	case bool:
		return boolToLong(x), true
	case int64:
		return x, true
	case float64:
		return realToLong(x)
	case decimal.Decimal:
		whole := x.Truncate(0).BigInt()
		return whole.Int64(), whole.IsInt64()
	case column.Ticks:
		return int64(x), true
	case column.Span:
		return int64(x), true
	case string:
		return parseLong(x)
	}
	return 0, false
}

// realToLong cuts off the fraction; NaN and what does not fit have no result.
func realToLong(f float64) (int64, bool) {
	if f >= -(1<<63) && f < 1<<63 {
		return int64(f), true
	}
	return 0, false
}

// parseLong reads a whole number, decimal or hexadecimal with 0x.
func parseLong(s string) (int64, bool) {
	s = strings.TrimSpace(s)
	if hex, ok := strings.CutPrefix(strings.ToLower(s), "0x"); ok {
		n, err := strconv.ParseUint(hex, 16, 64)
		return int64(n), err == nil
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}

// asNumber gives a value that is a number as a real.
func asNumber(v column.Value) (float64, bool) {
	switch x := v.(type) {
	case int64:
		return float64(x), true
	case float64:
		return x, true
	case decimal.Decimal:
		return x.InexactFloat64(), true
	}
	return 0, false
}

func toReal(v column.Value) (float64, bool) {
	switch x := v.(type) {
	case bool:
		return float64(boolToLong(x)), true
	case string:
		return parseReal(x)
	}
	return asNumber(v)
}

// parseReal reads a decimal number; NaN and Infinity have their names. Go's hexadecimal forms are no numbers in Kusto.
func parseReal(s string) (float64, bool) {
	s = strings.TrimSpace(s)
	if strings.ContainsAny(s, "xX_pP") {
		return 0, false
	}
	f, err := strconv.ParseFloat(s, 64)
	return f, err == nil
}

func toDecimal(v column.Value) (decimal.Decimal, bool) {
	switch x := v.(type) {
	case decimal.Decimal:
		return x, true
	case int64:
		return decimal.NewFromInt(x), true
	case float64:
		if math.IsNaN(x) || math.IsInf(x, 0) {
			return decimal.Decimal{}, false
		}
		return decimal.NewFromFloat(x), true
	case string:
		d, err := decimal.NewFromString(strings.TrimSpace(x))
		return d, err == nil && d.Exponent() > -100 && d.Exponent() < 100
	}
	return decimal.Decimal{}, false
}

func toTicks(v column.Value) (column.Ticks, bool) {
	switch x := v.(type) {
	case column.Ticks:
		return x, true
	case int64:
		return column.Ticks(x), x >= 0 && x <= column.MaxTicks
	case string:
		return column.ParseDateTime(x)
	}
	return 0, false
}

func toSpan(v column.Value) (column.Span, bool) {
	switch x := v.(type) {
	case column.Span:
		return x, true
	case int64:
		return column.Span(x), true
	case string:
		return column.ParseSpan(x)
	}
	return 0, false
}

func gettype(_ *Context, args []*column.Vector, n int) (*column.Vector, error) {
	names := make([]string, n)
	for i := range names {
		names[i] = typeName(args[0], i)
	}
	return column.NewStrings(names), nil
}

// typeName is what gettype() calls the value: a real is a double, and a dynamic what it holds.
func typeName(v *column.Vector, i int) string {
	t := v.Type()
	if t == column.Dynamic {
		switch x := v.Dyn(i).(type) {
		case nil:
			return "null"
		case []column.Value:
			return "array"
		case *column.Bag:
			return "dictionary"
		default:
			t = column.TypeOf(x)
		}
	}
	if t == column.Real {
		return "double"
	}
	return t.String()
}
