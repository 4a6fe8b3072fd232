// Package exec runs query plans: trees of operators over batches of columns.
//
// A plan is immutable and may run many times, also at once; everything that changes belongs to a [Run].
package exec

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/slipway-cd/slipway/kql/column"
	"github.com/slipway-cd/slipway/kql/scalar"
)

// batchRows is how many rows an operator handles at a time: few enough that a few columns of them fit a processor's cache.
const batchRows = 16 * 1024

// Database gives the tables that a plan scans.
type Database interface {
	// Table gives a consistent view of a table that no longer changes. It is called once per table and run.
	Table(name string) (*column.Table, bool)
}

// Limits bound a run. A zero is no bound.
type Limits struct {
	Rows  int64 // of the result, and of what one operator keeps
	Bytes int64 // of memory that operators keep; approximate
}

// Stats are what a run did.
type Stats struct {
	RowsScanned int64
	BytesKept   int64 // memory that operators kept, in all; approximate
	Elapsed     time.Duration
}

// LimitError says that a query ran into a bound and has no answer.
type LimitError struct{ Message string }

func (e *LimitError) Error() string { return e.Message }

// Run is one execution of a plan. It serves one goroutine.
type Run struct {
	ctx      context.Context
	db       Database
	now      time.Time
	limits   Limits
	stats    Stats
	scalar   scalar.Context
	tables   map[string]*column.Table
	shared   map[*Shared]*column.Table
	subquery map[Expr]any
	feeds    map[*Feed]*Batch
}

// NewRun prepares a run. Its time is now wherever the query asks for it.
func NewRun(ctx context.Context, db Database, now time.Time, limits Limits) *Run {
	return &Run{
		ctx: ctx, db: db, now: now, limits: limits,
		scalar:   scalar.Context{Now: now, MaxBytes: limits.Bytes},
		tables:   map[string]*column.Table{},
		shared:   map[*Shared]*column.Table{},
		subquery: map[Expr]any{},
		feeds:    map[*Feed]*Batch{},
	}
}

// Stats so far.
func (r *Run) Stats() Stats { return r.stats }

// check ends the run when its context has ended.
func (r *Run) check() error {
	err := r.ctx.Err()
	if errors.Is(err, context.DeadlineExceeded) {
		return &LimitError{"the query took longer than it may: narrow its time range, or raise the limit"}
	}
	return err
}

// keep counts memory that an operator goes on holding.
func (r *Run) keep(bytes int64) error {
	r.stats.BytesKept += bytes
	if r.limits.Bytes > 0 && r.stats.BytesKept > r.limits.Bytes {
		return &LimitError{fmt.Sprintf("the query needs more than %d MiB of memory: narrow it with where, or raise the limit", r.limits.Bytes>>20)}
	}
	return r.check()
}

// keepRows checks the number of rows that an operator holds.
func (r *Run) keepRows(rows int) error {
	if r.limits.Rows > 0 && int64(rows) > r.limits.Rows {
		return &LimitError{fmt.Sprintf("the result has more than %d rows: narrow it with where, take or summarize, or raise the limit", r.limits.Rows)}
	}
	return nil
}

// Execute runs a plan to its end.
func (r *Run) Execute(n Node, name string) (*column.Table, error) {
	started := time.Now()
	defer func() { r.stats.Elapsed += time.Since(started) }()
	b, err := r.collect(n, true)
	if err != nil {
		return nil, err
	}
	t := &column.Table{Name: name, Columns: n.Columns(), Rows: b.Rows}
	for i := range t.Columns {
		t.Vectors = append(t.Vectors, b.Col(i))
	}
	return t, nil
}

// collect reads a node to its end into one batch. With result set, the bound on rows holds.
func (r *Run) collect(n Node, result bool) (*Batch, error) {
	next, err := n.Open(r)
	if err != nil {
		return nil, err
	}
	fields := n.Columns()
	parts := make([][]*column.Vector, len(fields))
	rows := 0
	for {
		b, err := next()
		if err != nil {
			return nil, err
		}
		if b == nil {
			break
		}
		if b.Rows == 0 {
			continue
		}
		rows += b.Rows
		if result {
			if err := r.keepRows(rows); err != nil {
				return nil, err
			}
		}
		var size int64
		for i := range parts {
			v := b.Col(i)
			parts[i] = append(parts[i], v)
			size += keptSize(v)
		}
		if err := r.keep(size); err != nil {
			return nil, err
		}
	}
	cols := make([]*column.Vector, len(fields))
	for i, f := range fields {
		cols[i] = column.Concat(f.Type, parts[i]...)
	}
	return &Batch{Rows: rows, cols: cols}, nil
}

// keptSize is the memory of a vector without its dictionary, which batches share.
func keptSize(v *column.Vector) int64 {
	if codes, _, ok := v.Dictionary(); ok {
		return int64(codes.Len()) * 4
	}
	return v.Size()
}
