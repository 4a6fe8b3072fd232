// Package gate asks named questions about a candidate and combines their answers.
package gate

import (
	"context"
	"time"

	"github.com/slipway-cd/slipway/internal/telemetry/kube"
)

// Outcome of one look at a gate.
type Outcome string

// The three outcomes. No evidence is Hold: never Fail, never Pass.
const (
	Pass Outcome = "pass"
	Fail Outcome = "fail"
	Hold Outcome = "hold"
)

// Verdict is a gate's answer with its evidence.
type Verdict struct {
	Gate    string    `json:"gate"`
	Outcome Outcome   `json:"outcome"`
	Reason  string    `json:"reason"` // one sentence: the evidence in words and figures
	At      time.Time `json:"at"`     // UTC
	// FirstFailed is when the first sign of a Fail was seen, where the gate knows.
	FirstFailed time.Time `json:"firstFailed,omitzero"`
	// Final says that asking again cannot change a Fail (an image that does not exist).
	Final bool `json:"final,omitempty"`
	// Evidence is what the verdict rests on, in an order of interest.
	Evidence []Fact `json:"evidence,omitempty"`
}

// Fact is one piece of evidence.
type Fact struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Candidate is what a gate looks at.
type Candidate struct {
	Namespace string
	// Release is the Helm release's name of the candidate's slot.
	Release string
	Slot    string
	// Production is the slot to compare with, "" where there is none (a first release, a release in place).
	Production string
	// Arms are the sides of the comparison, by slot; in a release in place the slot is "".
	Arms map[string]Arm
	// Service is the candidate's Service; [WaitReady] wants a ready endpoint of it. Empty: not asked.
	Service string
	// Workloads that the chart rendered. Only needed for those that carry neither Helm's release annotation nor the
	// label app.kubernetes.io/instance.
	Workloads []kube.WorkloadRef
	// Endpoint is the gateway's URL, Host the Host header; Header and HeaderValue reach the candidate through the gateway
	// (empty for a rolling release, where every request does).
	Endpoint, Host      string
	Header, HeaderValue string
	// SlotHeader is the response header that names the slot which answered; empty where none does.
	SlotHeader string
	// Since is when the candidate was deployed; restarts before it do not count.
	Since time.Time
	// Weight is the candidate's share of traffic in percent at this time.
	Weight int
}

// Arm is where a side of the comparison runs.
type Arm struct {
	Release string // of Helm
	Service string // that takes its traffic
	// Since is when it was deployed: what was in its slot before is none of its. Zero: not known.
	Since time.Time
}

// target is the candidate as its pods' source knows it.
func (c Candidate) target() kube.Target {
	return kube.Target{Namespace: c.Namespace, Release: c.Release, Workloads: c.Workloads, Service: c.Service, Since: c.Since}
}

// Gate is one question.
type Gate interface {
	// Look asks once. An error is not a verdict: the caller turns it into Hold with the error as the reason, unless ctx
	// itself has ended. Look must return soon after ctx ends. It is called again only after it has returned.
	Look(ctx context.Context, c Candidate) (Verdict, error)
}

// Named is a gate with the name that the configuration gives it.
type Named struct {
	Name string
	Gate Gate
}
