package kql_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/slipway-cd/slipway/kql"
	"github.com/slipway-cd/slipway/kql/column"
)

// pair is a query with the answer that the Kusto emulator gave.
type pair struct {
	ID       string
	Query    string
	Ordered  bool
	Expected struct {
		Columns     []string
		ColumnTypes []string `json:"column_types"`
		Rows        [][]any
	}
}

// unsupported are the pairs that have no answer here, with the error they give instead.
var unsupported = map[string]string{
	// The list of time zones is that of the engine's time zone database, a different one in each version.
	"datetime-list-timezones-00": "the function datetime_list_timezones() is not supported",
}

// TestAnswersAreThoseOfTheKustoEmulator compares with recorded answers of the real engine, which are not part of the project.
func TestAnswersAreThoseOfTheKustoEmulator(t *testing.T) {
	for _, p := range loadPairs(t) {
		t.Run(p.ID, func(t *testing.T) {
			q, err := kql.Compile(p.Query, kql.SchemaOf(none{}))
			if want, ok := unsupported[p.ID]; ok {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("error %v, want %s", err, want)
				}
				return
			}
			if err != nil {
				t.Fatalf("%v\n%s", err, p.Query)
			}
			got, _, err := q.Run(t.Context(), none{}, kql.RunOptions{Now: time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)})
			if err != nil {
				t.Fatalf("%v\n%s", err, p.Query)
			}
			var names, types []string
			for _, c := range got.Columns {
				names, types = append(names, c.Name), append(types, dotNet(c.Type))
			}
			if !slices.Equal(names, p.Expected.Columns) || !slices.Equal(types, p.Expected.ColumnTypes) {
				t.Fatalf("columns %v %v, want %v %v\n%s", names, types, p.Expected.Columns, p.Expected.ColumnTypes, p.Query)
			}
			rows := plainRows(t, got)
			if !p.Ordered {
				sortRows(rows)
				sortRows(p.Expected.Rows)
			}
			if !equal(rows, p.Expected.Rows) {
				t.Fatalf("rows\n%s\nwant\n%s\n%s", dump(rows), dump(p.Expected.Rows), p.Query)
			}
		})
	}
}

func loadPairs(t *testing.T) []pair {
	t.Helper()
	file, err := os.ReadFile(filepath.Join(root(t), "..", "shared", "kql", "pairs.jsonl"))
	if errors.Is(err, fs.ErrNotExist) {
		t.Skip("the recorded answers (../shared/kql/pairs.jsonl) are not here")
	}
	if err != nil {
		t.Fatal(err)
	}
	var pairs []pair
	lines := bufio.NewScanner(bytes.NewReader(file))
	lines.Buffer(nil, len(file)+1)
	for lines.Scan() {
		var p pair
		if err := json.Unmarshal(lines.Bytes(), &p); err != nil {
			t.Fatal(err)
		}
		pairs = append(pairs, p)
	}
	return pairs
}

// root is the folder of the module.
func root(t *testing.T) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for ; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("no go.mod above the test")
		}
	}
}

// none is a database without tables.
type none struct{}

func (none) Table(string) (*column.Table, bool) { return nil, false }
func (none) Names() []string                    { return nil }

func dotNet(t column.Type) string {
	return map[column.Type]string{
		column.Bool: "SByte", column.Int: "Int32", column.Long: "Int64", column.Real: "Double", column.String: "String", column.Decimal: "SqlDecimal",
		column.DateTime: "DateTime", column.TimeSpan: "TimeSpan", column.GUID: "Guid", column.Dynamic: "Object",
	}[t]
}

// plainRows turns a table into what encoding/json would read from its JSON.
func plainRows(t *testing.T, table *column.Table) [][]any {
	t.Helper()
	rows := make([][]any, table.Rows)
	for i := range rows {
		for c, v := range table.Vectors {
			x := v.Value(i)
			switch y := x.(type) {
			case column.Ticks:
				if table.Columns[c].Type == column.DateTime {
					x = y.Time().Format("2006-01-02T15:04:05.9999999Z")
				}
			case float64:
				if math.IsNaN(y) || math.IsInf(y, 0) {
					x = column.FormatReal(y)
				}
			}
			var plain any
			if err := json.Unmarshal(column.AppendJSON(nil, x), &plain); err != nil {
				t.Fatal(err)
			}
			rows[i] = append(rows[i], plain)
		}
	}
	return rows
}

func sortRows(rows [][]any) {
	slices.SortStableFunc(rows, func(a, b []any) int { return bytes.Compare([]byte(dump(a)), []byte(dump(b))) })
}

func dump(x any) string {
	b, err := json.Marshal(x)
	if err != nil {
		return fmt.Sprint(x)
	}
	return string(b)
}

// equal compares with a relative tolerance of 1e-9 for numbers.
func equal(a, b any) bool {
	x, isNumber := a.(float64)
	y, both := b.(float64)
	if isNumber && both {
		return math.Abs(x-y) <= 1e-9*math.Max(1, math.Max(math.Abs(x), math.Abs(y)))
	}
	switch a := a.(type) {
	case [][]any:
		b, ok := b.([][]any)
		return ok && slices.EqualFunc(a, b, func(a, b []any) bool { return equal(a, b) })
	case []any:
		b, ok := b.([]any)
		return ok && slices.EqualFunc(a, b, equal)
	case map[string]any:
		b, ok := b.(map[string]any)
		if !ok || len(a) != len(b) {
			return false
		}
		for k, v := range a {
			w, ok := b[k]
			if !ok || !equal(v, w) {
				return false
			}
		}
		return true
	}
	return reflect.DeepEqual(a, b)
}
