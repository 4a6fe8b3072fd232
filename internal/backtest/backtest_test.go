package backtest_test

import (
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/slipway-cd/slipway/internal/backtest"
	"github.com/slipway-cd/slipway/internal/gate"
	"github.com/slipway-cd/slipway/internal/judge"
	"github.com/slipway-cd/slipway/internal/telemetry/loganalytics"
)

// release is twenty minutes of 60 requests/s, with the candidate from the fifth on.
func release(candidate float64) traffic {
	return traffic{seconds: 1200, perSecond: 60, from: 5 * time.Minute, delay: 10 * time.Second, fails: constant(candidate, 0.01), tookMs: ms(100, 100)}
}

var green = backtest.Span{Candidate: "green"}

func TestABadCandidateFailsWhenTheEvidenceHadArrived(t *testing.T) {
	tr := release(0.1)
	r := run(t, tr.record(t), asking(), judging(), green)
	if r.Verdict != gate.Fail || r.DecidedAt == nil || *r.AfterSeconds < 20 || *r.AfterSeconds > 120 {
		t.Fatalf("%s after %v s: %s", r.Verdict, r.AfterSeconds, r.Reason)
	}
	want := 6 * *r.AfterSeconds
	if n, x := r.CandidateRequests, r.CandidateFailures; n < 0.7*want || n > 1.3*want || x < 0.05*want || x > 0.2*want {
		t.Errorf("of 6 requests/s with 10 %% failures it served %v, of which %v failed, in %v s", r.CandidateRequests, r.CandidateFailures, *r.AfterSeconds)
	}
	g := r.Gates[0]
	if g.Name != "failures" || g.Verdict != gate.Fail || g.Evidence.Evidence == nil || g.Evidence.LogE < 4 || !strings.Contains(g.Reason, "candidate fails") {
		t.Errorf("%+v", g)
	}
	if last := r.Looks[len(r.Looks)-1]; !last.At.Equal(*r.DecidedAt) || last.Verdict != gate.Fail || last.Rule != judge.Worse || last.LogE < 4.6 {
		t.Errorf("the last look is %+v", last)
	}

	tr.delay = 40 * time.Second
	if later := run(t, tr.record(t), asking(), judging(), green); *later.AfterSeconds < *r.AfterSeconds+30 {
		t.Errorf("telemetry that comes 30 s later is known after %v s instead of %v s", *later.AfterSeconds, *r.AfterSeconds)
	}
}

// plain hides that a replay counts by itself.
type plain struct{ backtest.Telemetry }

func TestTheQuickWayAndThePlainWayDecideTheSame(t *testing.T) {
	for _, bad := range []float64{0.01, 0.025, 0.1} {
		tr := release(bad)
		tr.seconds, tr.perSecond = 540, 40
		db := tr.rows(t)
		one, other := run(t, replay(t, db), asking(), judging(), green), run(t, plain{replay(t, db)}, asking(), judging(), green)
		if !reflect.DeepEqual(one, other) {
			t.Errorf("%v: %s at %v and %s at %v, or other evidence", bad, one.Verdict, one.DecidedAt, other.Verdict, other.DecidedAt)
		}
	}
}

func TestAGoodCandidatePasses(t *testing.T) {
	r := run(t, release(0.01).record(t), asking(), judging(), green)
	if r.Verdict != gate.Pass || r.PassedAt == nil || !r.PassedAt.Equal(*r.DecidedAt) || !r.To.After(noon.Add(19*time.Minute)) {
		t.Errorf("%s at %v, looked until %v: %s", r.Verdict, r.DecidedAt, r.To, r.Reason)
	}
}

func TestWhatTurnsBadAfterItHasPassedFails(t *testing.T) {
	tr := release(0.01)
	tr.seconds, tr.perSecond = 2400, 100
	tr.fails = func(slot string, at time.Duration) float64 {
		if slot == "green" && at > 35*time.Minute {
			return 0.1
		}
		return 0.01
	}
	r := run(t, tr.record(t), asking(), judging(), green)
	if r.Verdict != gate.Fail || r.PassedAt == nil || r.DecidedAt.Before(noon.Add(35*time.Minute)) {
		t.Errorf("%s at %v, passed at %v: %s", r.Verdict, r.DecidedAt, r.PassedAt, r.Reason)
	}
	r = run(t, tr.record(t), asking(), judging(), backtest.Span{Candidate: "green", To: noon.Add(34 * time.Minute)})
	if r.Verdict != gate.Pass || r.To.After(noon.Add(34*time.Minute)) {
		t.Errorf("before that: %s at %v, looked until %v", r.Verdict, r.DecidedAt, r.To)
	}
}

func TestASlowerCandidateFailsByItsLatency(t *testing.T) {
	tr := release(0.01)
	tr.tookMs = ms(300, 100)
	r := run(t, tr.record(t), asking(), judging(), green)
	if r.Verdict != gate.Fail || r.Gates[1].Verdict != gate.Fail || r.Gates[0].Verdict == gate.Fail {
		t.Errorf("%s by %s and %s: %s", r.Verdict, r.Gates[0].Verdict, r.Gates[1].Verdict, r.Reason)
	}
}

