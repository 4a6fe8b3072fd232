// Package probe sends HTTP requests to a candidate and counts what comes back.
package probe

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
)

// maxBody is how much of an answer is read and matched, in bytes; the rest is dropped with the connection.
const maxBody = 1 << 20

// Reason tells apart why a request did not give what was expected.
type Reason string

// The reasons.
const (
	Status    Reason = "status"    // another status than expected
	Body      Reason = "body"      // the body does not match
	Slow      Reason = "too slow"  // right, but later than the bound
	Timeout   Reason = "timeout"   // connected, but no whole answer within the timeout
	Transport Reason = "transport" // connected, but the connection broke or was not HTTP
	// Unreached means that nothing answered at the endpoint: name, connection or TLS failed. It says nothing about what
	// is behind it, so it is counted by itself and is never a failure of the candidate.
	Unreached Reason = "unreached"
	// Misrouted means that the answer names another slot than the one that is asked. It is treated as Unreached is: some
	// gateways route past a candidate without endpoints, and what production answers must not speak for it.
	Misrouted Reason = "misrouted"
)

// Request is one look: Count requests, one after the other.
type Request struct {
	Method string // default GET
	// Path is appended to the endpoint; it may hold a query.
	Path    string
	Body    string
	Headers map[string]string
	// Count of requests; default 1. Interval is the pause between two; Timeout of each, default 5 s.
	Count    int
	Interval time.Duration
	Timeout  time.Duration
	// WantStatus is the status expected; 0 means any 2xx. WantBody must match, if set. Within bounds the time until the
	// whole body is read; 0: no bound.
	WantStatus int
	WantBody   *regexp.Regexp
	Within     time.Duration
	// Slot, if set, is who must answer, as far as the answer's header SlotHeader tells; an answer without it counts.
	Slot, SlotHeader string
	// AllowedFailures: the look ends as soon as there are more, and as soon as the endpoint cannot be reached.
	AllowedFailures int
}

// Result is what came of a look.
type Result struct {
	Sent, Passed, Failed int
	// Unreached counts requests that never got to the endpoint or to the slot; they are in neither Passed nor Failed.
	Unreached int
	// Failures by reason, Unreached included.
	Failures map[Reason]int
	// First says what the first failure (or the failure to reach the endpoint) was like.
	First string
	// FirstFailed is when the first failure of the candidate was seen; zero without one.
	FirstFailed time.Time
	// P50, P95 and Max are latencies of the whole answers that came; 0 when none did.
	P50, P95, Max time.Duration
	Took          time.Duration
}

// Prober sends requests to one endpoint over connections of its own, which it keeps between looks. It follows no redirects
// and uses no proxy for loopback addresses. It is safe for concurrent use.
type Prober struct {
	base   *url.URL
	host   string
	client *http.Client
}

