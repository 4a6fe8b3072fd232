package config

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

var (
	headerName = regexp.MustCompile("^[-!#$%&'*+.^_`|~0-9A-Za-z]+$")
	methods    = []string{"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
)

func (d *document) checkGate(path, name string, g Gate) {
	d.checkName(path, "a gate", name)
	d.exactlyOne(path, []string{"probe", "kubernetes", "requests", "exceptions", "dependencies", "availability", "kql", "prometheus"})
	if at := path + ".at"; d.set(at) && g.At != "smoke" && g.At != "steps" {
		d.fail(at, `%s is %q, but must be "smoke" (only before any traffic) or "steps" (only with traffic); leave it out for both`, at, g.At)
	}
	if g.Probe != nil {
		d.checkProbe(path+".probe", *g.Probe)
	}
	if g.Kubernetes != nil && g.Kubernetes.Restarts < 0 {
		d.fail(path+".kubernetes.restarts", "%s.kubernetes.restarts is %d, but cannot be negative", path, g.Kubernetes.Restarts)
	}
	d.checkTelemetryGate(path, g)
}

func (d *document) checkProbe(path string, p Probe) {
	if sub := path + ".path"; d.set(sub) && (!strings.HasPrefix(p.Path, "/") || strings.ContainsAny(p.Path, " \t\n#")) {
		d.fail(sub, "%s is %q, but must begin with / and hold no space and no #", sub, p.Path)
	}
	if sub := path + ".method"; d.set(sub) && !slices.Contains(methods, p.Method) {
		d.fail(sub, "%s is %q, which is no HTTP method that a probe can send%s", sub, p.Method, didYouMean(p.Method, methods, "methods"))
	}
	for _, name := range sortedKeys(p.Headers) {
		sub, value := path+".headers."+name, p.Headers[name]
		switch {
		case !headerName.MatchString(name):
			d.problem(d.place(sub), sub, "%q is no name of an HTTP header", name)
		case strings.ContainsAny(value, "\r\n\x00"):
			d.fail(sub, "%s holds a line break, which an HTTP header cannot", sub)
		case strings.EqualFold(name, "canary") && value != "always":
			d.fail(sub, "%s is %q, but Slipway itself sends `canary: always`, so that the probe reaches the candidate", sub, value)
		}
	}
	if sub := path + ".count"; d.set(sub) && (p.Count < 1 || p.Count > 100_000) {
		d.fail(sub, "%s is %d, but must be 1 to 100000", sub, p.Count)
	}
	if sub := path + ".allowedFailures"; d.set(sub) && (p.AllowedFailures < 0 || p.AllowedFailures >= max(1, p.Count)) && !(p.AllowedFailures == 0) {
		d.fail(sub, "%s is %d of %d requests, so this gate could never fail; it must be 0 or more and less than count", sub, p.AllowedFailures, max(1, p.Count))
	}
	d.positive(path+".timeout", p.Timeout)
	d.checkExpect(path+".expect", p)
}

func (d *document) checkExpect(path string, p Probe) {
	if sub := path + ".status"; d.set(sub) && (p.Expect.Status < 100 || p.Expect.Status > 599) {
		d.fail(sub, "%s is %d, but an HTTP status is 100 to 599", sub, p.Expect.Status)
	}
	if sub := path + ".body"; d.set(sub) {
		if _, err := regexp.Compile(p.Expect.Body); err != nil {
			d.fail(sub, "%s is no regular expression: %s", sub, strings.TrimPrefix(err.Error(), "error parsing regexp: "))
		}
	}
	d.positive(path+".within", p.Expect.Within)
	timeout := p.Timeout
	if timeout == 0 {
		timeout = DefaultProbeTimeout
	}
	if sub := path + ".within"; d.set(sub) && p.Expect.Within > timeout {
		d.fail(sub, "%s is %s, but a request ends after %s (timeout), so no answer can be that late; make timeout longer", sub, p.Expect.Within, fmt.Sprint(timeout))
	}
}
