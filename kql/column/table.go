package column

import (
	"fmt"
	"sync"
)

// Field is a column's name and type.
type Field struct {
	Name string
	Type Type
}

// Table is an immutable table: a name, which may be empty, and as many vectors as columns, each of Rows rows.
type Table struct {
	Name    string
	Columns []Field
	Vectors []*Vector
	Rows    int
}

// Index gives the position of a column by its exact name, or -1.
func (t *Table) Index(name string) int {
	for i, c := range t.Columns {
		if c.Name == name {
			return i
		}
	}
	return -1
}

// Appender grows a table while others read it. Rows are appended one batch at a time; a snapshot is a consistent table of all
// finished batches that later batches do not change. It costs a few words a column.
type Appender struct {
	name   string
	fields []Field

	mu       sync.Mutex
	builders []*Builder
	rows     int
}

// NewAppender makes an empty table.
func NewAppender(name string, fields []Field) *Appender {
	a := &Appender{name: name, fields: fields}
	for _, f := range fields {
		a.builders = append(a.builders, NewBuilder(f.Type))
	}
	return a
}

// Name of the table.
func (a *Appender) Name() string { return a.name }

// Fields are the table's columns; do not change them.
func (a *Appender) Fields() []Field { return a.fields }

// Append lets fill append rows. All of them become visible together; if fill fails, none do, and Append returns its error.
func (a *Appender) Append(fill func(*Batch) error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	b := &Batch{table: a, rows: a.rows}
	err := fill(b)
	if err == nil {
		err = b.unfinished()
	}
	if err != nil {
		for _, c := range a.builders {
			if c.Len() > a.rows {
				c.Truncate(a.rows)
			}
		}
		return err
	}
	a.rows = b.rows
	return nil
}

// Snapshot gives the table as it is now.
func (a *Appender) Snapshot() *Table {
	a.mu.Lock()
	defer a.mu.Unlock()
	t := &Table{Name: a.name, Columns: a.fields, Vectors: make([]*Vector, len(a.builders)), Rows: a.rows}
	for i, b := range a.builders {
		t.Vectors[i] = b.Vector()
	}
	return t
}

// Batch is rows being appended; it is valid only within the call that got it.
type Batch struct {
	table *Appender
	rows  int
}

// Column gives the i-th column to append one value of the current row to.
func (b *Batch) Column(i int) *Builder { return b.table.builders[i] }

// EndRow ends the current row: a column that got no value gets a null (a string column the empty string).
func (b *Batch) EndRow() error {
	b.rows++
	for i, c := range b.table.builders {
		switch n := c.Len(); {
		case n < b.rows:
			c.AppendNull()
		case n > b.rows:
			return fmt.Errorf("table %s: column %s got %d values in one row", b.table.name, b.table.fields[i].Name, n-b.rows+1)
		}
	}
	return nil
}

func (b *Batch) unfinished() error {
	for i, c := range b.table.builders {
		if c.Len() > b.rows {
			return fmt.Errorf("table %s: column %s got a value after the last finished row", b.table.name, b.table.fields[i].Name)
		}
	}
	return nil
}
