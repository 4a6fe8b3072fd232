package scalar

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/slipway-cd/slipway/kql/column"
)

func bagFunctions() []*Func {
	dyn := column.Dynamic
	all := []*Func{
		define("bag_keys", dyn, need(dynamics), dyns(func(a []*column.Vector, i int) column.Value {
			bag, ok := a[0].Dyn(i).(*column.Bag)
			if !ok {
				return nil
			}
			keys := make([]column.Value, bag.Len())
			for k := range keys {
				keys[k], _ = bag.At(k)
			}
			return keys
		})),
		define("bag_merge", dyn, many(dynamics, need(dynamics)...), loose(func(a []*column.Vector, i int) column.Value {
			merged := &column.Bag{}
			for _, v := range a {
				bag, ok := v.Dyn(i).(*column.Bag)
				for k := 0; ok && k < bag.Len(); k++ {
					key, value := bag.At(k)
					if _, taken := merged.Get(key); !taken {
						merged.Set(key, value)
					}
				}
			}
			return merged
		})),
		define("bag_has_key", column.Bool, need(dynamics, text), bools(func(a []*column.Vector, i int) (bool, bool) {
			bag, ok := a[0].Dyn(i).(*column.Bag)
			if !ok {
				return false, false
			}
			_, has := follow(bag, keyPath(a[1].Str(i)))
			return has, true
		})),
		define("bag_set_key", dyn, need(dynamics, text, anyValue), loose(func(a []*column.Vector, i int) column.Value {
			bag, ok := a[0].Dyn(i).(*column.Bag)
			if !ok {
				return nil
			}
			return setKey(bag, keyPath(a[1].Str(i)), a[2].Value(i))
		})),
		define("bag_remove_keys", dyn, need(dynamics, dynamics), dyns(func(a []*column.Vector, i int) column.Value {
			bag, ok := a[0].Dyn(i).(*column.Bag)
			keys, ok2 := a[1].Dyn(i).([]column.Value)
			if !ok || !ok2 {
				return a[0].Dyn(i)
			}
			for _, key := range keys {
				bag = removeKey(bag, keyPath(Display(key)))
			}
			return bag
		})),
		define("bag_zip", dyn, need(dynamics, dynamics), dyns(func(a []*column.Vector, i int) column.Value {
			keys, ok := a[0].Dyn(i).([]column.Value)
			if !ok {
				return nil
			}
			values, _ := a[1].Dyn(i).([]column.Value)
			bag := &column.Bag{}
			for k, key := range keys {
				name, ok := key.(string)
				if !ok {
					continue
				}
				var value column.Value
				if k < len(values) {
					value = values[k]
				}
				bag.Set(name, value)
			}
			return bag
		})),
		define("treepath", dyn, need(dynamics), dyns(func(a []*column.Vector, i int) column.Value {
			paths := []column.Value{}
			treePaths(a[0].Dyn(i), "", &paths)
			return paths
		})),
		define("dynamic_to_json", column.String, need(anyValue), strs(func(a []*column.Vector, i int) string {
			return string(column.AppendJSON(nil, a[0].Value(i)))
		})),
	}
	pack := &Func{Name: "bag_pack", MinArgs: 2, MaxArgs: -1}
	pack.Resolve = func(args []column.Type) (column.Type, error) {
		if len(args)%2 != 0 {
			return column.Invalid, fmt.Errorf("bag_pack takes pairs of a name and a value; there are %d arguments", len(args))
		}
		for i := 0; i < len(args); i += 2 {
			if !text.accepts(args[i]) {
				return column.Invalid, fmt.Errorf("the %s argument of bag_pack must be a string, the name of the value after it, not %s", ordinal(i), args[i])
			}
		}
		return dyn, nil
	}
	pack.Eval = func(c *Context, args []*column.Vector, n int) (*column.Vector, error) {
		return once(loose(func(a []*column.Vector, i int) column.Value {
			bag := &column.Bag{}
			for k := 0; k < len(a); k += 2 {
				bag.Set(Display(a[k].Value(i)), a[k+1].Value(i))
			}
			return bag
		}), c, args, n)
	}
	return append(all, synonyms(pack, "pack", "pack_dictionary")...)
}

// keyPath reads a key or, with "$." before it, a path of keys: $.a.b['c d'].
func keyPath(s string) []string {
	rest, ok := strings.CutPrefix(s, "$")
	if !ok || rest == "" || rest[0] != '.' && rest[0] != '[' {
		return []string{s}
	}
	var path []string
	for rest != "" {
		switch {
		case rest[0] == '.':
			end := strings.IndexAny(rest[1:], ".[")
			if end < 0 {
				end = len(rest) - 1
			}
			path, rest = append(path, rest[1:end+1]), rest[end+1:]
		case len(rest) > 3 && (strings.HasPrefix(rest, "['") || strings.HasPrefix(rest, `["`)):
			key, after, ok := strings.Cut(rest[2:], rest[1:2]+"]")
			if !ok {
				return []string{s}
			}
			path, rest = append(path, key), after
		default:
			return []string{s}
		}
	}
	return path
}

// follow gives what a path leads to.
func follow(v column.Value, path []string) (column.Value, bool) {
	for _, key := range path {
		bag, ok := v.(*column.Bag)
		if !ok {
			return nil, false
		}
		if v, ok = bag.Get(key); !ok {
			return nil, false
		}
	}
	return v, true
}

// without copies a bag but for a key.
func without(bag *column.Bag, key string) *column.Bag {
	rest := &column.Bag{}
	for i := 0; bag != nil && i < bag.Len(); i++ {
		if k, v := bag.At(i); k != key {
			rest.Set(k, v)
		}
	}
	return rest
}

// setKey puts a value at the end of a path, making bags on the way; a key that is there moves to the end, as in Kusto.
func setKey(bag *column.Bag, path []string, value column.Value) *column.Bag {
	copied := without(bag, path[0])
	if len(path) > 1 {
		var inner column.Value
		if bag != nil {
			inner, _ = bag.Get(path[0])
		}
		innerBag, _ := inner.(*column.Bag)
		value = setKey(innerBag, path[1:], value)
	}
	copied.Set(path[0], value)
	return copied
}

func removeKey(bag *column.Bag, path []string) *column.Bag {
	if len(path) == 1 {
		return without(bag, path[0])
	}
	inner, _ := bag.Get(path[0])
	innerBag, ok := inner.(*column.Bag)
	if !ok {
		return bag
	}
	copied := &column.Bag{}
	for i := range bag.Len() {
		k, v := bag.At(i)
		if k == path[0] {
			v = removeKey(innerBag, path[1:])
		}
		copied.Set(k, v)
	}
	return copied
}

// treePaths lists the paths to all values within v: ['key'] and [0].
func treePaths(v column.Value, prefix string, paths *[]column.Value) {
	switch x := v.(type) {
	case *column.Bag:
		for i := range x.Len() {
			key, member := x.At(i)
			path := prefix + "['" + key + "']"
			*paths = append(*paths, path)
			treePaths(member, path, paths)
		}
	case []column.Value:
		for i, member := range x {
			path := prefix + "[" + strconv.Itoa(i) + "]"
			if i == 0 {
				*paths = append(*paths, path)
			}
			treePaths(member, path, paths)
		}
	}
}
