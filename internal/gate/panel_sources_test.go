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
