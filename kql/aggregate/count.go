package aggregate

import (
	"github.com/slipway-cd/slipway/kql/column"
	"github.com/slipway-cd/slipway/kql/group"
)

func counts() []*Func {
	count := &Func{Name: "count", Prefix: "count", MaxArgs: 1, Resolve: always(column.Long),
		New: func([]column.Type, []*column.Vector) (Accumulator, error) { return &counter{}, nil }}
	countif := &Func{Name: "countif", Prefix: "countif", MinArgs: 1, MaxArgs: 1,
		Resolve: func(args []column.Type) ([]column.Type, error) {
			if args[0] != column.Bool {
				return nil, unsupported("countif()", args[0])
			}
			return one(column.Long), nil
		},
		New: func([]column.Type, []*column.Vector) (Accumulator, error) { return &conditional{}, nil }}
	distinct := func(types []column.Type, _ []*column.Vector) (Accumulator, error) {
		return &distinct{values: group.NewValues(types[0])}, nil
	}
	// dcount is an estimate in Kusto, of an accuracy that its second argument sets; ours is exact, so that it is within any.
	dcount := &Func{Name: "dcount", Prefix: "dcount", MinArgs: 1, MaxArgs: 2, Const: 1, Resolve: always(column.Long), New: distinct}
	exact := &Func{Name: "count_distinct", Prefix: "count_distinct", MinArgs: 1, MaxArgs: 1, Resolve: always(column.Long), New: distinct}
	all := []*Func{count, countif}
	all = append(all, withIf(dcount, "if")...)
	return append(all, withIf(exact, "if")...)
}

// counter counts rows.
type counter struct{ n []int64 }

func (c *counter) Add(groups []uint32, ngroups int, _ []*column.Vector) error {
	c.n = grow(c.n, ngroups)
	for _, g := range groups {
		c.n[g]++
	}
	return nil
}

func (c *counter) Results(ngroups int) ([]*column.Vector, error) {
	c.n = grow(c.n, ngroups)
	return []*column.Vector{column.NewInts(column.Long, c.n, nil)}, nil
}

func (c *counter) Size() int64 { return int64(len(c.n)) * 8 }

// conditional counts rows whose argument is true.
type conditional struct{ counter }

func (c *conditional) Add(groups []uint32, ngroups int, args []*column.Vector) error {
	c.n = grow(c.n, ngroups)
	if all := args[0].Bools(); all != nil { // a null's element is false
		for i, g := range groups {
			if all[i] {
				c.n[g]++
			}
		}
		return nil
	}
	for i, g := range groups {
		if args[0].Bool(i) {
			c.n[g]++
		}
	}
	return nil
}

// distinct counts different values, nulls left out.
type distinct struct {
	values *group.Values
	pairs  group.Pairs
	n      []int64
}

func (d *distinct) Add(groups []uint32, ngroups int, args []*column.Vector) error {
	d.n = grow(d.n, ngroups)
	nums := make([]uint32, len(groups))
	d.values.Number(args[0], nums, true)
	null := d.values.Null()
	for i, g := range groups {
		if nums[i] != null && d.pairs.Add(g, nums[i]) {
			d.n[g]++
		}
	}
	return nil
}

func (d *distinct) Results(ngroups int) ([]*column.Vector, error) {
	d.n = grow(d.n, ngroups)
	return []*column.Vector{column.NewInts(column.Long, d.n, nil)}, nil
}

func (d *distinct) Size() int64 { return int64(len(d.n))*8 + d.values.Size() + d.pairs.Size() }
