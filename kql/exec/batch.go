package exec

import "github.com/slipway-cd/slipway/kql/column"

// Batch is some rows of a table. A column that nobody asks for is never made.
type Batch struct {
	Rows int
	cols []*column.Vector
	fill func(i int) *column.Vector

	// Of a batch that gather made: the rows of another that it shows.
	base  *Batch
	shows []int32
}

// lazy is a batch whose columns are made when they are asked for.
func lazy(rows, columns int, fill func(i int) *column.Vector) *Batch {
	return &Batch{Rows: rows, cols: make([]*column.Vector, columns), fill: fill}
}

// full is a batch of columns that are there.
func full(rows int, cols ...*column.Vector) *Batch { return &Batch{Rows: rows, cols: cols} }

// Col gives a column.
func (b *Batch) Col(i int) *column.Vector {
	if b.cols[i] == nil {
		b.cols[i] = b.fill(i)
	}
	return b.cols[i]
}

// gather gives the rows at the positions; a negative one is a row of nulls.
func (b *Batch) gather(rows []int32) *Batch {
	g := lazy(len(rows), len(b.cols), func(i int) *column.Vector { return b.Col(i).Gather(rows) })
	g.base, g.shows = b, rows
	return g
}

// slice gives the rows from i to j.
func (b *Batch) slice(i, j int) *Batch {
	if i == 0 && j == b.Rows {
		return b
	}
	return lazy(j-i, len(b.cols), func(c int) *column.Vector {
		if b.cols[c] == nil && b.base != nil { // of a sorted table only the rows that are looked at are put in order
			return b.base.Col(c).Gather(b.shows[i:j])
		}
		return b.Col(c).Slice(i, j)
	})
}

// Stream gives one batch after another, and nil when there are no more.
type Stream func() (*Batch, error)

// Node is an operator of a plan.
type Node interface {
	// Columns of the result.
	Columns() []column.Field
	// Open starts to run it.
	Open(r *Run) (Stream, error)
}

// pieces gives a batch in parts of batchRows.
func pieces(r *Run, b *Batch) Stream {
	at := 0
	return func() (*Batch, error) {
		if at >= b.Rows {
			return nil, nil
		}
		if err := r.check(); err != nil {
			return nil, err
		}
		from := at
		at = min(at+batchRows, b.Rows)
		return b.slice(from, at), nil
	}
}

// later is a stream whose batch is made, by reading its input, when the first part is asked for.
func later(r *Run, build func() (*Batch, error)) Stream {
	var next Stream
	return func() (*Batch, error) {
		if next == nil {
			b, err := build()
			if err != nil {
				return nil, err
			}
			next = pieces(r, b)
		}
		return next()
	}
}
