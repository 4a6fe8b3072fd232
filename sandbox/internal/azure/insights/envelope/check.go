package envelope

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// The service's codes for a bad field.
const (
	codeInvalid  = 102 // a string that should be a date, a duration, …
	codeTooOld   = 103
	codeTooNew   = 104 // by analogy: not seen
	codeWrongTyp = 106
	codeMissing  = 109
)

// fieldError is a refusal as the service words it.
type fieldError struct {
	code               int
	field, typ, what   string
	expected, received string
}

func (e *fieldError) Error() string {
	return fmt.Sprintf("%d: Field '%s' on type '%s' %s. Expected: %s, Actual: %s", e.code, e.field, e.typ, e.what, e.expected, e.received)
}

func missing(field, typ, expected string) error {
	return &fieldError{codeMissing, field, typ, "is required but missing or empty", expected, "undefined"}
}

func incorrect(field, typ, expected, received string) *fieldError {
	return &fieldError{codeWrongTyp, field, typ, "is of incorrect type", expected, received}
}

func invalid(field, typ, what, expected, received string) error {
	return &fieldError{codeInvalid, field, typ, "is not a valid " + what, expected, received}
}

// wrongType words an error of encoding/json, which names the field by its path.
func wrongType(it *item, m *json.UnmarshalTypeError) error {
	typ, field := "Envelope", m.Field
	if rest, ok := strings.CutPrefix(m.Field, "tags."); ok {
		field = rest // tags have dots in their names
	} else if i := strings.LastIndexByte(m.Field, '.'); i >= 0 {
		field = m.Field[i+1:]
		switch path := m.Field[:i]; {
		case path == "data":
			typ = "Data"
		case strings.HasSuffix(path, ".parsedStack"):
			typ = "StackFrame"
		case strings.HasSuffix(path, ".exceptions"):
			typ = "ExceptionDetails"
		case strings.HasSuffix(path, ".metrics"):
			typ = "DataPoint"
		case it.Data != nil:
			typ = it.Data.BaseType
		}
	}
	if field == "" {
		field = "envelope"
	}
	return incorrect(field, typ, jsonKind(m.Type.Kind().String()), m.Value)
}

// jsonKind names a Go kind as JSON does.
func jsonKind(kind string) string {
	switch kind {
	case "bool":
		return "boolean"
	case "string":
		return "string"
	case "struct", "map", "ptr":
		return "object"
	case "slice":
		return "array"
	}
	return "number"
}

// timestamp reads the time of an item and refuses what the service no longer
// or not yet takes.
func timestamp(s string, now time.Time) (time.Time, error) {
	if s == "" {
		return time.Time{}, missing("time", "Envelope", "string")
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return time.Time{}, invalid("time", "Envelope", "time string", "date", s)
	}
	switch age := now.Sub(t); {
	case age > MaxAge:
		return time.Time{}, &fieldError{codeTooOld, "time", "Envelope", "is older than the allowed min date",
			fmt.Sprintf("now - %dms", MaxAge.Milliseconds()), fmt.Sprintf("now - %dms", age.Milliseconds())}
	case age < -MaxAhead:
		return time.Time{}, &fieldError{codeTooNew, "time", "Envelope", "is newer than the allowed max date",
			fmt.Sprintf("now + %dms", MaxAhead.Milliseconds()), fmt.Sprintf("now + %dms", -age.Milliseconds())}
	}
	return t.UTC(), nil
}

// duration reads [d.]hh:mm:ss[.fffffff] and returns milliseconds. SDKs send
// one to seven digits after the point.
func duration(s, typ string) (float64, error) {
	if s == "" {
		return 0, missing("duration", typ, "string")
	}
	bad := func() (float64, error) { return 0, invalid("duration", typ, "time span string", "timespan", s) }
	days, clock := "", s
	if dot, colon := strings.IndexByte(s, '.'), strings.IndexByte(s, ':'); dot >= 0 && dot < colon {
		days, clock = s[:dot], s[dot+1:]
	}
	clock, fraction, hasFraction := strings.Cut(clock, ".")
	hours, rest, ok := strings.Cut(clock, ":")
	minutes, seconds, ok2 := strings.Cut(rest, ":")
	if !ok || !ok2 || len(hours) != 2 || len(minutes) != 2 || len(seconds) != 2 || hasFraction && (fraction == "" || len(fraction) > 7) {
		return bad()
	}
	var ticks int64 // of 100 ns
	for _, part := range []struct {
		digits string
		max    int64
		unit   int64
	}{{days, 10_675_199, 24 * 3600 * 1e7}, {hours, 23, 3600 * 1e7}, {minutes, 59, 60 * 1e7}, {seconds, 59, 1e7}} {
		n, ok := digits(part.digits)
		if !ok || n > part.max {
			return bad()
		}
		ticks += n * part.unit
	}
	n, ok := digits(fraction)
	if !ok || ticks < 0 {
		return bad()
	}
	for range 7 - len(fraction) {
		n *= 10
	}
	return float64(ticks+n) / 1e4, nil
}

// digits reads up to ten decimal digits; none are 0.
func digits(s string) (int64, bool) {
	if len(s) > 10 {
		return 0, false
	}
	var n int64
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = n*10 + int64(s[i]-'0')
	}
	return n, true
}

// severities in the order of their numbers.
var severities = [...]string{"Verbose", "Information", "Warning", "Error", "Critical"}

// severity reads a number or a word; -1 stands for none.
func severity(raw json.RawMessage, typ string) (int64, error) {
	return enum(raw, "severityLevel", typ, severities[:])
}

// aggregated says whether a data point is an aggregation, by number or word.
func aggregated(raw json.RawMessage) (bool, error) {
	n, err := enum(raw, "kind", "DataPoint", []string{"Measurement", "Aggregation"})
	return n == 1, err
}

// enum reads the number or the name of one of names; -1 when there is none.
func enum(raw json.RawMessage, field, typ string, names []string) (int64, error) {
	if len(raw) == 0 || string(raw) == "null" {
		return -1, nil
	}
	word := strings.Trim(string(raw), `"`)
	for i, name := range names {
		if strings.EqualFold(word, name) || word == string(rune('0'+i)) {
			return int64(i), nil
		}
	}
	return 0, incorrect(field, typ, strings.Join(names, "|"), word)
}
