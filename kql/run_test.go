package kql_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/slipway-cd/slipway/kql"
	"github.com/slipway-cd/slipway/kql/column"
)

func compile(t testing.TB, db kql.Database, query string) *kql.Query {
	t.Helper()
	q, err := kql.Compile(query, kql.SchemaOf(db))
	if err != nil {
		t.Fatalf("%v\n%s", err, query)
	}
	return q
}

func TestColumnsAreKnownWithoutData(t *testing.T) {
	q := compile(t, tables{"AppRequests": column.NewAppender("AppRequests", requestFields)}, slotQuery)
	want := []column.Field{
		{Name: "Properties_slot", Type: column.String}, {Name: "TimeGenerated", Type: column.DateTime}, {Name: "count_", Type: column.Long},
		{Name: "countif_", Type: column.Long}, {Name: "percentile_DurationMs_50", Type: column.Real},
		{Name: "percentile_DurationMs_95", Type: column.Real}, {Name: "percentile_DurationMs_99", Type: column.Real},
	}
	if !slices.Equal(q.Columns(), want) {
		t.Errorf("columns %v, want %v", q.Columns(), want)
	}
}

func TestColumnsOfAPivotAreKnownOnlyFromData(t *testing.T) {
	q := compile(t, none{}, `datatable(a: string) ["x", "y"] | evaluate pivot(a)`)
	if q.Columns() != nil {
		t.Errorf("columns %v before the query ran", q.Columns())
	}
	got, _, err := q.Run(t.Context(), none{}, kql.RunOptions{})
	if err != nil || len(got.Columns) != 2 {
		t.Errorf("columns %v, error %v", got, err)
	}
}

// TestABoundEndsAQueryWithALimitError runs queries that would never end, or fill the memory.
func TestABoundEndsAQueryWithALimitError(t *testing.T) {
	for _, c := range []struct {
		name, query, want string
		o                 kql.RunOptions
	}{
		{"rows", "range x from 1 to 1000000000 step 1", "more than 1000 rows", kql.RunOptions{MaxRows: 1000}},
		{"rows of a join", "let T = range x from 1 to 100000 step 1 | extend k = 1; T | join kind=inner T on k", "more than 1000 rows", kql.RunOptions{MaxRows: 1000}},
		{"memory of a sort", "range x from 1 to 1000000000 step 1 | sort by x", "more than 16 MiB", kql.RunOptions{MaxBytes: 16 << 20}},
		{"memory of groups", "range x from 1 to 1000000000 step 1 | summarize count() by x", "more than 16 MiB", kql.RunOptions{MaxBytes: 16 << 20}},
		{"memory of a list", "range x from 1 to 1000000000 step 1 | summarize make_list(strcat('a long text ', x)) by x % 1000", "more than 16 MiB", kql.RunOptions{MaxBytes: 16 << 20}},
		{"memory of percentiles", "range x from 1 to 1000000000 step 1 | summarize percentile(x, 50)", "more than 16 MiB", kql.RunOptions{MaxBytes: 16 << 20}},
		{"memory of distinct values", "range x from 1 to 1000000000 step 1 | summarize dcount(x)", "more than 16 MiB", kql.RunOptions{MaxBytes: 16 << 20}},
		{"memory of a series", "range x from 1 to 2000 step 1 | make-series count() on x from 0 to 1000000 step 1 by x", "more than 16 MiB", kql.RunOptions{MaxBytes: 16 << 20}},
		{"arrays that multiply", "print x = dynamic([1,2])" + strings.Repeat(" | extend x = array_concat(x,x,x,x,x,x,x,x,x,x)", 12), "larger than it may keep", kql.RunOptions{MaxBytes: 16 << 20}},
		{"arrays that share their parts", "print x = dynamic([1,2])" + strings.Repeat(" | extend x = pack_array(x,x,x,x,x,x,x,x,x,x)", 12) + " | project tostring(x)", "larger than it may keep", kql.RunOptions{MaxBytes: 16 << 20}},
		{"constants that multiply", multiply(12), "larger than it may keep", kql.RunOptions{MaxBytes: 16 << 20}},
		{"time of a join", "let T = range x from 1 to 200000 step 1 | extend k = 1; T | join kind=inner T on k | count", "took longer", kql.RunOptions{Timeout: 50 * time.Millisecond}},
		{"time of a range", "range x from 1 to 1000000000000 step 1 | count", "took longer", kql.RunOptions{Timeout: 50 * time.Millisecond}},
		{"time of an expansion", "range x from 1 to 1000000 step 1 | extend a = range(1, 1000, 1) | mv-expand a | count", "took longer", kql.RunOptions{Timeout: 50 * time.Millisecond}},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, err := compile(t, none{}, c.query).Run(t.Context(), none{}, c.o)
			var limit *kql.LimitError
			if !errors.As(err, &limit) || !strings.Contains(limit.Message, c.want) {
				t.Errorf("error %v, want a limit: %s", err, c.want)
			}
		})
	}
}

