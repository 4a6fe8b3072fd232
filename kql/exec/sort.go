package exec

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"

	"github.com/slipway-cd/slipway/kql/column"
)

// SortKey is an expression to order rows by.
type SortKey struct {
	X          Expr
	Ascending  bool
	NullsFirst bool
}

// Sort orders rows; rows with equal keys keep their order. With N set only the first N are kept.
type Sort struct {
	Input Node
	Keys  []SortKey
	N     *Count // or nil
}

// Columns implements Node.
func (n *Sort) Columns() []column.Field { return n.Input.Columns() }

// Open implements Node.
func (n *Sort) Open(r *Run) (Stream, error) {
	return later(r, func() (*Batch, error) {
		if n.N != nil {
			most, err := n.N.eval(r)
			if err != nil {
				return nil, err
			}
			if most <= batchRows {
				return n.top(r, int(most))
			}
			b, err := n.sorted(r)
			if err != nil {
				return nil, err
			}
			return b.slice(0, int(min(most, int64(b.Rows)))), nil
		}
		return n.sorted(r)
	}), nil
}

func (n *Sort) sorted(r *Run) (*Batch, error) {
	b, err := r.collect(n.Input)
	if err != nil {
		return nil, err
	}
	keys, err := n.keys(r, b)
	if err != nil {
		return nil, err
	}
	if err := r.keep(int64(b.Rows) * 20); err != nil {
		return nil, err
	}
	return b.gather(n.order(keys, b.Rows)), nil
}

func (n *Sort) keys(r *Run, b *Batch) ([]*column.Vector, error) {
	keys := make([]*column.Vector, len(n.Keys))
	for i, k := range n.Keys {
		v, err := k.X.Eval(r, b)
		if err != nil {
			return nil, err
		}
		keys[i] = v
	}
	return keys, nil
}

// top holds the first rows of what it has read. Of a batch only the rows that come before the last one held are looked at further.
func (n *Sort) top(r *Run, most int) (*Batch, error) {
	held := full(0, emptyColumns(n.Columns())...)
	if most == 0 {
		return held, nil
	}
	next, err := n.Input.Open(r)
	if err != nil {
		return nil, err
	}
	for {
		b, err := next()
		if err != nil {
			return nil, err
		}
		if b == nil {
			return held, nil
		}
		if held.Rows == most {
			if b, err = n.before(r, b, held); err != nil {
				return nil, err
			}
			if b.Rows == 0 {
				continue
			}
		}
		both := r.concat(n.Columns(), []*Batch{held, b}, held.Rows+b.Rows)
		keys, err := n.keys(r, both)
		if err != nil {
			return nil, err
		}
		rows := n.order(keys, both.Rows)
		chosen := both.gather(rows[:min(most, len(rows))])
		for i := range chosen.cols { // now, so that the batches can go
			chosen.Col(i)
		}
		held = full(chosen.Rows, chosen.cols...)
	}
}

// before gives the rows that come before the last one of those held.
func (n *Sort) before(r *Run, b, held *Batch) (*Batch, error) {
	keys, err := n.keys(r, b)
	if err != nil {
		return nil, err
	}
	last, err := n.keys(r, held)
	if err != nil {
		return nil, err
	}
	var rows []int32
	for i := range b.Rows {
		for k, key := range n.Keys {
			if c := key.compare(keys[k], i, last[k], held.Rows-1); c != 0 {
				if c < 0 {
					rows = append(rows, int32(i))
				}
				break
			}
		}
	}
	return b.gather(rows), nil
}

func emptyColumns(fields []column.Field) []*column.Vector {
	cols := make([]*column.Vector, len(fields))
	for i, f := range fields {
		cols[i] = column.FromValues(f.Type, nil)
	}
	return cols
}

// entry is a row with a number that orders like its first key as far as it goes.
type entry struct {
	prefix uint64
	row    int32
	null   int8 // -1 before and 1 behind the others
}

// order gives the rows in order.
func (n *Sort) order(keys []*column.Vector, rows int) []int32 {
	entries := make([]entry, rows)
	first := n.Keys[0]
	exact := prefixes(keys[0], entries)
	for i := range entries {
		entries[i].row = int32(i)
		if keys[0].Null(i) {
			entries[i].prefix, entries[i].null = 0, 1
			if first.NullsFirst {
				entries[i].null = -1
			}
		} else if !first.Ascending {
			entries[i].prefix = ^entries[i].prefix
		}
	}
	slices.SortFunc(entries, func(a, b entry) int {
		if a.null != b.null {
			return cmp.Compare(a.null, b.null)
		}
		if a.prefix != b.prefix {
			return cmp.Compare(a.prefix, b.prefix)
		}
		i, j := int(a.row), int(b.row)
		if !exact && a.null == 0 {
			if c := first.compare(keys[0], i, keys[0], j); c != 0 {
				return c
			}
		}
		for k := 1; k < len(keys); k++ {
			if c := n.Keys[k].compare(keys[k], i, keys[k], j); c != 0 {
				return c
			}
		}
		return cmp.Compare(a.row, b.row)
	})
	out := make([]int32, rows)
	for i, e := range entries {
		out[i] = e.row
	}
	return out
}

// prefixes sets numbers that are in the order of the values: of whole numbers and reals the values themselves (exact), of texts their
// first eight bytes, of other types nothing.
func prefixes(v *column.Vector, entries []entry) (exact bool) {
	const sign = 1 << 63
	switch t := v.Type(); {
	case t.Integral():
		for i := range entries {
			entries[i].prefix = uint64(v.Int(i)) ^ sign
		}
		return true
	case t == column.Real:
		for i := range entries {
			x := v.Real(i)
			bits := math.Float64bits(x)
			switch {
			case x != x:
				bits = 0 // a NaN is before every number
			case x == 0:
				bits = sign
			case bits&sign != 0:
				bits = ^bits
			default:
				bits |= sign
			}
			entries[i].prefix = bits
		}
		return true
	case t == column.String:
		var head [8]byte
		for i := range entries {
			head = [8]byte{}
			copy(head[:], v.Str(i))
			entries[i].prefix = binary.BigEndian.Uint64(head[:])
		}
	}
	return false
}

// compare orders row i of v against row j of w.
func (k SortKey) compare(v *column.Vector, i int, w *column.Vector, j int) int {
	if a, b := v.Null(i), w.Null(j); a || b {
		switch {
		case a && b:
			return 0
		case a == k.NullsFirst:
			return -1
		}
		return 1
	}
	c := column.Compare(v, i, w, j)
	if !k.Ascending {
		c = -c
	}
	return c
}
