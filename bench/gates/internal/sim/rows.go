package sim

import (
	"math"
	"time"
)

// plain is the release that all rows vary: an hour, 100 requests/s, 10 % of them the candidate's, two of its pods beside
// eighteen of production, batches of 10 s, telemetry 30 s late, and half an hour of production's telemetry before it.
func plain(name string, production, candidate float64) Scenario {
	return Scenario{
		Name: name, Seconds: 3600, WarmUp: 1800, Batch: 10, Rate: 100, Weight: Constant(0.1), Margin: 0.005,
		Production: Constant(production), Candidate: Constant(candidate),
		CandidatePods: 2, ProductionPods: 18,
		CandidateDelay: 30 * time.Second, ProductionDelay: 30 * time.Second,
	}
}

func with(s Scenario, change func(*Scenario)) Scenario {
	change(&s)
	return s
}

// incident is an outage of ten minutes that both versions have.
func incident(t float64) float64 {
	if t >= 900 && t < 1500 {
		return 0.1
	}
	return 0.01
}

// Nulls are releases whose candidate is as good as production.
func Nulls() []Scenario {
	return []Scenario{
		plain("A/A, 0.1 % failures", 0.001, 0.001),
		plain("A/A, 0.5 %", 0.005, 0.005),
		plain("A/A, 1 %", 0.01, 0.01),
		plain("A/A, 5 %", 0.05, 0.05),
		with(plain("shared incident", 0, 0), func(s *Scenario) { s.Production, s.Candidate = incident, incident }),
		with(plain("5 % sampled", 0.01, 0.01), func(s *Scenario) { s.Sample = 0.05 }),
		with(plain("low traffic, 2 requests/s", 0.01, 0.01), func(s *Scenario) { s.Rate = 2 }),
		with(plain("overdispersed pods", 0.005, 0.005), func(s *Scenario) { s.PodNoise = 0.7 }),
		with(plain("lasting pod bias 20 %", 0.01, 0.01), func(s *Scenario) { s.PodBias = 0.2 }),
		with(plain("pods' latency differs by 10 %", 0.01, 0.01), func(s *Scenario) { s.LatencyBias = 0.1 }),
		with(plain("ramping weights 5, 25, 50 %", 0.01, 0.01), func(s *Scenario) {
			s.Weight = func(t float64) float64 { return [...]float64{0.05, 0.25, 0.5}[min(2, int(t/1200))] }
		}),
		with(plain("production 2 min later, incident", 0, 0), func(s *Scenario) {
			s.Production, s.Candidate, s.ProductionDelay = incident, incident, 150*time.Second
		}),
		with(plain("each failure tried three times", 0.005, 0.005), func(s *Scenario) { s.Retries = 2 }),
	}
}

// Looks is an equal candidate looked at 10,000 times, in nearly three hours.
func Looks() Scenario {
	return with(plain("A/A, 1 %, 10,000 looks", 0.01, 0.01), func(s *Scenario) {
		s.Batch, s.Seconds, s.CandidatePods, s.ProductionPods, s.Fast = 1, 10000, 1, 3, true
	})
}

// Confounded are releases in which nothing that is recorded tells the version's fault from something else's.
func Confounded() []Scenario {
	return []Scenario{
		with(plain("sticky users", 0.01, 0.01), func(s *Scenario) { s.Users, s.UserBias = 1000, 2 }),
	}
}

// Effects are releases whose candidate is worse from the start.
func Effects() []Scenario {
	slower := func(name string, by float64) Scenario {
		return with(plain(name, 0.005, 0.005), func(s *Scenario) { s.Slower = by })
	}
	return []Scenario{
		plain("0.1 → 1 %", 0.001, 0.01),
		plain("1 → 2 %", 0.01, 0.02),
		plain("1 → 5 %", 0.01, 0.05),
		plain("5 → 10 %", 0.05, 0.1),
		slower("latency ×1.2", 1.2),
		slower("latency ×1.5", 1.5),
		with(plain("2 requests/s, 1 → 20 %", 0.01, 0.2), func(s *Scenario) { s.Rate = 2 }),
		with(plain("1 → 5 % after 21 min", 0.01, 0.05), func(s *Scenario) {
			s.Onset = 1260
			s.Candidate = func(t float64) float64 {
				if t >= s.Onset {
					return 0.05
				}
				return 0.01
			}
		}),
	}
}

// Leak gets worse so slowly that it is good at first.
func Leak() Scenario {
	return with(plain("leak 1 → 5 % in an hour", 0, 0), func(s *Scenario) {
		s.Production = Constant(0.01)
		s.Candidate = func(t float64) float64 { return 0.01 + 0.04*math.Max(0, t)/3600 }
	})
}

// Passes are releases whose candidate is as good as production, and Edges those whose candidate is just as much worse as must
// not pass.
func Passes() []Scenario {
	return []Scenario{
		plain("equal, 0.1 %", 0.001, 0.001), plain("equal, 0.5 %", 0.005, 0.005), plain("equal, 1 %", 0.01, 0.01),
		with(plain("equal, 1 %, 2 requests/s", 0.01, 0.01), func(s *Scenario) { s.Rate = 2 }),
	}
}

// Edges are releases whose candidate is just as much worse as a pass excludes.
func Edges() []Scenario {
	edge := func(name string, production, candidate float64) Scenario {
		return with(plain(name, production, candidate), func(s *Scenario) { s.Margin = -1 })
	}
	return []Scenario{
		edge("0.1 → 0.6 %", 0.001, 0.006),
		edge("0.5 → 1.0 %", 0.005, 0.01),
		edge("1 → 1.5 %", 0.01, 0.015),
		with(edge("latency ×1.2", 0.001, 0.001), func(s *Scenario) { s.Slower = 1.2 }),
	}
}