// multiply is n constants, each ten times as long as the one before.
func multiply(n int) string {
	q := "let x0 = dynamic([1,2]);"
	for i := 1; i <= n; i++ {
		x := fmt.Sprintf("x%d,", i-1)
		q += fmt.Sprintf(" let x%d = array_concat(%s);", i, strings.TrimSuffix(strings.Repeat(x, 10), ","))
	}
	return q + fmt.Sprintf(" print x%d", n)
}

func TestAQueryEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, _, err := compile(t, none{}, "range x from 1 to 1000000000000 step 1 | count").Run(ctx, none{}, kql.RunOptions{})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want that of the context", err)
	}
}

func TestAnErrorShowsTheLineItIsIn(t *testing.T) {
	_, err := kql.Compile("print x = 1\n| where y == 1", kql.SchemaOf(none{}))
	var e *kql.Error
	if !errors.As(err, &e) || e.Line != 2 || e.Column != 9 || e.Near != "| where y == 1" || e.Code != "KS142" {
		t.Fatalf("error %+v", e)
	}
	if got := e.Error(); got != "line 2, column 9: there is no column, table or variable “y”; did you mean “x”? [KS142]" {
		t.Errorf("text %q", got)
	}
}

func TestATableThatLostAColumnIsAnErrorNotAnOtherColumn(t *testing.T) {
	q := compile(t, tables{"T": column.NewAppender("T", []column.Field{{Name: "a", Type: column.Long}, {Name: "b", Type: column.Long}})}, "T | project b")
	for _, fields := range [][]column.Field{{{Name: "a", Type: column.Long}}, {{Name: "a", Type: column.Long}, {Name: "b", Type: column.String}}} {
		_, _, err := q.Run(t.Context(), tables{"T": column.NewAppender("T", fields)}, kql.RunOptions{})
		if err == nil || !strings.Contains(err.Error(), "no longer has a column b of type long") {
			t.Errorf("%v: error %v", fields, err)
		}
	}
	_, _, err := q.Run(t.Context(), none{}, kql.RunOptions{})
	if err == nil || !strings.Contains(err.Error(), "there is no table T") {
		t.Errorf("error %v", err)
	}
}

