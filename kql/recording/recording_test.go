package recording_test

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/slipway-cd/slipway/kql"
	"github.com/slipway-cd/slipway/kql/column"
	"github.com/slipway-cd/slipway/kql/recording"
)

var _ kql.Database = (*recording.Recording)(nil)

const requests = `{"TimeGenerated":"2026-01-01T00:00:00.1234567Z","Name":"GET /","Success":true,"DurationMs":12.5,"ItemCount":1,"Properties":{"slot":"green"},"_IngestedAt":"2026-01-01T00:01:30Z"}
{"TimeGenerated":"2026-01-01T00:00:01Z","Name":"GET \"/é\"","Success":false,"DurationMs":"NaN","Properties":"{\"slot\":\"blue\",\"n\":1.5}","Measurements":null}
{}
`

// write makes a directory of files.
func write(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		put(t, dir, name, text)
	}
	return dir
}

func put(t testing.TB, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func open(t testing.TB, dir string) *recording.Recording {
	t.Helper()
	r, err := recording.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func table(t testing.TB, r *recording.Recording, name string) *column.Table {
	t.Helper()
	table, ok := r.Table(name)
	if !ok {
		t.Fatalf("the recording has no %s, only %v", name, r.Names())
	}
	return table
}

// dump writes the values of a table that are not null, a line a row.
func dump(t *column.Table) string {
	var b []byte
	for i := range t.Rows {
		for k, c := range t.Columns {
			if v := t.Vectors[k].Value(i); v != nil && v != "" {
				b = append(append(b, c.Name...), '=')
				if f, ok := v.(float64); ok {
					b = append(b, column.FormatReal(f)...)
				} else {
					b = column.AppendJSON(b, v)
				}
				b = append(b, ' ')
			}
		}
		b = append(b, '\n')
	}
	return string(b)
}

const requestsDump = `TimeGenerated="2026-01-01T00:00:00.1234567Z" ItemCount=1 Properties={"slot":"green"} Name="GET /" Success=true DurationMs=12.5 _IngestedAt="2026-01-01T00:01:30.0000000Z" 
TimeGenerated="2026-01-01T00:00:01.0000000Z" Properties={"slot":"blue","n":1.5} Name="GET \"/é\"" Success=false DurationMs=NaN 

`

func TestARecordingIsReadByColumn(t *testing.T) {
	dir := write(t, map[string]string{"AppRequests.jsonl": requests, "AppTraces.jsonl": "", "README.md": "not a table"})
	r := open(t, dir)
	if got := r.Names(); !slices.Equal(got, []string{"AppRequests", "AppTraces"}) {
		t.Errorf("the tables are %v", got)
	}
	got := table(t, r, "AppRequests")
	if dump(got) != requestsDump {
		t.Errorf("got\n%s\nwant\n%s", dump(got), requestsDump)
	}
	if len(got.Columns) != 31 {
		t.Errorf("there are %d columns, want the 30 of AppRequests and _IngestedAt", len(got.Columns))
	}
	if traces := table(t, r, "AppTraces"); traces.Rows != 0 || traces.Index(kql.IngestedAt) >= 0 || traces.Index("Message") < 0 {
		t.Errorf("the empty table has %d rows and the columns %v", traces.Rows, traces.Columns)
	}
	if _, ok := r.Table("AppExceptions"); ok {
		t.Error("a table that was not recorded is there")
	}
}

func TestACachedRecordingIsTheSame(t *testing.T) {
	dir := write(t, map[string]string{"AppRequests.jsonl": requests, "AppTraces.jsonl": ""})
	open(t, dir)
	if _, err := os.Stat(filepath.Join(dir, "AppRequests.columns")); err != nil {
		t.Fatalf("no cache was left: %v", err)
	}
	r := open(t, dir)
	if got := dump(table(t, r, "AppRequests")); got != requestsDump {
		t.Errorf("got\n%s\nwant\n%s", got, requestsDump)
	}
	if traces := table(t, r, "AppTraces"); traces.Rows != 0 || traces.Index("Message") < 0 {
		t.Errorf("the empty table has %d rows and the columns %v", traces.Rows, traces.Columns)
	}
}

func TestEveryEncodingSurvivesTheCache(t *testing.T) {
	dir := t.TempDir()
	const rows = 20_000
	put(t, dir, "AppRequests.jsonl", sample(rows))
	first := dump(table(t, open(t, dir), "AppRequests"))
	again := table(t, open(t, dir), "AppRequests")
	if again.Rows != rows || dump(again) != first {
		t.Errorf("the table of %d rows from the cache is not the one from the file", again.Rows)
	}
	encodings := map[string]string{}
	for i, c := range again.Columns {
		v := again.Vectors[i]
		codes, _, coded := v.Dictionary()
		_, _, arena := v.Arena()
		switch {
		case v.IsConst():
			encodings["const"] = c.Name
		case coded && codes.Bytes != nil:
			encodings["bytes"] = c.Name
		case coded && codes.Shorts != nil:
			encodings["shorts"] = c.Name
		case arena:
			encodings["arena"] = c.Name
		case v.Nulls() != nil:
			encodings["nulls"] = c.Name
		default:
			encodings["flat"] = c.Name
		}
	}
	for _, want := range []string{"const", "bytes", "shorts", "arena", "nulls", "flat"} {
		if encodings[want] == "" {
			t.Errorf("no column is encoded as %s; got %v", want, encodings)
		}
	}
}

func TestACacheOfAnotherFileIsNotUsed(t *testing.T) {
	dir := write(t, map[string]string{"AppTraces.jsonl": `{"Message":"one"}` + "\n"})
	open(t, dir)
	path := filepath.Join(dir, "AppTraces.jsonl")
	put(t, dir, "AppTraces.jsonl", `{"Message":"two"}`+"\n")
	later := time.Now().Add(time.Hour)
	if err := os.Chtimes(path, later, later); err != nil {
		t.Fatal(err)
	}
	if got := dump(table(t, open(t, dir), "AppTraces")); got != "Message=\"two\" \n" {
		t.Errorf("got %q of a file that had changed", got)
	}
	put(t, dir, "AppTraces.jsonl", `{"Message":"longer"}`+"\n")
	if err := os.Chtimes(path, later, later); err != nil {
		t.Fatal(err)
	}
	if got := dump(table(t, open(t, dir), "AppTraces")); got != "Message=\"longer\" \n" {
		t.Errorf("got %q of a file whose size had changed", got)
	}
}

func TestADamagedCacheIsWrittenAnew(t *testing.T) {
	dir := write(t, map[string]string{"AppRequests.jsonl": requests})
	open(t, dir)
	cache := filepath.Join(dir, "AppRequests.columns")
	sound, err := os.ReadFile(cache)
	if err != nil {
		t.Fatal(err)
	}
	check := func(what string, damaged []byte) {
		t.Helper()
		// Replaced, not overwritten: the tables opened before are mapped to the old file.
		if err := os.Remove(cache); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(cache, damaged, 0o600); err != nil {
			t.Fatal(err)
		}
		if got := dump(table(t, open(t, dir), "AppRequests")); got != requestsDump {
			t.Fatalf("%s: got\n%s\nwant\n%s", what, got, requestsDump)
		}
		if now, err := os.ReadFile(cache); err != nil || !bytes.Equal(now, sound) {
			t.Fatalf("%s: the cache was not written anew (%v)", what, err)
		}
	}
	for i := 0; i < len(sound); i += 41 {
		damaged := bytes.Clone(sound)
		damaged[i] ^= 0x10
		check(fmt.Sprintf("byte %d", i), damaged)
	}
	for _, n := range []int{0, 1, 31, 32, len(sound) / 2, len(sound) - 1} {
		check("cut off", sound[:n])
	}
	check("another version", append(sound[:len(sound)-1:len(sound)-1], 2))
}

func TestAReadOnlyDirectoryOpensWithoutACache(t *testing.T) {
	dir := write(t, map[string]string{"AppTraces.jsonl": `{"Message":"one"}`})
	cache := filepath.Join(dir, "AppTraces.columns")
	if err := os.Mkdir(cache, 0o700); err != nil { // in the way, which stops root too
		t.Fatal(err)
	}
	if got := dump(table(t, open(t, dir), "AppTraces")); got != "Message=\"one\" \n" {
		t.Errorf("got %q", got)
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(entries) != 2 {
		t.Errorf("files are left over: %v", entries)
	}
}

func TestACompressedTableIsRead(t *testing.T) {
	var z bytes.Buffer
	w := gzip.NewWriter(&z)
	if _, err := w.Write([]byte(requests)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	dir := write(t, map[string]string{"AppRequests.jsonl.gz": z.String()})
	for range 2 {
		if got := dump(table(t, open(t, dir), "AppRequests")); got != requestsDump {
			t.Errorf("got\n%s\nwant\n%s", got, requestsDump)
		}
	}
}

func TestErrorsTellTheFileAndTheLine(t *testing.T) {
	good := `{"Name":"a"}` + "\n"
	for name, c := range map[string]struct{ text, want string }{
		"unknown column":   {good + `{"Nmae":"b"}`, `AppRequests.jsonl:2: there is no column "Nmae"`},
		"bad JSON":         {good + good + `{"Name":"b",}`, `AppRequests.jsonl:3: bad JSON`},
		"no JSON":          {good + "hello\n" + good, `AppRequests.jsonl:2: bad JSON`},
		"not an object":    {good + `["a"]`, `AppRequests.jsonl:2: expected a row`},
		"cut off":          {good + `{"Name":"b"`, `AppRequests.jsonl:2: the`},
		"cut off in text":  {good + `{"Name":"b`, `it was cut off`},
		"string":           {good + `{"Name":5}`, `AppRequests.jsonl:2: column Name: expected a string, not 5`},
		"bool":             {good + `{"Success":"True"}`, `column Success: expected true or false, not "True"`},
		"int":              {good + `{"ItemCount":1.5}`, `column ItemCount: expected a whole number of 32 bits, not 1.5`},
		"int too large":    {good + `{"ItemCount":3000000000}`, `column ItemCount: expected a whole number of 32 bits`},
		"real":             {good + "\n\n" + `{"DurationMs":"fast"}`, `AppRequests.jsonl:4: column DurationMs: expected a number, not "fast"`},
		"datetime":         {good + `{"TimeGenerated":"yesterday"}`, `column TimeGenerated: "yesterday" is no datetime`},
		"datetime as int":  {good + `{"TimeGenerated":5}`, `expected a datetime in a string, not 5`},
		"twice":            {good + `{"Name":"b","Name":"c"}`, `column Name comes twice`},
		"null, then again": {good + `{"Name":null,"Name":"c"}`, `column Name comes twice`},
		"a long value":     {good + `{"Success":"` + strings.Repeat("x", 500) + `"}`, `…`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := recording.Open(write(t, map[string]string{"AppRequests.jsonl": c.text}))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got error %v, want %q in it", err, c.want)
			}
			if err != nil && len(err.Error()) > 300 {
				t.Errorf("the error has %d characters", len(err.Error()))
			}
		})
	}
}

func TestADirectoryThatIsNoRecordingIsRefused(t *testing.T) {
	for name, c := range map[string]struct {
		files map[string]string
		want  string
	}{
		"empty":         {nil, "has no table"},
		"unknown table": {map[string]string{"AppRequest.jsonl": ""}, `there is no table "AppRequest"`},
		"twice":         {map[string]string{"AppTraces.jsonl": "", "AppTraces.jsonl.gz": ""}, "are the same table"},
		"not gzip":      {map[string]string{"AppTraces.jsonl.gz": "hello"}, "gzip"},
		"empty gzip":    {map[string]string{"AppTraces.jsonl.gz": ""}, "is no gzip"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := recording.Open(write(t, c.files)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got error %v, want %q in it", err, c.want)
			}
		})
	}
	if _, err := recording.Open(filepath.Join(t.TempDir(), "none")); err == nil {
		t.Error("a directory that does not exist was opened")
	}
}

func TestAWrittenRecordingReadsBack(t *testing.T) {
	source := table(t, open(t, write(t, map[string]string{"AppRequests.jsonl": requests})), "AppRequests")
	dir := filepath.Join(t.TempDir(), "new")
	for range 2 {
		w, err := recording.NewWriter(dir)
		if err != nil {
			t.Fatal(err)
		}
		if err := w.Append(source); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if got := dump(table(t, open(t, dir), "AppRequests")); got != requestsDump+requestsDump {
		t.Errorf("got\n%s\nwant twice\n%s", got, requestsDump)
	}
}

func TestAWriterRefusesWhatDoesNotBelong(t *testing.T) {
	traces := func(c ...column.Field) *column.Table {
		table := &column.Table{Name: "AppTraces", Columns: c, Rows: 1}
		for _, f := range c {
			table.Vectors = append(table.Vectors, column.NewConst(f.Type, nil, 1))
		}
		return table
	}
	dir := write(t, map[string]string{"AppTraces.jsonl": `{"Message":"cut`, "AppEvents.jsonl.gz": ""})
	w, err := recording.NewWriter(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	for want, table := range map[string]*column.Table{
		`no column "Mesage"`:             traces(column.Field{Name: "Mesage", Type: column.String}),
		"is string, not long":            traces(column.Field{Name: "Message", Type: column.Long}),
		`no table "Traces"`:              {Name: "Traces"},
		"ends in the middle of a row":    traces(column.Field{Name: "Message", Type: column.String}),
		"is compressed, and rows cannot": {Name: "AppEvents"},
	} {
		if err := w.Append(table); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want %q in it", err, want)
		}
	}
}

func TestARecordingAnswersQueries(t *testing.T) {
	r := open(t, write(t, map[string]string{"AppRequests.jsonl": requests}))
	q, err := kql.Compile(`AppRequests | where ingestion_time() < datetime(2026-01-02) | summarize n = count() by slot = tostring(Properties.slot)`, kql.SchemaOf(r))
	if err != nil {
		t.Fatal(err)
	}
	got, _, err := q.Run(context.Background(), r, kql.RunOptions{Now: time.Date(2026, 1, 1, 0, 5, 0, 0, time.UTC)})
	if err != nil {
		t.Fatal(err)
	}
	if dump(got) != "slot=\"green\" n=1 \n" {
		t.Errorf("got\n%s", dump(got))
	}
}
