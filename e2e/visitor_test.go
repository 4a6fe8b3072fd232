//go:build e2e

package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// rate of a visitor, in requests a second.
const rate = 50

// answer is what a visitor saw of one request.
type answer struct {
	sent, came time.Time
	status     int // 0: no answer at all
	slot       string
	version    string
	err        error
}

// failed says that a user would have noticed.
func (a answer) failed() bool { return a.status != http.StatusOK }

func (a answer) String() string {
	if a.err != nil {
		return fmt.Sprintf("%s: %v", a.sent.Format("15:04:05.000"), a.err)
	}
	return fmt.Sprintf("%s: status %d, version %q, slot %q", a.sent.Format("15:04:05.000"), a.status, a.version, a.slot)
}

// visitor sends requests to the gateway at a constant rate, whether they are answered or not, as users do.
type visitor struct {
	client  *http.Client
	request func() *http.Request

	mu      sync.Mutex
	answers []answer
	flying  map[time.Time]int // requests without an answer yet, by when they were sent

	stop, stopped chan struct{}
	once          sync.Once
}

// calculate asks for a calculation; page asks for the page.
func calculate(host string) func() *http.Request {
	return func() *http.Request {
		req, err := http.NewRequest(http.MethodPost, endpoint+"/api/calculate", bytes.NewReader([]byte(`{"number":"5040"}`)))
		if err != nil {
			panic(err) // it is a constant
		}
		req.Host = host
		req.Header.Set("Content-Type", "application/json")
		return req
	}
}

func page(host string) func() *http.Request {
	return func() *http.Request {
		req, err := http.NewRequest(http.MethodGet, endpoint+"/", nil)
		if err != nil {
			panic(err) // it is a constant
		}
		req.Host = host
		return req
	}
}

// visit starts a visitor that goes on until the end of the test or until it is stopped.
func visit(t *testing.T, request func() *http.Request) *visitor {
	t.Helper()
	v := &visitor{
		client:  &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 64}},
		request: request, flying: map[time.Time]int{}, stop: make(chan struct{}), stopped: make(chan struct{}),
	}
	go v.run()
	t.Cleanup(func() {
		v.end()
		if t.Failed() {
			t.Logf("the visitor saw %s", v.summary(v.all()))
		}
	})
	return v
}

func (v *visitor) run() {
	defer close(v.stopped)
	defer v.client.CloseIdleConnections()
	tick := time.NewTicker(time.Second / rate)
	defer tick.Stop()
	var all sync.WaitGroup
	defer all.Wait()
	for {
		select {
		case <-v.stop:
			return
		case <-tick.C:
		}
		sent := time.Now()
		v.mu.Lock()
		v.flying[sent]++
		v.mu.Unlock()
		all.Go(func() { v.one(sent) })
	}
}

