package kql_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/slipway-cd/slipway/kql"
	"github.com/slipway-cd/slipway/kql/column"
	"github.com/slipway-cd/slipway/kql/scalar"
)

// The files in testdata are cases in a small language: a block begins at the left margin, its lines are indented.
//
//	table T(a: long, b: string)       a table that the cases behind it see; rows are cells with | between them
//	    1 | x
//	    null | "a | quoted text"
//
//	case what the query shows         the query
//	    T | where a > 0
//
//	rows                              the answer: names and types, then rows; "ordered rows" if the order counts
//	    a: long | b: string
//	    1 | x
//
//	error                             or the error: line:column, Kusto's code or -, and a part of the message
//	    1:11 KS142 there is no column
//
// An empty cell is the empty string, null is null. now() is 2024-05-01 12:00.

// TestCases runs the files in testdata.
func TestCases(t *testing.T) {
	files, err := filepath.Glob("testdata/*.cases")
	if err != nil || len(files) == 0 {
		t.Fatal("no cases", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".cases"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			runCases(t, file, string(text))
		})
	}
}

var caseNow = time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC)

// block is a heading with its indented lines.
type block struct {
	line    int
	heading string
	body    []string
}

func blocks(text string) []block {
	var all []block
	for i, line := range strings.Split(text, "\n") {
		switch {
		case strings.HasPrefix(line, "#"):
		case line != "" && line[0] != ' ':
			all = append(all, block{line: i + 1, heading: strings.TrimSpace(line)})
		case len(all) > 0:
			last := &all[len(all)-1]
			last.body = append(last.body, strings.TrimPrefix(line, "    "))
		}
	}
	for i := range all {
		for n := len(all[i].body); n > 0 && strings.TrimSpace(all[i].body[n-1]) == ""; n-- {
			all[i].body = all[i].body[:n-1]
		}
	}
	return all
}

func runCases(t *testing.T, file, text string) {
	db := tables{}
	all := blocks(text)
	for i, b := range all {
		where := fmt.Sprintf("%s:%d", file, b.line)
		switch word, rest, _ := strings.Cut(b.heading, " "); word {
		case "table":
			name, columns, ok := strings.Cut(strings.TrimSuffix(rest, ")"), "(")
			if !ok {
				t.Fatalf("%s: table name(columns)", where)
			}
			db[name] = caseTable(t, where, name, fields(t, where, columns, ","), b.body)
		case "case":
			if i+1 == len(all) {
				t.Fatalf("%s: no answer", where)
			}
			t.Run(rest, func(t *testing.T) { runCase(t, db, strings.Join(b.body, "\n"), all[i+1], file) })
		case "rows", "ordered", "error":
		default:
			t.Fatalf("%s: no block %q", where, word)
		}
	}
}

func runCase(t *testing.T, db tables, query string, want block, file string) {
	where := fmt.Sprintf("%s:%d", file, want.line)
	got, err := answer(t, db, query)
	if want.heading == "error" {
		checkError(t, where, err, strings.Join(want.body, "\n"))
		return
	}
	if err != nil {
		t.Fatalf("%s: %v\n%s", where, err, query)
	}
	if len(want.body) == 0 {
		t.Fatalf("%s: no columns", where)
	}
	columns := fields(t, where, want.body[0], "|")
	if !slices.Equal(got.Columns, columns) {
		t.Fatalf("%s: columns %v, want %v\n%s", where, got.Columns, columns, query)
	}
	expected := caseTable(t, where, "", columns, want.body[1:]).Snapshot()
	x, y := plainRows(t, got), plainRows(t, expected)
	if want.heading != "ordered rows" {
		sortRows(x)
		sortRows(y)
	}
	if !equal(x, y) {
		t.Fatalf("%s: rows\n%s\nwant\n%s\n%s", where, lines(x), lines(y), query)
	}
}

