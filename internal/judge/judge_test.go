package judge_test

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/slipway-cd/slipway/internal/judge"
	"github.com/slipway-cd/slipway/internal/seqtest"
)

var start = time.Date(2026, 1, 2, 3, 4, 0, 0, time.UTC)

const failed, slow, slower = "requests.failed", "requests.over.500ms", "requests.over.600ms"

// failures is a judge of failures alone.
func failures(change ...func(*judge.Config)) judge.Config {
	cfg := judge.Config{UnlearnedWidth: -1, Gates: []judge.Gate{{
		Name: "failures", Kind: judge.Rate, Phrase: "fails %s of requests", Measure: failed,
		Pass: &seqtest.Tolerance{Relative: 1, Absolute: 0.005},
	}}}
	for _, c := range change {
		c(&cfg)
	}
	return cfg
}

func mustNew(t testing.TB, cfg judge.Config) *judge.Judge {
	t.Helper()
	j, err := judge.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// at is the n-th batch of ten seconds.
func at(n int, measures map[string]judge.Measure) judge.Batch {
	from := start.Add(time.Duration(n) * 10 * time.Second)
	return judge.Batch{From: from, To: from.Add(10 * time.Second), Measures: measures}
}

func cells(trials, events float64) []judge.Cell {
	if trials == 0 {
		return nil
	}
	return []judge.Cell{{Trials: trials, Events: events}}
}

// feed gives batches from..to-1 of failures with the same counts.
func feed(t testing.TB, j *judge.Judge, from, to int, nc, xc, ns, xs float64) {
	t.Helper()
	for n := from; n < to; n++ {
		if err := j.Observe(at(n, map[string]judge.Measure{failed: {Candidate: cells(nc, xc), Production: cells(ns, xs)}})); err != nil {
			t.Fatal(err)
		}
	}
}

func expect(t testing.TB, v judge.Verdict, outcome judge.Outcome, rule judge.Rule, reason string) {
	t.Helper()
	if v.Outcome != outcome || v.Rule != rule || !strings.Contains(v.Reason, reason) {
		t.Errorf("%s by %s: %s; want %s by %s: %s", v.Outcome, v.Rule, v.Reason, outcome, rule, reason)
	}
}

func TestAWorseCandidateFailsInWordsThatAPersonUnderstands(t *testing.T) {
	j := mustNew(t, failures())
	feed(t, j, 0, 6, 100, 4.8, 900, 9)
	expect(t, j.Verdict(), judge.Fail, judge.Worse, "candidate fails 4.8 % of requests, production 1.0 %; chance of a false alarm below 1 %")
	if v := j.Verdict(); v.Gate != "failures" || !v.Suspect || v.LogE < v.LogFail || !v.At.Before(v.Until) {
		t.Errorf("%+v", v)
	}
}

func TestAFailStays(t *testing.T) {
	j := mustNew(t, failures())
	feed(t, j, 0, 6, 100, 5, 900, 9)
	decided := j.Verdict().At
	feed(t, j, 6, 200, 100, 0, 900, 9)
	if v := j.Verdict(); v.Outcome != judge.Fail || !v.At.Equal(decided) {
		t.Errorf("%s at %v, it failed at %v", v.Outcome, v.At, decided)
	}
}

func TestAnEqualCandidatePassesAfterTheMinimumBake(t *testing.T) {
	j := mustNew(t, failures(func(c *judge.Config) { c.MinBake = 10 * time.Minute }))
	feed(t, j, 0, 1, 200, 1, 1800, 9)
	expect(t, j.Verdict(), judge.Hold, judge.TooFewData, "too few data to tell")
	feed(t, j, 1, 59, 200, 1, 1800, 9)
	expect(t, j.Verdict(), judge.Hold, judge.Baking, "after 9m50s of at least 10m0s")
	feed(t, j, 59, 60, 200, 1, 1800, 9)
	expect(t, j.Verdict(), judge.Pass, judge.NotWorse, "candidate fails 0.50 % of requests, production 0.50 %; chance of a wrong pass below 5 %")
}

func TestAPassIsTakenBackWhenTheCandidateTurns(t *testing.T) {
	j := mustNew(t, failures())
	feed(t, j, 0, 200, 200, 1, 1800, 9)
	expect(t, j.Verdict(), judge.Pass, judge.NotWorse, "")
	feed(t, j, 200, 203, 200, 4, 1800, 9)
	if d := j.Decide(); d.Outcome == judge.Pass {
		t.Error("it passes while it fails 2 % of requests")
	}
	feed(t, j, 203, 210, 200, 4, 1800, 9)
	expect(t, j.Verdict(), judge.Fail, judge.Worse, "")
}

func TestAnIncidentThatBothShareIsNotTheCandidates(t *testing.T) {
	j := mustNew(t, failures())
	feed(t, j, 0, 30, 100, 1, 900, 9)
	feed(t, j, 30, 60, 100, 30, 900, 270)
	if d := j.Decide(); d.Outcome == judge.Fail || d.Suspect {
		t.Errorf("%+v", j.Verdict())
	}
}

func TestNoEvidenceIsAHold(t *testing.T) {
	j := mustNew(t, failures())
	expect(t, j.Verdict(), judge.Hold, judge.NoData, "no traffic of the candidate")
	feed(t, j, 0, 100, 0, 0, 900, 9)
	expect(t, j.Verdict(), judge.Hold, judge.NoData, "no traffic of the candidate")
	if !j.Verdict().Since.IsZero() {
		t.Error("the bake began without the candidate")
	}
	feed(t, j, 100, 200, 2, 0, 0, 0)
	expect(t, j.Verdict(), judge.Hold, judge.NoBaseline, "production has had no traffic")
	if err := j.Observe(at(200, nil)); err != nil {
		t.Error(err)
	}
	expect(t, j.Verdict(), judge.Hold, judge.NoBaseline, "")
}

func TestAnObjectiveJudgesWithoutProduction(t *testing.T) {
	objective := func(c *judge.Config) {
		c.UnlearnedWidth = 0
		c.Gates[0].Fail, c.Gates[0].Pass = &seqtest.Tolerance{Absolute: 0.01}, &seqtest.Tolerance{Absolute: 0.01}
	}
	bad := mustNew(t, failures(objective))
	feed(t, bad, 0, 10, 100, 5, 0, 0)
	expect(t, bad.Verdict(), judge.Fail, judge.Worse, "candidate fails 5.0 % of requests, 1 % is allowed; chance")
	good := mustNew(t, failures(objective))
	feed(t, good, 0, 30, 100, 0.2, 0, 0)
	expect(t, good.Verdict(), judge.Pass, judge.NotWorse, "candidate fails 0.20 % of requests, 1 % is allowed; chance")
}

func TestWhatIsToleratedMakesSuspectAndDoesNotFail(t *testing.T) {
	j := mustNew(t, failures(func(c *judge.Config) { c.Gates[0].Fail = &seqtest.Tolerance{Relative: 1, Absolute: 0.005} }))
	feed(t, j, 0, 200, 200, 2.8, 1800, 18)
	expect(t, j.Verdict(), judge.Hold, judge.Suspected, "candidate fails 1.4 % of requests, production 1.0 %; that may be within what is tolerated")
	feed(t, j, 200, 400, 200, 6, 1800, 18)
	expect(t, j.Verdict(), judge.Fail, judge.Worse, "")
}

// latency is a judge of one threshold: not 20 % slower.
func latency() judge.Config {
	return judge.Config{UnlearnedWidth: -1, Gates: []judge.Gate{{
		Name: "latency", Kind: judge.Share, Phrase: "is slower than 500ms for %s of requests", Measure: slow, PassMeasure: slower, Expected: 0.05,
	}}}
}

func feedLatency(t *testing.T, j *judge.Judge, batches int, candidateSlow, candidateSlower float64) {
	t.Helper()
	for n := range batches {
		err := j.Observe(at(n, map[string]judge.Measure{
			slow:   {Candidate: cells(100, candidateSlow), Production: cells(900, 45)},
			slower: {Candidate: cells(100, candidateSlower)},
		}))
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestASlowerCandidateFailsAndAnEqualOnePasses(t *testing.T) {
	bad := mustNew(t, latency())
	feedLatency(t, bad, 20, 10, 6)
	expect(t, bad.Verdict(), judge.Fail, judge.Worse, "candidate is slower than 500ms for 10.0 % of requests, production 5.0 %")
	good := mustNew(t, latency())
	feedLatency(t, good, 60, 5, 2.5)
	expect(t, good.Verdict(), judge.Pass, judge.NotWorse, "")
	exactly := mustNew(t, latency()) // 20 % slower: as often above 600 ms as production above 500 ms
	feedLatency(t, exactly, 300, 8, 5)
	if d := exactly.Decide(); d.Outcome == judge.Pass {
		t.Error("a candidate 20 % slower passes")
	}
}

func TestGatesShareAlpha(t *testing.T) {
	two := func(weight float64) judge.Config {
		c, l := failures(), latency()
		c.Gates = append(c.Gates, l.Gates...)
		c.Gates[0].Weight, c.Gates[1].Weight = 1-weight, weight
		return c
	}
	logE := func(cfg judge.Config) float64 {
		j := mustNew(t, cfg)
		feed(t, j, 0, 6, 100, 5, 900, 9)
		return j.Verdict().LogE
	}
	alone := logE(failures())
	for _, w := range []float64{0.5, 0.9} {
		if got, want := logE(two(w)), alone+math.Log(1-w); math.Abs(got-want) > 0.01 {
			t.Errorf("with a part of %v for another gate: %v, want %v", w, got, want)
		}
	}
}

func TestPodsThatDifferAreAllowedFor(t *testing.T) {
	judged := func(spread float64) judge.Verdict {
		j := mustNew(t, failures())
		for n := range 540 {
			m := judge.Measure{}
			for p := range 10 {
				m.Production = append(m.Production, judge.Cell{Pod: fmt.Sprint("s", p), Trials: 500, Events: 10 * (1 + spread*float64(p%2*2-1))})
			}
			if n >= 180 {
				m.Candidate = append(m.Candidate, judge.Cell{Pod: "c", Trials: 500, Events: 14})
			}
			if err := j.Observe(at(n, map[string]judge.Measure{failed: m})); err != nil {
				t.Fatal(err)
			}
		}
		return j.Verdict()
	}
	expect(t, judged(0), judge.Fail, judge.Worse, "candidate fails 2.8 % of requests, production 2.0 %")
	v := judged(0.3)
	expect(t, v, judge.Hold, judge.Suspected, "be due to pods that differ")
	if w := v.Gates[0].Width; w < 0.25 || w > 0.5 {
		t.Errorf("pods are taken to set the arms apart by %v", w)
	}
}

func TestSampledRecordsCountOnceAndAreShownAsWhatTheyStandFor(t *testing.T) {
	all, sampled := mustNew(t, failures()), mustNew(t, failures())
	for n := range 20 {
		c, s := judge.Cell{Trials: 50, Events: 1}, judge.Cell{Trials: 450, Events: 5}
		if err := all.Observe(at(n, map[string]judge.Measure{failed: {Candidate: []judge.Cell{c}, Production: []judge.Cell{s}}})); err != nil {
			t.Fatal(err)
		}
		c.WeightedTrials, c.WeightedEvents = 1000, 20
		s.WeightedTrials, s.WeightedEvents = 4500, 50 // the arms need not be sampled alike
		if err := sampled.Observe(at(n, map[string]judge.Measure{failed: {Candidate: []judge.Cell{c}, Production: []judge.Cell{s}}})); err != nil {
			t.Fatal(err)
		}
	}
	a, s := all.Verdict(), sampled.Verdict()
	if math.Abs(a.LogE-s.LogE) > 1e-9 {
		t.Errorf("evidence %v, sampled %v", a.LogE, s.LogE)
	}
	if s.Gates[0].Candidate.Weighted.Trials != 20000 || s.Gates[0].Candidate.Raw.Trials != 1000 {
		t.Errorf("%+v", s.Gates[0].Candidate)
	}
}

func TestFailuresThatAreKeptWhileSuccessesAreSampledDoNotLookMany(t *testing.T) {
	all, kept := mustNew(t, failures()), mustNew(t, failures())
	for n := range 100 {
		// Truly 1 % of 100 and of 900 requests; of those that succeed every tenth is recorded.
		xc, xs := float64(n%2*2), 9.0
		one := func(trials, events float64) judge.Cell { return judge.Cell{Trials: trials, Events: events} }
		some := func(trials, events float64) judge.Cell {
			return judge.Cell{Trials: events + (trials-events)/10, Events: events, WeightedTrials: trials, WeightedEvents: events}
		}
		for j, cell := range map[*judge.Judge]func(trials, events float64) judge.Cell{all: one, kept: some} {
			m := judge.Measure{Candidate: []judge.Cell{cell(100, xc)}, Production: []judge.Cell{cell(900, xs)}}
			if err := j.Observe(at(n, map[string]judge.Measure{failed: m})); err != nil {
				t.Fatal(err)
			}
		}
	}
	a, k := all.Verdict(), kept.Verdict()
	if k.Outcome == judge.Fail || math.Abs(a.LogE-k.LogE) > 0.5 || math.Abs(*a.Gates[0].LogEPass-*k.Gates[0].LogEPass) > 0.5 {
		t.Errorf("all recorded: %+v\nsampled: %+v", a, k)
	}
	if g := k.Gates[0]; !strings.Contains(g.Sentence, "candidate fails 1.0 % of requests, production 1.0 % (events are sampled unlike") || g.Uneven < 8 {
		t.Errorf("%+v", g)
	}
}

func TestHeavyRecordsCountForLess(t *testing.T) {
	logE := func(squares float64) float64 {
		j := mustNew(t, failures())
		for n := range 4 {
			c := judge.Cell{Trials: 100, Events: 5, WeightedTrials: 400, WeightedEvents: 20, EventSquares: squares}
			if err := j.Observe(at(n, map[string]judge.Measure{failed: {Candidate: []judge.Cell{c}, Production: cells(900, 9)}})); err != nil {
				t.Fatal(err)
			}
		}
		return j.Verdict().LogE
	}
	equal, heavy := logE(80), logE(16*16+4) // five of weight 4; one of 16 and four of 1
	if heavy >= equal || logE(0) != equal {
		t.Errorf("equal weights %v, unequal %v, none given %v", equal, heavy, logE(0))
	}
}

func TestLateRowsAreABatchOfTheirOwn(t *testing.T) {
	j := mustNew(t, failures())
	feed(t, j, 0, 10, 100, 1, 900, 9)
	until := j.Verdict().Until
	feed(t, j, 2, 3, 5, 1, 20, 0)
	if v := j.Verdict(); !v.Until.Equal(until) || v.Gates[0].Candidate.Raw.Trials != 1005 {
		t.Errorf("%+v", v)
	}
}

func TestAJudgeGoesOnWhereAnotherLeftOff(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	cfg := failures()
	one := mustNew(t, cfg)
	other := mustNew(t, cfg)
	for n := range 200 {
		feed(t, one, n, n+1, 0, 0, 0, 0)
		feed(t, other, n, n+1, 0, 0, 0, 0)
		m := map[string]judge.Measure{failed: {}}
		for p := range 4 {
			m[failed] = judge.Measure{
				Candidate:  cells(float64(n), float64(r.IntN(n+1))/20),
				Production: append(m[failed].Production, judge.Cell{Pod: fmt.Sprint(p), Trials: 100, Events: float64(r.IntN(5))}),
			}
		}
		for _, j := range []*judge.Judge{one, other} {
			if err := j.Observe(at(n, m)); err != nil {
				t.Fatal(err)
			}
		}
		data, err := json.Marshal(other.State())
		if err != nil {
			t.Fatal(err)
		}
		var s judge.State
		if err := json.Unmarshal(data, &s); err != nil {
			t.Fatal(err)
		}
		if other, err = judge.Restore(cfg, s); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(one.State(), other.State()) || !reflect.DeepEqual(one.Verdict(), other.Verdict()) {
			t.Fatalf("after batch %d: %+v\nwent on as %+v", n, one.Verdict(), other.Verdict())
		}
	}
}

func TestAStateIsACopy(t *testing.T) {
	j := mustNew(t, failures())
	feed(t, j, 0, 1, 100, 1, 900, 9)
	s := j.State()
	s.Gates["failures"].Strict.Worse[0] = 1e9
	feed(t, j, 1, 2, 100, 1, 900, 9)
	if v := j.Verdict(); v.Suspect || len(s.Gates["failures"].Strict.Worse) == 0 {
		t.Errorf("%+v", v)
	}
}

func TestAVerdictIsJSON(t *testing.T) {
	c := failures()
	c.Gates = append(c.Gates, judge.Gate{Name: "exceptions", Kind: judge.Rate, Measure: "exceptions"})
	j := mustNew(t, c)
	feed(t, j, 0, 5, 100, 1, 900, 9)
	data, err := json.Marshal(j.Verdict())
	if err != nil {
		t.Fatal(err)
	}
	var back judge.Verdict
	if err := json.Unmarshal(data, &back); err != nil || !reflect.DeepEqual(back, j.Verdict()) {
		t.Errorf("%s: %v", data, err)
	}
}

// A release with eight gates and twenty pods, an hour in.
func BenchmarkBatch(b *testing.B) {
	cfg := failures()
	cfg.Gates[0].Weight = 3
	measures := map[string]judge.Measure{}
	add := func(name string, events float64) {
		var m judge.Measure
		for p := range 2 {
			m.Candidate = append(m.Candidate, judge.Cell{Pod: fmt.Sprint("c", p), Trials: 50, Events: events})
		}
		for p := range 18 {
			m.Production = append(m.Production, judge.Cell{Pod: fmt.Sprint("s", p), Trials: 50, Events: events})
		}
		measures[name] = m
	}
	add(failed, 1)
	for _, name := range []string{"exceptions", "dependencies.failed"} {
		cfg.Gates = append(cfg.Gates, judge.Gate{Name: name, Kind: judge.Rate, Measure: name, Pass: &seqtest.Tolerance{Relative: 1, Absolute: 0.005}})
		add(name, 1)
	}
	for i, share := range []float64{0.5, 0.25, 0.1, 0.05, 0.01} {
		name := fmt.Sprint("requests.over.", i)
		cfg.Gates = append(cfg.Gates, judge.Gate{Name: name, Kind: judge.Share, Measure: name, PassMeasure: name + ".slower", Expected: share})
		add(name, 50*share)
		add(name+".slower", 30*share)
	}
	j := mustNew(b, cfg)
	n := 0
	batch := func() {
		if err := j.Observe(at(n, measures)); err != nil {
			b.Fatal(err)
		}
		j.Decide()
		n++
	}
	for range 360 {
		batch()
	}
	b.ReportAllocs()
	for b.Loop() {
		batch()
	}
}
