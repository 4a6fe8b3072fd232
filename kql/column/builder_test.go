package column

import (
	"fmt"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/shopspring/decimal"
)

// fill appends values and checks that the vector gives them back at every step that matters.
func fill(t *testing.T, typ Type, values []Value) *Vector {
	t.Helper()
	b := NewBuilder(typ)
	for i, x := range values {
		if err := b.Append(x); err != nil {
			t.Fatal(err)
		}
		if i&(i+1) == 0 {
			sameValues(t, b.Vector(), values[:i+1])
		}
	}
	v := b.Vector()
	sameValues(t, v, values)
	return v
}

func sameValues(t *testing.T, v *Vector, want []Value) {
	t.Helper()
	if v.Len() != len(want) {
		t.Fatalf("%d values, want %d", v.Len(), len(want))
	}
	for i, w := range want {
		if w == nil && v.Type() == String {
			w = ""
		}
		if got := v.Value(i); !reflect.DeepEqual(got, w) || v.Null(i) != (w == nil) {
			t.Fatalf("value %d is %v (null %v), want %v", i, got, v.Null(i), w)
		}
	}
}

func TestAColumnGivesBackWhatItWasGiven(t *testing.T) {
	u, _ := ParseUUID("74be27de-1e4e-49d9-b579-fe0b331d3642")
	bag := &Bag{}
	bag.Set("a", int64(1))
	for typ, values := range map[Type][]Value{
		Bool:     {true, true, nil, false},
		Int:      {int64(1), int64(1), int64(2), nil},
		Long:     {nil, nil, int64(math.MinInt64), int64(math.MaxInt64)},
		Real:     {1.5, math.Inf(1), nil, math.Copysign(0, -1)},
		Decimal:  {decimal.New(15, -1), nil},
		String:   {"", "a", "a", "b", "", nil},
		DateTime: {Ticks(0), Ticks(MaxTicks), nil},
		TimeSpan: {Span(-1), Span(1), nil},
		GUID:     {u, UUID{}, nil},
		Dynamic:  {nil, bag, []Value{int64(1), "x", nil}, "text", bag, 2.5, true},
	} {
		t.Run(typ.String(), func(t *testing.T) { fill(t, typ, values) })
	}
}

func TestAColumnOfOneValueIsAConstant(t *testing.T) {
	for typ, x := range map[Type]Value{Long: int64(7), String: "same", Dynamic: "same", Bool: nil, Real: nil} {
		b := NewBuilder(typ)
		for range 1000 {
			if err := b.Append(x); err != nil {
				t.Fatal(err)
			}
		}
		v := b.Vector()
		if !v.IsConst() || v.Len() != 1000 || v.Size() > 1000 {
			t.Errorf("%s: constant %v, %d rows, %d bytes", typ, v.IsConst(), v.Len(), v.Size())
		}
	}
}

// TestADictionaryWidensAsItGrows crosses the limits of one and two bytes a code.
func TestADictionaryWidensAsItGrows(t *testing.T) {
	for distinct, width := range map[int]string{200: "bytes", 3000: "shorts"} {
		values := make([]Value, 40_000)
		for i := range values {
			values[i] = fmt.Sprint("value ", i%distinct)
		}
		codes, dict, ok := fill(t, String, values).Dictionary()
		if !ok || dict.Len() != distinct || (codes.Bytes != nil) != (width == "bytes") || (codes.Shorts != nil) != (width == "shorts") {
			t.Errorf("%d distinct values: dictionary %v", distinct, ok)
		}
	}
	values := make([]Value, 400_000)
	for i := range values {
		values[i] = fmt.Sprint("v", i%70_000)
		if i < 100_000 {
			values[i] = fmt.Sprint("v", i%2) // until it is known to repeat
		}
	}
	if codes, _, ok := fill(t, String, values).Dictionary(); ok && codes.Words == nil {
		t.Error("70,000 values fit no two bytes")
	}
}

func TestAColumnOfDistinctTextsIsAnArena(t *testing.T) {
	for _, typ := range []Type{String, Dynamic} {
		values := make([]Value, 20_000)
		for i := range values {
			values[i] = fmt.Sprintf("%016x", i*7919)
		}
		v := fill(t, typ, values)
		if _, _, ok := v.Arena(); !ok {
			t.Errorf("%s: no arena", typ)
		}
		if perRow := float64(v.Size()) / 20_000; perRow > 32 {
			t.Errorf("%s: %.0f bytes a value of 16", typ, perRow)
		}
	}
}

