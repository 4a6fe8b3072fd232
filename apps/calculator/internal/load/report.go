// Package load puts a constant load on a service and reports what its clients saw.
package load

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Result is what became of one request.
type Result struct {
	Sent    time.Time     // when the request was sent
	Late    time.Duration // how long after its due time it was sent
	Latency time.Duration // from sending to the last byte, or to the error
	Code    int           // HTTP status; 0 if there was no answer
	Version string        // X-Version of the answer, or ""
	Slot    string        // X-Slot of the answer, or ""
	Error   string        // transport error, or the status text of a failure
}

// Failed reports whether the client was let down: no answer, or one that is not 2xx.
func (r Result) Failed() bool { return r.Code < 200 || r.Code > 299 }

// Group is the part of a report that is about one version in one slot. Latencies are in
// milliseconds, over all answers, failures included; they are exact quantiles (nearest
// rank), not estimates.
type Group struct {
	Version  string  `json:"version"` // "" for requests without an answer
	Slot     string  `json:"slot"`
	Requests int     `json:"requests"`
	Failures int     `json:"failures"`
	P50      float64 `json:"p50Ms"`
	P95      float64 `json:"p95Ms"`
	P99      float64 `json:"p99Ms"`
	Max      float64 `json:"maxMs"`
}

// Report sums up a load.
type Report struct {
	Start        time.Time      `json:"start"`           // the first request was sent
	End          time.Time      `json:"end"`             // the last answer came
	Seconds      float64        `json:"seconds"`         // time of sending
	WantedRate   float64        `json:"wantedPerSecond"` // requests a second
	Rate         float64        `json:"sentPerSecond"`
	LateRequests int            `json:"lateRequests"` // sent more than LateAfter after they were due
	MaxLateMs    float64        `json:"maxLateMs"`
	Total        Group          `json:"total"` // its version and slot are empty
	Groups       []Group        `json:"groups"`
	Codes        map[string]int `json:"codes"`          // answers by status; "error": no answer
	Errors       map[string]int `json:"errors"`         // up to maxErrors texts
	FirstFailure *time.Time     `json:"firstFailure"`   // when the first bad answer came; null if none
	LastFailure  *time.Time     `json:"lastFailure"`    // when the last bad answer came; null if none
	KeptRate     bool           `json:"keptRate"`       // false: the figures flatter the service
	Note         string         `json:"note,omitempty"` // what to make of KeptRate being false
}

const (
	// LateAfter is how late a request may be sent and still count as on time.
	LateAfter = 100 * time.Millisecond
	// maxErrors bounds the distinct error texts that are kept.
	maxErrors = 20
	// lateShare of all requests may be late before the rate counts as not kept.
	lateShare = 0.01
)

type key struct{ version, slot string }

type tally struct {
	failures  int
	latencies []uint32 // microseconds: 4 bytes a request, so that quantiles can be exact
}

// Collector gathers results. It is not safe for concurrent use.
type Collector struct {
	groups       map[key]*tally
	codes        map[string]int
	errors       map[string]int
	start, sent  time.Time // the first and the last request sent
	end          time.Time
	first, last  time.Time // failures
	late         int
	maxLate      time.Duration
	requests     int
	failures     int
	sinceRequest int // since the last Progress
	sinceFailed  int
}

// NewCollector returns an empty Collector.
func NewCollector() *Collector {
	return &Collector{groups: map[key]*tally{}, codes: map[string]int{}, errors: map[string]int{}}
}

// Add takes one result. The order does not matter.
func (c *Collector) Add(r Result) {
	done := r.Sent.Add(r.Latency)
	if c.requests == 0 || r.Sent.Before(c.start) {
		c.start = r.Sent
	}
	if r.Sent.After(c.sent) {
		c.sent = r.Sent
	}
	if done.After(c.end) {
		c.end = done
	}
	if r.Late > LateAfter {
		c.late++
	}
	c.maxLate = max(c.maxLate, r.Late)
	c.requests++
	c.sinceRequest++

	k := key{r.Version, r.Slot}
	t := c.groups[k]
	if t == nil {
		t = &tally{}
		c.groups[k] = t
	}
	t.latencies = append(t.latencies, uint32(min(r.Latency.Microseconds(), math.MaxUint32)))
	code := "error"
	if r.Code != 0 {
		code = fmt.Sprint(r.Code)
	}
	c.codes[code]++
	if !r.Failed() {
		return
	}
	t.failures++
	c.failures++
	c.sinceFailed++
	if _, known := c.errors[r.Error]; known || len(c.errors) < maxErrors {
		c.errors[r.Error]++
	} else {
		c.errors["other"]++
	}
	if c.first.IsZero() || done.Before(c.first) {
		c.first = done
	}
	if done.After(c.last) {
		c.last = done
	}
}