func (v *visitor) one(sent time.Time) {
	a := answer{sent: sent}
	resp, err := v.client.Do(v.request())
	if err == nil {
		_, err = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		a.status, a.version = resp.StatusCode, resp.Header.Get("X-Version")
		if a.slot = resp.Header.Get("Slipway-Slot"); a.slot == "" {
			a.slot = resp.Header.Get("X-Slot")
		}
	}
	if a.err, a.came = err, time.Now(); err != nil {
		a.status = 0
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.answers = append(v.answers, a)
	if v.flying[sent]--; v.flying[sent] == 0 {
		delete(v.flying, sent)
	}
}

// end stops the visitor and waits for the answers under way.
func (v *visitor) end() {
	v.once.Do(func() { close(v.stop) })
	<-v.stopped
}

// all are the answers so far, in the order in which their requests were sent.
func (v *visitor) all() []answer {
	v.mu.Lock()
	defer v.mu.Unlock()
	out := slices.Clone(v.answers)
	slices.SortFunc(out, func(a, b answer) int { return a.sent.Compare(b.sent) })
	return out
}

// next waits for n requests that are sent from now on, and for every request sent before them, and gives their answers.
func (v *visitor) next(t *testing.T, n int) []answer {
	t.Helper()
	from := time.Now()
	var got []answer
	eventually(t, 30*time.Second, fmt.Sprintf("%d more answers", n), func() (bool, string) {
		got = nil
		for _, a := range v.all() {
			if a.sent.After(from) {
				got = append(got, a)
			}
		}
		if len(got) < n {
			return false, fmt.Sprintf("%d came", len(got))
		}
		v.mu.Lock()
		defer v.mu.Unlock()
		for sent := range v.flying {
			if sent.Before(got[n-1].sent) {
				return false, "an older request is still under way"
			}
		}
		return true, ""
	})
	return got
}

func only(answers []answer, keep func(answer) bool) []answer {
	return slices.DeleteFunc(slices.Clone(answers), func(a answer) bool { return !keep(a) })
}

func byVersion(version string) func(answer) bool {
	return func(a answer) bool { return a.version == version }
}

// summary counts answers by version and status, and shows the first failures.
func (v *visitor) summary(answers []answer) string {
	counts, failures := map[string]int{}, []string{}
	for _, a := range answers {
		counts[fmt.Sprintf("version %q status %d", a.version, a.status)]++
		if a.failed() && len(failures) < 5 {
			failures = append(failures, a.String())
		}
	}
	var lines []string
	for k, n := range counts {
		lines = append(lines, fmt.Sprintf("%d × %s", n, k))
	}
	slices.Sort(lines)
	return fmt.Sprintf("%d answers: %s\n%s", len(answers), strings.Join(lines, ", "), strings.Join(failures, "\n"))
}

// sawNoFailure fails the test if the visitor saw any failed request.
func (v *visitor) sawNoFailure(t *testing.T) {
	t.Helper()
	all := v.all()
	if n := len(only(all, answer.failed)); n > 0 {
		t.Errorf("%d requests failed, want 0: the visitor saw %s", n, v.summary(all))
	}
}

// nowSeesOnly fails the test unless each of the next 50 answers is a good one of that version.
func (v *visitor) nowSeesOnly(t *testing.T, version string) {
	t.Helper()
	got := v.next(t, 50)
	if bad := only(got, func(a answer) bool { return a.failed() || a.version != version }); len(bad) > 0 {
		t.Errorf("after the end the visitor should see only good answers of %s, but saw %s", version, v.summary(got))
	}
}

// soonSeesOnly is nowSeesOnly for changes in place: pods that leave go on serving until the gateway has heard of it, so the
// visitor may see a few of their answers after the end. It waits at most 5 s for 50 answers in a row.
func (v *visitor) soonSeesOnly(t *testing.T, version string) {
	t.Helper()
	from := time.Now()
	eventually(t, 5*time.Second, "the visitor to see only good answers of "+version, func() (bool, string) {
		got := only(v.all(), func(a answer) bool { return a.sent.After(from) })
		got = got[max(0, len(got)-50):]
		bad := only(got, func(a answer) bool { return a.failed() || a.version != version })
		return len(got) == 50 && len(bad) == 0, v.summary(got)
	})
}

// neverSaw fails the test if any answer was of that version.
func (v *visitor) neverSaw(t *testing.T, version string) {
	t.Helper()
	all := v.all()
	if n := len(only(all, byVersion(version))); n > 0 {
		t.Errorf("%d answers were of version %s, which nobody should have reached: the visitor saw %s", n, version, v.summary(all))
	}
}

// eventually polls until done says so. It fails the test at the deadline with what was seen last.
func eventually(t *testing.T, within time.Duration, what string, done func() (bool, string)) {
	t.Helper()
	deadline := time.After(within)
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, seen := done()
		if ok {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("waited %s for %s: %s", within, what, seen)
		case <-tick.C:
		}
	}
}
