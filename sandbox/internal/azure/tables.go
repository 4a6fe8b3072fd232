package azure

import (
	"slices"

	"github.com/slipway-cd/slipway/kql/apptables"
	"github.com/slipway-cd/slipway/kql/column"

	"github.com/slipway-cd/slipway/sandbox/internal/azure/insights/store"
)

// tables are those of a workspace. The classic names of Application Insights
// (requests, dependencies …) are not among them: only queries against an
// Application Insights resource know those.
func tables() []store.Schema {
	var all []store.Schema
	for _, t := range apptables.All() {
		if slices.Contains(t.Columns, column.Field{Name: "TimeGenerated", Type: column.DateTime}) {
			all = append(all, store.Schema{Name: t.Name, Fields: t.Columns})
		}
	}
	return all
}
