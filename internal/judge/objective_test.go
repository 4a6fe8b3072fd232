package judge_test

import (
	"encoding/json"
	"testing"

	"github.com/slipway-cd/slipway/internal/judge"
)

// within is a judge of failures that allows 5 % where production is silent.
func within(c *judge.Config) { c.Gates[0].Objective = 0.05 }

func TestWhereProductionIsSilentTheObjectiveDecides(t *testing.T) {
	bad := mustNew(t, failures(within))
	feed(t, bad, 0, 5, 100, 30, 0, 0)
	expect(t, bad.Verdict(), judge.Hold, judge.NoBaseline, "production has had no traffic to compare the candidate with")
	feed(t, bad, 5, 6, 100, 30, 0, 0)
	expect(t, bad.Verdict(), judge.Fail, judge.Worse, "candidate fails 30.0 % of requests, 5 % is allowed (production shows no traffic to compare with)")

	good := mustNew(t, failures(within))
	feed(t, good, 0, 6, 100, 1, 0, 0)
	expect(t, good.Verdict(), judge.Pass, judge.NotWorse, "candidate fails 1.0 % of requests, 5 % is allowed (production shows no traffic to compare with)")
}

func TestWithoutAnObjectiveASilentProductionHolds(t *testing.T) {
	j := mustNew(t, failures())
	feed(t, j, 0, 100, 100, 30, 0, 0)
	expect(t, j.Verdict(), judge.Hold, judge.NoBaseline, "")
}

func TestProductionThatHasTrafficIsWhatCounts(t *testing.T) {
	j := mustNew(t, failures(within))
	for n := range 100 { // now and then is enough
		feed(t, j, n, n+1, 100, 20, float64((n+1)%patience)*100, float64((n+1)%patience)*20)
	}
	if d := j.Decide(); d.Outcome == judge.Fail {
		t.Errorf("a candidate as good as production failed by the objective: %+v", j.Verdict())
	}
}

const patience = 6

func TestAPassThatWasReachedByComparisonIsKeptWhenAllTrafficIsTheCandidates(t *testing.T) {
	j := mustNew(t, failures(within))
	feed(t, j, 0, 300, 200, 12, 1800, 108) // 6 %, both: more than the objective
	expect(t, j.Verdict(), judge.Pass, judge.NotWorse, "production 6.0 %")
	feed(t, j, 300, 330, 2000, 120, 0, 0)
	expect(t, j.Verdict(), judge.Pass, judge.NotWorse, "production 6.0 %")
}

func TestWhatWasSeenBeforeProductionFellSilentStillCountsAgainstTheCandidate(t *testing.T) {
	j := mustNew(t, failures(within))
	feed(t, j, 0, 2, 100, 4, 900, 9) // on its way to a fail
	before := j.Verdict().LogE
	if before < 1 {
		t.Fatalf("%+v", j.Verdict())
	}
	feed(t, j, 2, 2+patience, 1, 0, 0, 0)
	if after := j.Verdict(); after.LogE < before-1 {
		t.Errorf("%v nats before, %v after: %+v", before, after.LogE, after)
	}
}

func TestASlowCandidateIsJudgedByTheObjectiveWhereProductionIsSilent(t *testing.T) {
	cfg := judge.Config{Gates: []judge.Gate{{Name: "latency", Kind: judge.Share, Measure: slow, PassMeasure: slower, Expected: 0.05,
		Phrase: "answers %s of requests slower than production's 95 % quantile"}}}
	cfg.Gates[0].Phrase = "answers %s of requests too slowly"
	for _, c := range []struct {
		slow    float64
		outcome judge.Outcome
		rule    judge.Rule
	}{{20, judge.Fail, judge.Worse}, {1, judge.Pass, judge.NotWorse}} {
		j := mustNew(t, cfg)
		for n := range 12 {
			m := judge.Measure{Candidate: cells(100, c.slow)}
			if err := j.Observe(at(n, map[string]judge.Measure{slow: m, slower: m})); err != nil {
				t.Fatal(err)
			}
		}
		expect(t, j.Verdict(), c.outcome, c.rule, "of requests too slowly, 5 % is allowed")
	}
}

func TestAJudgeByObjectiveGoesOnWhereAnotherLeftOff(t *testing.T) {
	whole, first := mustNew(t, failures(within)), mustNew(t, failures(within))
	feed(t, whole, 0, 9, 100, 4, 0, 0)
	for n := range 9 {
		feed(t, first, n, n+1, 100, 4, 0, 0)
		data, err := json.Marshal(first.State())
		if err != nil {
			t.Fatal(err)
		}
		var s judge.State
		if err := json.Unmarshal(data, &s); err != nil {
			t.Fatal(err)
		}
		if first, err = judge.Restore(failures(within), s); err != nil {
			t.Fatal(err)
		}
	}
	if a, b := whole.Verdict(), first.Verdict(); a.LogE != b.LogE || *a.Gates[0].LogEPass != *b.Gates[0].LogEPass || a.Reason != b.Reason {
		t.Errorf("%+v\n%+v", a, b)
	}
}
