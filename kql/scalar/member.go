package scalar

import (
	"fmt"
	"strings"

	"github.com/shopspring/decimal"

	"github.com/slipway-cd/slipway/kql/column"
)

func membership() []*Func {
	return []*Func{
		in("in", false, false), in("!in", true, false), in("in~", false, true), in("!in~", true, true), access(),
	}
}

// in looks a value up among candidates. A null is in no list.
func in(name string, negate, fold bool) *Func {
	f := &Func{Name: name, MinArgs: 1, MaxArgs: -1}
	f.Resolve = func(args []column.Type) (column.Type, error) {
		for _, t := range args[1:] {
			if _, ok := comparedAs(args[0], t); !ok && t != column.Dynamic {
				return column.Invalid, fmt.Errorf("%s cannot look up %s among %s: convert one of them", name, args[0], t)
			}
		}
		if fold && !text.accepts(args[0]) {
			return column.Invalid, fmt.Errorf("%s ignores case and looks up strings, not %s: write %s",
				name, args[0], strings.TrimSuffix(name, "~"))
		}
		return column.Bool, nil
	}
	f.Eval = func(c *Context, args []*column.Vector, n int) (*column.Vector, error) {
		return once(func(_ *Context, args []*column.Vector, n int) (*column.Vector, error) {
			values := make([]bool, n)
			keys := keyer{of: args[0].Type(), fold: fold}
			fixed := allConst(args[1:])
			var set map[any]struct{}
			for i := range values {
				if i == 0 || !fixed {
					set = keys.set(candidates(args[1:], i))
				}
				values[i] = keys.find(set, args[0], i) != negate
			}
			return column.NewBools(values, nil), nil
		}, c, args, n)
	}
	return f
}

// keyer makes keys of values such that equal values, in the sense of a comparison with a value of one type, have equal keys.
type keyer struct {
	of   column.Type
	fold bool
}

func (k keyer) set(values []column.Value) map[any]struct{} {
	set := make(map[any]struct{}, len(values))
	for _, v := range values {
		if v = k.cast(v); v != nil {
			set[k.key(v)] = struct{}{}
		}
	}
	return set
}

func (k keyer) cast(v column.Value) column.Value {
	switch {
	case k.of == column.Dynamic:
		return v
	case k.of.Numeric():
		switch v.(type) {
		case string, bool:
			return convertValue(column.Real, v)
		}
		return v
	case k.of == column.Bool:
		if f, ok := asNumber(v); ok && f != 0 && f != 1 {
			return nil // true is 1, and no other number
		}
	}
	return convertValue(k.of, v)
}

func (k keyer) find(set map[any]struct{}, v *column.Vector, i int) bool {
	if len(set) == 0 || nullAt(v, i) {
		return false
	}
	x := v.Value(i)
	if _, ok := set[k.key(x)]; ok {
		return true
	}
	if k.of == column.Dynamic {
		// Beside a string, a dynamic is compared as the text it displays.
		_, ok := set[k.key(Display(x))]
		return ok
	}
	return false
}

// key is the value itself but for numbers, which are the same whole or real, for text without case, and for what is no map key.
func (k keyer) key(v column.Value) any {
	switch x := v.(type) {
	case string:
		if k.fold {
			return strings.ToLower(x)
		}
	case float64:
		if n, ok := realToLong(x); ok && float64(n) == x {
			return n
		}
	case decimal.Decimal:
		if x.IsInteger() {
			if n, ok := toLong(x); ok {
				return n
			}
		}
		return k.key(x.InexactFloat64())
	case []column.Value, *column.Bag:
		return jsonKey(column.AppendJSON(nil, x))
	}
	return v
}

// jsonKey is a key of an array or bag, told apart from a string of the same text.
type jsonKey string

// access is a[b]: the member of a bag, or the element of an array, from the end if negative.
func access() *Func {
	f := &Func{Name: "[]", MinArgs: 2, MaxArgs: 2}
	f.Resolve = func(args []column.Type) (column.Type, error) {
		if args[0] != column.Dynamic {
			return column.Invalid, fmt.Errorf("only a dynamic has members, not %s: convert it with parse_json()", args[0])
		}
		if !whole.accepts(args[1]) && !text.accepts(args[1]) {
			return column.Invalid, fmt.Errorf("a member is found by its name or its position, not by a %s", args[1])
		}
		return column.Dynamic, nil
	}
	f.Eval = func(c *Context, args []*column.Vector, n int) (*column.Vector, error) {
		return once(dyns(func(a []*column.Vector, i int) column.Value {
			return Member(a[0].Dyn(i), a[1].Value(i))
		}), c, args, n)
	}
	return f
}

// Member gives the member of a bag by its name (a string) or the element of an array by its position (an int64, negative from the
// end); null if there is none.
func Member(v, key column.Value) column.Value {
	switch k := key.(type) {
	case string:
		if bag, ok := v.(*column.Bag); ok {
			member, _ := bag.Get(k)
			return member
		}
	case int64:
		if list, ok := v.([]column.Value); ok {
			if k < 0 {
				k += int64(len(list))
			}
			if k >= 0 && k < int64(len(list)) {
				return list[k]
			}
		}
	}
	return nil
}
