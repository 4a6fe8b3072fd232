package judge

import (
	"encoding/json"
	"time"

	"github.com/slipway-cd/slipway/internal/seqtest"
)

// StateVersion is the version of [State] that this program writes and reads.
const StateVersion = 2

// State is what a judge knows: plain data, which survives a round trip through JSON exactly.
type State struct {
	Version int `json:"version"`
	// Start is when the candidate first had traffic, Until the end of the latest data, Failed the end of the data on which the
	// candidate failed; a fail stays.
	Start  time.Time             `json:"start,omitzero"`
	Until  time.Time             `json:"until,omitzero"`
	Failed time.Time             `json:"failed,omitzero"`
	Gates  map[string]*GateState `json:"gates"`
}

// GateState is what a judge knows about one gate.
type GateState struct {
	Candidate  Totals `json:"candidate"`
	Production Totals `json:"production"`
	// Recent are production's counts, the older the lighter: what is expected next.
	Recent seqtest.Counts `json:"recent"`
	// Strict is the evidence against the candidate with no allowance, Tolerant with all, Passing that for it.
	Strict   seqtest.Process `json:"strict"`
	Tolerant seqtest.Process `json:"tolerant"`
	Passing  seqtest.Process `json:"passing"`
	// Dispersion is how production's pods differ; the numbers of pods are the latest.
	Dispersion     seqtest.Dispersion `json:"dispersion"`
	CandidatePods  float64            `json:"candidatePods"`
	ProductionPods float64            `json:"productionPods"`
	// CandidateFactor and ProductionFactor are what the latest batch was divided by.
	CandidateFactor  float64 `json:"candidateFactor"`
	ProductionFactor float64 `json:"productionFactor"`
	// Width is how much pods that differ lastingly were last taken to set the arms apart (see [seqtest.Dispersion.Width]).
	Width float64 `json:"width"`
}

// Totals are one arm's counts.
type Totals struct {
	Raw      seqtest.Counts `json:"raw"`      // records
	Weighted seqtest.Counts `json:"weighted"` // what they stand for
	// Alike is what the events would stand for, were they sampled as all trials are. Much more than they do stand for means that
	// events are kept where other trials are sampled.
	Alike float64 `json:"alike"`
}

func (t Totals) plus(u Totals) Totals {
	return Totals{Raw: t.Raw.Plus(u.Raw), Weighted: t.Weighted.Plus(u.Weighted), Alike: t.Alike + u.Alike}
}

// uneven is how many times as many trials there were for an event that is recorded than the records have; 1 if events and
// trials seem to be sampled alike.
func (t Totals) uneven() float64 {
	const clearly = 1.5
	if t.Weighted.Events == 0 {
		return 1
	}
	if f := t.Alike / t.Weighted.Events; f > clearly || f < 1/clearly {
		return f
	}
	return 1
}

func (s State) clone() State {
	data, err := json.Marshal(s)
	if err != nil {
		panic("judge: a state is plain data: " + err.Error())
	}
	var out State
	if err := json.Unmarshal(data, &out); err != nil {
		panic("judge: a state is plain data: " + err.Error())
	}
	if out.Gates == nil {
		out.Gates = map[string]*GateState{}
	}
	return out
}
