package gate

import (
	"context"
	"errors"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"
)

func TestAValueFailsOnlyAfterSoManyLooksInARow(t *testing.T) {
	values := []float64{50, 120, 90, 120, 130, 140}
	clock, n := clocktesting.NewFakePassiveClock(noon), 0
	g := NewValue("queue", func(context.Context, Candidate) (map[string]float64, error) {
		n++
		return map[string]float64{"green": values[n-1], "blue": 80}, nil
	}, ValueOptions{Max: 100, Looks: 3, Interval: 5 * time.Second, Clock: clock})
	for i, want := range []Outcome{Pass, Hold, Pass, Hold, Hold, Fail} {
		v, err := g.Look(t.Context(), Candidate{Slot: "green", Production: "blue"})
		if err != nil || v.Outcome != want {
			t.Errorf("look %d: %+v, %v, want %s", i+1, v, err, want)
		}
		if again, err := g.Look(t.Context(), Candidate{Slot: "green"}); err != nil || again.Outcome != v.Outcome || n != i+1 {
			t.Errorf("look %d was asked again before its interval was over", i+1)
		}
		clock.SetTime(clock.Now().Add(5 * time.Second))
	}
}

func TestAValueThatIsNotThereHolds(t *testing.T) {
	g := NewValue("queue", func(context.Context, Candidate) (map[string]float64, error) {
		return map[string]float64{"blue": 1}, nil
	},
		ValueOptions{Max: 100, Looks: 1, Clock: clocktesting.NewFakePassiveClock(noon)})
	v, err := g.Look(t.Context(), Candidate{Slot: "green"})
	if err != nil || v.Outcome != Hold || v.Reason != "the query gave no value for the candidate (slot green)" {
		t.Errorf("%+v, %v", v, err)
	}
	failing := NewValue("queue", func(context.Context, Candidate) (map[string]float64, error) { return nil, errors.New("HTTP 503") },
		ValueOptions{Max: 100, Looks: 1, Clock: clocktesting.NewFakePassiveClock(noon)})
	if _, err := failing.Look(t.Context(), Candidate{Slot: "green"}); err == nil {
		t.Error("an error became a verdict")
	}
}