// TestAQuerySeesATableAtOneInstant runs a query that reads a table twice while rows are added in batches of ten.
func TestAQuerySeesATableAtOneInstant(t *testing.T) {
	a := column.NewAppender("T", []column.Field{{Name: "n", Type: column.Long}, {Name: "s", Type: column.String}, {Name: "d", Type: column.Dynamic}})
	db := tables{"T": a}
	q := compile(t, db, `union (T | summarize c = count(), x = sum(n), y = dcount(s)), (T | summarize c = count(), x = sum(n), y = dcount(tostring(d.k))) | distinct c, x`)
	var writer sync.WaitGroup
	done := make(chan struct{})
	writer.Go(func() {
		defer close(done)
		for i := range 2000 {
			if err := a.Append(func(b *column.Batch) error { return tenRows(b, i) }); err != nil {
				t.Error(err)
				return
			}
		}
	})
	for finished := false; !finished; {
		select {
		case <-done:
			finished = true // one more look
		default:
		}
		got, _, err := q.Run(t.Context(), db, kql.RunOptions{})
		if err != nil {
			t.Fatal(err)
		}
		n := got.Vectors[0].Int(0)
		if got.Rows != 1 || n%10 != 0 || got.Vectors[1].Int(0) != n/10*45 || finished && n != 20_000 {
			t.Fatalf("a torn answer: %s", dump(plainRows(t, got)))
		}
	}
	writer.Wait()
}

// tenRows appends rows whose numbers are 0 to 9, and texts that are few at first and then many.
func tenRows(b *column.Batch, batch int) error {
	for k := range 10 {
		b.Column(0).AppendInt(int64(k))
		b.Column(1).AppendString(fmt.Sprint("s", batch*10+k))
		if err := b.Column(2).AppendJSON(fmt.Sprintf(`{"k":"%d"}`, batch%700)); err != nil {
			return err
		}
		if err := b.EndRow(); err != nil {
			return err
		}
	}
	return nil
}

// TestAQueryRunsManyTimesAtOnce also gives the race detector something to see.
func TestAQueryRunsManyTimesAtOnce(t *testing.T) {
	db := tables{"AppRequests": requests(t, 20_000)}
	q := compile(t, db, slotQuery)
	var all sync.WaitGroup
	answers := make([]string, 4)
	for i := range answers {
		all.Go(func() {
			got, stats, err := q.Run(t.Context(), db, kql.RunOptions{})
			if err != nil || stats.RowsScanned != 20_000 {
				t.Error(stats, err)
				return
			}
			rows := plainRows(t, got)
			sortRows(rows)
			answers[i] = dump(rows)
		})
	}
	all.Wait()
	if len(slices.Compact(answers)) != 1 {
		t.Error("answers differ")
	}
}

// TestGroupingAgreesWithCountingByHand checks the vectorised way against the plain one.
func TestGroupingAgreesWithCountingByHand(t *testing.T) {
	table := requests(t, 50_000).Snapshot()
	type key struct {
		slot   string
		minute int64
	}
	durations := map[key][]float64{}
	failed := map[key]int64{}
	at, props, ok, ms := table.Index("TimeGenerated"), table.Index("Properties"), table.Index("Success"), table.Index("DurationMs")
	for i := range table.Rows {
		slot, _ := table.Vectors[props].Dyn(i).(*column.Bag).Get("slot")
		k := key{slot.(string), table.Vectors[at].Int(i) / column.Minute * column.Minute}
		durations[k] = append(durations[k], table.Vectors[ms].Real(i))
		if !table.Vectors[ok].Bool(i) {
			failed[k]++
		}
	}
	db := tables{"AppRequests": requests(t, 50_000)}
	got, _, err := compile(t, db, slotQuery).Run(t.Context(), db, kql.RunOptions{})
	if err != nil || got.Rows != len(durations) {
		t.Fatal(got.Rows, len(durations), err)
	}
	for i := range got.Rows {
		k := key{got.Vectors[0].Str(i), got.Vectors[1].Int(i)}
		values := durations[k]
		slices.Sort(values)
		n := len(values)
		rank := func(p int) float64 { return values[(p*n+99)/100-1] }
		if got.Vectors[2].Int(i) != int64(n) || got.Vectors[3].Int(i) != failed[k] ||
			got.Vectors[4].Real(i) != rank(50) || got.Vectors[5].Real(i) != rank(95) || got.Vectors[6].Real(i) != rank(99) {
			t.Errorf("%v: %v", k, plainRows(t, got)[i])
		}
	}
}
