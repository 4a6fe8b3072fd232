package sim

import (
	"cmp"
	"iter"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// Latency, in seconds, is lognormal.
const (
	MedianLatency = 0.0767
	SpreadLatency = 0.7
)

// Pod is what one pod's telemetry says of a batch: records, each of which stands for 1/Sample requests.
type Pod struct {
	Requests, Failures float64
	// Over counts requests slower than each of Quantiles' thresholds, Slower those above [Slow] times the threshold.
	Over, Slower [len(Quantiles)]float64
	Objective    float64 // slower than [Objective]
}

// Plus adds up two pods.
func (p Pod) Plus(q Pod) Pod {
	p.Requests += q.Requests
	p.Failures += q.Failures
	p.Objective += q.Objective
	for i := range p.Over {
		p.Over[i] += q.Over[i]
		p.Slower[i] += q.Slower[i]
	}
	return p
}

// Sum adds up an arm.
func Sum(pods []Pod) Pod {
	var all Pod
	for _, p := range pods {
		all = all.Plus(p)
	}
	return all
}

// Batch is a closed span of both arms.
type Batch struct {
	From, To float64 // since the candidate's first traffic; negative in the warm-up
	Visible  float64 // when it is complete for both arms
	Sample   float64 // the scenario's
	// The arms' pods.
	Candidate, Production []Pod
	// Requests is what the candidate served, recorded or not.
	Requests float64
	// LogLatency is the sum of ln(latency/median) over the candidate's recorded requests, for who knows all.
	LogLatency float64
}

// warmUpBatch is the length of batches before the candidate has traffic.
const warmUpBatch = 60

// Run makes one release of the scenario, the same for the same seed and number.
func Run(s Scenario, seed, number uint64) iter.Seq[Batch] {
	return func(yield func(Batch) bool) {
		r := rand.New(rand.NewPCG(seed, number))
		production, candidate := newArm(s, r, s.ProductionPods, 1, 1-s.Weight(0)), newArm(s, r, s.CandidatePods, s.slower(), s.Weight(0))
		delay := max(s.CandidateDelay, s.ProductionDelay).Seconds()
		for t, length := -s.WarmUp, warmUpBatch; t < s.Seconds; t += length {
			w := 0.0
			if t >= 0 {
				w, length = s.Weight(float64(t)), s.Batch
			}
			b := Batch{From: float64(t), To: float64(t + length), Visible: float64(t+length) + delay, Sample: s.Sample}
			b.Production, _ = production.batch(b, s.Rate*(1-w), s.Production(b.From))
			b.Candidate, b.Requests = candidate.batch(b, s.Rate*w, s.Candidate(b.From))
			if n := Sum(b.Candidate).Requests; n > 0 {
				b.LogLatency = n*math.Log(s.slower()) + SpreadLatency*math.Sqrt(n)*r.NormFloat64()
			}
			if !yield(b) {
				return
			}
		}
	}
}

// arm is one version's pods.
type arm struct {
	s     Scenario
	r     *rand.Rand
	bias  []float64
	noise []float64
	fails []probability   // of each pod, as it was last
	over  [][]probability // for each pod, the probability that a request is above each of edges, given that it is above the one before
	until float64         // the noise's
}

// edge is a threshold on latency and whose count it is.
type edge struct {
	seconds float64
	count   func(p *Pod, n float64)
}

// edges rise.
var edges = func() []edge {
	out := []edge{{Objective, func(p *Pod, n float64) { p.Objective = n }}}
	for i, q := range Quantiles {
		at := MedianLatency * math.Exp(SpreadLatency*distuv.UnitNormal.Quantile(q))
		out = append(out, edge{at, func(p *Pod, n float64) { p.Over[i] = n }}, edge{at * Slow, func(p *Pod, n float64) { p.Slower[i] = n }})
	}
	slices.SortFunc(out, func(a, b edge) int { return cmp.Compare(a.seconds, b.seconds) })
	return out
}()

func newArm(s Scenario, r *rand.Rand, pods int, slower, share float64) *arm {
	a := &arm{s: s, r: r, until: math.Inf(-1)}
	users := 1.0
	if s.Users > 0 {
		users = gamma(r, s.UserBias/math.Sqrt(float64(s.Users)*share))
	}
	for range pods {
		a.bias = append(a.bias, users*gamma(r, s.PodBias))
		a.noise, a.fails = append(a.noise, 1), append(a.fails, probability{})
		factor := slower * math.Exp(s.LatencyBias*r.NormFloat64())
		if factor == slower && len(a.over) > 0 {
			a.over = append(a.over, a.over[0]) // pods are alike
			continue
		}
		over, before := make([]probability, len(edges)), 1.0
		for i, e := range edges {
			above := distuv.UnitNormal.Survival(math.Log(e.seconds/MedianLatency/factor) / SpreadLatency)
			over[i], before = keeping(above/before), above
		}
		a.over = append(a.over, over)
	}
	return a
}

// batch returns what is recorded, and how many requests were served.
func (a *arm) batch(b Batch, rate, failure float64) (recorded []Pod, served float64) {
	if b.From >= a.until {
		for i := range a.noise {
			a.noise[i] = gamma(a.r, a.s.PodNoise)
		}
		a.until = b.From + 60
	}
	recorded = make([]Pod, len(a.bias))
	for i := range a.bias {
		p := &recorded[i]
		p.Requests = poisson(a.r, rate*(b.To-b.From)/float64(len(a.bias)))
		if f := min(1, failure*a.bias[i]*a.noise[i]); f != a.fails[i].p {
			a.fails[i] = chance(f)
		}
		p.Failures = a.fails[i].draw(a.r, p.Requests)
		p.Requests += p.Failures * float64(a.s.Retries)
		p.Failures += p.Failures * float64(a.s.Retries)
		served += p.Requests
		if a.s.Sample > 0 {
			failed := binomial(a.r, p.Failures, a.s.Sample)
			p.Requests, p.Failures = failed+binomial(a.r, p.Requests-p.Failures, a.s.Sample), failed
		}
		if a.s.Fast {
			continue
		}
		left := p.Requests
		for k, e := range edges {
			left = a.over[i][k].draw(a.r, left)
			e.count(p, left)
		}
	}
	return recorded, served
}
