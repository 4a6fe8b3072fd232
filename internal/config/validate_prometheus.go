package config

import (
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/slipway-cd/slipway/internal/promql"
)

func (d *document) checkPrometheus(path string, p *Prometheus) {
	if p == nil {
		return
	}
	d.exactlyOne(path, []string{"url", "metrics"})
	if d.set(path + ".url") {
		d.checkMetricsURL(path+".url", p.URL)
	}
	for i, u := range p.Metrics {
		d.checkMetricsURL(fmt.Sprintf("%s.metrics[%d]", path, i), u)
	}
	if d.set(path+".metrics") && len(p.Metrics) == 0 {
		d.fail(path+".metrics", "%s.metrics is empty; name at least one URL", path)
	}
	d.positive(path+".interval", p.Interval)
}

func (d *document) checkMetricsURL(path, value string) {
	u, err := url.Parse(value)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		d.fail(path, "%s is %q, but must be an http or https URL", path, value)
	case u.User != nil:
		d.fail(path, "%s holds a user name or password; a secret must not stand in slipway.yaml", path)
	}
}

func (d *document) checkCounters(path string, c *Counters) {
	if c == nil {
		return
	}
	for _, q := range []struct{ key, text string }{{"trials", c.Trials}, {"events", c.Events}} {
		sub := path + "." + q.key
		if !d.set(sub) {
			continue
		}
		if err := promql.Check(example.Of(q.text)); err != nil {
			d.fail(sub, "%s is no query for counters: %v", sub, err)
		} else if !promql.TellsArmsApart(q.text) {
			d.fail(sub, "%s asks the same of candidate and production: it must name $slot, $service or $release", sub)
		}
	}
	rate := c.Rate()
	d.checkRate(path, &rate)
}

// example stands for an arm when a query is checked.
var example = promql.Arm{Namespace: "namespace", Slot: "green", Release: "release-green", Service: "service-green"}

// checkReadable checks that an environment can read a gate's counters.
func (d *document) checkReadable(at, path, gate string, c Counters, p *Prometheus) {
	if p == nil {
		d.fail(at, "%s asks for the gate %q, which reads Prometheus' counters, but has none: add %s.telemetry.prometheus", path, gate, path)
		return
	}
	if p.URL != "" {
		return
	}
	for _, q := range []string{c.Trials, c.Events} {
		if promql.Check(example.Of(q)) != nil {
			continue // it was told where the gate stands
		}
		if _, err := promql.Selector(example.Of(q)); err != nil {
			d.fail(at, "%s asks for the gate %q with the query %q, which only a Prometheus server can answer, but reads %s.telemetry.prometheus.metrics: write a plain selector, name{label=\"value\"}, or give a server's url",
				path, gate, q, path)
			return
		}
	}
}

var deadlineOutcomes = []string{OnDeadlineRollback, OnDeadlineHold, OnDeadlinePromote}

func (d *document) checkJudge(path string, j Judge) {
	for _, p := range []struct {
		key   string
		value Percent
		what  string
	}{{"alpha", j.Alpha, "taking a good version back"}, {"beta", j.Beta, "passing a bad one"}} {
		if sub := path + "." + p.key; d.set(sub) && !(p.value > 0 && p.value < 0.5) {
			d.fail(sub, "%s is %s, but the chance of %s must be more than 0%% and less than 50%%, such as %q", sub, p.value, p.what, "1%")
		}
	}
	if sub := path + ".minBake"; d.set(sub) && j.MinBake < 0 {
		d.fail(sub, "%s is %s, but cannot be negative", sub, j.MinBake)
	}
	if sub := path + ".minRequests"; d.set(sub) && j.MinRequests < 0 {
		d.fail(sub, "%s is %d, but cannot be negative", sub, j.MinRequests)
	}
	if sub := path + ".onDeadline"; d.set(sub) && !slices.Contains(deadlineOutcomes, j.OnDeadline) {
		d.fail(sub, "%s is %q, but must be %s", sub, j.OnDeadline, strings.Join(deadlineOutcomes, ", "))
	}
}
