package recorded

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/slipway-cd/slipway/internal/telemetry/loganalytics"
	"github.com/slipway-cd/slipway/kql"
	"github.com/slipway-cd/slipway/kql/column"
)

// Replay is a recording as the workspace would have answered at a time: of rows that had arrived by then. It is for one goroutine.
type Replay struct {
	db      kql.Database
	now     column.Ticks
	arrived map[string]byArrival
	counted map[string]*events // by what was asked
	tally   *tally
}

var (
	_ loganalytics.Querier = (*Replay)(nil)
	_ loganalytics.Counter = (*Replay)(nil)
)

// NewReplay begins before anything has arrived. It refuses a recording from which nobody could tell what had arrived when, or
// what happened.
func NewReplay(db kql.Database) (*Replay, error) {
	if err := check(db); err != nil {
		return nil, err
	}
	return &Replay{db: db, arrived: map[string]byArrival{}, counted: map[string]*events{}}, nil
}

// At sets the time.
func (r *Replay) At(t time.Time) { r.now = column.FromTime(t) }

// Last is when the last row of the tables that looks count arrived.
func (r *Replay) Last() time.Time {
	var last int64
	for _, name := range loganalytics.Tables() {
		if t, ok := r.db.Table(name); ok {
			arrived := t.Vectors[t.Index(kql.IngestedAt)]
			for i := range t.Rows {
				last = max(last, arrived.Int(i))
			}
		}
	}
	return column.Ticks(last).Time()
}

// Query implements [loganalytics.Querier], by the same engine and in the plain way.
func (r *Replay) Query(ctx context.Context, query string) (loganalytics.Answer, error) {
	return (&Source{Database: view{r}, Now: r.now.Time}).Query(ctx, query)
}

// Whole asks all of the recording, whenever it arrived.
func (r *Replay) Whole(ctx context.Context, query string) (loganalytics.Answer, error) {
	return (&Source{Database: r.db, Now: r.now.Time}).Query(ctx, query)
}

// view is what has arrived.
type view struct{ *Replay }

// Names implements [kql.Database].
func (v view) Names() []string { return v.db.Names() }

// Table implements [kql.Database].
func (v view) Table(name string) (*column.Table, bool) {
	t, ok := v.db.Table(name)
	if !ok {
		return nil, false
	}
	at := t.Index(kql.IngestedAt)
	if at < 0 {
		return t, true
	}
	sorted, done := v.arrived[name]
	if !done {
		sorted = sortByArrival(t, t.Vectors[at])
		v.arrived[name] = sorted
	}
	n, _ := slices.BinarySearch(sorted.times, int64(v.now)+1)
	return sorted.first(n), true
}

// byArrival is a table whose rows are in the order in which they arrived.
type byArrival struct {
	*column.Table
	times []int64
}

func sortByArrival(t *column.Table, arrived *column.Vector) byArrival {
	times := make([]int64, t.Rows)
	for i := range times {
		times[i] = arrived.Int(i)
	}
	if slices.IsSorted(times) {
		return byArrival{t, times}
	}
	order := rising(times)
	s := byArrival{Table: &column.Table{Name: t.Name, Columns: t.Columns, Rows: t.Rows}, times: make([]int64, t.Rows)}
	for i, from := range order {
		s.times[i] = times[from]
	}
	for _, v := range t.Vectors {
		s.Vectors = append(s.Vectors, v.Gather(order))
	}
	return s
}

// rising gives the order of times that are spread over a span. They are put into as many buckets first, which takes a tenth of
// the time of sorting all at once.
func rising(times []int64) []int32 {
	order := make([]int32, len(times))
	if len(times) == 0 {
		return order
	}
	least, most := slices.Min(times), slices.Max(times)
	width := (most-least)/int64(len(times)) + 1
	ends := make([]int32, (most-least)/width+2)
	for _, t := range times {
		ends[(t-least)/width+1]++
	}
	for i := 1; i < len(ends); i++ {
		ends[i] += ends[i-1]
	}
	next := slices.Clone(ends)
	for i, t := range times {
		b := (t - least) / width
		order[next[b]] = int32(i)
		next[b]++
	}
	for b := 0; b < len(ends)-1 && width > 1; b++ {
		slices.SortStableFunc(order[ends[b]:ends[b+1]], func(a, b int32) int { return cmp.Compare(times[a], times[b]) })
	}
	return order
}

func (s byArrival) first(n int) *column.Table {
	t := &column.Table{Name: s.Name, Columns: s.Columns, Rows: n, Vectors: make([]*column.Vector, len(s.Vectors))}
	for i, v := range s.Vectors {
		t.Vectors[i] = v.Slice(0, n)
	}
	return t
}

// check says what keeps a recording from being replayed.
func check(db kql.Database) error {
	requests, ok := db.Table("AppRequests")
	if !ok {
		return fmt.Errorf("it has no table AppRequests, which gates on telemetry read: record it with slipway record")
	}
	if requests.Rows == 0 {
		return fmt.Errorf("its table AppRequests is empty: no request was recorded; record a time with traffic")
	}
	for _, name := range loganalytics.Tables() {
		t, ok := db.Table(name)
		if !ok || t.Rows == 0 {
			continue
		}
		for _, c := range []string{"TimeGenerated", kql.IngestedAt, "ItemCount"} {
			if n, first := missing(t, c); n > 0 {
				return fmt.Errorf("%s: %d of %d rows have no %s, the first is row %d: %s", name, n, t.Rows, c, first+1, whatFor[c])
			}
		}
		if n, first := nameless(t); n > 0 {
			return fmt.Errorf("%s: %d of %d rows have neither OperationId nor Id, the first is row %d: nobody can tell them apart", name, n, t.Rows, first+1)
		}
		happened, arrived := t.Vectors[t.Index("TimeGenerated")], t.Vectors[t.Index(kql.IngestedAt)]
		for i := range t.Rows {
			if arrived.Int(i) < happened.Int(i) {
				return fmt.Errorf("%s: row %d arrived at %s, before it happened at %s: a clock went back, and nobody can tell what was known when",
					name, i+1, column.Ticks(arrived.Int(i)), column.Ticks(happened.Int(i)))
			}
		}
	}
	for _, c := range []string{"Success", "DurationMs"} {
		if n, _ := missing(requests, c); n == requests.Rows {
			return fmt.Errorf("AppRequests: no row has %s: %s", c, whatFor[c])
		}
	}
	return nil
}

var whatFor = map[string]string{
	"TimeGenerated": "it says when a request was made; record the table with slipway record",
	kql.IngestedAt:  "it says when a row could be read first; record the table with slipway record",
	"ItemCount":     "it says how many requests a row stands for; record the table with slipway record",
	"Success":       "it says which requests failed; record the table with slipway record",
	"DurationMs":    "it says how long requests took; record the table with slipway record",
}

// nameless counts the rows of no operation.
func nameless(t *column.Table) (n, first int) {
	operation, id := t.Vectors[t.Index("OperationId")], t.Vectors[t.Index("Id")]
	for i := range t.Rows {
		if operation.Str(i) == "" && id.Str(i) == "" {
			if n == 0 {
				first = i
			}
			n++
		}
	}
	return n, first
}

// missing counts the rows without a value in a column.
func missing(t *column.Table, name string) (n, first int) {
	at := t.Index(name)
	if at < 0 {
		return t.Rows, 0
	}
	v := t.Vectors[at]
	if !v.MayHaveNulls() {
		return 0, 0
	}
	for i := range t.Rows {
		if v.Null(i) {
			if n == 0 {
				first = i
			}
			n++
		}
	}
	return n, first
}
