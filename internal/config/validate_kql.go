package config

import (
	"errors"
	"slices"
	"strings"

	"github.com/slipway-cd/slipway/kql"
	"github.com/slipway-cd/slipway/kql/apptables"
	"github.com/slipway-cd/slipway/kql/column"
)

// KQLHead stands before a gate's own query, on one line: it declares what the query may use. [loganalytics.Custom] binds the same names.
const KQLHead = `let from = datetime(2026-01-01); let to = datetime(2026-01-02); let batch = 10s; let candidate = "green"; let production = "blue";` + "\n"

// appSchema is what a query is checked against: the tables of Application Insights.
type appSchema struct{}

func (appSchema) Table(name string) ([]column.Field, bool) { return apptables.Lookup(name) }
func (appSchema) Names() []string                          { return apptables.Names() }

// uncertain are the engine's errors that a service need not share: no such table, function or plugin. It is asked before a
// release. Nor is an error without a code, which says what the engine does not support.
var uncertain = []string{"", "KS204", "KS211", "KS124"}

func (d *document) checkKQL(path string, k KQL) {
	sub := path + ".query"
	if strings.TrimSpace(k.Query) == "" {
		return
	}
	query, err := kql.Compile(KQLHead+k.Query, appSchema{})
	var wrong *kql.Error
	if errors.As(err, &wrong) {
		if !slices.Contains(uncertain, wrong.Code) {
			d.fail(sub, "%s, line %d, column %d: %s [%s]", sub, wrong.Line-1, wrong.Column, wrong.Message, wrong.Code)
		}
		return
	}
	if err != nil || query.Columns() == nil {
		return
	}
	want := map[string][]column.Type{"slot": {column.String}, "bin": {column.DateTime}, "trials": {column.Long, column.Int}, "events": {column.Long, column.Int}}
	if k.Max != nil {
		want = map[string][]column.Type{"slot": {column.String}, "value": {column.Long, column.Int, column.Real}}
	}
	var have []string
	for _, c := range query.Columns() {
		have = append(have, c.Name)
		if types, ok := want[c.Name]; ok && !slices.Contains(types, c.Type) {
			d.fail(sub, "%s gives the column %s as %s, but it must be %s", sub, c.Name, c.Type, types[0])
		}
		delete(want, c.Name)
	}
	if len(want) > 0 {
		d.fail(sub, "%s gives no column %s; it gives %s", sub, strings.Join(sortedKeys(want), ", "), strings.Join(have, ", "))
	}
}
