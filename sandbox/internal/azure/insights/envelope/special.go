package envelope

import (
	"math"
	"strings"
)

// metrics makes one row for each data point. A metric whose name is that of a
// Windows performance counter, \Category(Instance)\Counter, becomes one: that
// is how SDKs other than .NET's send them.
func (m *maker) metrics() ([]Row, error) {
	if len(m.d.Metrics) == 0 {
		return nil, missing("metrics", m.typ, "array")
	}
	rows := make([]Row, 0, len(m.d.Metrics))
	for i := range m.d.Metrics {
		p := &m.d.Metrics[i]
		switch {
		case p.Name == "":
			return nil, missing("name", "DataPoint", "string")
		case p.Value == nil:
			return nil, missing("value", "DataPoint", "number")
		}
		aggregate, err := aggregated(p.Kind)
		if err != nil {
			return nil, err
		}
		if category, instance, counter, ok := counterName(p.Name); ok {
			rows = append(rows, m.counterRow(category, counter, instance, *p.Value))
			continue
		}
		count := int64(1)
		if aggregate && p.Count != nil && *p.Count > 0 {
			count = min(*p.Count, math.MaxInt32)
		}
		low, high := p.Min, p.Max
		if count == 1 { // one measurement is its own minimum and maximum
			low, high = first(low, p.Value), first(high, p.Value)
		}
		r := m.row("AppMetrics", "", count)
		r.text(Name, cut(p.Name, maxName))
		r.number(Sum, *p.Value)
		r.maybe(Min, low)
		r.maybe(Max, high)
		rows = append(rows, r)
	}
	return rows, nil
}

func first(a, b *float64) *float64 {
	if a != nil {
		return a
	}
	return b
}

// counterName takes \Category\Counter or \Category(Instance)\Counter apart.
func counterName(s string) (category, instance, counter string, ok bool) {
	s, ok = strings.CutPrefix(s, `\`)
	if !ok {
		return "", "", "", false
	}
	category, counter, ok = strings.Cut(s, `\`)
	if !ok || category == "" || counter == "" {
		return "", "", "", false
	}
	if name, rest, found := strings.Cut(category, "("); found {
		if instance, found = strings.CutSuffix(rest, ")"); found {
			category = name
		}
	}
	return category, instance, counter, true
}

// detail is an element of AppExceptions.Details.
type detail struct {
	Severity string  `json:"severityLevel,omitempty"`
	OuterID  int64   `json:"outerId"`
	Message  string  `json:"message"`
	Type     string  `json:"type"`
	ID       int64   `json:"id"`
	Raw      string  `json:"rawStack,omitempty"`
	Parsed   []frame `json:"parsedStack,omitempty"`
}

// exception makes the row of a chain of exceptions, the outermost first.
func (m *maker) exception() ([]Row, error) {
	chain := m.d.Exceptions
	if len(chain) == 0 {
		return nil, missing("exceptions", m.typ, "array")
	}
	level, err := severity(m.d.Severity, m.typ)
	if err != nil {
		return nil, err
	}
	details := make([]detail, len(chain))
	for i := range chain {
		e := &chain[i]
		switch {
		case e.TypeName == "":
			return nil, missing("typeName", "ExceptionDetails", "string")
		case e.Message == "":
			return nil, missing("message", "ExceptionDetails", "string")
		}
		details[i] = detail{OuterID: e.OuterID, Message: cut(e.Message, maxMessage), Type: e.TypeName, ID: e.ID, Raw: cut(e.Stack, maxMessage), Parsed: e.Parsed}
		if level >= 0 {
			details[i].Severity = severities[level]
		}
	}
	text, err := marshal(details)
	if err != nil {
		return nil, err
	}
	outer, inner := &details[0], &details[len(details)-1]
	method, assembly := "", ""
	if len(outer.Parsed) > 0 {
		method, assembly = outer.Parsed[0].Method, outer.Parsed[0].Assembly
	}
	problem := m.d.ProblemID
	if problem == "" {
		problem = outer.Type
		if method != "" {
			problem += " at " + method
		}
	}
	r := m.row("AppExceptions", "", m.count())
	r.text(ProblemID, cut(problem, maxName))
	r.text(ExceptionType, outer.Type)
	r.text(OuterMessage, outer.Message)
	r.text(OuterType, outer.Type)
	r.text(InnermostMessage, inner.Message)
	r.text(Method, method)
	r.text(Assembly, assembly)
	if level >= 0 {
		r.integer(SeverityLevel, level)
	}
	r.text(HandledAt, m.d.HandledAt)
	r.text(Details, text)
	return []Row{r}, nil
}
