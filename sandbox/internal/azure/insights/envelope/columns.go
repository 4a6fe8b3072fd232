package envelope

// Column is a column of one or more App* tables.
type Column uint8

// The columns of the App* tables, as workspace-based Application Insights
// names them. Those with a leading underscore are the workspace's own.
const (
	TimeGenerated Column = iota
	ID
	OperationID
	OperationName
	ParentID
	AppRoleName
	AppRoleInstance
	AppVersion
	ClientType
	ClientBrowser
	ClientCity
	ClientCountryOrRegion
	ClientIP
	ClientOS
	UserID
	SessionID
	SyntheticSource
	SDKVersion
	ItemCount
	Properties
	Measurements
	ResourceID
	Type
	Name
	URL
	Success
	ResultCode
	DurationMs
	PerformanceBucket
	Source
	Target
	DependencyType
	Data
	ProblemID
	ExceptionType
	OuterMessage
	OuterType
	InnermostMessage
	Method
	Assembly
	SeverityLevel
	HandledAt
	Message
	Details
	Location
	Size
	Sum
	Min
	Max
	Category
	Counter
	Instance
	Value
	columnCount
)

var columnNames = [columnCount]string{
	"TimeGenerated", "Id", "OperationId", "OperationName", "ParentId", "AppRoleName", "AppRoleInstance", "AppVersion",
	"ClientType", "ClientBrowser", "ClientCity", "ClientCountryOrRegion", "ClientIP", "ClientOS", "UserId", "SessionId",
	"SyntheticSource", "SDKVersion", "ItemCount", "Properties", "Measurements", "_ResourceId", "Type", "Name", "Url",
	"Success", "ResultCode", "DurationMs", "PerformanceBucket", "Source", "Target", "DependencyType", "Data", "ProblemId",
	"ExceptionType", "OuterMessage", "OuterType", "InnermostMessage", "Method", "Assembly", "SeverityLevel", "HandledAt",
	"Message", "Details", "Location", "Size", "Sum", "Min", "Max", "Category", "Counter", "Instance", "Value",
}

// String is the column's name in KQL.
func (c Column) String() string { return columnNames[c] }

// Columns lists all columns that a row may have, in the order of their values.
func Columns() []Column {
	all := make([]Column, columnCount)
	for i := range all {
		all[i] = Column(i)
	}
	return all
}

// Dynamic says whether the column holds JSON.
func (c Column) Dynamic() bool { return c == Properties || c == Measurements || c == Details }
