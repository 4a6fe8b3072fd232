package insights

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/slipway-cd/slipway/kql/column"
)

// result is what a query gave, before it is written.
type result struct {
	table *column.Table
	took  time.Duration
	// scanned counts the rows that were read.
	scanned int64
}

// answer is the body of an answer of the query API.
type answer struct {
	Tables     []resultTable   `json:"tables"`
	Statistics json.RawMessage `json:"statistics,omitempty"`
	Render     json.RawMessage `json:"render,omitempty"`
	Error      *apiError       `json:"error,omitempty"`
}

type resultTable struct {
	Name    string            `json:"name"`
	Columns []resultColumn    `json:"columns"`
	Rows    []json.RawMessage `json:"rows"`
}

type resultColumn struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// answer writes a result, cut off where the limits of an answer are.
func (s *Server) answer(res result, p preferences) *answer {
	t := resultTable{Name: "PrimaryResult", Rows: []json.RawMessage{}}
	for _, c := range res.table.Columns {
		t.Columns = append(t.Columns, resultColumn{c.Name, c.Type.String()})
	}
	a := &answer{}
	bytes := 0
	for i := range res.table.Rows {
		row := appendRow(nil, res.table, i)
		if bytes += len(row); i == s.o.Limits.Rows || bytes > s.o.Limits.Bytes {
			what := fmt.Sprintf("record count limit %d", s.o.Limits.Rows)
			if bytes > s.o.Limits.Bytes {
				what = fmt.Sprintf("data size limit %d", s.o.Limits.Bytes)
			}
			a.Error = partialError(apiError{Code: "-2133196797", Message: "The query result has exceeded the internal " + what + " (E_QUERY_RESULT_SET_TOO_LARGE)."})
			break
		}
		t.Rows = append(t.Rows, row)
	}
	a.Tables = []resultTable{t}
	if p.statistics {
		a.Statistics = fmt.Appendf(nil, `{"query":{"executionTime":%s,"inputDatasetStatistics":{"rows":{"total":%d,"scanned":%[2]d}},"datasetStatistics":[{"tableRowCount":%d,"tableSize":%d}]}}`,
			strconv.FormatFloat(res.took.Seconds(), 'f', 7, 64), res.scanned, len(t.Rows), bytes)
	}
	if p.render {
		a.Render = json.RawMessage(`{"visualization":null}`)
	}
	return a
}

// halve leaves out half of the rows, as a query that failed underway does.
func (a *answer) halve() {
	for i := range a.Tables {
		a.Tables[i].Rows = a.Tables[i].Rows[:len(a.Tables[i].Rows)/2]
	}
	a.Error = partialError(apiError{Code: "-2133196797", Message: "The query was aborted underway: the stand-in was told to."})
}

func appendRow(b []byte, t *column.Table, i int) []byte {
	b = append(b, '[')
	for c, v := range t.Vectors {
		if c > 0 {
			b = append(b, ',')
		}
		b = appendValue(b, v.Value(i))
	}
	return append(b, ']')
}

// appendValue writes a value as Log Analytics does: numbers as numbers,
// whatever JSON does not know as text, dynamics as a string of JSON.
func appendValue(b []byte, v column.Value) []byte {
	switch v := v.(type) {
	case float64:
		switch {
		case math.IsNaN(v):
			return append(b, `"NaN"`...)
		case math.IsInf(v, 1):
			return append(b, `"Infinity"`...)
		case math.IsInf(v, -1):
			return append(b, `"-Infinity"`...)
		}
		return strconv.AppendFloat(b, v, 'g', -1, 64)
	case column.Ticks:
		return append(v.Time().AppendFormat(append(b, '"'), time.RFC3339Nano), '"')
	case []column.Value, *column.Bag:
		return column.AppendJSON(b, string(column.AppendJSON(nil, v)))
	}
	return column.AppendJSON(b, v)
}
