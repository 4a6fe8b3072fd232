package traffic

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// replicas is a gateway of several replicas that answer in turn; each has its own idea of slot and write.
type replicas []func(r *http.Request) (slot, epoch string, status int)

func (g replicas) serve(t *testing.T) (*Verifier, *atomic.Int64) {
	t.Helper()
	asked := new(atomic.Int64)
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		slot, epoch, status := g[int(asked.Add(1)-1)%len(g)](r)
		if r.Host != "shop.example.org" {
			status = http.StatusNotFound
		}
		if slot != "" {
			w.Header().Set("X-Slot", slot)
		}
		if epoch != "" {
			w.Header().Set(SlotHeader, slot)
			w.Header().Set(EpochHeader, epoch)
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(srv.Close)
	return verifier(t, srv.URL, ""), asked
}

func verifier(t *testing.T, url, slotHeader string) *Verifier {
	t.Helper()
	v, err := NewVerifier(url, "shop.example.org", slotHeader)
	if err != nil {
		t.Fatal(err)
	}
	v.Within, v.Settle = 300*time.Millisecond, 20*time.Millisecond
	return v
}

func always(slot, epoch string) func(*http.Request) (string, string, int) {
	return func(*http.Request) (string, string, int) { return slot, epoch, 200 }
}

// after answers as the old write until n answers were given by this replica.
func after(n int, old, now string) func(*http.Request) (string, string, int) {
	given := 0
	return func(*http.Request) (string, string, int) {
		if given++; given <= n {
			return "blue", old, 200
		}
		return "blue", now, 200
	}
}

func TestAWriteIsVerifiedWhenOnlyItsOwnAnswersCome(t *testing.T) {
	for name, g := range map[string]replicas{
		"one replica":                 {always("blue", "5")},
		"one that takes a while":      {after(30, "4", "5")},
		"three, one of which lags":    {always("blue", "5"), always("blue", "5"), after(12, "4", "5")},
		"no endpoints, but it routes": {func(*http.Request) (string, string, int) { return "green", "5", 503 }},
	} {
		t.Run(name, func(t *testing.T) {
			v, asked := g.serve(t)
			v.Within = 10 * time.Second
			if err := v.Verify(t.Context(), Written{Split: splits["candidate-at-25"], Epoch: "5"}); err != nil {
				t.Fatal(err)
			}
			if asked.Load() < needed {
				t.Errorf("it was content with %d answers", asked.Load())
			}
		})
	}
}

func TestAReplicaThatLagsIsNotOverlooked(t *testing.T) {
	g := replicas{always("blue", "5"), always("blue", "5"), always("blue", "5"), always("blue", "4")}
	v, _ := g.serve(t)
	var not *NotVerifiedError
	if err := v.Verify(t.Context(), Written{Split: splits["candidate-at-25"], Epoch: "5"}); !errors.As(err, &not) || not.Weight != 25 {
		t.Fatalf("got %v", err)
	}
}

func TestAFirstReleaseIsAskedThroughTheHeader(t *testing.T) {
	g := replicas{func(r *http.Request) (string, string, int) {
		if r.Header.Get(Header) != HeaderAlways {
			return "", "", 404
		}
		return "blue", "1", 200
	}}
	v, _ := g.serve(t)
	if err := v.Verify(t.Context(), Written{Split: splits["first-release-unreached"], Epoch: "1"}); err != nil {
		t.Fatal(err)
	}
}

func TestWhatIsNotVerifiedSaysWhatWasSeen(t *testing.T) {
	hang := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	t.Cleanup(hang.Close)
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	old, _ := replicas{always("blue", "4")}.serve(t)
	full, _ := replicas{func(*http.Request) (string, string, int) { return "", "", 503 }}.serve(t)
	unrouted, _ := replicas{func(*http.Request) (string, string, int) { return "", "", 404 }}.serve(t)
	for name, c := range map[string]struct {
		v    *Verifier
		want string
	}{
		"an older write": {old, "last answer: status 200 from slot blue"},
		"no endpoints":   {full, "status 503"},
		"no route":       {unrouted, "status 404"},
		"nobody listens": {verifier(t, "http://"+gone.Addr().String(), ""), "refused"},
		"it hangs":       {verifier(t, hang.URL, ""), "no answer yet"},
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			err := c.v.Verify(t.Context(), Written{Split: splits["candidate-at-25"], Epoch: "5"})
			var not *NotVerifiedError
			if !errors.As(err, &not) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "weight 25 %") {
				t.Errorf("got %v, want %q", err, c.want)
			}
			if took := time.Since(start); took > 2*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}

func TestAGatewayWhoseAnswersTellNothingIsSaidToBeBlind(t *testing.T) {
	v, _ := replicas{func(*http.Request) (string, string, int) { return "", "", 200 }}.serve(t)
	v.Within = 10 * time.Second
	if err := v.Verify(t.Context(), Written{Split: splits["candidate-at-25"], Epoch: "5"}); !errors.Is(err, ErrBlind) {
		t.Errorf("a gateway that ignores filters: %v", err)
	}
	if err := v.Verify(t.Context(), Written{Split: splits["candidate-at-25"]}); !errors.Is(err, ErrBlind) {
		t.Errorf("a router without marks and no slot header: %v", err)
	}
}

func TestSlotsAloneVerifyASwitch(t *testing.T) {
	var all atomic.Bool
	g := replicas{func(*http.Request) (string, string, int) {
		if all.Load() || rand.IntN(2) == 0 {
			return "green", "", 200
		}
		return "blue", "", 200
	}}
	v, _ := g.serve(t)
	v.SlotHeader = "X-Slot"
	half := Split{Production: blue, Candidate: green, Weight: 50}
	if err := v.Verify(t.Context(), Written{Split: half}); err != nil {
		t.Errorf("both slots answer, so a middle weight is seen: %v", err)
	}
	full := Written{Split: splits["candidate-at-100"], Before: &half}
	var not *NotVerifiedError
	if err := v.Verify(t.Context(), full); !errors.As(err, &not) {
		t.Errorf("half of the answers are from blue still: %v", err)
	}
	all.Store(true)
	if err := v.Verify(t.Context(), full); err != nil {
		t.Errorf("all answers are from green: %v", err)
	}
}

func TestVerifyEndsWithItsContext(t *testing.T) {
	v, _ := replicas{always("blue", "4")}.serve(t)
	v.Within = time.Hour
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if err := v.Verify(ctx, Written{Split: splits["candidate-at-25"], Epoch: "5"}); err == nil {
		t.Error("it was verified")
	}
}

// The old split must pass for the new one with a probability of at most [falseAlarm], however long is asked: here for about
// as many answers as a gateway gives in 15 s.
func TestTheOldSplitIsHardlyEverTakenForTheNewOne(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	const trials, asks = 150, 10_000
	alarms, tried := 0, 0
	for _, weight := range []int{1, 5, 10, 25, 50, 75, 90, 95, 99} {
		old := Split{Production: blue, Candidate: green, Weight: weight}
		for _, next := range []Split{{Production: blue}, {Production: blue, Candidate: green, Weight: 100}, {Production: green, Candidate: blue}} {
			for range trials {
				tried++
				check := (&Verifier{}).bySlot(Written{Split: next, Before: &old})
				for range asks {
					slot := "blue"
					if rng.IntN(100) < weight {
						slot = "green"
					}
					if check(answer{slot: slot}) {
						alarms++
						break
					}
				}
			}
		}
	}
	mean := falseAlarm * float64(tried)
	if limit := mean + 4*math.Sqrt(mean); float64(alarms) > limit {
		t.Errorf("%d of %d old splits were taken for the new one, at most %s are to be expected", alarms, tried, strconv.FormatFloat(limit, 'f', 1, 64))
	}
}

func TestASwitchIsSeenInAsManyAnswersAsItsOddsAsk(t *testing.T) {
	for weight, most := range map[int]int{0: needed, 50: 13, 25: 30, 5: 160, 1: 800} {
		old := Split{Production: blue, Candidate: green, Weight: weight}
		check, n := (&Verifier{}).bySlot(Written{Split: Split{Production: blue}, Before: &old}), 1
		for !check(answer{slot: "blue"}) {
			n++
		}
		if n > most {
			t.Errorf("back from %d %% needs %d answers, more than %d", weight, n, most)
		}
	}
}
