package store

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// parts is into how many segments the kept rows are divided, and so how
// coarse dropping is.
const parts = 16

// segment is a number of consecutively accepted rows, and their file:
// <number>.jsonl, a row of a recording a line, whose Type names its table.
type segment struct {
	number int
	path   string // "" in memory
	file   *os.File
	rows   int
	tables map[string]int
	began  time.Time
	newest time.Time // when its last row becomes visible
}

func (g *segment) count(entries []entry) {
	for i := range entries {
		g.rows++
		g.tables[entries[i].row.Table]++
		if entries[i].at.After(g.newest) {
			g.newest = entries[i].at
		}
	}
}

func (g *segment) close() error {
	if g.file == nil {
		return nil
	}
	err := g.file.Close()
	g.file = nil
	return err
}

// write puts rows into the file, in one call so that a process that ends at
// any moment has written all of them or none.
func (g *segment) write(entries []entry) error {
	if g.file == nil {
		return nil
	}
	var buf []byte
	for i := range entries {
		buf = appendLine(buf, entries[i].row, entries[i].at)
	}
	if _, err := g.file.Write(buf); err != nil {
		return fmt.Errorf("write telemetry: %w", err)
	}
	return nil
}

// segment gives the segment to write to: the last one, or a new one when that
// has its share.
func (s *Store) segment(now time.Time) (*segment, error) {
	number := 1
	if len(s.segments) > 0 {
		g := s.segments[len(s.segments)-1]
		if g.rows < s.o.MaxRows/parts && now.Sub(g.began) < s.o.MaxAge/parts {
			return g, g.open()
		}
		if err := g.close(); err != nil {
			return nil, fmt.Errorf("close %s: %w", g.path, err)
		}
		number = g.number + 1
	}
	g := &segment{number: number, tables: map[string]int{}, began: now}
	if s.o.Dir != "" {
		g.path = filepath.Join(s.o.Dir, fmt.Sprintf("%06d.jsonl", number))
	}
	if err := g.open(); err != nil {
		return nil, err
	}
	s.segments = append(s.segments, g)
	return g, nil
}

func (g *segment) open() error {
	if g.path == "" || g.file != nil {
		return nil
	}
	f, err := os.OpenFile(g.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open a file for telemetry: %w", err)
	}
	g.file = f
	return nil
}

// retain drops the oldest segments while there are too many rows, or while
// all that is in them is too old.
func (s *Store) retain(now time.Time) error {
	for len(s.segments) > 0 {
		g := s.segments[0]
		if s.rows <= s.o.MaxRows && now.Sub(g.newest) < s.o.MaxAge {
			return nil
		}
		if err := g.close(); err != nil {
			return fmt.Errorf("close %s: %w", g.path, err)
		}
		if g.path != "" {
			if err := os.Remove(g.path); err != nil && !errors.Is(err, os.ErrNotExist) {
				return fmt.Errorf("drop old telemetry: %w", err)
			}
		}
		for name, n := range g.tables {
			if err := s.tables[name].drop(n); err != nil {
				return err
			}
		}
		s.rows -= g.rows
		s.segments = s.segments[1:]
	}
	return nil
}

// load reads the segments that an earlier store left.
func (s *Store) load() error {
	if err := os.MkdirAll(s.o.Dir, 0o700); err != nil {
		return err
	}
	paths, err := filepath.Glob(filepath.Join(s.o.Dir, "*.jsonl"))
	if err != nil {
		return err
	}
	slices.Sort(paths)
	now := s.o.Now()
	for _, path := range paths {
		var number int
		if _, err := fmt.Sscanf(strings.TrimSuffix(filepath.Base(path), ".jsonl"), "%d", &number); err != nil {
			return fmt.Errorf("%s is not a file of telemetry: move it away", path)
		}
		g := &segment{number: number, path: path, tables: map[string]int{}, began: now}
		s.segments = append(s.segments, g)
		if err := s.read(g); err != nil {
			return err
		}
	}
	return s.retain(now)
}

// readAtOnce is how many rows are put into their tables in one go.
const readAtOnce = 1000

// read reads a segment. A last line without its end, which a machine that
// lost power leaves, was never accepted: it is cut off.
func (s *Store) read(g *segment) error {
	f, err := os.OpenFile(g.path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	entries := make([]entry, 0, readAtOnce)
	flush := func() error {
		if err := s.add(entries, func() error { return nil }); err != nil {
			return fmt.Errorf("%s: %w; remove the file to go on without its telemetry", g.path, err)
		}
		g.count(entries)
		s.rows += len(entries)
		entries = entries[:0]
		return nil
	}
	var size int64
	r := bufio.NewReaderSize(f, 1<<20)
	for n := 1; ; n++ {
		line, err := r.ReadString('\n')
		if errors.Is(err, io.EOF) {
			if err := flush(); err != nil {
				return err
			}
			if len(line) > 0 {
				return f.Truncate(size)
			}
			return nil
		}
		if err != nil {
			return err
		}
		size += int64(len(line))
		e, err := s.parseLine(line)
		if err != nil {
			return fmt.Errorf("%s:%d: %w; remove the file to go on without its telemetry", g.path, n, err)
		}
		if entries = append(entries, e); len(entries) == readAtOnce {
			if err := flush(); err != nil {
				return err
			}
		}
	}
}
