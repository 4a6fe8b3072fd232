package aggregate

import (
	"github.com/slipway-cd/slipway/kql/column"
)

func picks() []*Func {
	same := func(args []column.Type) ([]column.Type, error) { return args, nil }
	any := func(name, prefix string) *Func {
		return &Func{Name: name, Prefix: prefix, MinArgs: 1, MaxArgs: -1, Rows: true, Resolve: same,
			New: func(args []column.Type, _ []*column.Vector) (Accumulator, error) { return newPick(args, false, 0), nil }}
	}
	ordered := func(name string, sign int) *Func {
		return &Func{Name: name, MinArgs: 1, MaxArgs: -1, Rows: true, Ordered: true,
			Resolve: func(args []column.Type) ([]column.Type, error) {
				if args[0] == column.Dynamic {
					return nil, unsupported(name+"()", args[0])
				}
				return args, nil
			},
			New: func(args []column.Type, _ []*column.Vector) (Accumulator, error) {
				return newPick(args, true, sign), nil
			}}
	}
	return []*Func{
		any("take_any", ""), any("any", "any"), ordered("arg_max", 1), ordered("arg_min", -1),
		withIf(any("take_any", ""), "if")[1], withIf(any("any", "any"), "if")[1],
	}
}

// pick keeps one row of each group: the one with the greatest or least first value, or the first one with a value in every column, or
// else the first.
type pick struct {
	types   []column.Type
	ordered bool
	sign    int

	parts [][]*column.Vector // columns of the batches that hold a kept row
	rows  []place            // by group
}

type place struct {
	part, row int32 // part -1: none yet
	weak      bool  // a null or empty value is in it; a later row may do better
}

// manyParts is how many batches are kept before the kept rows are copied out of them.
const manyParts = 32

func newPick(types []column.Type, ordered bool, sign int) *pick {
	return &pick{types: types, ordered: ordered, sign: sign}
}

func (p *pick) Add(groups []uint32, ngroups int, args []*column.Vector) error {
	for len(p.rows) < ngroups {
		p.rows = append(p.rows, place{part: -1})
	}
	p.parts = append(p.parts, args)
	part := int32(len(p.parts) - 1)
	used := false
	for i, g := range groups {
		old := p.rows[g]
		better := old.part < 0
		weak := false
		if p.ordered {
			if args[0].Null(i) {
				continue
			}
			better = better || column.Compare(args[0], i, p.parts[old.part][0], int(old.row)) == p.sign
		} else {
			if !better && !old.weak {
				continue
			}
			weak = p.blank(args, i)
			better = better || !weak
		}
		if better {
			p.rows[g] = place{part: part, row: int32(i), weak: weak}
			used = true
		}
	}
	if !used {
		p.parts = p.parts[:part]
	}
	if len(p.parts) > manyParts {
		p.compact()
	}
	return nil
}

// blank reports whether a column is null or the empty string.
func (p *pick) blank(args []*column.Vector, i int) bool {
	for _, v := range args {
		if v.Null(i) || v.Type() == column.String && v.Str(i) == "" {
			return true
		}
	}
	return false
}

// compact copies the kept rows into one part, so that the batches they came in can be freed.
func (p *pick) compact() {
	columns := p.gather(len(p.rows))
	for g := range p.rows {
		if p.rows[g].part >= 0 {
			p.rows[g].part, p.rows[g].row = 0, int32(g)
		}
	}
	p.parts = [][]*column.Vector{columns}
}

// gather gives the kept row of each of n groups, nulls where there is none.
func (p *pick) gather(n int) []*column.Vector {
	takes := make([][]int32, len(p.parts)) // rows to take from each part
	for _, at := range p.rows {
		if at.part >= 0 {
			takes[at.part] = append(takes[at.part], at.row)
		}
	}
	next := make([]int32, len(p.parts)) // where the next row of each part is when all are put together
	for k := 1; k < len(next); k++ {
		next[k] = next[k-1] + int32(len(takes[k-1]))
	}
	order := make([]int32, n)
	for g := range order {
		order[g] = -1
		if g < len(p.rows) && p.rows[g].part >= 0 {
			order[g] = next[p.rows[g].part]
			next[p.rows[g].part]++
		}
	}
	columns := make([]*column.Vector, len(p.types))
	for c, t := range p.types {
		pieces := make([]*column.Vector, len(p.parts))
		for k, part := range p.parts {
			pieces[k] = part[c].Gather(takes[k])
		}
		columns[c] = column.Concat(t, pieces...).Gather(order)
	}
	return columns
}

func (p *pick) Results(ngroups int) ([]*column.Vector, error) {
	return p.gather(ngroups), nil
}

func (p *pick) Size() int64 {
	var size int64
	for _, part := range p.parts {
		for _, v := range part {
			size += v.Size()
		}
	}
	return size + int64(len(p.rows))*12
}
