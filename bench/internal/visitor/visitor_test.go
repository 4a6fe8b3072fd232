package visitor

import (
	"testing"
	"time"
)

var zero = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// at makes an answer that was sent and came so many milliseconds after zero.
func at(slot string, code, sent, came int) Answer {
	ms := func(n int) time.Time { return zero.Add(time.Duration(n) * time.Millisecond) }
	return Answer{Slot: slot, Code: code, Sent: ms(sent), Came: ms(came)}
}

func TestTheLastAnswerIsTheLatestOneNotTheLastInTheRecord(t *testing.T) {
	all := []Answer{at("green", 200, 0, 90), at("green", 500, 40, 50), at("blue", 200, 60, 120), at("green", 200, 45, 49)}
	came, sent, ok := Last(all, "green")
	if !ok || came.Sub(zero) != 90*time.Millisecond || sent.Sub(zero) != 45*time.Millisecond {
		t.Errorf("came %s, sent %s, %v; want 90ms, 45ms, true", came.Sub(zero), sent.Sub(zero), ok)
	}
	if _, _, ok := Last(all, "red"); ok {
		t.Error("a slot that never answered has no last answer")
	}
}

func TestOnlyFromWantsEnoughGoodAnswersOfOneSlot(t *testing.T) {
	blue, green, failed := at("blue", 200, 0, 1), at("green", 200, 0, 1), at("blue", 500, 0, 1)
	for name, c := range map[string]struct {
		all  []Answer
		want bool
	}{
		"enough":       {[]Answer{green, blue, blue}, true},
		"too few":      {[]Answer{blue}, false},
		"another slot": {[]Answer{blue, blue, green}, false},
		"a failure":    {[]Answer{blue, failed, blue}, false},
	} {
		if got := OnlyFrom("blue", 2)(c.all); got != c.want {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
}

func TestCountTakesTheBeginningAndLeavesTheEnd(t *testing.T) {
	all := []Answer{at("g", 200, 0, 9), at("g", 500, 0, 10), at("g", 500, 0, 19), at("g", 500, 0, 20)}
	n := Count(all, zero.Add(10*time.Millisecond), zero.Add(20*time.Millisecond), Answer.Failed)
	if n != 2 {
		t.Errorf("got %d, want 2", n)
	}
}
