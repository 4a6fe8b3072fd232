package judge_test

import (
	"testing"
	"time"

	"github.com/slipway-cd/slipway/internal/judge"
	"github.com/slipway-cd/slipway/internal/seqtest"
)

var start = time.Date(2026, 1, 2, 3, 4, 0, 0, time.UTC)

func failures() judge.Config {
	return judge.Config{Gates: []judge.Gate{{
		Name: "failures", Kind: judge.Rate, Phrase: "fails %s of requests", Measure: "requests.failed",
		Pass: &seqtest.Tolerance{Relative: 1, Absolute: 0.005},
	}}}
}

// feed gives n batches of 10 s with the same counts.
func feed(t *testing.T, j *judge.Judge, from, n int, c, s seqtest.Counts) {
	t.Helper()
	for i := range n {
		at := start.Add(time.Duration(from+i) * 10 * time.Second)
		err := j.Observe(judge.Batch{From: at, To: at.Add(10 * time.Second), Measures: map[string]judge.Measure{
			"requests.failed": {
				Candidate:  []judge.Cell{{Pod: "c", Trials: c.Trials, Events: c.Events}},
				Production: []judge.Cell{{Pod: "s", Trials: s.Trials, Events: s.Events}},
			},
		}})
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestAWorseCandidateFailsInWordsThatAPersonUnderstands(t *testing.T) {
	j, err := judge.New(failures())
	if err != nil {
		t.Fatal(err)
	}
	feed(t, j, 0, 6, seqtest.Counts{Trials: 100, Events: 5}, seqtest.Counts{Trials: 900, Events: 9})
	v := j.Verdict()
	t.Logf("%+v", v)
	if v.Outcome != judge.Fail || v.Reason != "candidate fails 5.0 % of requests, production 1.0 %; chance of a false alarm below 1.0 %" {
		t.Errorf("%s: %s", v.Outcome, v.Reason)
	}
}

func TestAnEqualCandidatePasses(t *testing.T) {
	j, err := judge.New(failures())
	if err != nil {
		t.Fatal(err)
	}
	feed(t, j, 0, 40, seqtest.Counts{Trials: 200, Events: 1}, seqtest.Counts{Trials: 1800, Events: 9})
	if v := j.Verdict(); v.Outcome != judge.Pass {
		t.Errorf("%+v", v)
	}
}
