// Package kqlcheck compares Slipway's reading of queries with that of Microsoft's own parser: whether a query is valid, and the names and types
// of its result's columns. It needs Node.js and the packages that "npm ci" puts beside it, and skips without them.
package kqlcheck

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/slipway-cd/slipway/kql"
	"github.com/slipway-cd/slipway/kql/apptables"
	"github.com/slipway-cd/slipway/kql/column"
)

// query is a query to ask both about, over the tables that it sees.
type query struct {
	id       string
	text     string
	schema   schema
	fails    bool   // as the case expects
	function string // that the query is about
}

// schema is a kql.Schema of fixed tables.
type schema map[string][]column.Field

func (s schema) Table(name string) ([]column.Field, bool) {
	columns, ok := s[name]
	return columns, ok
}

func (s schema) Names() []string {
	var names []string
	for name := range s {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// reading is what a parser says of a query. Columns are nil where they depend on data.
type reading struct {
	Failed  string // why the parser has no opinion; only of theirs
	Errors  []problem
	Columns []field
}

type problem struct {
	Code, Message string
	Line, Column  int
}

type field struct{ Name, Type string }

func (r reading) String() string {
	if len(r.Errors) > 0 {
		return fmt.Sprintf("errors %v", r.Errors)
	}
	return fmt.Sprintf("columns %v", r.Columns)
}

// TestQueriesAreReadAsMicrosoftReadsThem asks both about the queries of Kusto's documentation (which are not part of the project), of the
// cases of package kql, and of gates.
func TestQueriesAreReadAsMicrosoftReadsThem(t *testing.T) {
	queries := slices.Concat(documented(t), caseQueries(t), gates())
	theirs := microsoft(t, queries)
	for i, q := range queries {
		t.Run(q.id, func(t *testing.T) {
			ours, unsupported := slipway(q)
			why := difference(q, ours, theirs[i])
			known, listed := differs[q.id]
			switch {
			case theirs[i].Failed != "":
				t.Errorf("Microsoft's parser fails: %s", theirs[i].Failed)
			case unsupported && len(theirs[i].Errors) == 0:
				t.Logf("not supported: %s", ours.Errors[0].Message)
			case why != "" && !listed:
				t.Errorf("%s\nours: %s\ntheirs: %s\n%s", why, ours, theirs[i], q.text)
			case why == "" && listed:
				t.Errorf("listed as read in two ways (%s), but it is not", known)
			case !sameCode(ours, theirs[i]):
				t.Logf("another code of the error\nours: %s\ntheirs: %s\n%s", ours, theirs[i], q.text)
			}
		})
	}
	for id := range differs {
		if !slices.ContainsFunc(queries, func(q query) bool { return q.id == id }) && !strings.HasPrefix(id, fromDocumentation) {
			t.Errorf("%s is listed as read in two ways, but there is no such query", id)
		}
	}
}

// fromDocumentation begins the ids of queries that are not part of the project.
const fromDocumentation = "documentation/"

func documented(t *testing.T) []query {
	t.Helper()
	path := filepath.Join("..", "..", "..", "shared", "kql", "pairs.jsonl")
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		t.Logf("the queries of the documentation are not here and are left out: %v", err)
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	var queries []query
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, len(data)+1)
	for lines.Scan() {
		var p struct{ ID, Query string }
		if err := json.Unmarshal(lines.Bytes(), &p); err != nil {
			t.Fatal(err)
		}
		queries = append(queries, query{id: fromDocumentation + p.ID, text: p.Query})
	}
	return queries
}

func caseQueries(t *testing.T) []query {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "..", "kql", "testdata", "*.cases"))
	if err != nil || len(files) == 0 {
		t.Fatalf("there are no cases (%v)", err)
	}
	var queries []query
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		queries = append(queries, cases(t, strings.TrimSuffix(filepath.Base(file), ".cases"), string(text))...)
	}
	return queries
}

func gates() []query {
	tables := schema{}
	for _, table := range apptables.All() {
		tables[table.Name] = table.Columns
	}
	var queries []query
	for _, q := range gateQueries {
		queries = append(queries, query{id: "gates/" + q.name, text: q.text, schema: tables})
	}
	return queries
}

// slipway reads a query with package kql; unsupported tells that the query may be valid, but is beyond what Slipway knows.
func slipway(q query) (r reading, unsupported bool) {
	compiled, err := kql.Compile(q.text, q.schema)
	if err != nil {
		p := problem{Message: err.Error()}
		var e *kql.Error
		if errors.As(err, &e) {
			p = problem{Code: e.Code, Message: e.Message, Line: e.Line, Column: e.Column}
		}
		return reading{Errors: []problem{p}}, strings.Contains(p.Message, "not supported")
	}
	for _, c := range compiled.Columns() {
		r.Columns = append(r.Columns, field{c.Name, c.Type.String()})
	}
	return r, false
}

