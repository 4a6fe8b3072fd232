// Package sim makes up the traffic of a release: seeded, so that every figure can be had again.
package sim

import "time"

// The thresholds on latency that judges count by: production's quantiles, frozen before the release; the same times [Slow], for
// the claim that the candidate is not 20 % slower; and the 500 ms of other tools' examples.
var (
	Quantiles = [...]float64{0.5, 0.75, 0.9, 0.95, 0.99}
	Expected  = [...]float64{0.5, 0.25, 0.1, 0.05, 0.01} // the share of production's requests above each
)

// Slow is a factor on latency thresholds, Objective the fixed threshold in seconds.
const (
	Slow      = 1.2
	Objective = 0.5
)

// Scenario is a kind of release. Times are seconds since the candidate first has traffic. Zero values of fields that say how
// telemetry or pods misbehave mean that they do not.
type Scenario struct {
	Name string
	// Seconds of candidate traffic, after WarmUp seconds in which only production has any.
	Seconds, WarmUp int
	// Batch is the length of a closed batch in seconds.
	Batch int
	Rate  float64 // requests per second, both arms
	// Weight is the candidate's share of traffic, Candidate and Production are probabilities of failure, at a time.
	Weight, Candidate, Production func(t float64) float64
	// Slower multiplies the candidate's latency; 0: 1.
	Slower float64
	// Pods of each arm.
	CandidatePods, ProductionPods int
	// Delay of each arm's telemetry.
	CandidateDelay, ProductionDelay time.Duration
	// Sample is the share of requests that is recorded; 0: all.
	Sample float64
	// PodNoise is the coefficient of variation of a pod's rate of failure, drawn anew every minute; PodBias is the same, drawn once
	// for each pod. Both gamma.
	PodNoise, PodBias float64
	// LatencyBias is the standard deviation of the logarithm of a pod's factor on latency, drawn once.
	LatencyBias float64
	// Retries is how many times an operation that fails is tried again, to fail again, each a request of its own.
	Retries int
	// Users stay with the arm that they first met; UserBias is the coefficient of variation of their rates of failure.
	Users    int
	UserBias float64
	// Fast says that no request is slow: latency is not drawn, which takes most of the time.
	Fast bool
	// Onset is when the candidate gets worse.
	Onset float64
	// Margin is how much worse than production's rate, in probability, it may be to pass rightly.
	Margin float64
}

// Constant is the same value at all times.
func Constant(x float64) func(float64) float64 { return func(float64) float64 { return x } }

// Worse says that the candidate's rate is above what a pass promises.
func (s Scenario) Worse(t float64) bool { return s.Candidate(t) > s.Production(t)+s.Margin+1e-12 }

// slower is Slower with its default.
func (s Scenario) slower() float64 {
	if s.Slower == 0 {
		return 1
	}
	return s.Slower
}
