package group

import "github.com/slipway-cd/slipway/kql/column"

// Rows numbers the distinct combinations of the values of several columns from 0 in order of first appearance. Of no columns there is
// one combination, which is there from the start.
type Rows struct {
	columns []*Values
	pairs   []pairing // of the columns from the second on: (number so far, value) to number
	buf     []uint32
}

// pairing numbers pairs of numbers, and remembers them.
type pairing struct {
	table  table
	direct []uint32 // number+1 by left*span+right while both are few
	span   uint32
	left   []uint32
	right  []uint32
}

// directPlaces bounds the array that stands in for the hash table while both numbers are small.
const directPlaces = 1 << 16

// NewRows makes an empty numbering of combinations of values of the types.
func NewRows(types ...column.Type) *Rows {
	r := &Rows{}
	for i, t := range types {
		r.columns = append(r.columns, NewValues(t))
		if i > 0 {
			r.pairs = append(r.pairs, pairing{})
		}
	}
	return r
}

// Len is the number of combinations so far.
func (r *Rows) Len() int {
	switch {
	case len(r.columns) == 0:
		return 1
	case len(r.pairs) == 0:
		return r.columns[0].Len()
	}
	return len(r.pairs[len(r.pairs)-1].left)
}

// Size is about how many bytes the numbering holds.
func (r *Rows) Size() int64 {
	var size int64
	for _, c := range r.columns {
		size += c.Size()
	}
	for _, p := range r.pairs {
		size += int64(len(p.table.ids))*12 + int64(len(p.direct))*4 + int64(len(p.left))*8
	}
	return size
}

// Number gives the number of the combination in each of n rows. A new combination gets the next number if grow is set, and None if
// not. The result is valid until the next call.
func (r *Rows) Number(keys []*column.Vector, n int, grow bool) []uint32 {
	if cap(r.buf) < 2*n {
		r.buf = make([]uint32, 2*n)
	}
	nums, next := r.buf[:n:n], r.buf[n:2*n:2*n]
	if len(keys) == 0 {
		clear(nums)
		return nums
	}
	r.columns[0].Number(keys[0], nums, grow)
	for i := range r.pairs {
		r.columns[i+1].Number(keys[i+1], next, grow)
		r.pairs[i].number(nums, next, r.columns[i+1].Len(), grow)
	}
	return nums
}

// number replaces each left by the number of (left, right).
func (p *pairing) number(left, right []uint32, rights int, grow bool) {
	p.widen(rights)
	for i, l := range left {
		r := right[i]
		if l == None || r == None {
			left[i] = None
			continue
		}
		if at := uint64(l)*uint64(p.span) + uint64(r); r < p.span && at < uint64(len(p.direct)) {
			id := p.direct[at]
			if id == 0 {
				if !grow {
					left[i] = None
					continue
				}
				id = p.add(l, r) + 1
				p.direct[at] = id
			}
			left[i] = id - 1
			continue
		}
		left[i] = p.hashed(l, r, grow)
	}
}

// widen sizes the direct array for the number of right values.
func (p *pairing) widen(rights int) {
	if p.direct != nil && rights <= int(p.span) || rights > directPlaces/4 {
		return
	}
	span := uint32(16)
	for int(span) < rights {
		span *= 2
	}
	p.span, p.direct = span, make([]uint32, directPlaces)
	p.table = table{}
	for id, l := range p.left {
		p.place(l, p.right[id], uint32(id))
	}
}

// place enters a pair that has a number already.
func (p *pairing) place(l, r, id uint32) {
	if at := uint64(l)*uint64(p.span) + uint64(r); r < p.span && at < uint64(len(p.direct)) {
		p.direct[at] = id + 1
		return
	}
	p.table.put(uint64(l)<<32|uint64(r), id)
}

func (p *pairing) hashed(l, r uint32, grow bool) uint32 {
	key := uint64(l)<<32 | uint64(r)
	if id, ok := p.table.get(key); ok {
		return id
	}
	if !grow {
		return None
	}
	id := p.add(l, r)
	p.table.put(key, id)
	return id
}

func (p *pairing) add(l, r uint32) uint32 {
	p.left, p.right = append(p.left, l), append(p.right, r)
	return uint32(len(p.left) - 1)
}

// Keys gives the value of the i-th column in each combination, in the order of their numbers.
func (r *Rows) Keys(i int) *column.Vector {
	values := r.columns[i].Vector()
	if len(r.pairs) == 0 {
		return values
	}
	rows := make([]int32, r.Len())
	for id := range rows {
		at := uint32(id)
		for p := len(r.pairs) - 1; p >= 0; p-- {
			if p+1 == i {
				at = r.pairs[p].right[at]
				break
			}
			at = r.pairs[p].left[at]
		}
		rows[id] = int32(at)
	}
	return values.Gather(rows)
}

// HasNull reports whether a column of combination id is null.
func (r *Rows) HasNull(id uint32) bool {
	for p := len(r.pairs) - 1; p >= 0; p-- {
		if r.pairs[p].right[id] == r.columns[p+1].Null() {
			return true
		}
		id = r.pairs[p].left[id]
	}
	return len(r.columns) > 0 && id == r.columns[0].Null()
}

// Pairs is a set of pairs of numbers.
type Pairs struct{ table table }

// Add puts a pair in the set, and reports whether it was not there before.
func (p *Pairs) Add(left, right uint32) bool {
	key := uint64(left)<<32 | uint64(right)
	if _, ok := p.table.get(key); ok {
		return false
	}
	p.table.put(key, p.table.n)
	return true
}

// Size is about how many bytes the set holds.
func (p *Pairs) Size() int64 { return int64(len(p.table.ids)) * 12 }
