package scalar

import (
	"math"
	"math/rand/v2"

	"github.com/google/uuid"

	"github.com/slipway-cd/slipway/kql/column"
)

// random are the functions that give another result each time.
func random() []*Func {
	// rand() is from 0 up to 1, rand(n) one of the whole numbers from 0 up to n.
	number := define("rand", column.Real, opt(nil, whole), func(_ *Context, args []*column.Vector, n int) (*column.Vector, error) {
		values, nulls := lift(args, n, func(a []*column.Vector, i int) (float64, bool) {
			if len(a) == 0 {
				return rand.Float64(), true
			}
			return math.Floor(rand.Float64() * float64(a[0].Int(i))), a[0].Int(i) > 0
		})
		return column.NewReals(values, nulls), nil
	}).named(AutoArg)
	guid := define("new_guid", column.GUID, nil, func(_ *Context, _ []*column.Vector, n int) (*column.Vector, error) {
		values := make([]column.UUID, n)
		for i := range values {
			id, err := uuid.NewRandom()
			if err != nil {
				return nil, err
			}
			values[i] = column.UUID(id)
		}
		return column.NewGUIDs(values, nil), nil
	})
	number.NotPure, guid.NotPure = true, true
	return []*Func{impure(number), impure(guid)}
}

// impure evaluates every row, also where all arguments are constants.
func impure(f *Func) *Func {
	eval := f.Eval
	f.Eval = func(c *Context, args []*column.Vector, n int) (*column.Vector, error) {
		spread := make([]*column.Vector, len(args))
		for i, v := range args {
			spread[i] = column.NewDictionary(column.Codes{Bytes: make([]uint8, n)}, column.FromValues(v.Type(), []column.Value{v.Value(0)}))
			if !v.IsConst() {
				spread[i] = v
			}
		}
		return eval(c, spread, n)
	}
	return f
}
