// Package recording keeps telemetry in files, so that a query can be asked of the past.
//
// A recording is a directory. Each table of it is one file, <Table>.jsonl, or compressed <Table>.jsonl.gz: a row a line, a JSON object of
// the table's columns as [apptables] has them. A column that a row leaves out, or has as null, is null. A row may also have
// "_IngestedAt", the time at which it became visible to queries.
//
//	{"TimeGenerated":"2026-01-01T00:00:00Z","Name":"GET /","Success":true,"DurationMs":12.5,"Properties":{"slot":"green"}}
//
// Datetimes are strings in the forms that Kusto reads. A dynamic is any JSON; a string that itself is a JSON array or object is read as
// that, because this is how Log Analytics answers with dynamics.
//
// Beside a file, [Open] leaves <Table>.columns, a cache from which it is opened in no time when it is opened again. It may be deleted,
// and is written anew if it does not belong to the file as it is, or is damaged.
package recording

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/slipway-cd/slipway/kql/apptables"
	"github.com/slipway-cd/slipway/kql/column"
)

const (
	plainSuffix      = ".jsonl"
	compressedSuffix = ".jsonl.gz"
	cacheSuffix      = ".columns"
)

// Recording is a directory of tables, as it was when it was opened. It is a database for package kql, and safe for use by many goroutines.
//
// Tables that were cached are mapped into memory, and stay so until the process ends: query results may share their bytes.
type Recording struct {
	tables map[string]*column.Table
}

// Open reads a recording. All of its rows are checked: an unknown table or column, bad JSON, or a value of the wrong type is an error that
// tells the file and the line. A cache that cannot be written, as in a read-only directory, is no error; the next Open takes as long again.
//
// A table without a file is not in the recording: not recorded and nothing happened are not the same. A table in which nothing happened
// is an empty file.
func Open(dir string) (*Recording, error) {
	files, err := tableFiles(dir)
	if err != nil {
		return nil, err
	}
	names := slices.Sorted(maps.Keys(files))
	tables := make([]*column.Table, len(names))
	var g errgroup.Group
	for i, name := range names {
		g.Go(func() error {
			t, err := openTable(name, files[name])
			tables[i] = t
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	r := &Recording{tables: map[string]*column.Table{}}
	for i, name := range names {
		r.tables[name] = tables[i]
	}
	return r, nil
}

// Table gives a table by its exact name.
func (r *Recording) Table(name string) (*column.Table, bool) {
	t, ok := r.tables[name]
	return t, ok
}

// Names gives the names of the tables that are in the recording, sorted.
func (r *Recording) Names() []string { return slices.Sorted(maps.Keys(r.tables)) }

// tableFiles finds the file of each table.
func tableFiles(dir string) (map[string]string, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, fmt.Errorf("recording: %w", err)
	}
	files := map[string]string{}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), plainSuffix)
		if !ok {
			name, ok = strings.CutSuffix(e.Name(), compressedSuffix)
		}
		if !ok || e.IsDir() {
			continue
		}
		path := filepath.Join(dir, e.Name())
		if _, known := apptables.Lookup(name); !known {
			return nil, fmt.Errorf("recording: %s: there is no table %q; a file is named after one of %s",
				path, name, strings.Join(apptables.Names(), ", "))
		}
		if other, twice := files[name]; twice {
			return nil, fmt.Errorf("recording: %s and %s are the same table: remove one, or join them", other, path)
		}
		files[name] = path
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("recording: %s has no table: expected files such as AppRequests.jsonl", dir)
	}
	return files, nil
}

// openTable takes a table from its cache, or reads its file and leaves a cache.
func openTable(name, path string) (*column.Table, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("recording: %w", err)
	}
	defer f.Close()
	before, err := stampOf(f)
	if err != nil {
		return nil, fmt.Errorf("recording: %w", err)
	}
	cache := filepath.Join(filepath.Dir(path), name+cacheSuffix)
	if t, err := readCache(cache, before); err == nil && t.Name == name {
		return t, nil
	}
	t, err := readFile(f, name)
	if err != nil {
		return nil, err
	}
	// A file that grew meanwhile gets no cache: nobody knows which of its rows were read. Nor is it an error if none can be written.
	if after, err := stampOf(f); err == nil && after == before {
		_ = writeCache(cache, before, t)
	}
	return t, nil
}

// stamp tells whether a file is still what it was.
type stamp struct {
	Size    int64 `json:"size"`
	ModTime int64 `json:"modTime"` // nanoseconds since 1970
}

func stampOf(f *os.File) (stamp, error) {
	info, err := f.Stat()
	if err != nil {
		return stamp{}, err
	}
	return stamp{Size: info.Size(), ModTime: info.ModTime().UnixNano()}, nil
}
