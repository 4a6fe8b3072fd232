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
	Rows  int64 // of the answer
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

// check ends the run when its context has ended, or its memory is used up.
func (r *Run) check() error {
	if r.limits.Bytes > 0 && r.stats.BytesKept > r.limits.Bytes {
		return &LimitError{fmt.Sprintf("the query needs more than %d MiB of memory: narrow it with where, or raise the limit", r.limits.Bytes>>20)}
	}
	err := r.ctx.Err()
	if errors.Is(err, context.DeadlineExceeded) {
		return &LimitError{"the query took longer than it may: narrow its time range, or raise the limit"}
	}
	return err
}

// keep counts memory that an operator goes on holding.
func (r *Run) keep(bytes int64) error {
	r.stats.BytesKept += bytes
	return r.check()
}

// keepRows checks the number of rows that an operator holds.
func (r *Run) keepRows(rows int) error {
	if r.limits.Rows > 0 && int64(rows) > r.limits.Rows {
		return &LimitError{fmt.Sprintf("the result has more than %d rows: narrow it with where, take or summarize, or raise the limit", r.limits.Rows)}
	}
	return nil
}

// Execute runs a plan to its end and gives the answer, which has no name.
func (r *Run) Execute(n Node) (*column.Table, error) {
	started := time.Now()
	defer func() { r.stats.Elapsed += time.Since(started) }()
	return r.table(n, r.keepRows)
}

// Table runs a part of a plan to its end; the bound on the rows of the answer does not hold for it.
func (r *Run) Table(n Node) (*column.Table, error) { return r.table(n, r.noRows) }

func (r *Run) table(n Node, count func(rows int) error) (*column.Table, error) {
	b, err := r.gatherAll(n, count)
	if err != nil {
		return nil, err
	}
	t := &column.Table{Columns: n.Columns(), Rows: b.Rows}
	for i := range t.Columns {
		t.Vectors = append(t.Vectors, b.Col(i))
		if err := r.keep(0); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// collect reads a node to its end into one batch, whose columns are put together when they are asked for.
func (r *Run) collect(n Node) (*Batch, error) { return r.gatherAll(n, r.noRows) }

func (r *Run) noRows(int) error { return nil }

func (r *Run) gatherAll(n Node, count func(rows int) error) (*Batch, error) {
	next, err := n.Open(r)
	if err != nil {
		return nil, err
	}
	var parts []*Batch
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
		if err := count(rows); err != nil {
			return nil, err
		}
		parts = append(parts, b)
		size := int64(64)
		for _, v := range b.cols {
			if v != nil { // what is not made yet is counted when it is
				size += r.keptSize(v)
			}
		}
		if err := r.keep(size); err != nil {
			return nil, err
		}
	}
	return r.concat(n.Columns(), parts, rows), nil
}

// concat puts batches together, each column when it is asked for.
func (r *Run) concat(fields []column.Field, parts []*Batch, rows int) *Batch {
	return lazy(rows, len(fields), func(i int) *column.Vector {
		vectors := make([]*column.Vector, len(parts))
		for k, p := range parts {
			vectors[k] = p.Col(i)
		}
		v := column.Concat(fields[i].Type, vectors...)
		r.stats.BytesKept += r.keptSize(v) // the next check finds out
		return v
	})
}

// maxDynamic bounds one dynamic value, whose parts may be shared and so be larger than the memory they take.
const maxDynamic = 128 << 20

// measure checks the size of dynamics that were computed against what is left.
func (r *Run) measure(v *column.Vector, left *int64) error {
	most := int64(maxDynamic)
	if r.limits.Bytes > 0 {
		most = min(most, *left)
	}
	for i := range v.Len() {
		size := column.SizeOf(v.Value(i), most)
		if size > most {
			return &LimitError{"the query makes arrays or bags that are larger than it may keep: make fewer or shorter ones"}
		}
		if r.limits.Bytes > 0 {
			*left -= size
			most = min(maxDynamic, *left)
		}
		if v.IsConst() {
			return nil
		}
	}
	return nil
}

// keptSize is the memory of a vector without its dictionary, which batches share.
func (r *Run) keptSize(v *column.Vector) int64 {
	if codes, _, ok := v.Dictionary(); ok {
		return int64(codes.Len()) * 4
	}
	if r.limits.Bytes > 0 {
		return v.SizeUpTo(r.limits.Bytes)
	}
	return v.SizeUpTo(maxDynamic)
}
