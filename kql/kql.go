// Package kql answers queries in the Kusto Query Language over tables in memory.
//
// [Compile] checks a query against a schema and gives its result columns; [Query.Run] computes the answer over a [Database]. What the
// package does not know is an error that names it, never a wrong answer. The README beside this file says what is covered.
package kql

import (
	"context"
	"errors"
	"time"

	"github.com/slipway-cd/slipway/kql/bind"
	"github.com/slipway-cd/slipway/kql/column"
	"github.com/slipway-cd/slipway/kql/exec"
	"github.com/slipway-cd/slipway/kql/syntax"
)

// Error is what is wrong with a query, and where.
type Error = syntax.Error

// LimitError says that a query ran into one of the bounds in [RunOptions] and has no answer.
type LimitError = exec.LimitError

// Stats are what a run did.
type Stats = exec.Stats

// Schema tells which tables there are and which columns they have. A column [IngestedAt] is read by ingestion_time() and is not seen
// otherwise.
type Schema interface {
	Table(name string) ([]column.Field, bool)
	Names() []string
}

// IngestedAt is the name of the column that ingestion_time() reads.
const IngestedAt = bind.IngestedAt

// Database gives the tables of a query. Table is called at most once per table and run, and gives a view that does not change.
type Database interface {
	Table(name string) (*column.Table, bool)
	Names() []string
}

// Query is a query that has been checked. It may run many times, also at once.
type Query struct {
	text   string
	tree   *syntax.Query
	plan   exec.Node // nil if the columns depend on the data
	schema Schema
}

// Compile checks a query against a schema. An error of the query is an [*Error] that says where it is.
func Compile(query string, schema Schema) (*Query, error) {
	tree, err := syntax.ParseQuery(query)
	if err != nil {
		return nil, err
	}
	plan, err := bind.Query(tree, schema, nil)
	if err != nil && !errors.Is(err, bind.ErrLate) {
		return nil, syntax.WithLine(err, query)
	}
	return &Query{text: query, tree: tree, plan: plan, schema: schema}, nil
}

// Columns are the columns of the result. They are nil if they depend on the data, as after evaluate pivot() or bag_unpack().
func (q *Query) Columns() []column.Field {
	if q.plan == nil {
		return nil
	}
	return q.plan.Columns()
}

// Bounds of a run that RunOptions does not set; those on rows and time are Log Analytics' own.
const (
	DefaultMaxRows  = 500_000
	DefaultMaxBytes = 2 << 30
	DefaultTimeout  = 3 * time.Minute
)

// RunOptions are when a query runs and what it may use. A zero bound is its default, a negative one is none.
type RunOptions struct {
	Now      time.Time     // what now() is; zero: the clock
	MaxRows  int64         // of the result
	MaxBytes int64         // of memory that operators keep; approximate
	Timeout  time.Duration // of the whole run
}

// Run computes the answer. If it runs into a bound the error is a [*LimitError]; if ctx ends, that of ctx; if the query fails on the
// data, an [*Error]. There is no partial answer.
func (q *Query) Run(ctx context.Context, db Database, o RunOptions) (*column.Table, Stats, error) {
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Timeout > 0 {
		inner, cancel := context.WithTimeout(ctx, o.Timeout)
		defer cancel()
		ctx = inner
	}
	run := exec.NewRun(ctx, db, o.Now, exec.Limits{Rows: bound(o.MaxRows, DefaultMaxRows), Bytes: bound(o.MaxBytes, DefaultMaxBytes)})
	plan := q.plan
	if plan == nil {
		var err error
		if plan, err = bind.Query(q.tree, q.schema, run); err != nil {
			return nil, run.Stats(), syntax.WithLine(err, q.text)
		}
	}
	t, err := run.Execute(plan)
	return t, run.Stats(), syntax.WithLine(err, q.text)
}

func bound(given, otherwise int64) int64 {
	switch {
	case given == 0:
		return otherwise
	case given < 0:
		return 0
	}
	return given
}

// SchemaOf gives the schema of a database: that of its tables as they are now.
func SchemaOf(db Database) Schema { return schemaOf{db} }

type schemaOf struct{ Database }

func (s schemaOf) Table(name string) ([]column.Field, bool) {
	t, ok := s.Database.Table(name)
	if !ok {
		return nil, false
	}
	return t.Columns, true
}
