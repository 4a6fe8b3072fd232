package judge

import (
	"math"
	"strconv"
	"strings"

	"github.com/slipway-cd/slipway/internal/seqtest"
)

// shownLevel is the confidence of the intervals that are shown.
const shownLevel = 0.95

func (g *gate) show() Evidence {
	e := Evidence{
		Gate: g.Name, Candidate: g.Candidate, Production: g.Production,
		Difference: g.Candidate.Weighted.Rate() - g.Production.Weighted.Rate(),
		LogE:       g.failing, LogEStrict: g.strict,
		CandidateFactor: max(1, g.CandidateFactor), ProductionFactor: max(1, g.ProductionFactor), Width: g.Width, Uneven: g.uneven(),
		Sentence: g.sentence(),
	}
	c, s := g.Candidate.Raw.Over(e.CandidateFactor), g.Production.Raw.Over(e.ProductionFactor)
	c.Trials, s.Trials = c.Trials*e.Uneven, s.Trials*e.Uneven
	e.Interval = seqtest.DifferenceInterval(c, s, 1-shownLevel)
	if g.passes() {
		l := g.passing
		e.LogEPass = &l
	}
	return e
}

// sentence is what the gate saw, in words.
func (g *gate) sentence() string {
	phrase := g.Phrase
	if phrase == "" {
		phrase = "has " + g.Name + " in %s"
	}
	s := "candidate " + strings.Replace(phrase, "%s", percent(g.Candidate.Weighted.Rate()), 1)
	if g.objective() {
		s += ", " + exactly(g.failTolerance().Absolute) + " is allowed"
		if g.ByObjective {
			s += " (production shows no traffic to compare with)"
		}
		return s
	}
	s += ", production " + percent(g.Production.Weighted.Rate())
	if g.uneven() != 1 {
		s += " (events are sampled unlike the rest, which is made up for)"
	}
	return s
}

// percent has two significant digits, and one decimal from 10 on.
func percent(x float64) string {
	x *= 100
	digits := 1
	if x > 0 && x < 1 {
		digits = min(6, 1-int(math.Floor(math.Log10(x))))
	}
	return strconv.FormatFloat(x, 'f', digits, 64) + " %"
}

// exactly is a percentage that somebody chose.
func exactly(x float64) string { return strconv.FormatFloat(x*100, 'g', 6, 64) + " %" }
