package judge

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/slipway-cd/slipway/internal/seqtest"
)

// Outcome of the judge.
type Outcome string

// The outcomes.
const (
	Fail Outcome = "fail" // the candidate is worse; this does not change any more
	Pass Outcome = "pass" // the candidate is not worse than the tolerances allow, on the data so far
	Hold Outcome = "hold" // not enough evidence either way
)

// Rule says what decided.
type Rule string

// The rules.
const (
	NoData      Rule = "no-data"      // the candidate had no traffic yet
	Worse       Rule = "worse"        // evidence against the candidate reached 1/alpha
	NotWorse    Rule = "not-worse"    // every gate's evidence for it reached 1/beta
	Suspected   Rule = "suspected"    // strict evidence reached 1/alpha: no more traffic, but not yet a fail
	Baking      Rule = "baking"       // good so far, the minimum bake is not over
	TooFewSoFar Rule = "too-few-data" // neither
)

// Verdict is what the judge says on the data so far, with its evidence.
type Verdict struct {
	Outcome Outcome `json:"outcome"`
	Rule    Rule    `json:"rule"`
	// Gate is the one that speaks loudest for the verdict: against the candidate, or the one still missing.
	Gate string `json:"gate,omitempty"`
	// Reason is one sentence for a person.
	Reason string `json:"reason"`
	// Suspect says that strict evidence, with no tolerance and no allowance for pods, is against the candidate: it should get no
	// more traffic.
	Suspect bool `json:"suspect"`
	// Since is the candidate's first traffic, Until the end of the data, At the end of the data that the verdict rests on (earlier
	// than Until for a fail that was reached before).
	Since time.Time `json:"since,omitzero"`
	Until time.Time `json:"until,omitzero"`
	At    time.Time `json:"at,omitzero"`
	// LogE is the natural logarithm of the release's evidence against the candidate, LogEStrict without allowances. They fail, or
	// make suspect, at LogFail.
	LogE       float64    `json:"logE"`
	LogEStrict float64    `json:"logEStrict"`
	LogFail    float64    `json:"logFail"`
	LogPass    float64    `json:"logPass"` // what every gate's LogEPass must reach
	Gates      []Evidence `json:"gates"`
}

// Evidence is what one gate saw.
type Evidence struct {
	Gate       string `json:"gate"`
	Candidate  Totals `json:"candidate"`
	Production Totals `json:"production"`
	// Difference is the candidate's rate less production's, and where it lies with 95 % confidence at all times.
	Difference float64          `json:"difference"`
	Interval   seqtest.Interval `json:"interval"`
	// LogE, LogEStrict and LogEPass are natural logarithms of the gate's own evidence, before it is weighted with the others'.
	LogE       float64 `json:"logE"`
	LogEStrict float64 `json:"logEStrict"`
	LogEPass   float64 `json:"logEPass"`
	// CandidateFactor and ProductionFactor are what counts were last divided by because pods differ for minutes; Width is the
	// standard deviation of the logarithm of the arms' ratio that lasting differences of pods explain.
	CandidateFactor  float64 `json:"candidateFactor"`
	ProductionFactor float64 `json:"productionFactor"`
	Width            float64 `json:"width"`
	// Sentence says the rates in words.
	Sentence string `json:"sentence"`
}

// shownLevel is the confidence of the intervals that are shown.
const shownLevel = 0.95

// Decision is a [Verdict] without its evidence: cheap enough to ask for after every batch.
type Decision struct {
	Outcome Outcome
	Rule    Rule
	Suspect bool
}

// Decide is the answer on the data so far.
func (j *Judge) Decide() Decision {
	suspect := j.strict() >= j.alpha
	switch {
	case !j.state.Failed.IsZero():
		return Decision{Fail, Worse, suspect}
	case j.state.Start.IsZero():
		return Decision{Hold, NoData, suspect}
	case suspect:
		return Decision{Hold, Suspected, suspect}
	}
	for _, g := range j.gates {
		if g.passing() < j.beta {
			return Decision{Hold, TooFewSoFar, suspect}
		}
	}
	if j.bake() < j.cfg.MinBake {
		return Decision{Hold, Baking, suspect}
	}
	return Decision{Pass, NotWorse, suspect}
}

