package envelope

import "encoding/json"

// item is what an SDK sends: an envelope of the Breeze protocol. See the Bond
// schemas in https://github.com/microsoft/ApplicationInsights-Home
// (EndpointSpecs/Schemas) for the fields and which of them are required.
type item struct {
	Name       string   `json:"name"`
	Time       string   `json:"time"`
	SampleRate *float64 `json:"sampleRate"`
	IKey       string   `json:"iKey"`
	Tags       tags     `json:"tags"`
	Data       *payload `json:"data"`
}

type tags struct {
	Role         string `json:"ai.cloud.role"`
	RoleInstance string `json:"ai.cloud.roleInstance"`
	Version      string `json:"ai.application.ver"`
	OperationID  string `json:"ai.operation.id"`
	Operation    string `json:"ai.operation.name"`
	ParentID     string `json:"ai.operation.parentId"`
	Synthetic    string `json:"ai.operation.syntheticSource"`
	UserID       string `json:"ai.user.id"`
	SessionID    string `json:"ai.session.id"`
	SDK          string `json:"ai.internal.sdkVersion"`
	DeviceType   string `json:"ai.device.type"`
	DeviceOS     string `json:"ai.device.osVersion"`
}

type payload struct {
	BaseType string    `json:"baseType"`
	BaseData *baseData `json:"baseData"`
}

// baseData has the fields of all base types: no two of them use one name for
// different things, so that one pass over the text is enough.
type baseData struct {
	ID           string          `json:"id"`
	Name         string          `json:"name"`
	Duration     string          `json:"duration"`
	Success      *bool           `json:"success"`
	Message      string          `json:"message"`
	URL          string          `json:"url"`
	Source       string          `json:"source"`
	ResponseCode string          `json:"responseCode"`
	ResultCode   string          `json:"resultCode"`
	Target       string          `json:"target"`
	Kind         string          `json:"type"`
	Command      string          `json:"data"`
	RunLocation  string          `json:"runLocation"`
	Severity     json.RawMessage `json:"severityLevel"`
	ProblemID    string          `json:"problemId"`
	HandledAt    string          `json:"handledAt"`
	Exceptions   []exception     `json:"exceptions"`
	Metrics      []metric        `json:"metrics"`
	Category     string          `json:"categoryName"`
	Counter      string          `json:"counterName"`
	Instance     string          `json:"instanceName"`
	Value        *float64        `json:"value"`
	Properties   json.RawMessage `json:"properties"`
	Measurements json.RawMessage `json:"measurements"`
}

type exception struct {
	ID       int64   `json:"id"`
	OuterID  int64   `json:"outerId"`
	TypeName string  `json:"typeName"`
	Message  string  `json:"message"`
	Stack    string  `json:"stack"`
	Parsed   []frame `json:"parsedStack"`
}

type frame struct {
	Level    int64  `json:"level"`
	Method   string `json:"method"`
	Assembly string `json:"assembly"`
	FileName string `json:"fileName,omitempty"`
	Line     int64  `json:"line,omitempty"`
}

type metric struct {
	Name   string          `json:"name"`
	Kind   json.RawMessage `json:"kind"`
	Value  *float64        `json:"value"`
	Count  *int64          `json:"count"`
	Min    *float64        `json:"min"`
	Max    *float64        `json:"max"`
	StdDev *float64        `json:"stdDev"`
}