// New returns a Prober for an endpoint such as http://127.0.0.1:8080. Host is the Host header and, with https, the TLS
// server name; empty means the endpoint's own.
func New(endpoint, host string) (*Prober, error) {
	u, err := url.Parse(endpoint)
	if err != nil {
		return nil, fmt.Errorf("reading the probe's endpoint: %w", err)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("the probe's endpoint %q is not an http:// or https:// URL with a host", endpoint)
	}
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	tr := &http.Transport{
		DialContext:         (&net.Dialer{Timeout: 5 * time.Second, KeepAlive: 15 * time.Second}).DialContext,
		TLSHandshakeTimeout: 5 * time.Second,
		TLSClientConfig:     &tls.Config{ServerName: name, MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2:   true,
		MaxIdleConnsPerHost: 4,
		IdleConnTimeout:     90 * time.Second,
	}
	if !loopback(u.Hostname()) {
		tr.Proxy = http.ProxyFromEnvironment
	}
	return &Prober{base: u, host: host, client: &http.Client{
		Transport:     tr,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// Close drops the idle connections.
func (p *Prober) Close() { p.client.CloseIdleConnections() }

func loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// Run makes one look. Its error is a request that cannot be made at all, or the context's end; whatever comes or does not
// come from the endpoint is in the Result.
func (p *Prober) Run(ctx context.Context, r Request) (Result, error) {
	start := time.Now()
	r.Count = max(r.Count, 1)
	if r.Timeout <= 0 {
		r.Timeout = 5 * time.Second
	}
	res := Result{Failures: map[Reason]int{}}
	var took []time.Duration
	finish := func() Result {
		res.Took = time.Since(start)
		res.P50, res.P95, res.Max = quantiles(took)
		return res
	}
	for i := range r.Count {
		if i > 0 && r.Interval > 0 {
			t := time.NewTimer(r.Interval)
			select {
			case <-ctx.Done():
				t.Stop()
			case <-t.C:
			}
		}
		if err := ctx.Err(); err != nil {
			return finish(), fmt.Errorf("probing %s: %w", r.Path, err)
		}
		d, whole, reason, what, err := p.one(ctx, r)
		if err != nil {
			return finish(), err
		}
		res.Sent++
		if whole {
			took = append(took, d)
		}
		if reason == "" {
			res.Passed++
			continue
		}
		res.Failures[reason]++
		if res.First == "" {
			res.First = what
		}
		if reason == Unreached || reason == Misrouted {
			res.Unreached++
			break
		}
		if res.Failed++; res.Failed == 1 {
			res.FirstFailed = time.Now().UTC()
		}
		if res.Failed > r.AllowedFailures {
			break
		}
	}
	return finish(), nil
}

// one sends one request. Whole says that a whole answer came.
func (p *Prober) one(parent context.Context, r Request) (took time.Duration, whole bool, reason Reason, what string, err error) {
	ctx, cancel := context.WithTimeout(parent, r.Timeout)
	defer cancel()
	connected := false
	ctx = httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		// A kept connection that turns out dead is replaced by a new attempt, which may not connect.
		GetConn: func(string) { connected = false },
		GotConn: func(httptrace.GotConnInfo) { connected = true },
	})
	method := r.Method
	if method == "" {
		method = http.MethodGet
	}
	var body io.Reader
	if r.Body != "" {
		body = strings.NewReader(r.Body)
	}
	req, err := http.NewRequestWithContext(ctx, method, p.url(r.Path), body)
	if err != nil {
		return 0, false, "", "", fmt.Errorf("making the probe's request: %w", err)
	}
	req.Header.Set("User-Agent", "slipway-probe")
	for k, v := range r.Headers {
		req.Header.Set(k, v)
	}
	if p.host != "" {
		req.Host = p.host
	}
	name := method + " " + r.Path
	start := time.Now()
	resp, err := p.client.Do(req)
	var got []byte
	if err == nil {
		got, err = io.ReadAll(io.LimitReader(resp.Body, maxBody))
		if cerr := resp.Body.Close(); err == nil && cerr != nil {
			err = cerr
		}
	}
	took = time.Since(start)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err
		}
		switch {
		case parent.Err() != nil:
			return took, false, "", "", fmt.Errorf("probing %s: %w", r.Path, parent.Err())
		case !connected:
			return took, false, Unreached, fmt.Sprintf("%s: nothing answers at %s: %v", name, p.base.Host, err), nil
		case errors.Is(err, context.DeadlineExceeded):
			return took, false, Timeout, fmt.Sprintf("%s: no whole answer within %v", name, r.Timeout), nil
		}
		return took, false, Transport, fmt.Sprintf("%s: %v", name, err), nil
	}
	if by := resp.Header.Get(r.SlotHeader); r.Slot != "" && by != "" && by != r.Slot {
		return took, false, Misrouted, fmt.Sprintf("%s: answered by slot %s, not by %s", name, by, r.Slot), nil
	}
	switch {
	case r.WantStatus != 0 && resp.StatusCode != r.WantStatus:
		return took, true, Status, fmt.Sprintf("%s: status %d instead of %d", name, resp.StatusCode, r.WantStatus), nil
	case r.WantStatus == 0 && resp.StatusCode/100 != 2:
		return took, true, Status, fmt.Sprintf("%s: status %d instead of 2xx", name, resp.StatusCode), nil
	case r.WantBody != nil && !r.WantBody.Match(got):
		// The body itself is not quoted: it may hold what must not be in a log.
		return took, true, Body, fmt.Sprintf("%s: the body (%d bytes) does not match %s", name, len(got), r.WantBody), nil
	case r.Within > 0 && took > r.Within:
		return took, true, Slow, fmt.Sprintf("%s: answered after %v, allowed are %v", name, took.Round(time.Millisecond), r.Within), nil
	}
	return took, true, "", "", nil
}

func (p *Prober) url(path string) string {
	return strings.TrimSuffix(p.base.String(), "/") + "/" + strings.TrimPrefix(path, "/")
}

// quantiles are nearest-rank quantiles.
func quantiles(d []time.Duration) (p50, p95, most time.Duration) {
	if len(d) == 0 {
		return 0, 0, 0
	}
	d = slices.Clone(d)
	slices.Sort(d)
	at := func(percent int) time.Duration { return d[(len(d)*percent+99)/100-1] }
	return at(50), at(95), d[len(d)-1]
}