func TestTooFewRequestsHold(t *testing.T) {
	tr := release(0.01)
	tr.perSecond = 1
	r := run(t, tr.record(t), asking(), judging(), green)
	if r.Verdict != gate.Hold || r.DecidedAt != nil || r.AfterSeconds != nil || r.CandidateRequests < 50 || !strings.Contains(r.Reason, "too few data") {
		t.Errorf("%+v", r.Decision)
	}
}

func TestAQueryOfOnesOwnBoundsAValue(t *testing.T) {
	a := asking()
	const busy = "AppRequests | where TimeGenerated >= from | summarize value = todouble(count()) by slot = tostring(Properties.slot)"
	a.Values = []backtest.Value{{Gate: "busy", Query: busy, Max: 300, Looks: 2}}
	r := run(t, release(0.01).record(t), a, judging(), green)
	g := r.Gates[2]
	if r.Verdict != gate.Fail || g.Name != "busy" || g.Verdict != gate.Fail || len(g.Evidence.Facts) == 0 ||
		!strings.Contains(r.Reason, "at most 300 allowed, in 2 of 2 looks") {
		t.Errorf("%s: %s; %+v", r.Verdict, r.Reason, g)
	}
	if *r.AfterSeconds < 50 || *r.AfterSeconds > 100 { // 300 requests at 6 a second, which come 20 s late
		t.Errorf("after %v s", *r.AfterSeconds)
	}
}

func TestARecordingWithoutTheCandidateIsRefusedWithWhatThereIs(t *testing.T) {
	tr := release(0.01)
	tr.from = time.Hour
	for says, span := range map[string]backtest.Span{
		"there is no request of the candidate, slot green, up to 2026-11-25T12:20:":      {Candidate: "green"},
		"there are 72000 of slot blue, from 2026-11-25T12:00:00Z to 2026-11-25T12:19:59": {Candidate: "green"},
		"it ends at 2026-11-25T12:20:1":                                                  {Candidate: "blue", From: noon.Add(time.Hour)},
		"is neither blue nor green in any row that":                                      {Candidate: "green", To: noon.Add(-time.Hour)},
	} {
		_, err := backtest.Find(t.Context(), tr.record(t), asking().Spec, span)
		if !errors.Is(err, backtest.ErrInput) || !strings.Contains(err.Error(), says) {
			t.Errorf("%v; wanted %q", err, says)
		}
	}
}

func TestAStrayRowOfLongAgoDoesNotMakeAReplayEndless(t *testing.T) {
	tr := release(0.01)
	tr.stray = -9000 * time.Hour
	r := tr.record(t)
	w, err := backtest.Find(t.Context(), r, asking().Spec, green)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Look(t.Context(), r, asking(), time.Time{}); !errors.Is(err, backtest.ErrInput) || !strings.Contains(err.Error(), "at most 100000 are made") {
		t.Errorf("%v", err)
	}
	if got := run(t, r, asking(), judging(), backtest.Span{Candidate: "green", From: noon.Add(5 * time.Minute)}); got.Verdict != gate.Pass {
		t.Errorf("%s: %s", got.Verdict, got.Reason)
	}
}

func TestWithoutProductionThereIsNothingToCompareWith(t *testing.T) {
	tr := release(0.01)
	tr.alone = true
	w, err := backtest.Find(t.Context(), tr.record(t), asking().Spec, green)
	if err != nil || w.Production() != "" {
		t.Errorf("production is %q, %v", w.Production(), err)
	}
}

func TestAWrongQueryIsNoHold(t *testing.T) {
	a := asking()
	a.Spec.Exceptions = true // whose table was not recorded
	r := release(0.1).record(t)
	w, err := backtest.Find(t.Context(), r, a.Spec, green)
	if err != nil {
		t.Fatal(err)
	}
	var wrong *loganalytics.QueryError
	if _, err = w.Look(t.Context(), r, a, time.Time{}); !errors.As(err, &wrong) || !strings.Contains(err.Error(), "AppExceptions") {
		t.Errorf("%v", err)
	}
}

// BenchmarkAnHour replays an hour of 400,000 requests with a look every 5 s, of a good candidate, so that nothing ends it early.
func BenchmarkAnHour(b *testing.B) {
	tr := traffic{seconds: 4000, perSecond: 100, from: 10 * time.Minute, delay: 20 * time.Second, fails: constant(0.01, 0.01), tookMs: ms(100, 100)}
	db := tr.rows(b)
	for b.Loop() {
		if got := run(b, replay(b, db), asking(), judging(), backtest.Span{Candidate: "green"}); got.Verdict != gate.Pass {
			b.Fatal(got.Reason)
		}
	}
}
