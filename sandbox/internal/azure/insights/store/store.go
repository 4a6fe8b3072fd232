// Package store keeps telemetry rows in columns that KQL reads. A row becomes
// visible some time after it was accepted, as in Log Analytics; from then on
// ingestion_time() is that moment. What was accepted is in a file before
// Append returns, and is there again after a restart.
package store

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/slipway-cd/slipway/kql/column"

	"github.com/slipway-cd/slipway/sandbox/internal/azure/insights/envelope"
)

// IngestedAt is the hidden column that ingestion_time() reads.
const IngestedAt = "_IngestedAt"

// Schema is a table that rows may go to.
type Schema struct {
	Name   string
	Fields []column.Field
}

// Options are what a Store needs.
type Options struct {
	// Tables are all tables, those without rows too.
	Tables []Schema
	// Dir is where rows are written to; empty keeps them in memory only.
	Dir string
	// Now is the clock; nil means time.Now.
	Now func() time.Time
	// MaxRows bounds the rows of all tables together; MaxAge their age since
	// they became visible. The oldest are dropped first, a sixteenth or so at
	// a time. 0 stands for a million and for 24 hours.
	MaxRows int
	MaxAge  time.Duration
}

// Store holds the tables. Its methods may be called from several goroutines.
type Store struct {
	o      Options
	tables map[string]*table

	mu       sync.Mutex
	segments []*segment // the last one is being written
	rows     int        // in all segments
	closed   bool
}

// Open makes a store, with the rows that an earlier one left in Dir.
func Open(o Options) (*Store, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.MaxRows == 0 {
		o.MaxRows = 1_000_000
	}
	if o.MaxAge == 0 {
		o.MaxAge = 24 * time.Hour
	}
	s := &Store{o: o, tables: map[string]*table{}}
	for _, t := range o.Tables {
		table, err := newTable(t)
		if err != nil {
			return nil, err
		}
		s.tables[t.Name] = table
	}
	if o.Dir == "" {
		return s, nil
	}
	if err := s.load(); err != nil {
		return nil, fmt.Errorf("read what %s holds: %w", o.Dir, err)
	}
	return s, nil
}

// Append takes rows; each becomes visible after its delay, which is asked for
// once a row, in order. When it returns nil, the rows survive the end of the
// process. On an error none of them are taken. The rows are not kept.
func (s *Store) Append(rows []envelope.Row, delay func(*envelope.Row) time.Duration) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return errors.New("the store is closed")
	}
	now := s.o.Now()
	entries := make([]entry, len(rows))
	for i := range rows {
		entries[i] = entry{row: &rows[i], at: now.Add(delay(&rows[i]))}
	}
	g, err := s.segment(now)
	if err != nil {
		return err
	}
	if err := s.add(entries, func() error { return g.write(entries) }); err != nil {
		return err
	}
	g.count(entries)
	s.rows += len(entries)
	return s.retain(now)
}

// entry is a row and when it becomes visible.
type entry struct {
	row *envelope.Row
	at  time.Time
}

// add puts rows into their tables, all of them or none: an error of last,
// which comes when all are in, takes them out again.
func (s *Store) add(entries []entry, last func() error) error {
	var names []string
	for i := range entries {
		name := entries[i].row.Table
		if s.tables[name] == nil {
			return fmt.Errorf("there is no table %s", name)
		}
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return s.addTo(names, entries, last)
}

// addTo puts the rows of the named tables in, one table within the other.
func (s *Store) addTo(names []string, entries []entry, last func() error) error {
	if len(names) == 0 {
		return last()
	}
	return s.tables[names[0]].append(func(add func(*envelope.Row, time.Time) error) error {
		for i := range entries {
			if entries[i].row.Table != names[0] {
				continue
			}
			if err := add(entries[i].row, entries[i].at); err != nil {
				return err
			}
		}
		return s.addTo(names[1:], entries, last)
	})
}

// View is a consistent set of tables at one moment. It is a kql.Database.
type View struct {
	tables map[string]*column.Table
	names  []string
}

// View gives the rows that are visible now. from and to limit them to those
// whose TimeGenerated is in [from, to]; zero times do not limit.
func (s *Store) View(from, to time.Time) (*View, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.o.Now()
	if err := s.retain(now); err != nil {
		return nil, err
	}
	v := &View{tables: map[string]*column.Table{}}
	for _, t := range s.o.Tables {
		v.tables[t.Name] = s.tables[t.Name].snapshot(now, from, to)
		v.names = append(v.names, t.Name)
	}
	return v, nil
}

// Table gives a table by its name.
func (v *View) Table(name string) (*column.Table, bool) {
	t, ok := v.tables[name]
	return t, ok
}

// Names lists the tables.
func (v *View) Names() []string { return v.names }

// Stats says how many rows there are.
type Stats struct {
	// Visible and Pending count rows by table; tables without any are left out.
	Visible map[string]int `json:"visible"`
	Pending map[string]int `json:"pending"`
	// Segments is the number of files' directories they are in.
	Segments int `json:"segments"`
}

// Stats counts the rows.
func (s *Store) Stats() (Stats, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.o.Now()
	if err := s.retain(now); err != nil {
		return Stats{}, err
	}
	st := Stats{Visible: map[string]int{}, Pending: map[string]int{}, Segments: len(s.segments)}
	for name, t := range s.tables {
		visible, pending := t.counts(now)
		if visible > 0 {
			st.Visible[name] = visible
		}
		if pending > 0 {
			st.Pending[name] = pending
		}
	}
	return st, nil
}

// Close closes the files. The rows that are not visible yet stay in them.
func (s *Store) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if len(s.segments) == 0 {
		return nil
	}
	return s.segments[len(s.segments)-1].close()
}
