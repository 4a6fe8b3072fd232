package recording

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"strconv"
	"strings"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/slipway-cd/slipway/kql"
	"github.com/slipway-cd/slipway/kql/apptables"
	"github.com/slipway-cd/slipway/kql/column"
)

// readFile reads all rows of a table.
func readFile(f *os.File, name string) (*column.Table, error) {
	columns, _ := apptables.Lookup(name)
	columns = append(columns, column.Field{Name: kql.IngestedAt, Type: column.DateTime})
	r := newReader(columns)
	source, err := open(f)
	if err == nil {
		err = r.read(source)
	}
	if err != nil {
		at, lineErr := lineAt(f, r.offset)
		if lineErr != nil {
			return nil, fmt.Errorf("recording: %s: %w", f.Name(), err)
		}
		return nil, fmt.Errorf("recording: %s:%d: %w", f.Name(), at, err)
	}
	return r.table(name), nil
}

// open reads a file from its start, uncompressed.
func open(f *os.File) (io.Reader, error) {
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	if !strings.HasSuffix(f.Name(), compressedSuffix) {
		return f, nil
	}
	z, err := gzip.NewReader(bufio.NewReaderSize(f, 1<<20))
	if errors.Is(err, io.EOF) {
		return nil, errors.New("the file is empty, which is no gzip: compress an empty file, or name it .jsonl")
	}
	return z, err
}

// lineAt gives the number of the line that has the byte at an offset. Lines are counted only when there is an error to report.
func lineAt(f *os.File, offset int64) (int, error) {
	source, err := open(f)
	if err != nil {
		return 0, err
	}
	line := 1
	b := make([]byte, 64<<10)
	for offset > 0 {
		n, err := source.Read(b[:min(offset, int64(len(b)))])
		line += bytes.Count(b[:n], []byte{'\n'})
		offset -= int64(n)
		if err != nil {
			break
		}
	}
	return line, nil
}

// reader builds the columns of a table from its rows.
type reader struct {
	columns  []column.Field
	byName   map[string]int
	builders []*column.Builder
	rows     int
	offset   int64 // of the row, or the value, that an error is about
	scratch  []byte
}

func newReader(columns []column.Field) *reader {
	r := &reader{columns: columns, byName: map[string]int{}, builders: make([]*column.Builder, len(columns))}
	for i, c := range columns {
		r.byName[c.Name] = i
		r.builders[i] = column.NewBuilder(c.Type)
	}
	return r
}

func (r *reader) read(source io.Reader) error {
	// Rows are checked for names that come twice, which is cheaper here than in the decoder.
	d := jsontext.NewDecoder(source, jsontext.AllowDuplicateNames(true))
	for {
		r.offset = d.InputOffset()
		t, err := d.ReadToken()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return r.bad(d, err)
		}
		r.offset = d.InputOffset()
		if t.Kind() != '{' {
			return fmt.Errorf("expected a row, which is a JSON object, not %s", t)
		}
		if err := r.row(d); err != nil {
			return err
		}
	}
}

// bad says what is wrong with the JSON itself.
func (r *reader) bad(d *jsontext.Decoder, err error) error {
	var syntax *jsontext.SyntacticError
	if errors.As(err, &syntax) {
		r.offset = syntax.ByteOffset
		if errors.Is(syntax.Err, io.ErrUnexpectedEOF) {
			return errors.New("the last row ends in its middle: it was cut off, remove it")
		}
		return fmt.Errorf("bad JSON: %w", syntax.Err)
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		r.offset = d.InputOffset()
		return errors.New("the file ends in the middle of a row: it was cut off, remove the row")
	}
	return err
}

func (r *reader) row(d *jsontext.Decoder) error {
	next := 0 // rows mostly have their columns in one order
	for d.PeekKind() != '}' {
		raw, err := d.ReadValue()
		if err != nil {
			return r.bad(d, err)
		}
		r.offset = d.InputOffset()
		i := next
		if name := raw[1 : len(raw)-1]; i >= len(r.columns) || r.columns[i].Name != string(name) {
			var ok bool
			if i, ok = r.byName[string(name)]; !ok {
				return fmt.Errorf("there is no column %s", raw)
			}
		}
		next = i + 1
		value, err := d.ReadValue()
		if err != nil {
			return r.bad(d, err)
		}
		r.offset = d.InputOffset()
		if r.builders[i].Len() > r.rows {
			return fmt.Errorf("column %s comes twice in a row", r.columns[i].Name)
		}
		if err := r.value(i, value); err != nil {
			return fmt.Errorf("column %s: %w", r.columns[i].Name, err)
		}
	}
	if _, err := d.ReadToken(); err != nil {
		return r.bad(d, err)
	}
	r.rows++
	for _, b := range r.builders {
		if b.Len() < r.rows {
			b.AppendNull()
		}
	}
	return nil
}

