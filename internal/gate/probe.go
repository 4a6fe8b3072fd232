package gate

import (
	"context"
	"fmt"
	"regexp"
	"sort"
	"strings"
	"sync"
	"time"

	"github.com/slipway-cd/slipway/internal/config"
	"github.com/slipway-cd/slipway/internal/telemetry/probe"
)

// Prober makes one look over HTTP.
type Prober interface {
	Run(context.Context, probe.Request) (probe.Result, error)
	Close()
}

// ProbeGate asks a candidate over HTTP.
type ProbeGate struct {
	name string
	req  probe.Request
	dial func(endpoint, host string) (Prober, error)

	mu             sync.Mutex
	endpoint, host string
	prober         Prober
}

// NewProbe makes a gate of a configured probe. The error is a body expression that is no RE2. A look passes when no more
// requests fail than allowed, fails as soon as more do, and holds when the gateway cannot be reached at all or another slot
// answers, for that says nothing about the candidate. Close it when it is no longer asked.
func NewProbe(name string, p config.Probe) (*ProbeGate, error) {
	req := probe.Request{
		Method: p.Method, Path: p.Path, Body: p.Body, Headers: p.Headers, Count: p.Count,
		Interval: time.Duration(p.Interval), Timeout: time.Duration(p.Timeout),
		WantStatus: p.Expect.Status, Within: time.Duration(p.Expect.Within), AllowedFailures: p.AllowedFailures,
	}
	if p.Expect.Body != "" {
		re, err := regexp.Compile(p.Expect.Body)
		if err != nil {
			return nil, fmt.Errorf("gate %s: expect.body: %w", name, err)
		}
		req.WantBody = re
	}
	return &ProbeGate{name: name, req: req, dial: func(endpoint, host string) (Prober, error) { return probe.New(endpoint, host) }}, nil
}

// Look implements [Gate].
func (g *ProbeGate) Look(ctx context.Context, c Candidate) (Verdict, error) {
	p, err := g.at(c)
	if err != nil {
		return Verdict{}, err
	}
	req := g.req
	if c.SlotHeader != "" {
		req.Slot, req.SlotHeader = c.Slot, c.SlotHeader
	}
	if c.Header != "" {
		// A copy: looks of one gate at two candidates must not share it.
		req.Headers = map[string]string{}
		for k, v := range g.req.Headers {
			req.Headers[k] = v
		}
		req.Headers[c.Header] = c.HeaderValue
	}
	res, err := p.Run(ctx, req)
	if err != nil {
		return Verdict{}, fmt.Errorf("gate %s: %w", g.name, err)
	}
	v := Verdict{Gate: g.name, At: time.Now().UTC()}
	switch {
	case res.Failed > req.AllowedFailures:
		v.Outcome, v.FirstFailed = Fail, res.FirstFailed
		v.Reason = fmt.Sprintf("%d of %d requests failed, %d allowed (%s): %s", res.Failed, res.Sent, req.AllowedFailures, byReason(res), res.First)
	case res.Unreached > 0:
		v.Outcome, v.Reason = Hold, "no evidence: "+res.First
	default:
		v.Outcome = Pass
		v.Reason = fmt.Sprintf("%d of %d requests passed, p50 %v, p95 %v, max %v", res.Passed, res.Sent,
			ms(res.P50), ms(res.P95), ms(res.Max))
		if res.Failed > 0 {
			v.Reason += fmt.Sprintf("; %d failed, %d allowed (%s): %s", res.Failed, req.AllowedFailures, byReason(res), res.First)
		}
	}
	return v, nil
}

// Close drops the gate's connections.
func (g *ProbeGate) Close() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.prober != nil {
		g.prober.Close()
		g.prober = nil
	}
}

// at keeps the prober, and with it its connections, as long as the endpoint stays.
func (g *ProbeGate) at(c Candidate) (Prober, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.prober != nil && g.endpoint == c.Endpoint && g.host == c.Host {
		return g.prober, nil
	}
	p, err := g.dial(c.Endpoint, c.Host)
	if err != nil {
		return nil, fmt.Errorf("gate %s: %w", g.name, err)
	}
	if g.prober != nil {
		g.prober.Close()
	}
	g.prober, g.endpoint, g.host = p, c.Endpoint, c.Host
	return p, nil
}

func byReason(r probe.Result) string {
	var out []string
	for reason, n := range r.Failures {
		if reason != probe.Unreached && reason != probe.Misrouted {
			out = append(out, fmt.Sprintf("%s %d", reason, n))
		}
	}
	sort.Strings(out)
	return strings.Join(out, ", ")
}

func ms(d time.Duration) time.Duration {
	if d < 10*time.Millisecond {
		return d.Round(100 * time.Microsecond)
	}
	return d.Round(time.Millisecond)
}
