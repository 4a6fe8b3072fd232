package gate

import (
	"context"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"github.com/slipway-cd/slipway/internal/evidence"
	"github.com/slipway-cd/slipway/internal/judge"
	"github.com/slipway-cd/slipway/internal/seqtest"
)

// stuck is telemetry that does not answer.
type stuck struct{ asked chan struct{} }

func (s stuck) Look(ctx context.Context) (evidence.Look, error) {
	close(s.asked)
	<-ctx.Done()
	return evidence.Look{}, ctx.Err()
}

func TestAFastSourceDecidesWhileASlowOneIsAsked(t *testing.T) {
	gateOf := func(name string, m evidence.Measure) judge.Gate {
		return judge.Gate{Name: name, Kind: judge.Rate, Measure: string(m), Phrase: "fails %s of requests", Pass: &seqtest.Tolerance{Relative: 1, Absolute: 0.02}}
	}
	const fast = evidence.Measure("custom.fast")
	j, err := judge.New(judge.Config{Gates: []judge.Gate{gateOf("complete", evidence.RequestsFailed), gateOf("fast", fast)}})
	if err != nil {
		t.Fatal(err)
	}
	look := minutes(2, 240, 10)
	for i := range look.Batches {
		for n := range look.Batches[i].Cells {
			look.Batches[i].Cells[n].Measure = fast
		}
	}
	p := NewPanel(j, PanelSlots{"green", "blue"}, clocktesting.NewFakePassiveClock(noon))
	slow := stuck{make(chan struct{})}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		_, err := p.Source(slow, time.Second, time.Hour).Gate("complete", evidence.RequestsFailed).Look(ctx, Candidate{})
		done <- err
	}()
	<-slow.asked
	v, err := p.Source(&feed{looks: []evidence.Look{look}}, time.Second, time.Second).Gate("fast", fast).Look(ctx, Candidate{})
	if err != nil || v.Outcome != Fail {
		t.Errorf("%+v, %v", v, err)
	}
	cancel()
	if err := <-done; err == nil {
		t.Error("the slow look was cancelled, but gave no error")
	}
}

func TestWeightFollowsWhatTheEvidenceLeavesOpen(t *testing.T) {
	afford := func(budget float64, minutesOf ...evidence.Look) int {
		j, err := judge.New(judge.Config{Gates: []judge.Gate{{Name: "failures", Kind: judge.Rate, Measure: string(evidence.RequestsFailed),
			Pass: &seqtest.Tolerance{Relative: 1, Absolute: 0.02}}}})
		if err != nil {
			t.Fatal(err)
		}
		p := NewPanel(j, PanelSlots{"green", "blue"}, clocktesting.NewFakePassiveClock(noon))
		s := p.Source(&feed{looks: minutesOf}, 3*time.Second, time.Second)
		if _, err := s.Gate("failures", evidence.RequestsFailed).Look(t.Context(), Candidate{}); err != nil {
			t.Fatal(err)
		}
		return p.Afford(budget, []string{"failures"})
	}
	if got := afford(20, evidence.Look{}); got != 0 {
		t.Errorf("%d %% while nothing is known", got)
	}
	// 100 requests a second that are seen after 5 s: were 600 good ones of a candidate followed by none, 500 would fail. As more
	// is known, more can be risked; more that failed leave less of the budget.
	little, more, bad := afford(20, minutes(1, 0, 10)), afford(20, minutes(10, 0, 10)), afford(20, minutes(10, 1, 10))
	if !(little >= 20 && more > 2*little && bad < more) {
		t.Errorf("%d %% after a minute, %d %% after ten, %d %% where one a minute failed", little, more, bad)
	}
	if got := afford(20, minutes(10, 60, 10)); got != 0 {
		t.Errorf("%d %% with the budget spent", got)
	}
	if one, ten := afford(2, minutes(1, 0, 10)), afford(20, minutes(1, 0, 10)); ten < 9*one || ten > 11*(one+1) {
		t.Errorf("%d %% for a budget of 2, %d %% for 20", one, ten)
	}
}
