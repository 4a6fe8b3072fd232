package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/slipway-cd/slipway/kql/column"

	"github.com/slipway-cd/slipway/sandbox/internal/azure/insights/envelope"
)

var tables = []Schema{
	{"AppEvents", []column.Field{{Name: "TimeGenerated", Type: column.DateTime}, {Name: "Name", Type: column.String},
		{Name: "ItemCount", Type: column.Int}, {Name: "Properties", Type: column.Dynamic}, {Name: "Type", Type: column.String}}},
	{"AppRequests", []column.Field{{Name: "TimeGenerated", Type: column.DateTime}, {Name: "Success", Type: column.Bool},
		{Name: "DurationMs", Type: column.Real}, {Name: "Type", Type: column.String}}},
}

// clock is the time of a test.
type clock struct{ now time.Time }

func (c *clock) Now() time.Time          { return c.now }
func (c *clock) advance(d time.Duration) { c.now = c.now.Add(d) }

var start = time.Date(2026, 11, 22, 18, 0, 0, 0, time.UTC)

func open(t *testing.T, o Options) *Store {
	t.Helper()
	o.Tables = tables
	s, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// event is a row of AppEvents, of a time that many seconds after start.
func event(name string, second int) envelope.Row {
	return envelope.Row{Table: "AppEvents", Cells: []envelope.Cell{
		{Column: envelope.TimeGenerated, Kind: envelope.Instant, Int: start.Add(time.Duration(second) * time.Second).UnixNano()},
		{Column: envelope.ItemCount, Kind: envelope.Integer, Int: 2},
		{Column: envelope.Properties, Kind: envelope.Text, Text: `{"slot":"green"}`},
		{Column: envelope.Type, Kind: envelope.Text, Text: "AppEvents"},
		{Column: envelope.Name, Kind: envelope.Text, Text: name},
	}}
}

func wait(d time.Duration) func(*envelope.Row) time.Duration {
	return func(*envelope.Row) time.Duration { return d }
}

func add(t *testing.T, s *Store, d time.Duration, rows ...envelope.Row) {
	t.Helper()
	if err := s.Append(rows, wait(d)); err != nil {
		t.Fatal(err)
	}
}

// names lists the names in the visible rows of AppEvents.
func names(t *testing.T, s *Store, from, to time.Time) string {
	t.Helper()
	v, err := s.View(from, to)
	if err != nil {
		t.Fatal(err)
	}
	table, ok := v.Table("AppEvents")
	if !ok {
		t.Fatal("there is no AppEvents")
	}
	var all []string
	for i := range table.Rows {
		all = append(all, table.Vectors[1].Str(i))
	}
	return strings.Join(all, " ")
}

func visible(t *testing.T, s *Store) string {
	t.Helper()
	return names(t, s, time.Time{}, time.Time{})
}

func TestARowIsVisibleOnceItsDelayIsOver(t *testing.T) {
	c := &clock{start}
	s := open(t, Options{Now: c.Now})
	add(t, s, 2*time.Second, event("a", 0))
	c.advance(2*time.Second - 1)
	if got := visible(t, s); got != "" {
		t.Errorf("visible too early: %s", got)
	}
	c.advance(1)
	if got := visible(t, s); got != "a" {
		t.Errorf("visible: %q", got)
	}
}

func TestIngestionTimeIsWhenARowBecameVisible(t *testing.T) {
	c := &clock{start}
	s := open(t, Options{Now: c.Now})
	add(t, s, 2*time.Second, event("a", 0))
	c.advance(time.Minute) // nobody looked in between
	v, err := s.View(time.Time{}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	table, _ := v.Table("AppEvents")
	i := table.Index(IngestedAt)
	if i < 0 || table.Vectors[i].Int(0) != int64(column.FromTime(start.Add(2*time.Second))) {
		t.Errorf("column %d: %v", i, table)
	}
}

func TestRowsWithDifferentDelaysOvertakeEachOther(t *testing.T) {
	c := &clock{start}
	s := open(t, Options{Now: c.Now})
	add(t, s, 60*time.Second, event("slow", 0))
	add(t, s, 2*time.Second, event("quick", 1), event("quicker", 2))
	c.advance(10 * time.Second)
	if got := visible(t, s); got != "quick quicker" {
		t.Errorf("after 10 s: %q", got)
	}
	c.advance(50 * time.Second)
	if got := visible(t, s); got != "slow quick quicker" {
		t.Errorf("after 60 s: %q", got)
	}
}

func TestAViewDoesNotChange(t *testing.T) {
	c := &clock{start}
	s := open(t, Options{Now: c.Now})
	add(t, s, 0, event("a", 0))
	v, err := s.View(time.Time{}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	add(t, s, 0, event("b", 0))
	if table, _ := v.Table("AppEvents"); table.Rows != 1 {
		t.Errorf("%d rows", table.Rows)
	}
	if got := visible(t, s); got != "a b" {
		t.Errorf("later: %q", got)
	}
}

func TestATimespanIsOfTimeGenerated(t *testing.T) {
	c := &clock{start}
	s := open(t, Options{Now: c.Now})
	add(t, s, 0, event("a", 0), event("b", 10), event("c", 20), event("late", 5), event("d", 30))
	at := func(second int) time.Time { return start.Add(time.Duration(second) * time.Second) }
	for _, c := range []struct {
		from, to time.Time
		want     string
	}{
		{time.Time{}, time.Time{}, "a b c late d"},
		{at(10), at(29), "b c"},
		{at(5), time.Time{}, "b c late d"},
		{time.Time{}, at(10), "a b late"},
		{at(40), at(50), ""},
		{at(0), at(30), "a b c late d"},
	} {
		if got := names(t, s, c.from, c.to); got != c.want {
			t.Errorf("from %v to %v: %q instead of %q", c.from, c.to, got, c.want)
		}
	}
}

func TestTheOldestRowsAreDroppedWhenThereAreTooMany(t *testing.T) {
	for _, dir := range []string{"", t.TempDir()} {
		c := &clock{start}
		s := open(t, Options{Now: c.Now, Dir: dir, MaxRows: 32}) // two rows a segment
		for i := range 100 {
			add(t, s, time.Second, event(fmt.Sprint(i), i))
			c.advance(time.Second)
		}
		got := strings.Fields(visible(t, s))
		if len(got) < 30 || len(got) > 32 || got[len(got)-1] != "99" || got[0] != fmt.Sprint(100-len(got)) {
			t.Errorf("%d rows are left: %v", len(got), got)
		}
		if dir != "" {
			if files, _ := filepath.Glob(filepath.Join(dir, "*")); len(files) > 17 {
				t.Errorf("%d files are left", len(files))
			}
		}
	}
}

func TestRowsDroppedBeforeTheyWereVisibleNeverAre(t *testing.T) {
	c := &clock{start}
	s := open(t, Options{Now: c.Now, MaxRows: 32})
	for i := range 100 {
		add(t, s, time.Minute, event(fmt.Sprint(i), i))
	}
	if got := visible(t, s); got != "" {
		t.Errorf("visible too early: %s", got)
	}
	c.advance(time.Minute)
	if got := strings.Fields(visible(t, s)); len(got) > 32 || got[len(got)-1] != "99" {
		t.Errorf("visible: %v", got)
	}
}

func TestOldRowsAreDropped(t *testing.T) {
	c := &clock{start}
	s := open(t, Options{Now: c.Now, Dir: t.TempDir(), MaxAge: time.Hour})
	add(t, s, 0, event("old", 0))
	c.advance(59 * time.Minute)
	add(t, s, 0, event("new", 0))
	if got := visible(t, s); got != "old new" {
		t.Errorf("before: %q", got)
	}
	c.advance(time.Minute)
	if got := visible(t, s); got != "new" {
		t.Errorf("after: %q", got)
	}
	c.advance(time.Hour)
	add(t, s, 0, event("newest", 0))
	if got := visible(t, s); got != "newest" {
		t.Errorf("at the end: %q", got)
	}
}

func TestMemoryOfDroppedRowsIsGivenBack(t *testing.T) {
	c := &clock{start}
	s := open(t, Options{Now: c.Now, MaxRows: 2 * compactFrom})
	batch := make([]envelope.Row, 1000)
	for i := range 300 {
		for j := range batch {
			batch[j] = event(fmt.Sprint(i), i)
		}
		add(t, s, 0, batch...)
		if _, err := s.Stats(); err != nil { // looks at what is visible
			t.Fatal(err)
		}
	}
	if n := s.tables["AppEvents"].rows.Snapshot().Rows; n > 4*compactFrom {
		t.Errorf("%d rows are held for %d", n, 2*compactFrom)
	}
	add(t, s, time.Second, event("later", 0))
	got := strings.Fields(visible(t, s))
	if got[len(got)-1] != "299" || len(got) > 2*compactFrom || len(got) < compactFrom {
		t.Errorf("%d rows, the last is %s", len(got), got[len(got)-1])
	}
}

func TestNothingIsLostWhenTheProcessEnds(t *testing.T) {
	c := &clock{start}
	dir := t.TempDir()
	first := open(t, Options{Now: c.Now, Dir: dir})
	add(t, first, 0, event("a", 0), event(`"quoted" ü \`, 1))
	add(t, first, time.Minute, event("later", 2))
	add(t, first, 0, envelope.Row{Table: "AppRequests", Cells: []envelope.Cell{
		{Column: envelope.TimeGenerated, Kind: envelope.Instant, Int: start.UnixNano() + 1200},
		{Column: envelope.Type, Kind: envelope.Text, Text: "AppRequests"},
		{Column: envelope.Success, Kind: envelope.Boolean, Int: 1},
		envelope.NumberCell(envelope.DurationMs, 12.25),
	}})
	before, err := first.View(time.Time{}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	// The first store is not closed: its process has just ended.
	second := open(t, Options{Now: c.Now, Dir: dir})
	after, err := second.View(time.Time{}, time.Time{})
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range before.Names() {
		b, _ := before.Table(name)
		a, _ := after.Table(name)
		if dump(a) != dump(b) {
			t.Errorf("%s\nbefore %s\nafter  %s", name, dump(b), dump(a))
		}
	}
	c.advance(time.Minute)
	if got := visible(t, second); !strings.HasSuffix(got, " later") {
		t.Errorf("what was pending: %q", got)
	}
	add(t, second, 0, event("next", 3))
	if got := visible(t, open(t, Options{Now: c.Now, Dir: dir})); !strings.HasSuffix(got, "later next") {
		t.Errorf("a third start: %q", got)
	}
}

func dump(t *column.Table) string {
	var b strings.Builder
	for i := range t.Rows {
		for _, v := range t.Vectors {
			fmt.Fprintf(&b, "%s ", column.AppendJSON(nil, v.Value(i)))
		}
		b.WriteString("\n")
	}
	return b.String()
}

func TestATornLastLineIsCutOff(t *testing.T) {
	dir := t.TempDir()
	c := &clock{start}
	first := open(t, Options{Now: c.Now, Dir: dir})
	add(t, first, 0, event("a", 0))
	file := filepath.Join(dir, "000001.jsonl")
	raw, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, append(raw, `{"_IngestedAt":"20`...), 0o600); err != nil {
		t.Fatal(err)
	}
	second := open(t, Options{Now: c.Now, Dir: dir})
	add(t, second, 0, event("b", 0))
	if got := visible(t, open(t, Options{Now: c.Now, Dir: dir})); got != "a b" {
		t.Errorf("visible: %q", got)
	}
}

func TestADamagedFileIsNamedWithItsLine(t *testing.T) {
	for line, want := range map[string]string{
		`{`:                      "JSON ends where a name in quotes is expected",
		`[1]`:                    "it is not a JSON object",
		`{"Type":"AppNothings"}`: "there is no table AppNothings",
		`{"Type":"AppEvents"}`:   "column _IngestedAt: null is not a datetime",
		`{"Type":"AppEvents","_IngestedAt":"noon"}`:                                 `column _IngestedAt: parsing time "noon"`,
		`{"Type":"AppEvents","_IngestedAt":"2026-11-22T18:00:00Z","ItemCount":"1"}`: `column ItemCount: "1" is not a int`,
		`{"Type":"AppEvents","_IngestedAt":"2026-11-22T18:00:00Z","DurationMs":1}`:  "table AppEvents has no column DurationMs",
	} {
		dir := t.TempDir()
		file := filepath.Join(dir, "000001.jsonl")
		if err := os.WriteFile(file, []byte(line+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := Open(Options{Tables: tables, Dir: dir})
		if err == nil || !strings.Contains(err.Error(), file+":1: "+want) {
			t.Errorf("%s gives %v", line, err)
		}
	}
}

func TestAnUnwritableFileRefusesRows(t *testing.T) {
	c := &clock{start}
	s := open(t, Options{Now: c.Now, Dir: t.TempDir()})
	add(t, s, 0, event("a", 0))
	if err := s.segments[0].file.Close(); err != nil { // as a full disk would
		t.Fatal(err)
	}
	if err := s.Append([]envelope.Row{event("b", 0)}, wait(0)); !errors.Is(err, os.ErrClosed) {
		t.Errorf("the error is %v", err)
	}
	if got := visible(t, s); got != "a" {
		t.Errorf("visible: %q", got)
	}
}

func TestStatsCountRows(t *testing.T) {
	c := &clock{start}
	s := open(t, Options{Now: c.Now})
	add(t, s, 0, event("a", 0))
	add(t, s, time.Second, event("b", 0), event("c", 0))
	got, err := s.Stats()
	if err != nil || fmt.Sprint(got) != "{map[AppEvents:1] map[AppEvents:2] 1}" {
		t.Errorf("%v %v", got, err)
	}
}

func FuzzLine(f *testing.F) {
	s, err := Open(Options{Tables: tables})
	if err != nil {
		f.Fatal(err)
	}
	row := event("a", 0)
	f.Add(string(appendLine(nil, &row, start)))
	f.Add(`{"Type":"AppRequests","_IngestedAt":"2026-11-22T18:00:00Z","Success":true,"DurationMs":1e3}`)
	f.Fuzz(func(t *testing.T, line string) {
		e, err := s.parseLine(line)
		if err != nil {
			return
		}
		once := appendLine(nil, e.row, e.at)
		again, err := s.parseLine(string(once))
		if err != nil {
			t.Fatalf("%s was written as %s, which is not read: %v", line, once, err)
		}
		if twice := appendLine(nil, again.row, again.at); string(twice) != string(once) {
			t.Fatalf("%s is written as\n%s and then as\n%s", line, once, twice)
		}
	})
}
