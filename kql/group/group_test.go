package group

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/slipway-cd/slipway/kql/column"
)

// TestCombinationsAreNumberedAsAMapWouldNumberThem checks every form of columns, many batches and many or few values.
func TestCombinationsAreNumberedAsAMapWouldNumberThem(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for _, distinct := range []int64{1, 3, 300, 50_000} {
		types := []column.Type{column.Long, column.String, column.Real, column.Bool, column.Dynamic}
		rows := NewRows(types...)
		known := map[string]uint32{}
		for range 20 {
			n := 1 + rng.IntN(3000)
			builders := make([]*column.Builder, len(types))
			for i, typ := range types {
				builders[i] = column.NewBuilder(typ)
				for range n {
					x := rng.Int64N(distinct)
					var err error
					switch {
					case x == 2:
						builders[i].AppendNull()
					case typ == column.Long:
						err = builders[i].Append(x)
					case typ == column.String:
						err = builders[i].Append(fmt.Sprint(x))
					case typ == column.Real:
						err = builders[i].Append(float64(x) / 2)
					case typ == column.Bool:
						err = builders[i].Append(x%2 == 0)
					default:
						err = builders[i].Append([]column.Value{x})
					}
					if err != nil {
						t.Fatal(err)
					}
				}
			}
			keys := make([]*column.Vector, len(types))
			for i, b := range builders {
				keys[i] = b.Vector()
			}
			seen := append([]uint32(nil), rows.Number(keys, n, false)...)
			for i, num := range rows.Number(keys, n, true) {
				name := ""
				for _, v := range keys {
					name += fmt.Sprintf("%#v|", v.Value(i))
				}
				want, ok := known[name]
				if !ok {
					want = uint32(len(known))
					known[name] = want
				}
				if num != want {
					t.Fatalf("%d distinct: %s has number %d, want %d", distinct, name, num, want)
				}
				if seen[i] != None && seen[i] != want {
					t.Fatalf("%s was found as %d before", name, seen[i])
				}
			}
		}
		if rows.Len() != len(known) {
			t.Errorf("%d combinations, want %d", rows.Len(), len(known))
		}
		vectors := make([]*column.Vector, len(types))
		for i := range types {
			vectors[i] = rows.Keys(i)
		}
		for id := range rows.Len() {
			name, null := "", false
			for _, v := range vectors {
				name += fmt.Sprintf("%#v|", v.Value(id))
				null = null || v.Null(id)
			}
			if known[name] != uint32(id) || rows.HasNull(uint32(id)) != null {
				t.Fatalf("number %d gives back %s, null %v", id, name, null)
			}
		}
	}
}

func TestOfNoColumnsThereIsOneCombination(t *testing.T) {
	r := NewRows()
	if nums := r.Number(nil, 3, true); r.Len() != 1 || nums[0] != 0 || nums[2] != 0 || r.HasNull(0) {
		t.Error(r.Len(), nums)
	}
}

func TestWhatOnlyTheDictionaryHoldsIsNoValueOfTheColumn(t *testing.T) {
	dict := column.NewStrings([]string{"unused", "green", "none either", "blue"})
	v := column.NewDictionary(column.Codes{Bytes: []uint8{3, 1, 3, 3, 1}}, dict)
	s, out := NewValues(column.String), make([]uint32, 5)
	s.Number(v, out, true)
	if fmt.Sprint(out) != "[0 1 0 0 1]" || s.Len() != 2 || s.Vector().Str(0) != "blue" || s.Vector().Str(1) != "green" {
		t.Errorf("numbers %v of %d values", out, s.Len())
	}
	if s.Number(column.NewDictionary(column.Codes{Bytes: []uint8{0, 3, 3, 3}}, dict), out[:4], false); out[0] != None || out[1] != 0 {
		t.Errorf("asked for only: %v", out[:4])
	}
}

func TestZeroAndNaNAreOneValueEach(t *testing.T) {
	zero := 0.0
	v := column.NewReals([]float64{0, -zero, 1 / zero * 0, 0 / zero, 1}, nil)
	out := make([]uint32, 5)
	s := NewValues(column.Real)
	s.Number(v, out, true)
	if s.Len() != 3 || out[0] != out[1] || out[2] != out[3] {
		t.Error(out)
	}
}
