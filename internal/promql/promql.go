// Package promql is how Slipway reads queries for Prometheus' counters: with variables for the side of a comparison, checked
// before anybody is asked.
package promql

import (
	"errors"
	"fmt"
	"regexp"
	"slices"

	"github.com/prometheus/common/model"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/promql/parser"
)

// Arm is what stands for one side of a comparison in a query.
type Arm struct {
	Namespace string // $namespace
	Slot      string // $slot
	Release   string // $release: the Helm release's name
	Service   string // $service: the Kubernetes Service that takes its traffic
}

var variable = regexp.MustCompile(`\$(namespace|slot|release|service)\b`)

// Of is the query for an arm: $namespace, $slot, $release and $service are replaced. Their values are names of Kubernetes objects,
// which need no escaping.
func (a Arm) Of(query string) string {
	values := map[string]string{"$namespace": a.Namespace, "$slot": a.Slot, "$release": a.Release, "$service": a.Service}
	return variable.ReplaceAllStringFunc(query, func(name string) string { return values[name] })
}

// TellsArmsApart says whether a query asks differently for two sides.
func TellsArmsApart(query string) bool {
	blue, green := Arm{Slot: "blue", Release: "r-blue", Service: "s-blue"}, Arm{Slot: "green", Release: "r-green", Service: "s-green"}
	return blue.Of(query) != green.Of(query)
}

// Check says what is wrong with a query, with the place in it.
func Check(query string) error {
	expr, err := parser.NewParser(parser.Options{}).ParseExpr(query)
	if err == nil && expr.Type() != parser.ValueTypeVector {
		err = fmt.Errorf("it gives a %s, but must give counters: an instant vector", parser.DocumentedType(expr.Type()))
	}
	return err
}

// Selector reads a plain selector, such as http_requests_total{code=~"5.."}. Its error says what is wrong with another query.
func Selector(query string) ([]*labels.Matcher, error) {
	matchers, err := parser.NewParser(parser.Options{}).ParseMetricSelector(query)
	if err != nil {
		return nil, fmt.Errorf("%w; what is read straight from metrics must be a plain selector: name{label=\"value\", …}", err)
	}
	if !slices.ContainsFunc(matchers, func(m *labels.Matcher) bool { return m.Name == model.MetricNameLabel && m.Type == labels.MatchEqual }) {
		return nil, errors.New("it names no metric; what is read straight from metrics must be a plain selector: name{label=\"value\", …}")
	}
	return matchers, nil
}
