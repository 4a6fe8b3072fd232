package appinsights

import (
	"fmt"
	"time"
	"unicode/utf8"
)

// The longest values that the service keeps, in bytes, from its published schemas.
const (
	maxName     = 1024
	maxURL      = 2048
	maxData     = 8192
	maxMessage  = 32768
	maxKey      = 150
	maxProperty = 8192
)

// envelope is one item of telemetry as POST /v2.1/track takes it.
type envelope struct {
	Version    int     `json:"ver"`
	Name       string  `json:"name"`
	Time       string  `json:"time"`
	SampleRate float64 `json:"sampleRate"` // percent; the service counts the item as 100/SampleRate
	Key        string  `json:"iKey"`
	Tags       tags    `json:"tags"`
	Data       data    `json:"data"`
}

// tags become columns of every table.
type tags struct {
	SDK             string `json:"ai.internal.sdkVersion"`
	Role            string `json:"ai.cloud.role"`
	RoleInstance    string `json:"ai.cloud.roleInstance"`
	Version         string `json:"ai.application.ver"`
	Operation       string `json:"ai.operation.id,omitempty"`
	Parent          string `json:"ai.operation.parentId,omitempty"`
	OperationName   string `json:"ai.operation.name,omitempty"`
	SyntheticSource string `json:"ai.operation.syntheticSource,omitempty"`
}

type data struct {
	Type string `json:"baseType"`
	Base any    `json:"baseData"`
}

// request becomes a row of AppRequests.
type request struct {
	Version    int               `json:"ver"`
	ID         string            `json:"id"`
	Name       string            `json:"name"`
	Duration   string            `json:"duration"`
	Success    bool              `json:"success"`
	Code       string            `json:"responseCode"`
	URL        string            `json:"url,omitempty"`
	Properties map[string]string `json:"properties"`
}

// dependency becomes a row of AppDependencies.
type dependency struct {
	Version    int               `json:"ver"`
	ID         string            `json:"id"`
	Name       string            `json:"name"`
	Duration   string            `json:"duration"`
	Success    bool              `json:"success"`
	Code       string            `json:"resultCode"`
	Type       string            `json:"type"`
	Target     string            `json:"target,omitempty"`
	Data       string            `json:"data,omitempty"`
	Properties map[string]string `json:"properties"`
}

// exceptions becomes a row of AppExceptions.
type exceptions struct {
	Version    int               `json:"ver"`
	Exceptions []exception       `json:"exceptions"`
	Severity   int               `json:"severityLevel"`
	Properties map[string]string `json:"properties"`
}

type exception struct {
	Type         string `json:"typeName"`
	Message      string `json:"message"`
	HasFullStack bool   `json:"hasFullStack"`
	Stack        string `json:"stack,omitempty"`
}

// severityError is the service's number for an error.
const severityError = 3

// event becomes a row of AppEvents.
type event struct {
	Version      int                `json:"ver"`
	Name         string             `json:"name"`
	Properties   map[string]string  `json:"properties"`
	Measurements map[string]float64 `json:"measurements,omitempty"`
}

// message becomes a row of AppTraces.
type message struct {
	Version    int               `json:"ver"`
	Message    string            `json:"message"`
	Properties map[string]string `json:"properties"`
}

// metrics becomes a row of AppMetrics. It holds one metric: the service takes no more.
type metrics struct {
	Version    int               `json:"ver"`
	Metrics    []measurement     `json:"metrics"`
	Properties map[string]string `json:"properties"`
}

type measurement struct {
	Name  string   `json:"name"`
	Kind  string   `json:"kind"`
	Value float64  `json:"value"` // the sum of the measurements
	Count uint64   `json:"count"` // how many there were
	Min   *float64 `json:"min,omitempty"`
	Max   *float64 `json:"max,omitempty"`
}

func timestamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000000Z") }

// timespan writes a duration as .NET does, [days.]hh:mm:ss.fffffff, in steps of 100 ns. A negative
// one, from a clock that was set back, is written as 0.
func timespan(d time.Duration) string {
	d = max(0, d)
	const day = 24 * time.Hour
	days := ""
	if d >= day {
		days = fmt.Sprintf("%d.", d/day)
		d %= day
	}
	return fmt.Sprintf("%s%02d:%02d:%02d.%07d", days, d/time.Hour, d/time.Minute%60, d/time.Second%60, d%time.Second/100)
}

// cut shortens s to at most n bytes and does not split a character.
func cut(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}
