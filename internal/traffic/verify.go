package traffic

import (
	"context"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"k8s.io/utils/clock"
)

// Verifier asks the gateway, as a user would, who answers.
type Verifier struct {
	// Endpoint is the gateway's URL, Host the Host header.
	Endpoint *url.URL
	Host     string
	// SlotHeader is the service's own response header that names the slot; used when the router cannot mark answers.
	SlotHeader string
	// Within bounds the asking; default 15 s.
	Within time.Duration
	// Settle is waited when the answers cannot tell the slots apart; default 3 s (ingress-nginx was seen to take up to 2.4 s).
	Settle time.Duration
	Clock  clock.Clock

	client *http.Client
}

// NewVerifier makes a verifier that opens a new connection per request, so that with several gateway replicas the
// answers come from all of them.
func NewVerifier(endpoint, host, slotHeader string) (*Verifier, error) {
	u, err := url.Parse(endpoint)
	if err != nil {
		return nil, fmt.Errorf("reading the environment's endpoint: %w", err)
	}
	return &Verifier{
		Endpoint: u, Host: host, SlotHeader: slotHeader,
		Within: 15 * time.Second, Settle: 3 * time.Second, Clock: clock.RealClock{},
		client: &http.Client{
			Timeout:       3 * time.Second,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			Transport: &http.Transport{
				DisableKeepAlives: true,
				DialContext:       (&net.Dialer{Timeout: 2 * time.Second}).DialContext,
			},
		},
	}, nil
}

// Answers needed in a row from the new routing, so that several gateway replicas are likely to have been asked: of two
// replicas a lagging one escapes with a probability of 1 in 1,024; once it has been seen to lag, of four with 1 in 1,000.
const (
	needed      = 10
	neededMixed = 24
)

// answer is who answered one request.
type answer struct {
	slot, epoch string
	text        string // for messages
}

func (v *Verifier) ask(ctx context.Context, header string) (answer, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, v.Endpoint.String(), nil)
	if err != nil {
		return answer{}, err
	}
	req.Host = v.Host
	req.Header.Set("User-Agent", "slipway-verify")
	if header != "" {
		req.Header.Set(Header, header)
	}
	resp, err := v.client.Do(req)
	if err != nil {
		return answer{}, err
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<16))
	a := answer{slot: resp.Header.Get(SlotHeader), epoch: resp.Header.Get(EpochHeader)}
	if a.slot == "" && v.SlotHeader != "" {
		a.slot = resp.Header.Get(v.SlotHeader)
	}
	a.text = fmt.Sprintf("status %d", resp.StatusCode)
	if a.slot != "" {
		a.text += " from slot " + a.slot
	}
	return a, nil
}

// Verify returns when the gateway answers as w says: nil; ErrBlind (after having waited Settle) when the answers do not
// tell; *NotVerifiedError when time is up. It guarantees that, at one gateway, no request that arrives later is routed by an
// older split; with several replicas it has asked [needed] times over fresh connections.
func (v *Verifier) Verify(ctx context.Context, w Written) error {
	start := v.Clock.Now()
	ctx, cancel := context.WithTimeout(ctx, v.Within)
	defer cancel()
	check := v.byEpoch(w)
	if w.Epoch == "" {
		if v.SlotHeader == "" {
			return v.settle(ctx)
		}
		check = v.bySlot(w)
	}
	header := ""
	if w.Split.Production == nil && w.Split.Weight == 0 {
		header = HeaderAlways // a first release before any traffic: only the header reaches it
	}
	last, unmarked := "no answer yet", 0
	for {
		a, err := v.ask(ctx, header)
		if err != nil {
			if ctx.Err() == nil {
				last = err.Error()
			}
		} else {
			last = "last answer: " + a.text
			if a.epoch == "" && a.slot == "" {
				unmarked++
			}
			if check(a) {
				return nil
			}
		}
		// A gateway that ignores backendRef filters answers well and marks nothing.
		if unmarked >= 50 && v.Clock.Since(start) > v.Settle && !strings.Contains(last, "status 5") && !strings.Contains(last, "status 404") {
			return ErrBlind
		}
		pause := time.Millisecond
		if err != nil || unmarked > 0 {
			pause = 20 * time.Millisecond
		}
		select {
		case <-ctx.Done():
			return &NotVerifiedError{Weight: w.Split.Weight, Waited: v.Clock.Since(start), Last: last}
		case <-v.Clock.After(pause):
		}
	}
}

func (v *Verifier) settle(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-v.Clock.After(v.Settle):
		return ErrBlind
	}
}

// byEpoch wants answers in a row that were routed by this very write; more of them once an older one came between,
// for then several gateway replicas answer and one of them lags.
func (v *Verifier) byEpoch(w Written) func(answer) bool {
	row, n := 0, needed
	return func(a answer) bool {
		if a.epoch == w.Epoch {
			row++
			return row >= n
		}
		if row > 0 {
			n = neededMixed
		}
		row = 0
		return false
	}
}

// falseAlarm bounds the probability that the old split is taken for the new one when only the slots tell.
const falseAlarm = 0.001

// bySlot has only the slots to go by. Where one slot gets everything it wants so many answers in a row from it that the old
// split would give them, in the whole time of asking, with a probability of at most [falseAlarm]: each new run of answers
// is another try at chance, so it has to be longer. Where both slots get a share it wants to see both, which says little.
func (v *Verifier) bySlot(w Written) func(answer) bool {
	s := w.Split
	seen := map[string]bool{}
	want := ""
	switch {
	case s.Candidate == nil || (s.Weight == 0 && s.Production != nil):
		want = s.Production.Slot
	case s.Production == nil || s.Weight == 100:
		want = s.Candidate.Slot
	}
	old := 0.0 // share of answers from want under the old split
	if w.Before != nil && want != "" {
		old = float64(w.Before.Share(want)) / 100
	}
	row, run := 0, 1
	n := rowFor(old, run)
	return func(a answer) bool {
		if s.Production != nil && !isSlot(a.slot) && a.slot != "" {
			a.slot = s.Production.Slot // adopted: it was not installed into a slot and cannot name one
		}
		seen[a.slot] = true
		if want == "" {
			return seen[s.Production.Slot] && seen[s.Candidate.Slot]
		}
		if a.slot == want {
			row++
			return row >= n
		}
		if row > 0 {
			run++
			n = rowFor(old, run)
		}
		row = 0
		return false
	}
}

// isSlot says whether a slot can have that name.
func isSlot(name string) bool { return name == "blue" || name == "green" }

// rowFor is the number of answers in a row that the k-th run must have; the runs share [falseAlarm] as 1/(k(k+1)).
func rowFor(old float64, k int) int {
	if old <= 0 || old >= 1 { // they cannot be mistaken, or there is nothing to tell apart
		return needed
	}
	chance := falseAlarm / float64(k*(k+1))
	return max(needed, 1+int(math.Ceil(math.Log(chance)/math.Log(old)))) // 1: a run begins with a right answer
}
