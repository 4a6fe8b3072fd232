package exec

import (
	"github.com/slipway-cd/slipway/kql/column"
	"github.com/slipway-cd/slipway/kql/group"
)

// JoinKind is which rows and pairs of rows a join gives.
type JoinKind uint8

// The kinds of join.
const (
	InnerUnique JoinKind = iota // pairs, of the left rows with the same key only the first
	Inner                       // pairs
	LeftOuter                   // pairs, and left rows without a partner
	RightOuter                  // pairs, and right rows without a partner
	FullOuter                   // pairs, and rows without a partner
	LeftSemi                    // left rows with a partner
	LeftAnti                    // left rows without a partner
	RightSemi                   // right rows with a partner
	RightAnti                   // right rows without a partner
)

// Join pairs rows with equal keys. A null equals nothing. The right side is held in memory.
type Join struct {
	Kind                JoinKind
	Left, Right         Node
	LeftKeys, RightKeys []Expr // of the same types, one by one
	LeftCols, RightCols []int  // columns of the result, the left ones first; either may be empty
	Fields              []column.Field
}

// Columns implements Node.
func (n *Join) Columns() []column.Field { return n.Fields }

// side is the right rows by key.
type side struct {
	batch *Batch
	keys  *group.Rows
	first []int32 // by key number; -1 if none
	next  []int32 // by row, the next with the same key; -1 if none
	hit   []bool  // by key number, whether a left row had it
}

// Open implements Node.
func (n *Join) Open(r *Run) (Stream, error) {
	var right *side
	var left Stream
	var rest Stream
	p := &pairing{}
	return func() (*Batch, error) {
		if right == nil {
			var err error
			if right, err = n.build(r); err != nil {
				return nil, err
			}
			if left, err = n.Left.Open(r); err != nil {
				return nil, err
			}
		}
		for rest == nil {
			if err := r.check(); err != nil {
				return nil, err
			}
			if p.batch == nil {
				b, err := left()
				if err != nil {
					return nil, err
				}
				if b == nil {
					rest = pieces(r, n.unmatched(right))
					break
				}
				nums, err := n.number(r, b, n.LeftKeys, right.keys, false)
				if err != nil {
					return nil, err
				}
				*p = pairing{batch: b, nums: nums, chain: -1}
			}
			if out := n.pair(p, right); out.Rows > 0 {
				return out, nil
			}
		}
		return rest()
	}, nil
}

func (n *Join) build(r *Run) (*side, error) {
	b, err := r.collect(n.Right)
	if err != nil {
		return nil, err
	}
	types := make([]column.Type, len(n.RightKeys))
	for i, k := range n.RightKeys {
		types[i] = k.Type()
	}
	s := &side{batch: b, keys: group.NewRows(types...), next: make([]int32, b.Rows)}
	nums, err := n.number(r, b, n.RightKeys, s.keys, true)
	if err != nil {
		return nil, err
	}
	s.first, s.hit = make([]int32, s.keys.Len()), make([]bool, s.keys.Len())
	for i := range s.first {
		s.first[i] = -1
	}
	for row := b.Rows - 1; row >= 0; row-- {
		s.next[row] = -1
		if num := nums[row]; !s.keys.HasNull(num) {
			s.next[row] = s.first[num]
			s.first[num] = int32(row)
		}
	}
	return s, r.keep(s.keys.Size() + int64(len(s.first)+len(s.next))*4)
}

func (n *Join) number(r *Run, b *Batch, keys []Expr, rows *group.Rows, grow bool) ([]uint32, error) {
	vectors := make([]*column.Vector, len(keys))
	for i, k := range keys {
		v, err := k.Eval(r, b)
		if err != nil {
			return nil, err
		}
		vectors[i] = v
	}
	nums := rows.Number(vectors, b.Rows, grow)
	return append([]uint32(nil), nums...), nil
}

// pairing is how far a batch of left rows has come.
type pairing struct {
	batch *Batch
	nums  []uint32
	row   int
	chain int32 // the next right row for the current left row; -1 to begin with it
	open  bool  // chain is within the current row
}

// pair gives the next part of the result for a batch of left rows; p.batch becomes nil when it is through.
func (n *Join) pair(p *pairing, right *side) *Batch {
	var lefts, rights []int32
	for p.row < p.batch.Rows && len(lefts) < batchRows {
		num := p.nums[p.row]
		if !p.open {
			p.chain = -1
			if num != group.None {
				p.chain = right.first[num]
				if n.Kind == InnerUnique && right.hit[num] {
					p.chain = -1
				}
				right.hit[num] = right.hit[num] || p.chain >= 0
			}
			found := p.chain >= 0
			switch n.Kind {
			case LeftSemi, LeftAnti:
				if found == (n.Kind == LeftSemi) {
					lefts, rights = append(lefts, int32(p.row)), append(rights, -1)
				}
				p.row++
				continue
			case RightSemi, RightAnti:
				p.row++
				continue
			case LeftOuter, FullOuter:
				if !found {
					lefts, rights = append(lefts, int32(p.row)), append(rights, -1)
				}
			}
			p.open = found
		}
		for ; p.chain >= 0 && len(lefts) < batchRows; p.chain = right.next[p.chain] {
			lefts, rights = append(lefts, int32(p.row)), append(rights, p.chain)
		}
		if p.chain < 0 {
			p.row++
			p.open = false
		}
	}
	left := p.batch
	if p.row >= left.Rows {
		p.batch = nil
	}
	return n.output(left, right.batch, lefts, rights)
}

func (n *Join) output(left, right *Batch, lefts, rights []int32) *Batch {
	return lazy(len(lefts), len(n.Fields), func(i int) *column.Vector {
		if i < len(n.LeftCols) {
			if left == nil {
				return column.NewConst(n.Fields[i].Type, nil, len(lefts))
			}
			return left.Col(n.LeftCols[i]).Gather(lefts)
		}
		return right.Col(n.RightCols[i-len(n.LeftCols)]).Gather(rights)
	})
}

// unmatched gives the right rows that the kind wants on their own, once all left rows are through.
func (n *Join) unmatched(right *side) *Batch {
	var rows []int32
	switch n.Kind {
	case RightOuter, FullOuter, RightAnti, RightSemi:
		partner := make([]bool, right.batch.Rows)
		for num, hit := range right.hit {
			for row := right.first[num]; hit && row >= 0; row = right.next[row] {
				partner[row] = true
			}
		}
		for row, has := range partner {
			if has == (n.Kind == RightSemi) {
				rows = append(rows, int32(row))
			}
		}
	}
	return n.output(nil, right.batch, rows, rows)
}
