package judge

import (
	"fmt"
	"math"
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
	Worse      Rule = "worse"        // evidence against the candidate reached 1/alpha
	NotWorse   Rule = "not-worse"    // every gate's evidence for it reached 1/beta, and the minimum bake is over
	Suspected  Rule = "suspected"    // strict evidence reached 1/alpha, that with all allowances did not
	Baking     Rule = "baking"       // good so far, the minimum bake is not over
	NoData     Rule = "no-data"      // the candidate had no traffic yet
	NoBaseline Rule = "no-baseline"  // production had none to compare with
	TooFewData Rule = "too-few-data" // none of the above yet
)

// Decision is a [Verdict] without its evidence: cheap enough to ask for after every batch.
type Decision struct {
	Outcome Outcome `json:"outcome"`
	Rule    Rule    `json:"rule"`
	// Suspect says that strict evidence, with no tolerance and no allowance for pods, is against the candidate: it should get no
	// more traffic.
	Suspect bool `json:"suspect"`
}

// Verdict is what the judge says on the data so far, with its evidence.
type Verdict struct {
	Decision
	// Gate is the one that speaks loudest for a fail, or is furthest from a pass.
	Gate string `json:"gate,omitempty"`
	// Reason is one sentence for a person.
	Reason string `json:"reason"`
	// Since is the candidate's first traffic, Until the end of the data. At is the end of the data that decided: earlier than
	// Until for a fail that was reached before.
	Since time.Time `json:"since,omitzero"`
	Until time.Time `json:"until,omitzero"`
	At    time.Time `json:"at,omitzero"`
	// LogE is the natural logarithm of the release's evidence against the candidate, LogEStrict that without allowances. A
	// candidate fails, or is suspect, at LogFail.
	LogE       float64 `json:"logE"`
	LogEStrict float64 `json:"logEStrict"`
	LogFail    float64 `json:"logFail"`
	// LogPass is what LogEPass of every gate must reach.
	LogPass float64    `json:"logPass"`
	Gates   []Evidence `json:"gates"`
}

// Evidence is what one gate saw.
type Evidence struct {
	Gate       string `json:"gate"`
	Candidate  Totals `json:"candidate"`
	Production Totals `json:"production"`
	// Difference is the candidate's rate less production's, of what the records stand for. Interval is where it lies, with 95 %
	// confidence at all times.
	Difference float64          `json:"difference"`
	Interval   seqtest.Interval `json:"interval"`
	// LogE, LogEStrict and LogEPass are natural logarithms of the gate's own evidence, before it is weighted with the others'.
	// LogEPass is nil for a gate that has no say in a pass.
	LogE       float64  `json:"logE"`
	LogEStrict float64  `json:"logEStrict"`
	LogEPass   *float64 `json:"logEPass,omitempty"`
	// CandidateFactor and ProductionFactor are what counts were last divided by because pods differ for minutes; Width is the
	// standard deviation of the logarithm of the arms' ratio that lasting differences of pods explain.
	CandidateFactor  float64 `json:"candidateFactor"`
	ProductionFactor float64 `json:"productionFactor"`
	Width            float64 `json:"width"`
	// Uneven is how many trials there were for each that is recorded, where events are kept and other trials sampled; 1: alike.
	Uneven float64 `json:"uneven"`
	// Sentence says the rates in words.
	Sentence string `json:"sentence"`
}

// Decide is the answer on the data so far.
func (j *Judge) Decide() Decision {
	d := Decision{Outcome: Hold, Suspect: j.strict() >= j.alpha}
	lacking := j.lacking()
	switch {
	case !j.state.Failed.IsZero():
		d.Outcome, d.Rule = Fail, Worse
	case j.state.Start.IsZero():
		d.Rule = NoData
	case d.Suspect:
		d.Rule = Suspected
	case lacking.passing < j.beta && lacking.noBaseline():
		d.Rule = NoBaseline
	case lacking.passing < j.beta || j.scarcest() != nil:
		d.Rule = TooFewData
	case j.bake() < j.cfg.MinBake:
		d.Rule = Baking
	default:
		d.Outcome, d.Rule = Pass, NotWorse
	}
	return d
}

// bake is how long the data have spoken of the candidate.
func (j *Judge) bake() time.Duration { return j.state.Until.Sub(j.state.Start) }

// loudest is the gate with the most evidence against the candidate, lacking that with the least for it.
func (j *Judge) loudest() *gate {
	best, most := 0, math.Inf(-1)
	for i, g := range j.gates {
		if l := g.failing + math.Log(j.weights[i]); l > most {
			best, most = i, l
		}
	}
	return j.gates[best]
}

// scarcest is the gate with the fewest trials of the candidate, if those are too few for a pass.
func (j *Judge) scarcest() *gate {
	var found *gate
	for _, g := range j.gates {
		n := g.Candidate.Raw.Trials
		if g.passes() && n < j.cfg.MinTrials && (found == nil || n < found.Candidate.Raw.Trials) {
			found = g
		}
	}
	return found
}

func (j *Judge) lacking() *gate {
	worst := j.gates[0]
	for _, g := range j.gates[1:] {
		if g.passing < worst.passing {
			worst = g
		}
	}
	return worst
}

// Verdict is [Judge.Decide] with its evidence.
func (j *Judge) Verdict() Verdict {
	v := Verdict{
		Decision: j.Decide(),
		Since:    j.state.Start, Until: j.state.Until, At: j.state.Until,
		LogE: j.failing(), LogEStrict: j.strict(), LogFail: j.alpha, LogPass: j.beta,
	}
	for _, g := range j.gates {
		v.Gates = append(v.Gates, g.show())
	}
	switch v.Rule {
	case Worse:
		v.At, v.Gate = j.state.Failed, j.loudest().Name
		v.Reason = fmt.Sprintf("%s; chance of a false alarm below %s", j.loudest().sentence(), exactly(j.cfg.Alpha))
	case NoData:
		v.Reason = "no traffic of the candidate was seen yet"
	case NoBaseline:
		v.Gate, v.Reason = j.lacking().Name, "production has had no traffic to compare the candidate with"
	case Suspected:
		v.Gate, v.Reason = j.loudest().Name, j.loudest().sentence()+"; that may be within what is tolerated, or be due to pods that differ"
	case NotWorse:
		v.Reason = fmt.Sprintf("%s; chance of a wrong pass below %s", j.sentences(), exactly(j.cfg.Beta))
	case Baking:
		v.Reason = fmt.Sprintf("good so far, after %v of at least %v", j.bake().Round(time.Second), j.cfg.MinBake)
	case TooFewData:
		if g := j.scarcest(); g != nil && j.lacking().passing >= j.beta {
			v.Gate, v.Reason = g.Name, fmt.Sprintf("good so far, after %.0f of at least %.0f requests to the candidate", g.Candidate.Raw.Trials, j.cfg.MinTrials)
			break
		}
		v.Gate, v.Reason = j.lacking().Name, j.lacking().sentence()+"; too few data to tell"
	}
	return v
}

// sentences of all gates would be long: the first gate's speaks for them.
func (j *Judge) sentences() string {
	s := j.gates[0].sentence()
	if more := len(j.gates) - 1; more == 1 {
		s += "; no worse by the other gate"
	} else if more > 1 {
		s += fmt.Sprintf("; no worse by %d other gates", more)
	}
	return s
}
