// Package apptables knows the tables of Application Insights: their names, columns and types.
//
// A workspace has them as App… tables. The classic names (requests, dependencies …) with their own column names are those that queries
// against an Application Insights resource use. The columns are those that Microsoft's reference of the Azure Monitor tables lists,
// without the ones that only billing and access control use.
package apptables

import (
	"slices"
	"strings"

	"github.com/slipway-cd/slipway/kql/column"
)

// Table is the schema of one table.
type Table struct {
	Name    string
	Columns []column.Field
}

// workspace are the columns that every App… table has, classic those of every classic table. A name is followed by its type.
const (
	workspace = `TimeGenerated datetime, Id string, OperationId string, OperationName string, ParentId string, AppRoleName string,
		AppRoleInstance string, AppVersion string, ClientType string, ClientBrowser string, ClientCity string, ClientCountryOrRegion string,
		ClientIP string, ClientOS string, UserId string, SessionId string, SyntheticSource string, SDKVersion string, ItemCount int,
		Properties dynamic, Measurements dynamic, _ResourceId string, Type string`
	classic = `timestamp datetime, operation_Id string, operation_Name string, operation_ParentId string, operation_SyntheticSource string,
		cloud_RoleName string, cloud_RoleInstance string, application_Version string, client_Type string, client_Browser string,
		client_IP string, user_Id string, session_Id string, itemType string, itemId string, itemCount int, appName string, appId string,
		customDimensions dynamic, customMeasurements dynamic, sdkVersion string`
)

// schemas are all tables: a name, and its columns.
var schemas = [...][2]string{
	{"AppRequests", workspace + `, Name string, Url string, Success bool, ResultCode string, DurationMs real, PerformanceBucket string,
		Source string`},
	{"AppDependencies", workspace + `, Name string, Target string, DependencyType string, Data string, Success bool, ResultCode string,
		DurationMs real, PerformanceBucket string`},
	{"AppExceptions", workspace + `, ProblemId string, ExceptionType string, OuterMessage string, OuterType string, InnermostMessage string,
		Method string, Assembly string, SeverityLevel int, HandledAt string, Message string, Details dynamic`},
	{"AppTraces", workspace + `, Message string, SeverityLevel int`},
	{"AppAvailabilityResults", workspace + `, Name string, Location string, Success bool, Message string, DurationMs real, Size real`},
	{"AppMetrics", workspace + `, Name string, Sum real, Min real, Max real`},
	{"AppEvents", workspace + `, Name string`},
	{"AppPageViews", workspace + `, Name string, Url string, DurationMs real, PerformanceBucket string`},
	{"AppPerformanceCounters", workspace + `, Name string, Category string, Counter string, Instance string, Value real`},

	{"requests", classic + `, id string, name string, url string, source string, success string, resultCode string, duration real,
		performanceBucket string`},
	{"dependencies", classic + `, id string, name string, target string, type string, data string, success string, resultCode string,
		duration real, performanceBucket string`},
	{"exceptions", classic + `, problemId string, type string, method string, assembly string, outerMessage string, outerType string,
		innermostMessage string, message string, severityLevel int, details dynamic`},
	{"traces", classic + `, message string, severityLevel int`},
	{"availabilityResults", classic + `, id string, name string, location string, success string, message string, duration real`},
	{"customMetrics", classic + `, name string, value real, valueCount int, valueSum real, valueMin real, valueMax real, valueStdDev real`},
	{"customEvents", classic + `, name string`},
	{"pageViews", classic + `, name string, url string, duration real`},
	{"performanceCounters", classic + `, name string, category string, counter string, instance string, value real`},

	{"AppServiceHTTPLogs", `TimeGenerated datetime, CsMethod string, CsUriStem string, ScStatus int, TimeTaken int, CIp string,
		_ResourceId string`},
	{"FunctionAppLogs", `TimeGenerated datetime, Category string, Message string, Level string, FunctionInvocationId string,
		HostInstanceId string, _ResourceId string`},
}

// All gives the schemas of all tables, which the caller may change.
func All() []Table {
	tables := make([]Table, len(schemas))
	for i, s := range schemas {
		tables[i] = Table{Name: s[0], Columns: parse(s[1])}
	}
	return tables
}

// Lookup gives the columns of a table by its exact name, which the caller may change.
func Lookup(name string) (columns []column.Field, ok bool) {
	i := slices.IndexFunc(schemas[:], func(s [2]string) bool { return s[0] == name })
	if i < 0 {
		return nil, false
	}
	return parse(schemas[i][1]), true
}

// Names gives the names of all tables, the App… tables first.
func Names() []string {
	names := make([]string, len(schemas))
	for i, s := range schemas {
		names[i] = s[0]
	}
	return names
}

func parse(schema string) []column.Field {
	var columns []column.Field
	for c := range strings.SplitSeq(schema, ",") {
		name, typeName, _ := strings.Cut(strings.TrimSpace(c), " ")
		t, ok := column.ParseType(typeName)
		if !ok {
			panic("apptables: " + c) // the schemas above are fixed, and the tests read all of them
		}
		columns = append(columns, column.Field{Name: name, Type: t})
	}
	return columns
}
