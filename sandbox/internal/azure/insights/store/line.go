package store

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/slipway-cd/slipway/kql/column"

	"github.com/slipway-cd/slipway/sandbox/internal/azure/insights/envelope"
)

// appendLine writes a row as a recording has it: a JSON object of its columns.
func appendLine(b []byte, r *envelope.Row, at time.Time) []byte {
	b = append(b, `{"`+IngestedAt+`":"`...)
	b = at.UTC().AppendFormat(b, time.RFC3339Nano)
	b = append(b, '"')
	for i := range r.Cells {
		c := &r.Cells[i]
		b = append(b, `,"`...)
		b = append(b, c.Column.String()...)
		b = append(b, `":`...)
		switch c.Kind {
		case envelope.Text:
			if c.Column.Dynamic() {
				b = append(b, c.Text...) // JSON already
			} else {
				b = appendQuoted(b, c.Text)
			}
		case envelope.Number:
			b = strconv.AppendFloat(b, c.Num(), 'g', -1, 64)
		case envelope.Integer:
			b = strconv.AppendInt(b, c.Int, 10)
		case envelope.Boolean:
			b = strconv.AppendBool(b, c.Int != 0)
		case envelope.Instant:
			b = append(b, '"')
			b = time.Unix(0, c.Int).UTC().AppendFormat(b, time.RFC3339Nano)
			b = append(b, '"')
		}
	}
	return append(b, "}\n"...)
}

// appendQuoted writes a JSON string; most texts are plain.
func appendQuoted(b []byte, s string) []byte {
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' || s[i] == '"' || s[i] == '\\' {
			quoted, err := json.Marshal(s)
			if err != nil {
				panic(err) // a string can always be written
			}
			return append(b, quoted...)
		}
	}
	b = append(b, '"')
	b = append(b, s...)
	return append(b, '"')
}

// parseLine reads what appendLine wrote.
func (s *Store) parseLine(line string) (entry, error) {
	v, err := column.ParseJSON(line)
	if err != nil {
		return entry{}, err
	}
	bag, ok := v.(*column.Bag)
	if !ok {
		return entry{}, errors.New("it is not a JSON object")
	}
	e := entry{row: &envelope.Row{}}
	name, _ := bag.Get(envelope.Type.String())
	e.row.Table, _ = name.(string)
	t := s.tables[e.row.Table]
	if t == nil {
		return entry{}, fmt.Errorf("there is no table %v", name)
	}
	at, _ := bag.Get(IngestedAt)
	if e.at, err = parseTime(at); err != nil {
		return entry{}, fmt.Errorf("column %s: %w", IngestedAt, err)
	}
	e.row.Cells = make([]envelope.Cell, 0, bag.Len()-1)
	for i := range bag.Len() {
		name, v := bag.At(i)
		if name == IngestedAt {
			continue
		}
		c, ok := t.columns[name]
		if !ok {
			return entry{}, fmt.Errorf("table %s has no column %s", e.row.Table, name)
		}
		cell, err := parseCell(t.fields[t.position[c]].Type, v)
		if err != nil {
			return entry{}, fmt.Errorf("column %s: %w", name, err)
		}
		cell.Column = c
		e.row.Cells = append(e.row.Cells, cell)
	}
	return e, nil
}

func parseCell(typ column.Type, v column.Value) (envelope.Cell, error) {
	if typ == column.Dynamic {
		return envelope.Cell{Kind: envelope.Text, Text: string(column.AppendJSON(nil, v))}, nil
	}
	switch v := v.(type) {
	case string:
		switch typ {
		case column.String:
			return envelope.Cell{Kind: envelope.Text, Text: v}, nil
		case column.DateTime:
			at, err := parseTime(v)
			return envelope.Cell{Kind: envelope.Instant, Int: at.UnixNano()}, err
		}
	case float64:
		if typ == column.Real {
			return envelope.NumberCell(0, v), nil
		}
	case int64:
		switch typ {
		case column.Real:
			return envelope.NumberCell(0, float64(v)), nil
		case column.Int:
			return envelope.Cell{Kind: envelope.Integer, Int: v}, nil
		}
	case bool:
		if typ == column.Bool {
			cell := envelope.Cell{Kind: envelope.Boolean}
			if v {
				cell.Int = 1
			}
			return cell, nil
		}
	}
	return envelope.Cell{}, fmt.Errorf("%s is not a %s", column.AppendJSON(nil, v), typ)
}

func parseTime(v column.Value) (time.Time, error) {
	s, ok := v.(string)
	if !ok {
		return time.Time{}, fmt.Errorf("%s is not a datetime", column.AppendJSON(nil, v))
	}
	return time.Parse(time.RFC3339Nano, s)
}
