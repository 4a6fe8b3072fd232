package envelope

import "math"

// Kind says which field of a Cell holds its value.
type Kind uint8

// The kinds of a cell.
const (
	Text    Kind = iota // Cell.Text: string columns, and dynamic ones as JSON text
	Number              // Cell.Num(): real columns
	Integer             // Cell.Int: int columns
	Boolean             // Cell.Int, 0 or 1
	Instant             // Cell.Int: nanoseconds since 1970
)

// Cell is the value of one column of a row.
type Cell struct {
	Column Column
	Kind   Kind
	Int    int64
	Text   string
}

// NumberCell makes the cell of a real column.
func NumberCell(c Column, f float64) Cell {
	return Cell{Column: c, Kind: Number, Int: int64(math.Float64bits(f))}
}

// Num is the value of a Number.
func (c Cell) Num() float64 { return math.Float64frombits(uint64(c.Int)) }

// Row is one row of an App* table. Cells come in the order of their columns;
// a column without a cell is empty: "" where it is a string, null elsewhere.
type Row struct {
	Table string
	Cells []Cell
}

// Get returns the cell of a column.
func (r *Row) Get(c Column) (Cell, bool) {
	for _, cell := range r.Cells {
		if cell.Column == c {
			return cell, true
		}
	}
	return Cell{}, false
}

func (r *Row) text(c Column, s string) {
	if s != "" {
		r.Cells = append(r.Cells, Cell{Column: c, Kind: Text, Text: s})
	}
}

func (r *Row) number(c Column, f float64) {
	r.Cells = append(r.Cells, NumberCell(c, f))
}

func (r *Row) maybe(c Column, f *float64) {
	if f != nil {
		r.number(c, *f)
	}
}

func (r *Row) integer(c Column, i int64) {
	r.Cells = append(r.Cells, Cell{Column: c, Kind: Integer, Int: i})
}

func (r *Row) boolean(c Column, b bool) {
	cell := Cell{Column: c, Kind: Boolean}
	if b {
		cell.Int = 1
	}
	r.Cells = append(r.Cells, cell)
}
