package kql_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/slipway-cd/slipway/kql"
	"github.com/slipway-cd/slipway/kql/column"
)

// FuzzQuery runs texts as queries: whatever they are, there is an answer or an error, soon and in little memory.
func FuzzQuery(f *testing.F) {
	files, _ := filepath.Glob("testdata/*.cases")
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for _, b := range blocks(string(text)) {
			if strings.HasPrefix(b.heading, "case ") {
				f.Add(strings.Join(b.body, "\n"))
			}
		}
	}
	a := column.NewAppender("T", []column.Field{
		{Name: "a", Type: column.Long}, {Name: "s", Type: column.String}, {Name: "r", Type: column.Real}, {Name: "t", Type: column.DateTime},
		{Name: "d", Type: column.Dynamic}, {Name: "b", Type: column.Bool}, {Name: kql.IngestedAt, Type: column.DateTime},
	})
	err := a.Append(func(b *column.Batch) error {
		for i := range 20 {
			b.Column(0).AppendInt(int64(i % 7))
			b.Column(1).AppendString(strings.Repeat("x y", i%3))
			b.Column(3).AppendInt(int64(firstRequest) + int64(i)*column.Second)
			if err := b.Column(4).AppendJSON([]string{`{"x":1,"y":[1,2]}`, `[1,"2",null]`, ``, `5`}[i%4]); err != nil {
				return err
			}
			if err := b.EndRow(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		f.Fatal(err)
	}
	db := tables{"T": a, "AppRequests": requests(f, 50)}
	f.Fuzz(func(t *testing.T, query string) {
		started := time.Now()
		q, err := kql.Compile(query, kql.SchemaOf(db))
		if err != nil {
			var e *kql.Error
			if !errors.As(err, &e) {
				t.Fatalf("an error without a place: %v", err)
			}
			return
		}
		got, _, err := q.Run(t.Context(), db, kql.RunOptions{Now: caseNow, MaxRows: 10_000, MaxBytes: 32 << 20, Timeout: time.Second})
		if err == nil && q.Columns() != nil && len(q.Columns()) != len(got.Vectors) {
			t.Fatalf("%d columns were promised, %d given", len(q.Columns()), len(got.Vectors))
		}
		if took := time.Since(started); took > 10*time.Second {
			t.Fatalf("took %v", took)
		}
	})
}
