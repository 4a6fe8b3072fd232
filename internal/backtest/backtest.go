// Package backtest replays recorded telemetry through the gates of a release, as it would have arrived, on a clock of its own. It
// asks and judges with the very code of a release.
package backtest

import (
	"time"

	"github.com/slipway-cd/slipway/internal/evidence"
	"github.com/slipway-cd/slipway/internal/gate"
	"github.com/slipway-cd/slipway/internal/judge"
	"github.com/slipway-cd/slipway/internal/telemetry/loganalytics"
)

// Asking is what a release asks telemetry in each look.
type Asking struct {
	Spec      loganalytics.Spec
	Latencies []loganalytics.Latency
	Custom    []loganalytics.Custom
	Values    []Value
	// Interval is the time between two looks.
	Interval time.Duration
}

// Value is a gate that bounds a number.
type Value struct {
	Gate, Query string
	Max         float64
	Looks       int
}

// Judging is how a release judges what it is answered.
type Judging struct {
	Config judge.Config
	// Measures are what the judge's gates are about, in their order.
	Measures []evidence.Measure
}

// Decision is what the gates said together, and what it cost until then.
type Decision struct {
	Verdict gate.Outcome `json:"verdict"`
	// DecidedAt is the look at which it was known, nil for a hold. A fail is final; a pass is the first one, after which nothing failed.
	DecidedAt *time.Time `json:"decidedAt"`
	// AfterSeconds is from the candidate's first request until DecidedAt, nil for a hold.
	AfterSeconds *float64 `json:"afterSeconds"`
	// CandidateRequests were served until DecidedAt, or in all for a hold, known by then or not; CandidateFailures are those that
	// failed. Both are what the records stand for.
	CandidateRequests float64 `json:"candidateRequests"`
	CandidateFailures float64 `json:"candidateFailures"`
}

// Result of a backtest.
type Result struct {
	Decision
	// Reason is one sentence for a person.
	Reason string `json:"reason"`
	// PassedAt is when the candidate had passed, nil if it never did. A fail may come after it.
	PassedAt *time.Time `json:"passedAt,omitempty"`
	// Candidate and Production are slots; Production is "" if it had no traffic.
	Candidate  string `json:"candidate"`
	Production string `json:"production,omitempty"`
	// From is the candidate's first request, To the last look.
	From  time.Time `json:"from"`
	To    time.Time `json:"to"`
	Gates []Gate    `json:"gates"`
	Looks []Look    `json:"looks"`
}

// Gate is what one gate said when the release was decided.
type Gate struct {
	Name    string       `json:"name"`
	Verdict gate.Outcome `json:"verdict"`
	// DecidedAt is since when the gate has said so, nil for a hold.
	DecidedAt *time.Time `json:"decidedAt"`
	Reason    string     `json:"reason"`
	Evidence  Evidence   `json:"evidence"`
}

// Evidence is the judge's, or the facts of a gate that bounds a number.
type Evidence struct {
	*judge.Evidence
	Facts []gate.Fact `json:"facts,omitempty"`
}

// Look is what was known at one look.
type Look struct {
	At time.Time `json:"at"`
	// Watermark is up to when telemetry was complete.
	Watermark time.Time    `json:"watermark,omitzero"`
	Verdict   gate.Outcome `json:"verdict"`
	Rule      judge.Rule   `json:"rule,omitempty"`
	// LogE and LogEStrict are the logarithms of the evidence against the candidate, see [judge.Verdict].
	LogE       float64    `json:"logE"`
	LogEStrict float64    `json:"logEStrict"`
	Gates      []LookGate `json:"gates"`
	// Error says why telemetry could not be read.
	Error string `json:"error,omitempty"`
}

// LookGate is what a gate had seen by a look.
type LookGate struct {
	Name       string       `json:"name"`
	Verdict    gate.Outcome `json:"verdict"`
	Candidate  *judgeCounts `json:"candidate,omitempty"`
	Production *judgeCounts `json:"production,omitempty"`
	LogE       float64      `json:"logE"`
	LogEPass   *float64     `json:"logEPass,omitempty"`
}

// judgeCounts are what records stand for.
type judgeCounts struct {
	Trials float64 `json:"trials"`
	Events float64 `json:"events"`
}