func answer(t *testing.T, db tables, query string) (*column.Table, error) {
	q, err := kql.Compile(query, kql.SchemaOf(db))
	if err != nil {
		return nil, err
	}
	got, _, err := q.Run(t.Context(), db, kql.RunOptions{Now: caseNow})
	if err == nil && q.Columns() != nil && !slices.Equal(q.Columns(), got.Columns) {
		t.Fatalf("Compile promised %v, Run gave %v", q.Columns(), got.Columns)
	}
	return got, err
}

func checkError(t *testing.T, where string, err error, want string) {
	t.Helper()
	var e *kql.Error
	if !errors.As(err, &e) {
		t.Fatalf("%s: error %v, want %s", where, err, want)
	}
	code := e.Code
	if code == "" {
		code = "-"
	}
	place, text, _ := strings.Cut(want, " ")
	wantCode, text, _ := strings.Cut(text, " ")
	if got := fmt.Sprintf("%d:%d", e.Line, e.Column); got != place || code != wantCode || !strings.Contains(e.Message, text) {
		t.Fatalf("%s: error\n%s %s %s\nwant\n%s", where, got, code, e.Message, want)
	}
}

func fields(t *testing.T, where, text, between string) []column.Field {
	t.Helper()
	var all []column.Field
	for part := range strings.SplitSeq(text, between) {
		i := strings.LastIndex(part, ":")
		if i < 0 {
			t.Fatalf("%s: %q is no name: type", where, part)
		}
		typ, ok := column.ParseType(strings.TrimSpace(part[i+1:]))
		if !ok {
			t.Fatalf("%s: no type %q", where, part[i+1:])
		}
		all = append(all, column.Field{Name: strings.TrimSpace(part[:i]), Type: typ})
	}
	return all
}

func caseTable(t *testing.T, where, name string, columns []column.Field, rows []string) *column.Appender {
	t.Helper()
	a := column.NewAppender(name, columns)
	err := a.Append(func(b *column.Batch) error {
		for _, row := range rows {
			cells := splitCells(row)
			if len(cells) != len(columns) {
				return fmt.Errorf("%d cells in %q, want %d", len(cells), row, len(columns))
			}
			for i, cell := range cells {
				if err := appendCell(b.Column(i), columns[i].Type, cell); err != nil {
					return fmt.Errorf("cell %q: %w", cell, err)
				}
			}
			if err := b.EndRow(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatalf("%s: %v", where, err)
	}
	return a
}

// splitCells cuts at bars outside of quotes.
func splitCells(row string) []string {
	var cells []string
	quoted, start := false, 0
	for i := 0; i < len(row); i++ {
		switch row[i] {
		case '\\':
			i++
		case '"':
			quoted = !quoted
		case '|':
			if !quoted {
				cells, start = append(cells, strings.TrimSpace(row[start:i])), i+1
			}
		}
	}
	return append(cells, strings.TrimSpace(row[start:]))
}

func appendCell(b *column.Builder, t column.Type, cell string) error {
	switch {
	case t == column.Dynamic:
		return b.AppendJSON(cell)
	case t == column.String:
		if strings.HasPrefix(cell, `"`) {
			v, err := column.ParseJSON(cell)
			if err != nil {
				return err
			}
			cell = v.(string)
		}
		b.AppendString(cell)
		return nil
	case cell == "null":
		b.AppendNull()
		return nil
	}
	name := map[column.Type]string{
		column.Bool: "tobool", column.Int: "toint", column.Long: "tolong", column.Real: "toreal", column.Decimal: "todecimal",
		column.DateTime: "todatetime", column.TimeSpan: "totimespan", column.GUID: "toguid",
	}[t]
	f, ok := scalar.Lookup(name)
	if !ok {
		return fmt.Errorf("no function %s", name)
	}
	v, err := f.Eval(&scalar.Context{}, []*column.Vector{column.NewStrings([]string{cell})}, 1)
	if err != nil {
		return err
	}
	if v.Null(0) {
		return fmt.Errorf("not a %s", t)
	}
	return b.Append(v.Value(0))
}

func lines(rows [][]any) string {
	var b bytes.Buffer
	for _, r := range rows {
		fmt.Fprintln(&b, dump(r))
	}
	return b.String()
}
