package gate

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slipway-cd/slipway/internal/event"
)

// script is a gate that answers by a function of the time since it was made.
type script struct {
	start time.Time
	takes time.Duration
	say   func(age time.Duration) (Outcome, string, error)

	mu    sync.Mutex
	looks int
	ended bool // a look was ended by its context
}

func newScript(takes time.Duration, say func(time.Duration) (Outcome, string, error)) *script {
	return &script{start: time.Now(), takes: takes, say: say}
}

func always(o Outcome) *script {
	return newScript(time.Millisecond, func(time.Duration) (Outcome, string, error) { return o, "because", nil })
}

func (s *script) Look(ctx context.Context, _ Candidate) (Verdict, error) {
	s.mu.Lock()
	s.looks++
	s.mu.Unlock()
	select {
	case <-ctx.Done():
		s.mu.Lock()
		s.ended = true
		s.mu.Unlock()
		return Verdict{}, ctx.Err()
	case <-time.After(s.takes):
	}
	o, reason, err := s.say(time.Since(s.start))
	return Verdict{Outcome: o, Reason: reason}, err
}

type record struct {
	mu     sync.Mutex
	events []event.Event
}

func (r *record) Emit(e event.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

func named(gates ...Gate) []Named {
	var out []Named
	for i, g := range gates {
		out = append(out, Named{Name: string(rune('a' + i)), Gate: g})
	}
	return out
}

func TestWithoutAHoldTimeEveryGateIsAskedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x, y := always(Pass), always(Pass)
		d, err := Ask(t.Context(), named(x, y), Candidate{}, Options{})
		if err != nil || d.Outcome != Pass || d.Cause != AllPassed || len(d.Verdicts) != 2 {
			t.Fatalf("%+v, %v", d, err)
		}
		if x.looks != 1 || y.looks != 1 || d.Took > 2*time.Millisecond {
			t.Errorf("looks %d and %d in %v", x.looks, y.looks, d.Took)
		}
	})
}

func TestNoGatesPassWhenTheHoldTimeIsOver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d, err := Ask(t.Context(), nil, Candidate{}, Options{Hold: time.Minute})
		if err != nil || d.Outcome != Pass || d.Took != time.Minute {
			t.Fatalf("%+v, %v", d, err)
		}
	})
}

func TestGatesAreAskedAllThroughTheHoldTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := always(Pass)
		d, err := Ask(t.Context(), named(x), Candidate{}, Options{Hold: 10 * time.Second, Interval: time.Second})
		if err != nil || d.Outcome != Pass || d.Took != 10*time.Second {
			t.Fatalf("%+v, %v", d, err)
		}
		if x.looks != 10 {
			t.Errorf("%d looks", x.looks)
		}
	})
}

func TestAFailureLateInTheHoldTimeStillFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// The look begins at 9.5 s and answers at 10.4 s, after the hold time.
		x := newScript(900*time.Millisecond, func(age time.Duration) (Outcome, string, error) {
			if age > 10*time.Second {
				return Fail, "late", nil
			}
			return Pass, "fine", nil
		})
		d, err := Ask(t.Context(), named(x), Candidate{}, Options{Hold: 10 * time.Second, Interval: 50 * time.Millisecond})
		if err != nil || d.Outcome != Fail || d.Reason != "late" {
			t.Fatalf("%+v, %v", d, err)
		}
	})
}

func TestTheFirstFailDecidesAtOnceAndEndsTheOtherLooks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := newScript(time.Hour, func(time.Duration) (Outcome, string, error) { return Pass, "", nil })
		bad := newScript(10*time.Millisecond, func(time.Duration) (Outcome, string, error) { return Fail, "3 of 5 requests failed", nil })
		d, err := Ask(t.Context(), named(slow, bad), Candidate{}, Options{Hold: time.Minute})
		if err != nil || d.Outcome != Fail || d.Cause != GateFailed || d.Gate != "b" || d.Took != 10*time.Millisecond {
			t.Fatalf("%+v, %v", d, err)
		}
		synctest.Wait()
		if !slow.ended {
			t.Error("the other gate's look goes on")
		}
	})
}

