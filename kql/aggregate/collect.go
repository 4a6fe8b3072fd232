package aggregate

import (
	"fmt"

	"github.com/slipway-cd/slipway/kql/column"
	"github.com/slipway-cd/slipway/kql/group"
)

// maxElements bounds the arrays that make_list and make_set build, as Kusto does.
const maxElements = 1048576

func collections() []*Func {
	most := func(consts []*column.Vector) (int, error) {
		if len(consts) < 2 || consts[1] == nil {
			return maxElements, nil
		}
		n, ok := consts[1].Value(0).(int64)
		if !ok || n < 0 {
			return 0, fmt.Errorf("the greatest number of elements must be a whole number")
		}
		return int(min(n, maxElements)), nil
	}
	list := func(unique, nulls bool) func([]column.Type, []*column.Vector) (Accumulator, error) {
		return func(types []column.Type, consts []*column.Vector) (Accumulator, error) {
			n, err := most(consts)
			if err != nil {
				return nil, err
			}
			l := &lists{most: n, nulls: nulls}
			if unique {
				l.values = group.NewValues(types[0])
			}
			return l, nil
		}
	}
	bag := &Func{Name: "make_bag", Prefix: "bag", MinArgs: 1, MaxArgs: 2, Const: 1,
		Resolve: func(args []column.Type) ([]column.Type, error) {
			if args[0] != column.Dynamic {
				return nil, fmt.Errorf("make_bag() takes a dynamic, not %s", args[0])
			}
			return one(column.Dynamic), nil
		},
		New: func(_ []column.Type, consts []*column.Vector) (Accumulator, error) {
			n, err := most(consts)
			return &bags{most: n}, err
		}}
	var all []*Func
	all = append(all, withIf(&Func{Name: "make_list", Prefix: "list", MinArgs: 1, MaxArgs: 2, Const: 1, Resolve: always(column.Dynamic), New: list(false, false)}, "_if")...)
	all = append(all, withIf(&Func{Name: "make_set", Prefix: "set", MinArgs: 1, MaxArgs: 2, Const: 1, Resolve: always(column.Dynamic), New: list(true, false)}, "_if")...)
	all = append(all, withIf(bag, "_if")...)
	return append(all,
		&Func{Name: "make_list_with_nulls", Prefix: "list", MinArgs: 1, MaxArgs: 1, Resolve: always(column.Dynamic), New: list(false, true)},
		&Func{Name: "makelist", Prefix: "list", MinArgs: 1, MaxArgs: 2, Const: 1, Resolve: always(column.Dynamic), New: list(false, false)},
		&Func{Name: "makeset", Prefix: "set", MinArgs: 1, MaxArgs: 2, Const: 1, Resolve: always(column.Dynamic), New: list(true, false)},
	)
}

// lists collects values into arrays: all, or each once.
type lists struct {
	most   int
	nulls  bool
	values *group.Values // of a set
	pairs  group.Pairs
	lists  [][]column.Value
	size   int64
}

func (l *lists) Add(groups []uint32, ngroups int, args []*column.Vector) error {
	l.lists = grow(l.lists, ngroups)
	var nums []uint32
	if l.values != nil {
		nums = make([]uint32, len(groups))
		l.values.Number(args[0], nums, true)
	}
	for i, g := range groups {
		if len(l.lists[g]) >= l.most || nums != nil && !l.pairs.Add(g, nums[i]) {
			continue
		}
		x := args[0].Value(i)
		if x == nil && !l.nulls {
			continue
		}
		l.lists[g] = append(l.lists[g], x)
		l.size += 24
		if s, ok := x.(string); ok {
			l.size += int64(len(s))
		}
	}
	return nil
}

func (l *lists) Results(ngroups int) ([]*column.Vector, error) {
	l.lists = grow(l.lists, ngroups)
	out := make([]column.Value, ngroups)
	for g := range out {
		if l.lists[g] == nil {
			l.lists[g] = []column.Value{}
		}
		out[g] = l.lists[g]
	}
	return []*column.Vector{column.NewDynamics(out)}, nil
}

func (l *lists) Size() int64 {
	size := int64(len(l.lists))*24 + l.size + l.pairs.Size()
	if l.values != nil {
		size += l.values.Size()
	}
	return size
}

// bags merges property bags; of a name that comes twice one value, the first, stays.
type bags struct {
	most int
	bags []*column.Bag
	size int64
}

func (b *bags) Add(groups []uint32, ngroups int, args []*column.Vector) error {
	b.bags = grow(b.bags, ngroups)
	for i, g := range groups {
		from, ok := args[0].Dyn(i).(*column.Bag)
		if !ok {
			continue
		}
		if b.bags[g] == nil {
			b.bags[g] = &column.Bag{}
		}
		for k := range from.Len() {
			name, x := from.At(k)
			if _, ok := b.bags[g].Get(name); !ok && b.bags[g].Len() < b.most {
				b.bags[g].Set(name, x)
				b.size += int64(len(name)) + 48
			}
		}
	}
	return nil
}

func (b *bags) Results(ngroups int) ([]*column.Vector, error) {
	b.bags = grow(b.bags, ngroups)
	out := make([]column.Value, ngroups)
	for g := range out {
		if b.bags[g] == nil {
			b.bags[g] = &column.Bag{}
		}
		out[g] = b.bags[g]
	}
	return []*column.Vector{column.NewDynamics(out)}, nil
}

func (b *bags) Size() int64 { return int64(len(b.bags))*16 + b.size }