// Failures returns how many requests failed so far.
func (c *Collector) Failures() int { return c.failures }

// Progress returns one line about what came since the last call.
func (c *Collector) Progress() string {
	line := fmt.Sprintf("%d requests (+%d), %d failed (+%d)", c.requests, c.sinceRequest, c.failures, c.sinceFailed)
	c.sinceRequest, c.sinceFailed = 0, 0
	return line
}

// Report sums up what was added, for a load that was to send rate requests a second.
func (c *Collector) Report(rate float64) Report {
	r := Report{
		Start: c.start, End: c.end, WantedRate: rate, LateRequests: c.late, MaxLateMs: milliseconds(c.maxLate),
		Groups: []Group{}, Codes: c.codes, Errors: c.errors, KeptRate: true,
	}
	var all []uint32
	for k, t := range c.groups {
		g := t.group()
		g.Version, g.Slot = k.version, k.slot
		r.Groups = append(r.Groups, g)
		all = append(all, t.latencies...)
	}
	slices.SortFunc(r.Groups, func(a, b Group) int {
		return cmp.Or(cmp.Compare(a.Version, b.Version), cmp.Compare(a.Slot, b.Slot))
	})
	r.Total = (&tally{failures: c.failures, latencies: all}).group()
	if c.failures > 0 {
		r.FirstFailure, r.LastFailure = &c.first, &c.last
	}
	// n requests at a constant rate span n-1 intervals.
	if span := c.sent.Sub(c.start).Seconds(); span > 0 {
		r.Seconds = span
		r.Rate = float64(c.requests-1) / span
	}
	if float64(c.late) > lateShare*float64(c.requests) {
		r.KeptRate = false
		r.Note = fmt.Sprintf("the generator itself could not keep the rate: %d of %d requests left more than %s late (worst %.0f ms); "+
			"wanted %g/s, sent %.1f/s. Lower --rate, or run it where there is more CPU",
			c.late, c.requests, LateAfter, r.MaxLateMs, rate, r.Rate)
	}
	return r
}

func (t *tally) group() Group {
	g := Group{Requests: len(t.latencies), Failures: t.failures}
	sorted := slices.Sorted(slices.Values(t.latencies))
	g.P50, g.P95, g.P99, g.Max = quantile(sorted, .5), quantile(sorted, .95), quantile(sorted, .99), quantile(sorted, 1)
	return g
}

// quantile returns the smallest value that at least q of all values do not exceed
// (nearest rank), in milliseconds; 0 if there are none. sorted holds microseconds.
func quantile(sorted []uint32, q float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	rank := int(math.Ceil(q*float64(len(sorted)))) - 1
	return float64(sorted[min(max(rank, 0), len(sorted)-1)]) / 1000
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// WriteText writes the report for people.
func (r Report) WriteText(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%d requests in %.1f s (%.1f/s of %g/s wanted), %d failed\n\n",
		r.Total.Requests, r.Seconds, r.Rate, r.WantedRate, r.Total.Failures)
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(t, "version\tslot\trequests\tfailed\tp50 ms\tp95 ms\tp99 ms\tmax ms\t")
	row := func(version, slot string, g Group) {
		_, _ = fmt.Fprintf(t, "%s\t%s\t%d\t%d\t%.1f\t%.1f\t%.1f\t%.1f\t\n",
			version, slot, g.Requests, g.Failures, g.P50, g.P95, g.P99, g.Max)
	}
	for _, g := range r.Groups {
		row(cmp.Or(g.Version, "(none)"), cmp.Or(g.Slot, "(none)"), g)
	}
	row("total", "", r.Total)
	if err := t.Flush(); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	if r.FirstFailure != nil {
		fmt.Fprintf(&b, "\nfirst failure %s, last %s\n",
			r.FirstFailure.UTC().Format(time.RFC3339Nano), r.LastFailure.UTC().Format(time.RFC3339Nano))
		texts := make([]string, 0, len(r.Errors))
		for text := range r.Errors {
			texts = append(texts, text)
		}
		slices.SortFunc(texts, func(x, y string) int { return cmp.Or(r.Errors[y]-r.Errors[x], cmp.Compare(x, y)) })
		for _, text := range texts {
			fmt.Fprintf(&b, "%8d × %s\n", r.Errors[text], text)
		}
	}
	if r.Note != "" {
		fmt.Fprintf(&b, "\nNOTE: %s.\n", r.Note)
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("writing the report: %w", err)
	}
	return nil
}