// difference says how two readings differ, or "". What a case expects to fail may fail when it is bound or when it runs.
func difference(q query, ours, theirs reading) string {
	switch {
	case len(ours.Errors) == 0 && len(theirs.Errors) > 0 && !q.fails:
		return "we take a query that is not valid"
	case len(ours.Errors) > 0 && len(theirs.Errors) == 0 && !q.fails:
		return "we refuse a query that is valid"
	case len(ours.Errors) > 0 || len(theirs.Errors) > 0 || ours.Columns == nil || theirs.Columns == nil:
		return ""
	case !slices.Equal(ours.Columns, theirs.Columns):
		return "the columns differ"
	}
	return ""
}

// sameCode tells whether our error has a code of Kusto's that is among theirs, or none.
func sameCode(ours, theirs reading) bool {
	return len(ours.Errors) == 0 || len(theirs.Errors) == 0 || !strings.HasPrefix(ours.Errors[0].Code, "KS") ||
		slices.ContainsFunc(theirs.Errors, func(p problem) bool { return p.Code == ours.Errors[0].Code })
}

// node runs a script, or skips the test where it cannot run.
func node(t *testing.T, script string, input, output any) {
	t.Helper()
	program, err := exec.LookPath("node")
	if err != nil {
		t.Skip("Node.js is not installed: this check is skipped")
	}
	if _, err := os.Stat("node_modules"); errors.Is(err, fs.ErrNotExist) {
		t.Skip("the packages are not installed: run npm ci in tools/kqlcheck; this check is skipped")
	}
	text, err := json.Marshal(input)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), program, script)
	cmd.Stdin = bytes.NewReader(text)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	answer, err := cmd.Output()
	if err != nil {
		message := stderr.Bytes()
		t.Fatalf("%s: %v\n%s", script, err, message[max(len(message)-1000, 0):])
	}
	if err := json.Unmarshal(answer, output); err != nil {
		t.Fatalf("%s: %v", script, err)
	}
}

// microsoft reads queries with Microsoft's parser.
func microsoft(t *testing.T, queries []query) []reading {
	t.Helper()
	type group struct {
		Tables  map[string]string `json:"tables"`
		Queries []string          `json:"queries"`
	}
	// Queries that see the same tables are asked together.
	var groups []group
	for _, q := range queries {
		tables := declarations(q.schema)
		if len(groups) == 0 || !maps.Equal(groups[len(groups)-1].Tables, tables) {
			groups = append(groups, group{Tables: tables})
		}
		last := &groups[len(groups)-1]
		last.Queries = append(last.Queries, q.text)
	}
	var readings []reading
	node(t, "check.js", groups, &readings)
	if len(readings) != len(queries) {
		t.Fatalf("check.js read %d queries of %d", len(readings), len(queries))
	}
	return readings
}

func declarations(s schema) map[string]string {
	tables := map[string]string{}
	for name, columns := range s {
		var fields []string
		for _, c := range columns {
			if c.Name != kql.IngestedAt { // which no query sees
				fields = append(fields, fmt.Sprintf("['%s']: %s", c.Name, c.Type))
			}
		}
		tables[name] = "(" + strings.Join(fields, ", ") + ")"
	}
	return tables
}

// cases reads the queries of a file of cases, and the tables declared before each; see cases_test.go in package kql.
func cases(t *testing.T, file, text string) []query {
	t.Helper()
	tables := schema{}
	var queries []query
	inQuery := false
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if strings.HasPrefix(line, "#") {
			continue
		}
		if line == "" || line[0] == ' ' {
			if inQuery {
				q := &queries[len(queries)-1]
				q.text += strings.TrimPrefix(line, "    ") + "\n"
			}
			continue
		}
		word, rest, _ := strings.Cut(line, " ")
		inQuery = word == "case"
		switch word {
		case "error":
			queries[len(queries)-1].fails = true
		case "case":
			seen := schema{}
			for name, columns := range tables {
				seen[name] = columns
			}
			queries = append(queries, query{id: file + "/" + rest, schema: seen})
		case "table":
			name, columns, _ := strings.Cut(strings.TrimSuffix(strings.TrimSpace(rest), ")"), "(")
			var fields []column.Field
			for c := range strings.SplitSeq(columns, ",") {
				name, typeName, _ := strings.Cut(c, ":")
				typ, ok := column.ParseType(strings.TrimSpace(typeName))
				if !ok {
					t.Fatalf("column %q of table %s", c, rest)
				}
				fields = append(fields, column.Field{Name: strings.TrimSpace(name), Type: typ})
			}
			tables[name] = fields
		}
	}
	return queries
}
