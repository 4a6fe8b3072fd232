package load

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	vegeta "github.com/tsenart/vegeta/v12/lib"
)

// Options describe a load.
type Options struct {
	URL      string        // base URL, for example http://127.0.0.1:8080
	Host     string        // Host header; "" means that of URL
	Path     string        // for example /api/calculate
	Method   string        // for example POST
	Body     string        // "" with POST means a different number in each request
	Header   http.Header   // further headers
	Rate     int           // requests a second
	Duration time.Duration // 0 means until the context is done
	Timeout  time.Duration // of one request
	Workers  uint64        // requests that may be under way at a time
	Record   io.Writer     // nil, or where to write one JSON line for each request
	Every    time.Duration // 0, or how often to call Progress
	Progress func(line string)
}

// Line is one line of a record.
type Line struct {
	Time      time.Time `json:"time"` // when the answer came, or the error
	Code      int       `json:"code"` // 0: no answer
	Version   string    `json:"version"`
	Slot      string    `json:"slot"`
	LatencyMs float64   `json:"latencyMs"`
	Error     string    `json:"error,omitempty"`
}

// Run sends requests at a constant rate, whether or not earlier ones were answered (an
// open loop: a slow service does not slow its clients down). It ends after Duration or
// when ctx is done, in both cases after the requests under way were answered, and returns
// what was seen. An error means that the load could not be made or recorded as asked;
// failing requests are no error.
func Run(ctx context.Context, o Options) (*Collector, error) {
	attacker := vegeta.NewAttacker(
		vegeta.Client(newClient(o.Timeout)),
		vegeta.Workers(min(16, o.Workers)),
		vegeta.MaxWorkers(o.Workers),
		vegeta.MaxBody(64<<10),
	)
	defer context.AfterFunc(ctx, func() { attacker.Stop() })()

	var tick <-chan time.Time
	if o.Every > 0 && o.Progress != nil {
		t := time.NewTicker(o.Every)
		defer t.Stop()
		tick = t.C
	}
	collector := NewCollector()
	pacer := vegeta.ConstantPacer{Freq: o.Rate, Per: time.Second}
	var begin time.Time
	var failed error
	results := attacker.Attack(o.targeter(), pacer, o.Duration, "")
	begin = time.Now()
	for {
		select {
		case <-tick:
			o.Progress(collector.Progress())
		case v, more := <-results:
			if !more {
				return collector, failed
			}
			r := o.result(v, begin)
			collector.Add(r)
			if failed == nil && o.Record != nil {
				if failed = record(o.Record, r); failed != nil {
					attacker.Stop()
				}
			}
		}
	}
}

// newClient returns a client that keeps connections, and goes nowhere but where it is
// told to: no proxy, no redirects.
func newClient(timeout time.Duration) *http.Client {
	return &http.Client{
		Timeout: timeout,
		Transport: &http.Transport{
			DialContext:         (&net.Dialer{Timeout: timeout, KeepAlive: 30 * time.Second}).DialContext,
			MaxIdleConnsPerHost: 256,
			// Shorter than that of servers and gateways, so that the client closes first.
			IdleConnTimeout: 30 * time.Second,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

func (o Options) targeter() vegeta.Targeter {
	header := o.Header.Clone()
	if header == nil {
		header = http.Header{}
	}
	if o.Host != "" {
		header.Set("Host", o.Host)
	}
	url := strings.TrimSuffix(o.URL, "/") + "/" + strings.TrimPrefix(o.Path, "/")
	vary := o.Body == "" && o.Method == http.MethodPost
	if (vary || json.Valid([]byte(o.Body))) && header.Get("Content-Type") == "" {
		header.Set("Content-Type", "application/json")
	}
	var sequence atomic.Uint64
	return func(t *vegeta.Target) error {
		t.Method, t.URL, t.Header = o.Method, url, header
		t.Body = []byte(o.Body)
		if vary {
			t.Body = fmt.Appendf(nil, `{"number":"%d"}`, varied(sequence.Add(1)))
		}
		return nil
	}
}

// varied returns a number from 2 to 10¹² for the i-th request: always the same for the
// same i, so that two loads are alike. It comes round again after 10 000 requests, so
// that a cache has something to do.
func varied(i uint64) uint64 {
	// splitmix64's mixing function
	x := (i%10_000 + 1) * 0x9E3779B97F4A7C15
	x = (x ^ x>>30) * 0xBF58476D1CE4E5B9
	x = (x ^ x>>27) * 0x94D049BB133111EB
	return (x^x>>31)%999_999_999_999 + 2
}

// result reads vegeta's result. begin is when the load began, within a few microseconds.
func (o Options) result(v *vegeta.Result, begin time.Time) Result {
	due := begin.Add(time.Duration(float64(v.Seq) / float64(o.Rate) * float64(time.Second)))
	r := Result{
		Sent:    v.Timestamp,
		Late:    max(0, v.Timestamp.Sub(due)),
		Latency: v.Latency,
		Code:    int(v.Code),
		Version: v.Headers.Get("X-Version"),
		Slot:    v.Headers.Get("X-Slot"),
		Error:   v.Error,
	}
	if r.Failed() && r.Error == "" { // vegeta takes a redirect for a success
		r.Error = fmt.Sprintf("%d %s", r.Code, http.StatusText(r.Code))
	}
	return r
}

func record(w io.Writer, r Result) error {
	line, err := json.Marshal(Line{
		Time: r.Sent.Add(r.Latency).UTC(), Code: r.Code, Version: r.Version, Slot: r.Slot,
		LatencyMs: milliseconds(r.Latency), Error: r.Error,
	})
	if err != nil {
		return fmt.Errorf("recording a request: %w", err)
	}
	if _, err := w.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("recording a request: %w", err)
	}
	return nil
}
