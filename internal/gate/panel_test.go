package gate

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	"github.com/slipway-cd/slipway/internal/evidence"
	"github.com/slipway-cd/slipway/internal/judge"
	"github.com/slipway-cd/slipway/internal/seqtest"
)

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// feed plays looks, one a call; the last one again and again, without its batches.
type feed struct {
	mu    sync.Mutex
	looks []evidence.Look
	errs  map[int]error // by number of the call, from 0
	calls int
}

func (f *feed) Look(context.Context) (evidence.Look, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.calls
	f.calls++
	if err := f.errs[n]; err != nil {
		return evidence.Look{}, err
	}
	if n < len(f.looks) {
		return f.looks[n], nil
	}
	last := f.looks[len(f.looks)-1]
	last.Batches = nil
	return last, nil
}

// minutes of traffic: each a batch with 600 requests to green and 5,400 to blue, of which so many fail.
func minutes(n int, green, blue int64) evidence.Look {
	look := evidence.Look{
		At: noon.Add(time.Duration(n)*time.Minute + 2*time.Second), Watermark: noon.Add(time.Duration(n) * time.Minute),
		Delay: map[string]time.Duration{"blue": 2 * time.Second, "green": 2100 * time.Millisecond}, Query: "AppRequests\n| where AppRoleName == 1\n| summarize …",
	}
	for i := range n {
		from := noon.Add(time.Duration(i) * time.Minute)
		count := func(slot string, trials, events int64) evidence.Cell {
			return evidence.Cell{Key: evidence.Key{Measure: evidence.RequestsFailed, Slot: slot, Pod: slot + "-1"},
				Count: evidence.Count{Trials: trials, Events: events, TrialItems: float64(trials), EventItems: float64(events)}}
		}
		look.Batches = append(look.Batches, evidence.Batch{From: from, To: from.Add(time.Minute),
			Cells: []evidence.Cell{count("blue", 5400, blue), count("green", 600, green)}})
	}
	return look
}

func newPanel(t *testing.T, f *feed) (*PanelSource, *clocktesting.FakePassiveClock) {
	t.Helper()
	j, err := judge.New(judge.Config{Gates: []judge.Gate{{
		Name: "failures", Kind: judge.Rate, Measure: string(evidence.RequestsFailed), Phrase: "fails %s of requests",
		Pass: &seqtest.Tolerance{Relative: 1, Absolute: 0.02},
	}}})
	if err != nil {
		t.Fatal(err)
	}
	clock := clocktesting.NewFakePassiveClock(noon)
	return NewPanel(j, PanelSlots{"green", "blue"}, clock).Source(f, 5*time.Second, time.Second), clock
}

func ask(t *testing.T, p *PanelSource) Verdict {
	t.Helper()
	v, err := p.Gate("failures", evidence.RequestsFailed).Look(t.Context(), Candidate{})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func fact(v Verdict, name string) string {
	for _, f := range v.Evidence {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

func TestACandidateThatFailsMoreFailsWithItsCountsAndTheWatermark(t *testing.T) {
	p, _ := newPanel(t, &feed{looks: []evidence.Look{minutes(2, 120, 10)}})
	v := ask(t, p)
	if v.Outcome != Fail || !strings.Contains(v.Reason, "candidate fails 20.0 % of requests, production 0.19 %") {
		t.Fatalf("%+v", v)
	}
	for name, want := range map[string]string{
		"slot green (candidate)": "240 of 1200", "slot blue (production)": "20 of 10800", "watermark": "12:02:00Z",
		"ingestion delay": "blue 2s, green 2.1s", "asked": "AppRequests (slipway gate explain shows the query)", "query": "AppRequests\n| where AppRoleName == 1\n| summarize …",
	} {
		if got := fact(v, name); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}

func TestAFailStaysWhenTelemetryGoesAway(t *testing.T) {
	f := &feed{looks: []evidence.Look{minutes(2, 120, 10)}, errs: map[int]error{1: errors.New("HTTP 503")}}
	p, clock := newPanel(t, f)
	ask(t, p)
	clock.SetTime(noon.Add(time.Minute))
	if v := ask(t, p); v.Outcome != Fail || f.calls != 2 {
		t.Errorf("%+v after %d calls", v, f.calls)
	}
}

func TestAGoodCandidatePassesAndThenHoldsWhileTelemetryCannotBeRead(t *testing.T) {
	f := &feed{looks: []evidence.Look{minutes(5, 1, 10)}, errs: map[int]error{1: errors.New("HTTP 503")}}
	p, clock := newPanel(t, f)
	if v := ask(t, p); v.Outcome != Pass {
		t.Fatalf("%+v", v)
	}
	clock.SetTime(noon.Add(5 * time.Second))
	if v := ask(t, p); v.Outcome != Hold || v.Reason != "telemetry could not be read: HTTP 503" {
		t.Errorf("%+v", v)
	}
	clock.SetTime(noon.Add(10 * time.Second))
	if v := ask(t, p); v.Outcome != Pass {
		t.Errorf("what was seen before was lost: %+v", v)
	}
}

func TestWhyThereIsNoEvidenceIsToldApart(t *testing.T) {
	late := evidence.Look{At: noon, Watermark: noon.Add(-time.Minute), Delay: map[string]time.Duration{"blue": time.Minute}}
	alone := minutes(2, 0, 10)
	for i := range alone.Batches {
		alone.Batches[i].Cells = alone.Batches[i].Cells[:1]
	}
	for name, c := range map[string]struct {
		look evidence.Look
		says string
	}{
		"nothing":      {evidence.Look{}, "no telemetry of either slot has arrived yet"},
		"late":         {late, "no telemetry is complete yet: it arrives blue 1m0s late, the watermark is 11:59:00Z"},
		"no candidate": {alone, "no request to the candidate (slot green) up to 12:02:00Z"},
		"too few":      {minutes(1, 1, 10), "too few data to tell"},
	} {
		p, _ := newPanel(t, &feed{looks: []evidence.Look{c.look}})
		if name == "too few" {
			c.look.Batches[0].Cells[1].Trials, c.look.Batches[0].Cells[1].TrialItems = 20, 20
		}
		if v := ask(t, p); v.Outcome != Hold || !strings.Contains(v.Reason, c.says) {
			t.Errorf("%s: %+v", name, v)
		}
	}
}

func TestGatesShareOneLook(t *testing.T) {
	f := &feed{looks: []evidence.Look{minutes(1, 1, 10)}}
	p, clock := newPanel(t, f)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() { ask(t, p) })
	}
	wg.Wait()
	if f.calls != 1 {
		t.Errorf("%d looks", f.calls)
	}
	clock.SetTime(noon.Add(4 * time.Second))
	ask(t, p)
	if f.calls != 1 {
		t.Errorf("asked again after 4 s of an interval of 5 s")
	}
}

func TestAMeasureThatCouldNotBeCountedHoldsOnlyItsGate(t *testing.T) {
	look := minutes(5, 1, 10)
	look.Failed = []evidence.Failure{{Measure: evidence.Custom("orders"), Err: errors.New("no column slot")}}
	p, _ := newPanel(t, &feed{looks: []evidence.Look{look}})
	if v := ask(t, p); v.Outcome != Pass {
		t.Errorf("%+v", v)
	}
	v, err := p.Gate("failures", evidence.Custom("orders")).Look(t.Context(), Candidate{})
	if err != nil || v.Outcome != Hold || v.Reason != "its query was not answered: no column slot" {
		t.Errorf("%+v, %v", v, err)
	}
}