func TestNoEvidenceFailsAtTheDeadlineAndSaysSo(t *testing.T) {
	for name, say := range map[string]func(time.Duration) (Outcome, string, error){
		"hold":  func(time.Duration) (Outcome, string, error) { return Hold, "12 requests so far", nil },
		"error": func(time.Duration) (Outcome, string, error) { return "", "", errors.New("12 requests so far") },
		"own timeout": func(time.Duration) (Outcome, string, error) {
			return "", "12 requests so far", context.DeadlineExceeded
		},
		"unknown outcome": func(time.Duration) (Outcome, string, error) { return "maybe", "12 requests so far", nil },
		"evidence that dried up": func(age time.Duration) (Outcome, string, error) {
			if age < 20*time.Second {
				return Pass, "", nil
			}
			return Hold, "12 requests so far", nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				x := newScript(time.Millisecond, say)
				d, err := Ask(t.Context(), named(always(Pass), x), Candidate{}, Options{Hold: 30 * time.Second, Deadline: time.Minute})
				if err != nil || d.Outcome != Fail || d.Cause != NoEvidence || d.Gate != "b" {
					t.Fatalf("%+v, %v", d, err)
				}
				if !strings.HasPrefix(d.Reason, "no evidence in 1m0s: ") {
					t.Errorf("reason %q", d.Reason)
				}
				if d.Took < time.Minute || d.Took > 81*time.Second {
					t.Errorf("took %v", d.Took)
				}
			})
		})
	}
}

func TestAGateThatNeverAnswersIsEndedByTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newScript(24*time.Hour, nil)
		d, err := Ask(t.Context(), named(x), Candidate{}, Options{Deadline: time.Minute})
		if err != nil || d.Outcome != Fail || d.Cause != NoEvidence || d.Took != time.Minute {
			t.Fatalf("%+v, %v", d, err)
		}
		synctest.Wait()
	})
}

func TestGatesThatNeverPassTogetherEndAfterHoldAndDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		flip := func(from, to time.Duration) *script {
			return newScript(time.Millisecond, func(age time.Duration) (Outcome, string, error) {
				if in := age % (20 * time.Second); from <= in && in < to {
					return Pass, "", nil
				}
				return Hold, "", nil
			})
		}
		d, err := Ask(t.Context(), named(flip(0, 8*time.Second), flip(10*time.Second, 18*time.Second)), Candidate{},
			Options{Hold: 10 * time.Second, Deadline: time.Minute})
		if err != nil || d.Outcome != Fail || d.Cause != NoEvidence || d.Took != 70*time.Second {
			t.Fatalf("%+v, %v", d, err)
		}
	})
}

func TestEvidenceThatComesBeforeTheDeadlinePasses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newScript(time.Millisecond, func(age time.Duration) (Outcome, string, error) {
			if age < 50*time.Second {
				return Hold, "not yet", nil
			}
			return Pass, "enough", nil
		})
		d, err := Ask(t.Context(), named(x, always(Pass)), Candidate{}, Options{Hold: 10 * time.Second, Deadline: time.Minute})
		if err != nil || d.Outcome != Pass || d.Took < 50*time.Second || d.Took > 51*time.Second {
			t.Fatalf("%+v, %v", d, err)
		}
	})
}

func TestEndingTheContextDecidesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		d, err := Ask(ctx, named(always(Hold)), Candidate{}, Options{})
		if !errors.Is(err, context.DeadlineExceeded) || d.Outcome != Hold {
			t.Fatalf("%+v, %v", d, err)
		}
	})
}

func TestAPanicInAGateIsAnErrorAndNoVerdict(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newScript(0, func(time.Duration) (Outcome, string, error) { panic("oops") })
		d, err := Ask(t.Context(), named(x), Candidate{}, Options{})
		var p *PanicError
		if !errors.As(err, &p) || p.Gate != "a" || d.Outcome != Hold {
			t.Fatalf("%+v, %v", d, err)
		}
	})
}

func TestOnlyVerdictsThatSaySomethingNewAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		x := newScript(time.Millisecond, func(age time.Duration) (Outcome, string, error) {
			switch {
			case age < 3*time.Second:
				return Hold, "no requests yet", nil
			case age < 6*time.Second:
				return Hold, "too few requests: " + age.String(), nil
			}
			return Pass, "p95 " + age.String(), nil
		})
		var r record
		if _, err := Ask(t.Context(), named(x), Candidate{Weight: 25}, Options{Hold: 20 * time.Second, Sink: &r, Phase: "step"}); err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range r.events {
			if e.Kind != event.Verdict || e.Gate != "a" || e.Weight == nil || *e.Weight != 25 {
				t.Errorf("event %+v", e)
			}
			got = append(got, e.Outcome+" "+strings.Fields(e.Message)[0])
		}
		if want := "hold no, hold too, pass p95"; strings.Join(got, ", ") != want {
			t.Errorf("got %v", got)
		}
	})
}