// TestAVectorStaysAsItWas takes vectors at many lengths while the column goes through all of its forms.
func TestAVectorStaysAsItWas(t *testing.T) {
	for _, typ := range []Type{String, Dynamic, Long} {
		b := NewBuilder(typ)
		var taken []*Vector
		at := func(i int) Value {
			switch {
			case typ == Long && i < 50:
				return int64(1)
			case typ == Long && i%10 == 0:
				return nil
			case typ == Long:
				return int64(i)
			case i < 50:
				return "one"
			case i < 1000:
				return fmt.Sprint("some ", i%300)
			}
			return fmt.Sprint("many ", i)
		}
		for i := range 12_000 {
			if err := b.Append(at(i)); err != nil {
				t.Fatal(err)
			}
			if i%97 == 0 {
				taken = append(taken, b.Vector())
			}
		}
		for _, v := range taken {
			for i := range v.Len() {
				if v.Value(i) != at(i) {
					t.Fatalf("%s: value %d of %d is %v, was %v", typ, i, v.Len(), v.Value(i), at(i))
				}
			}
		}
	}
}

func TestBadJSONIsAppendedNowhere(t *testing.T) {
	b := NewBuilder(Dynamic)
	for range 2 {
		if err := b.AppendJSON(`{"a":`); err == nil || b.Len() != 0 {
			t.Errorf("error %v, %d values", err, b.Len())
		}
	}
}

func TestAWrongTypeIsAnError(t *testing.T) {
	b := NewBuilder(Long)
	if err := b.Append("text"); err == nil || !strings.Contains(err.Error(), "a string cannot be put in a column of type long") {
		t.Errorf("error %v", err)
	}
}

func TestSliceGatherAndConcatKeepValues(t *testing.T) {
	for typ, values := range map[Type][]Value{
		Long:   {int64(1), nil, int64(3), int64(3)},
		String: {"a", "b", "a", ""},
		Bool:   {true, true, true, true},
		Real:   {1.5, nil, nil, 2.5},
		GUID:   {UUID{1}, nil, UUID{2}, UUID{1}},
	} {
		v := fill(t, typ, values)
		sameValues(t, v.Slice(1, 3), values[1:3])
		sameValues(t, v.Gather([]int32{3, 0, 0, -1}), []Value{values[3], values[0], values[0], nil})
		sameValues(t, v.Flat(), values)
		sameValues(t, v.Repeat(2, 3), []Value{values[2], values[2], values[2]})
		sameValues(t, Concat(typ, v, v.Slice(2, 4), v.Flat()), append(append(append([]Value{}, values...), values[2:]...), values...))
	}
	sameValues(t, Concat(Long), nil)
	sameValues(t, NewConst(Long, int64(5), 3).Gather([]int32{-1, 0}), []Value{nil, int64(5)})
}

func TestABatchThatFailsLeavesNothing(t *testing.T) {
	a := NewAppender("T", []Field{{"a", Long}, {"b", String}})
	good := func(b *Batch) error {
		b.Column(0).AppendInt(1)
		return b.EndRow()
	}
	for _, bad := range []func(*Batch) error{
		func(b *Batch) error { _ = good(b); return fmt.Errorf("stopped") },
		func(b *Batch) error { b.Column(0).AppendInt(1); b.Column(0).AppendInt(2); return b.EndRow() },
		func(b *Batch) error { b.Column(1).AppendString("x"); return nil },
	} {
		if err := a.Append(good); err != nil {
			t.Fatal(err)
		}
		before := a.Snapshot()
		if err := a.Append(bad); err == nil {
			t.Error("no error")
		}
		if after := a.Snapshot(); after.Rows != before.Rows || after.Vectors[0].Len() != before.Rows || after.Vectors[1].Len() != before.Rows {
			t.Errorf("%d rows became %d", before.Rows, after.Rows)
		}
	}
}

func TestABagKeepsTheOrderOfItsNames(t *testing.T) {
	b := &Bag{}
	for i := range 100 {
		b.Set(fmt.Sprint("k", i%50), int64(i))
	}
	if b.Len() != 50 {
		t.Fatal(b.Len())
	}
	for i := range 50 {
		name, v := b.At(i)
		if got, ok := b.Get(name); name != fmt.Sprint("k", i) || v != int64(i+50) || got != v || !ok {
			t.Errorf("%d: %s %v", i, name, v)
		}
	}
	if _, ok := b.Get("none"); ok {
		t.Error("a name that is not there")
	}
}
