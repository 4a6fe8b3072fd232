// Package recorded answers KQL queries from tables in memory, such as a recording, as Log Analytics would.
package recorded

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/slipway-cd/slipway/internal/telemetry/loganalytics"
	"github.com/slipway-cd/slipway/kql"
	"github.com/slipway-cd/slipway/kql/column"
)

// Source asks a database.
type Source struct {
	Database kql.Database
	// Now is what now() is in queries; nil: the time.
	Now func() time.Time
}

var _ loganalytics.Querier = (*Source)(nil)

// Query implements [loganalytics.Querier]. Whole numbers of an answer are int64.
func (s *Source) Query(ctx context.Context, query string) (loganalytics.Answer, error) {
	q, err := kql.Compile(query, kql.SchemaOf(s.Database))
	if err != nil {
		return loganalytics.Answer{}, explain(err)
	}
	var o kql.RunOptions
	if s.Now != nil {
		o.Now = s.Now()
	}
	t, _, err := q.Run(ctx, s.Database, o)
	if err != nil {
		return loganalytics.Answer{}, explain(err)
	}
	a := loganalytics.Answer{Rows: make([][]any, t.Rows)}
	for _, c := range t.Columns {
		a.Columns = append(a.Columns, loganalytics.Column{Name: c.Name, Type: c.Type.String()})
	}
	for i := range a.Rows {
		row := make([]any, len(t.Vectors))
		for j, v := range t.Vectors {
			row[j] = plain(v.Value(i))
		}
		a.Rows[i] = row
	}
	return a, nil
}

// explain makes of the engine's errors what Log Analytics would have said.
func explain(err error) error {
	var wrong *kql.Error
	if errors.As(err, &wrong) {
		return &loganalytics.QueryError{Kind: loganalytics.Wrong, Message: wrong.Message, Line: wrong.Line, Column: wrong.Column, Err: err}
	}
	return err
}

// plain is a value as JSON can hold it: what JSON does not know becomes text.
func plain(v column.Value) any {
	switch v := v.(type) {
	case nil, bool, int64, string:
		return v
	case float64:
		switch {
		case math.IsNaN(v):
			return "NaN"
		case math.IsInf(v, 1):
			return "Infinity"
		case math.IsInf(v, -1):
			return "-Infinity"
		}
		return v
	case column.Ticks:
		return v.Time().Format(time.RFC3339Nano)
	case []column.Value, *column.Bag:
		return string(column.AppendJSON(nil, v))
	case interface{ String() string }:
		return v.String()
	}
	return nil
}
