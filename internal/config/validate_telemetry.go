package config

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
)

var (
	guid      = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)
	component = regexp.MustCompile(`(?i)^/subscriptions/[^/]+/resourceGroups/[^/]+/providers/microsoft\.insights/components/[^/]+$`)
	clouds    = []string{"public", "usGovernment", "china"}
)

func (d *document) checkTelemetry(path string, a *ApplicationInsights) {
	if a == nil {
		return
	}
	if sub := path + ".workspace"; d.set(sub) && !guid.MatchString(a.Workspace) {
		d.fail(sub, "%s is %q, but must be the workspace's id, a GUID (not its name or resource id): az monitor log-analytics workspace show --query customerId", sub, a.Workspace)
	}
	if sub := path + ".component"; d.set(sub) && !component.MatchString(a.Component) {
		d.fail(sub, "%s is %q, but must be the resource id of an Application Insights component: /subscriptions/…/resourceGroups/…/providers/microsoft.insights/components/…", sub, a.Component)
	}
	for i, role := range a.Roles {
		if sub := fmt.Sprintf("%s.roles[%d]", path, i); role == "" || slices.Index(a.Roles, role) < i {
			d.fail(sub, "%s is %q, which is empty or there twice", sub, role)
		}
	}
	for i, p := range a.Exclude {
		if sub := fmt.Sprintf("%s.exclude[%d]", path, i); !strings.HasPrefix(p, "/") {
			d.fail(sub, "%s is %q, but a URL's path begins with /", sub, p)
		}
	}
	d.positive(path+".batch", a.Batch)
	d.positive(path+".interval", a.Interval)
}

func (d *document) checkAzure(path string, a Azure) {
	if sub := path + ".cloud"; d.set(sub) && !slices.Contains(clouds, a.Cloud) {
		d.fail(sub, "%s is %q%s", sub, a.Cloud, didYouMean(a.Cloud, clouds, "clouds"))
	}
	if sub := path + ".tenant"; d.set(sub) && !guid.MatchString(a.Tenant) {
		d.fail(sub, "%s is %q, but a tenant's id is a GUID", sub, a.Tenant)
	}
	if sub := path + ".clientID"; d.set(sub) && !guid.MatchString(a.ClientID) {
		d.fail(sub, "%s is %q, but the client id of an identity is a GUID", sub, a.ClientID)
	}
	for name, value := range map[string]string{"authority": a.Endpoints.Authority, "logs": a.Endpoints.Logs, "management": a.Endpoints.Management} {
		sub := path + ".endpoints." + name
		if u, err := url.Parse(value); d.set(sub) && (err != nil || u.Scheme != "https" || u.Host == "") {
			d.fail(sub, "%s is %q, but must be an https URL: a token is sent to it", sub, value)
		}
	}
}

func (d *document) checkTelemetryGate(path string, g Gate) {
	if sub := path + ".at"; g.OnTelemetry() && g.At == "smoke" {
		d.fail(sub, "%s is smoke, but a gate on telemetry needs traffic: leave it out", sub)
	}
	if r := g.Requests; r != nil {
		at := path + ".requests"
		d.exactlyOne(at, []string{"failureRate", "quantile"})
		if sub := at + ".quantile"; d.set(sub) && (r.Quantile <= 0 || r.Quantile >= 1) {
			d.fail(sub, "%s is %v, but must lie between 0 and 1, such as 0.95", sub, r.Quantile)
		}
		if r.FailureRate != nil {
			for _, key := range []string{"worseBy", "within"} {
				if sub := at + "." + key; d.set(sub) {
					d.fail(sub, "%s belongs to a quantile; for the rate of failures write failureRate: { worseBy: … }", sub)
				}
			}
			d.checkRate(at+".failureRate", r.FailureRate)
		}
		d.positive(at+".within", r.Within)
	}
	d.checkRate(path+".exceptions", g.Exceptions)
	d.checkRate(path+".dependencies", g.Dependencies)
	d.checkRate(path+".availability", g.Availability)
	d.checkCounters(path+".prometheus", g.Prometheus)
	if k := g.KQL; k != nil {
		at := path + ".kql"
		if strings.TrimSpace(k.Query) == "" && d.set(at+".query") {
			d.fail(at+".query", "%s.query is empty", at)
		}
		d.checkKQL(at, *k)
		d.checkTolerances(at, k.WorseBy, k.Margin)
		if d.set(at+".max") && d.set(at+".margin") {
			d.fail(at+".max", "%s has both max and margin: a query gives either a value with a bound, or trials and events to compare", at)
		}
		if d.set(at+".max") && d.set(at+".worseBy") {
			d.fail(at+".max", "%s has both max and worseBy: a query gives either a value with a bound, or trials and events to compare", at)
		}
		if sub := at + ".looks"; d.set(sub) && (k.Looks < 1 || k.Max == nil) {
			d.fail(sub, "%s must be 1 or more, and belongs to max", sub)
		}
	}
}

// checkTolerances checks when a comparison fails and when it passes.
func (d *document) checkTolerances(path string, worseBy, margin Tolerance) {
	if sub := path + ".worseBy"; worseBy.Add >= 1 {
		d.fail(sub, "%s is %s, so this gate could never fail", sub, worseBy)
	}
	sub := path + ".margin"
	switch {
	case !d.set(sub):
	case margin.Multiple() == 1 && margin.Add == 0:
		d.fail(sub, "%s is %s, but not even a candidate as good as production is surely within that; give it some, such as \"0.5%%\"", sub, margin)
	case margin.Add >= 1:
		d.fail(sub, "%s is %s, so every candidate would pass", sub, margin)
	case margin.Multiple() < worseBy.Multiple() || margin.Add < worseBy.Add:
		d.fail(sub, "%s is %s, less than worseBy, %s: a candidate within worseBy must not fail to pass; make the margin at least as large", sub, margin, worseBy)
	}
}

func (d *document) checkRate(path string, r *Rate) {
	if r == nil {
		return
	}
	d.checkTolerances(path, r.WorseBy, r.Margin)
	if sub := path + ".max"; d.set(sub) && (r.Max <= 0 || r.Max >= 1) {
		d.fail(sub, "%s is %s, but must lie between 0%% and 100%%", sub, r.Max)
	}
}
