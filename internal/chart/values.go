package chart

import (
	"fmt"
	"regexp"
	"strings"
)

// ValueProblem is one value that a chart's values.schema.json refuses.
type ValueProblem struct {
	// Chart is the chart or subchart whose schema refuses.
	Chart string
	// Path is the value's place, written as in --set ("image.tag"); empty for the values as a whole.
	Path   string
	Reason string
}

// ValuesError says that the values do not fit the chart's values.schema.json. Nothing was touched.
type ValuesError struct {
	Chart    string
	Problems []ValueProblem
	Err      error
}

func (e *ValuesError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "chart %s refuses the values (values.schema.json):", e.Chart)
	for _, p := range e.Problems {
		path := p.Path
		if path == "" {
			path = "values"
		}
		if p.Chart != e.Chart {
			path = p.Chart + ": " + path
		}
		fmt.Fprintf(&b, "\n  %s: %s", path, p.Reason)
	}
	return b.String()
}

// Unwrap gives Helm's own error.
func (e *ValuesError) Unwrap() error { return e.Err }

var schemaLine = regexp.MustCompile(`^\s*- at '([^']*)': (.*)$`)

// valuesError reads Helm's message about a schema; nil when err is about something else. Where the chart's name is
// not known (empty) it is the first that the message names.
func valuesError(chart string, err error) *ValuesError {
	_, text, ok := strings.Cut(err.Error(), "values don't meet the specifications of the schema(s) in the following chart(s):\n")
	if !ok {
		return nil
	}
	result := &ValuesError{Chart: chart, Err: err}
	current := chart
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\n")
		if m := schemaLine.FindStringSubmatch(line); m != nil {
			path := strings.ReplaceAll(strings.TrimPrefix(m[1], "/"), "/", ".")
			result.Problems = append(result.Problems, ValueProblem{Chart: current, Path: path, Reason: m[2]})
		} else if name, ok := strings.CutSuffix(line, ":"); ok && !strings.HasPrefix(line, " ") {
			current = name
			if result.Chart == "" {
				result.Chart = name
			}
		} else if strings.TrimSpace(line) != "" {
			result.Problems = append(result.Problems, ValueProblem{Chart: current, Reason: strings.TrimSpace(line)})
		}
	}
	return result
}

// cloneValues copies values deeply, because Helm edits what it is given, and gives every whole number one type,
// because templates print an int and a float of the same value differently.
func cloneValues(values map[string]any) map[string]any {
	copied := make(map[string]any, len(values))
	for k, v := range values {
		copied[k] = cloneValue(v)
	}
	return copied
}

func cloneValue(v any) any {
	switch v := v.(type) {
	case map[string]any:
		return cloneValues(v)
	case map[any]any:
		copied := make(map[string]any, len(v))
		for k, item := range v {
			copied[fmt.Sprint(k)] = cloneValue(item)
		}
		return copied
	case []any:
		copied := make([]any, len(v))
		for i, item := range v {
			copied[i] = cloneValue(item)
		}
		return copied
	case []string:
		copied := make([]any, len(v))
		for i, item := range v {
			copied[i] = item
		}
		return copied
	case map[string]string:
		copied := make(map[string]any, len(v))
		for k, item := range v {
			copied[k] = item
		}
		return copied
	case int:
		return int64(v)
	case int32:
		return int64(v)
	case uint32:
		return int64(v)
	case uint64:
		if v <= 1<<63-1 {
			return int64(v)
		}
		return v
	default:
		return v
	}
}