// bake is how long the data have spoken of the candidate.
func (j *Judge) bake() time.Duration { return j.state.Until.Sub(j.state.Start) }

// Verdict is [Judge.Decide] with its evidence.
func (j *Judge) Verdict() Verdict {
	d := j.Decide()
	v := Verdict{
		Outcome: d.Outcome, Rule: d.Rule, Suspect: d.Suspect,
		Since: j.state.Start, Until: j.state.Until, At: j.state.Until,
		LogE: j.failing(), LogEStrict: j.strict(), LogFail: j.alpha, LogPass: j.beta,
	}
	loudest, missing := 0, 0
	for i, g := range j.gates {
		v.Gates = append(v.Gates, g.show())
		if v.Gates[i].LogE+math.Log(j.weights[i]) > v.Gates[loudest].LogE+math.Log(j.weights[loudest]) {
			loudest = i
		}
		if v.Gates[i].LogEPass < v.Gates[missing].LogEPass {
			missing = i
		}
	}
	against, lacking := v.Gates[loudest], v.Gates[missing]
	switch d.Rule {
	case Worse:
		v.At, v.Gate = j.state.Failed, against.Gate
		v.Reason = fmt.Sprintf("%s; chance of a false alarm below %s", against.Sentence, percent(j.cfg.Alpha))
	case NoData:
		v.Reason = "no traffic of the candidate was seen yet"
	case Suspected:
		v.Gate = against.Gate
		v.Reason = against.Sentence + "; that may be within what is tolerated, so it is held and not failed"
	case NotWorse:
		v.Reason = fmt.Sprintf("%s; chance of a wrong pass below %s", sentences(v.Gates), percent(j.cfg.Beta))
	case Baking:
		v.Reason = fmt.Sprintf("good so far; %v of the minimum bake of %v are over", j.bake().Round(time.Second), j.cfg.MinBake)
	case TooFewSoFar:
		v.Gate = lacking.Gate
		v.Reason = lacking.Sentence + "; too few data to tell"
	}
	return v
}

// sentences of all gates would be long: the first gate's speaks for them.
func sentences(gates []Evidence) string {
	if len(gates) == 1 {
		return gates[0].Sentence
	}
	return fmt.Sprintf("%s; no worse by %d other gates", gates[0].Sentence, len(gates)-1)
}

func (g *gate) show() Evidence {
	c, s := g.Candidate.Weighted.Rate(), g.Production.Weighted.Rate()
	e := Evidence{
		Gate: g.Name, Candidate: g.Candidate, Production: g.Production,
		Difference: c - s, Interval: seqtest.DifferenceInterval(g.Candidate.Raw, g.Production.Raw, 1-shownLevel),
		LogE: g.failing(), LogEStrict: g.strict(), LogEPass: g.passing(),
		CandidateFactor: g.CandidateFactor, ProductionFactor: g.ProductionFactor, Width: g.width(),
	}
	phrase := g.Phrase
	if phrase == "" {
		phrase = g.Name + " for %s"
	}
	e.Sentence = "candidate " + strings.Replace(phrase, "%s", percent(c), 1) + ", production " + percent(s)
	return e
}

// percent with two significant digits, or whole from 10 on.
func percent(x float64) string {
	x *= 100
	digits := 0
	if x > 0 && x < 10 {
		digits = max(1, 1-int(math.Floor(math.Log10(x))))
	}
	s := strconv.FormatFloat(x, 'f', min(digits, 6), 64)
	if strings.Contains(s, ".") && digits > 1 {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return s + " %"
}