// value appends a JSON value to a column.
func (r *reader) value(i int, raw jsontext.Value) error {
	to, t := r.builders[i], r.columns[i].Type
	if raw.Kind() == 'n' {
		to.AppendNull()
		return nil
	}
	switch t {
	case column.String:
		s, err := r.text(raw, "a string")
		if err != nil {
			return err
		}
		to.AppendString(s)
	case column.DateTime:
		s, err := r.text(raw, "a datetime in a string")
		if err != nil {
			return err
		}
		at, ok := column.ParseDateTime(s)
		if !ok {
			return fmt.Errorf("%s is no datetime: expected a string such as \"2026-01-02T15:04:05.123Z\"", short(raw))
		}
		to.AppendInt(int64(at))
	case column.Bool:
		if k := raw.Kind(); k != 't' && k != 'f' {
			return fmt.Errorf("expected true or false, not %s", short(raw))
		}
		to.AppendBool(raw.Kind() == 't')
	case column.Int:
		n, err := strconv.ParseInt(string(raw), 10, 32)
		if err != nil {
			return fmt.Errorf("expected a whole number of 32 bits, not %s", short(raw))
		}
		to.AppendInt(n)
	case column.Real:
		f, ok := r.real(raw)
		if !ok {
			return fmt.Errorf("expected a number, not %s", short(raw))
		}
		to.AppendReal(f)
	case column.Dynamic:
		return r.dynamic(to, raw)
	default:
		return fmt.Errorf("recordings have no columns of type %s", t)
	}
	return nil
}

// text gives the string that a JSON string is. It is valid until the next one.
func (r *reader) text(raw jsontext.Value, want string) (string, error) {
	if raw.Kind() != '"' {
		return "", fmt.Errorf("expected %s, not %s", want, short(raw))
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1]), nil
	}
	var err error
	if r.scratch, err = jsontext.AppendUnquote(r.scratch[:0], raw); err != nil {
		return "", err
	}
	return string(r.scratch), nil
}

// real reads a number, or one of the words that Log Analytics has for what JSON has no number for.
func (r *reader) real(raw jsontext.Value) (float64, bool) {
	if raw.Kind() == '0' {
		f, err := strconv.ParseFloat(string(raw), 64)
		return f, err == nil
	}
	switch string(raw) {
	case `"NaN"`:
		return math.NaN(), true
	case `"Infinity"`:
		return math.Inf(1), true
	case `"-Infinity"`:
		return math.Inf(-1), true
	}
	return 0, false
}

func (r *reader) dynamic(to *column.Builder, raw jsontext.Value) error {
	if raw.Kind() != '"' {
		return to.AppendJSON(string(raw))
	}
	s, err := r.text(raw, "a string")
	if err != nil {
		return err
	}
	if inner := strings.TrimSpace(s); inner != "" && (inner[0] == '{' || inner[0] == '[') {
		if to.AppendJSON(inner) == nil {
			return nil
		}
	}
	if s == "" {
		to.AppendNull()
		return nil
	}
	return to.AppendJSON(string(raw))
}

// short cuts a value for an error.
func short(raw jsontext.Value) string {
	const most = 60
	if len(raw) > most {
		return string(raw[:most]) + "…"
	}
	return string(raw)
}

// table gives the rows read. The time of ingestion is a column only if a row has it.
func (r *reader) table(name string) *column.Table {
	t := &column.Table{Name: name, Columns: r.columns, Rows: r.rows}
	for _, b := range r.builders {
		t.Vectors = append(t.Vectors, b.Vector())
	}
	last := len(t.Columns) - 1
	for i := range r.rows {
		if !t.Vectors[last].Null(i) {
			return t
		}
	}
	t.Columns, t.Vectors = t.Columns[:last], t.Vectors[:last]
	return t
}
