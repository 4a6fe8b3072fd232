package chart

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Problem is one thing that is wrong with a chart or with what it rendered to.
type Problem struct {
	// File is relative to the chart's directory (of a subchart: charts/NAME/…); empty when it concerns the whole chart.
	File string
	// Line counts from 1; 0 when Helm does not tell. For YAML that a template made, it counts in the rendered text.
	Line int
	// Reason in words.
	Reason string
}

// String gives "file:line: reason".
func (p Problem) String() string {
	switch {
	case p.File == "":
		return p.Reason
	case p.Line == 0:
		return p.File + ": " + p.Reason
	default:
		return fmt.Sprintf("%s:%d: %s", p.File, p.Line, p.Reason)
	}
}

// BrokenError says that a chart cannot be used as it is. Nothing was touched.
type BrokenError struct {
	// Chart is its directory, or "archive".
	Chart    string
	Problems []Problem
}

func (e *BrokenError) Error() string {
	if len(e.Problems) == 1 {
		return fmt.Sprintf("chart %s is broken: %s", e.Chart, e.Problems[0])
	}
	var b strings.Builder
	fmt.Fprintf(&b, "chart %s is broken in %d places:", e.Chart, len(e.Problems))
	for _, p := range e.Problems {
		b.WriteString("\n  " + p.String())
	}
	return b.String()
}

// RenderError says that the templates do not render with the values given. Nothing was touched.
type RenderError struct {
	Chart   string // the chart's name
	Problem Problem
	Err     error
}

func (e *RenderError) Error() string {
	return fmt.Sprintf("chart %s does not render with these values: %s", e.Chart, e.Problem)
}

// Unwrap gives Helm's own error.
func (e *RenderError) Unwrap() error { return e.Err }

func broken(chart string, problems ...Problem) error {
	return &BrokenError{Chart: chart, Problems: problems}
}

var (
	// Helm's template errors: "parse error at (chart/templates/x.yaml:3): …", "execution error at (…:3:14): …".
	templateError = regexp.MustCompile(`(?s)^(?:parse|execution) error (?:at|in) \(([^():]+)(?::(\d+))?(?::\d+)?\): (.*)$`)
	// Several lines, the first of which is "chart/templates/x.yaml:3:14".
	traceError = regexp.MustCompile(`(?s)^([^\s:]+\.[A-Za-z]+):(\d+):\d+\n\s*(.*)$`)
	// "YAML parse error on chart/templates/x.yaml: error converting YAML to JSON: yaml: line 5: …".
	yamlError = regexp.MustCompile(`(?s)^(?:YAML parse error on|cannot load) ([^\s:]+): (.*)$`)
	yamlLine  = regexp.MustCompile(`line (\d+): `)
	noise     = regexp.MustCompile(`error converting YAML to JSON: |error unmarshaling JSON: |cannot unmarshal yaml document: |while decoding JSON: |yaml: `)
)

// problemOf reads file, line and reason out of Helm's message; what it cannot read stays in the reason.
func problemOf(err error) Problem {
	text := strings.TrimSpace(err.Error())
	p := Problem{Reason: text}
	if m := templateError.FindStringSubmatch(text); m != nil {
		p = Problem{File: inChart(m[1]), Reason: m[3]}
		p.Line, _ = strconv.Atoi(m[2])
	} else if m := traceError.FindStringSubmatch(text); m != nil {
		p = Problem{File: inChart(m[1]), Reason: lastLine(m[3])}
		p.Line, _ = strconv.Atoi(m[2])
	} else if m := yamlError.FindStringSubmatch(text); m != nil {
		p = Problem{File: inChart(m[1]), Reason: m[2]}
	} else if rest, ok := strings.CutPrefix(text, "validation: "); ok {
		p = Problem{File: "Chart.yaml", Reason: rest}
	} else if strings.HasPrefix(text, "Chart.yaml file is missing") {
		p = Problem{File: "Chart.yaml", Reason: "the file is missing"}
	}
	if m := yamlLine.FindStringSubmatch(p.Reason); m != nil && p.Line == 0 {
		p.Line, _ = strconv.Atoi(m[1])
		p.Reason = strings.Replace(p.Reason, m[0], "", 1)
	}
	p.Reason = noise.ReplaceAllString(p.Reason, "")
	return p
}

// inChart takes the chart's name off the front of a template's name.
func inChart(name string) string {
	if chart, rest, ok := strings.Cut(name, "/"); ok && chart != "templates" && chart != "charts" && chart != "crds" {
		return rest
	}
	return name
}

// lastLine is the innermost message of Helm's trace: the cause.
func lastLine(s string) string {
	lines := strings.Split(strings.TrimSpace(s), "\n")
	return strings.TrimSpace(lines[len(lines)-1])
}
