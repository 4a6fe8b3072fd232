package recorded

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/slipway-cd/slipway/internal/telemetry/loganalytics"
	"github.com/slipway-cd/slipway/kql"
	"github.com/slipway-cd/slipway/kql/apptables"
	"github.com/slipway-cd/slipway/kql/column"
	"github.com/slipway-cd/slipway/kql/recording"
)

// part is how many rows are asked for at once, unless a single minute has more: far below Log Analytics' 500,000 and 100 MiB.
const part = 50_000

// partial is what a recording's directory is called until it is whole.
const partial = ".partial"

// Record copies the tables of a workspace, from a time on and before another, into a directory that does not exist yet, with the
// time at which each row arrived. told is called after each table. Nothing is left if it fails.
func Record(ctx context.Context, ask loganalytics.Querier, dir string, from, to time.Time, told func(table string, rows int)) error {
	switch _, err := os.Stat(dir); {
	case err == nil:
		return fmt.Errorf("%s exists: %w", dir, fs.ErrExist)
	case !errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("recording into %s: %w", dir, err)
	}
	made := dir + partial
	if err := os.RemoveAll(made); err != nil {
		return fmt.Errorf("clearing what an earlier recording left: %w", err)
	}
	err := record(ctx, ask, made, from, to, told)
	if err == nil {
		err = os.Rename(made, dir)
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(made))
	}
	return nil
}

func record(ctx context.Context, ask loganalytics.Querier, dir string, from, to time.Time, told func(string, int)) (err error) {
	w, err := recording.NewWriter(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, w.Close()) }()
	for _, table := range apptables.All() {
		if !slices.ContainsFunc(table.Columns, func(f column.Field) bool { return f.Name == "OperationId" }) {
			continue // the classic name of the same rows, or another service's table
		}
		fields := append(table.Columns, column.Field{Name: kql.IngestedAt, Type: column.DateTime})
		ends, err := parts(ctx, ask, table.Name, from, to)
		if err != nil {
			return fmt.Errorf("counting %s: %w", table.Name, err)
		}
		rows, start := 0, from
		for _, end := range ends {
			t, err := rowsOf(ctx, ask, table.Name, fields, start, end)
			if err != nil {
				return fmt.Errorf("reading %s: %w", table.Name, err)
			}
			if err := w.Append(t); err != nil {
				return err
			}
			rows, start = rows+t.Rows, end
		}
		told(table.Name, rows)
	}
	return nil
}

// parts are the ends of spans that are small enough to be asked for, the last one is to.
func parts(ctx context.Context, ask loganalytics.Querier, table string, from, to time.Time) ([]time.Time, error) {
	answer, err := ask.Query(ctx, fmt.Sprintf("%s\n| where TimeGenerated >= %s and TimeGenerated < %s\n| summarize n = count() by minute = bin(TimeGenerated, 1m)\n| sort by minute asc\n| project minute, n",
		table, literal(from), literal(to)))
	if err != nil {
		return nil, err
	}
	var ends []time.Time
	sum := 0.0
	for _, row := range answer.Rows {
		minute, err := time.Parse(time.RFC3339Nano, fmt.Sprint(row[0]))
		if err != nil {
			return nil, fmt.Errorf("a minute of the answer: %w", err)
		}
		n := asNumber(row[1])
		if sum > 0 && sum+n > part && minute.After(from) {
			ends, sum = append(ends, minute.UTC()), 0
		}
		sum += n
	}
	return append(ends, to), nil
}

func rowsOf(ctx context.Context, ask loganalytics.Querier, table string, fields []column.Field, from, to time.Time) (*column.Table, error) {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.Name
	}
	names[len(names)-1] += " = ingestion_time()"
	answer, err := ask.Query(ctx, fmt.Sprintf("%s\n| where TimeGenerated >= %s and TimeGenerated < %s\n| project %s",
		table, literal(from), literal(to), strings.Join(names, ", ")))
	if err != nil {
		return nil, err
	}
	t := &column.Table{Name: table, Columns: fields, Rows: len(answer.Rows)}
	for i, f := range fields {
		b := column.NewBuilder(f.Type)
		for n, row := range answer.Rows {
			if len(row) != len(fields) {
				return nil, fmt.Errorf("row %d has %d values for %d columns", n+1, len(row), len(fields))
			}
			if err := appendValue(b, f.Type, row[i]); err != nil {
				return nil, fmt.Errorf("row %d, column %s: %w", n+1, f.Name, err)
			}
		}
		t.Vectors = append(t.Vectors, b.Vector())
	}
	return t, nil
}

// appendValue reads a value as Log Analytics writes it.
func appendValue(b *column.Builder, t column.Type, v any) error {
	text, isText := v.(string)
	switch {
	case v == nil:
		b.AppendNull()
	case t == column.String && isText:
		b.AppendString(text)
	case t == column.Dynamic && isText:
		if text == "" {
			b.AppendNull()
			return nil
		}
		return b.AppendJSON(text)
	case t == column.DateTime && isText:
		at, ok := column.ParseDateTime(text)
		if !ok {
			return fmt.Errorf("%q is no datetime", text)
		}
		b.AppendInt(int64(at))
	case t == column.Bool:
		value, ok := v.(bool)
		if !ok {
			return fmt.Errorf("%v is no bool", v)
		}
		b.AppendBool(value)
	case t == column.Int || t == column.Long:
		b.AppendInt(int64(asNumber(v)))
	case t == column.Real && isText:
		special := map[string]float64{"NaN": math.NaN(), "Infinity": math.Inf(1), "-Infinity": math.Inf(-1)}
		f, ok := special[text]
		if !ok {
			return fmt.Errorf("%q is no real", text)
		}
		b.AppendReal(f)
	case t == column.Real:
		b.AppendReal(asNumber(v))
	default:
		return fmt.Errorf("%v is no %s", v, t)
	}
	return nil
}

func asNumber(v any) float64 {
	switch v := v.(type) {
	case float64:
		return v
	case int64:
		return float64(v)
	}
	return 0
}

func literal(t time.Time) string {
	return "datetime(" + t.UTC().Format("2006-01-02T15:04:05.0000000Z") + ")"
}
