// Package event defines the one stream of events that every command emits and every output (terminal view,
// plain log, JSON, reports) renders. There is no second truth: what is not an event is not shown.
package event

import "time"

// Kind says what an event is about. The set is closed; renderers may switch on it.
type Kind string

// The kinds, in the order in which a release emits them.
const (
	Started    Kind = "started"     // a command began; Message says what, Fields where
	Phase      Kind = "phase"       // a phase began: lock, preflight, deploy, smoke, step, promote, bake, cleanup, rollback, build:…
	Progress   Kind = "progress"    // something moved inside a phase (pods 1/3 ready, layer pushed); may be many
	WeightSet  Kind = "weight"      // Weight was written to the router
	Verified   Kind = "verified"    // Weight was seen at the data plane
	Verdict    Kind = "verdict"     // a gate answered; Gate, Outcome and Message (evidence) are set
	Warning    Kind = "warning"     // something a person should know; the command goes on
	RolledBack Kind = "rolled-back" // all traffic is on production again and verified
	Finished   Kind = "finished"    // the command ended; Outcome, Message, Next are set
)

// Event is one line of what happened.
type Event struct {
	Time    time.Time `json:"time"`              // UTC
	Kind    Kind      `json:"kind"`              //
	Phase   string    `json:"phase,omitempty"`   // the phase it belongs to
	Message string    `json:"message,omitempty"` // one sentence for a person
	// Object is what it is about, as kind/namespace/name, where there is one.
	Object string `json:"object,omitempty"`
	// Weight is the candidate's share in percent; set with WeightSet, Verified and Phase "step".
	Weight *int `json:"weight,omitempty"`
	// Steps are the planned weights; set with Started of a release.
	Steps []int `json:"steps,omitempty"`
	// Gate and Outcome of a verdict ("pass", "fail", "hold"), or Outcome of a finished release
	// ("promoted", "rolled-back", "failed").
	Gate    string `json:"gate,omitempty"`
	Outcome string `json:"outcome,omitempty"`
	// Took is how long the thing took.
	Took time.Duration `json:"took,omitempty"`
	// Fields are facts in a fixed order of interest (bundle, environment, slot …).
	Fields []Field `json:"fields,omitempty"`
	// Next says what a person may do now; only with Finished and Warning.
	Next []string `json:"next,omitempty"`
}

// FirstFailure is the key of the field, on a failing verdict, that says when the first failure was seen (RFC 3339).
const FirstFailure = "first failure"

// Field is one fact. A value of several lines (a query) is for those who read JSON: text leaves it out.
type Field struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

// Sink takes events. Emit must not block for long and must be safe for concurrent use.
type Sink interface {
	Emit(Event)
}

// SinkFunc makes a Sink of a function.
type SinkFunc func(Event)

// Emit calls f.
func (f SinkFunc) Emit(e Event) { f(e) }

// Discard drops every event.
var Discard Sink = SinkFunc(func(Event) {})
