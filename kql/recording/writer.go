package recording

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"path/filepath"

	"github.com/slipway-cd/slipway/kql"
	"github.com/slipway-cd/slipway/kql/apptables"
	"github.com/slipway-cd/slipway/kql/column"
)

// Writer adds rows to a recording. It serves one goroutine, and expects no other Writer in the directory.
type Writer struct {
	dir   string
	files map[string]*os.File
}

// NewWriter prepares a recording in a directory, which it makes if there is none. Rows are added to those that are there.
func NewWriter(dir string) (*Writer, error) {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return nil, fmt.Errorf("recording: %w", err)
	}
	return &Writer{dir: dir, files: map[string]*os.File{}}, nil
}

// Append adds the rows of t to the table of its name; no rows make the table's file, if there is none. The columns must be some of the
// table's, with their types, and may include kql.IngestedAt. Nulls and empty strings are left out. When Append returns, the rows are
// in the file as far as other processes are concerned; [Writer.Close] puts them on disk.
func (w *Writer) Append(t *column.Table) error {
	if err := checkColumns(t); err != nil {
		return fmt.Errorf("recording: %w", err)
	}
	f, err := w.file(t.Name)
	if err != nil {
		return fmt.Errorf("recording: %w", err)
	}
	var lines []byte
	for i := range t.Rows {
		lines = appendRow(lines, t, i)
	}
	end, err := f.Seek(0, io.SeekEnd)
	if err != nil {
		return fmt.Errorf("recording: %w", err)
	}
	if _, err := f.Write(lines); err != nil {
		return fmt.Errorf("recording: %w", errors.Join(err, f.Truncate(end))) // no half row is left
	}
	return nil
}

// Close puts everything on disk and ends the Writer.
func (w *Writer) Close() error {
	var all []error
	for _, f := range w.files {
		all = append(all, f.Sync(), f.Close())
	}
	w.files = nil
	if err := errors.Join(all...); err != nil {
		return fmt.Errorf("recording: %w", err)
	}
	return nil
}

func checkColumns(t *column.Table) error {
	columns, ok := apptables.Lookup(t.Name)
	if !ok {
		return fmt.Errorf("there is no table %q", t.Name)
	}
	types := map[string]column.Type{kql.IngestedAt: column.DateTime}
	for _, c := range columns {
		types[c.Name] = c.Type
	}
	for _, c := range t.Columns {
		switch want, ok := types[c.Name]; {
		case !ok:
			return fmt.Errorf("table %s has no column %q", t.Name, c.Name)
		case want != c.Type:
			return fmt.Errorf("column %s of table %s is %s, not %s", c.Name, t.Name, want, c.Type)
		}
	}
	return nil
}

// file opens the file of a table to add to it.
func (w *Writer) file(table string) (*os.File, error) {
	if f, ok := w.files[table]; ok {
		return f, nil
	}
	compressed := filepath.Join(w.dir, table+compressedSuffix)
	if _, err := os.Stat(compressed); !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s is compressed, and rows cannot be added to it: decompress it, or record into another directory", compressed)
	}
	f, err := os.OpenFile(filepath.Join(w.dir, table+plainSuffix), os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o666)
	if err != nil {
		return nil, err
	}
	if err := wholeLines(f); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	w.files[table] = f
	return f, nil
}

// wholeLines checks that a file does not end in the middle of a row.
func wholeLines(f *os.File) error {
	size, err := f.Seek(0, io.SeekEnd)
	if err != nil || size == 0 {
		return err
	}
	var last [1]byte
	if _, err := f.ReadAt(last[:], size-1); err != nil {
		return err
	}
	if last[0] != '\n' {
		return fmt.Errorf("%s ends in the middle of a row: a writer was stopped, remove the last line", f.Name())
	}
	return nil
}

func appendRow(b []byte, t *column.Table, i int) []byte {
	b = append(b, '{')
	first := true
	for k, c := range t.Columns {
		v := t.Vectors[k].Value(i)
		if v == nil || v == "" {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = append(append(append(b, '"'), c.Name...), `":`...)
		if f, ok := v.(float64); ok && (math.IsNaN(f) || math.IsInf(f, 0)) {
			v = column.FormatReal(f)
		}
		b = column.AppendJSON(b, v)
	}
	return append(b, "}\n"...)
}
