package config

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// The defaults that [Config.Environment] and [Config.Gate] fill in.
const (
	DefaultReadyTimeout    = Duration(5 * time.Minute)
	DefaultDeadline        = Duration(5 * time.Minute)
	DefaultProbeTimeout    = Duration(5 * time.Second)
	DefaultGateway         = "gateway"
	DefaultIngressClass    = "nginx"
	DefaultSlotKQL         = "tostring(Properties.slot)"
	DefaultBatch           = Duration(10 * time.Second)
	DefaultInterval        = Duration(5 * time.Second)
	DefaultStart           = 5  // percent
	DefaultBudget          = 20 // requests
	DefaultMaxRate         = Percent(0.05)
	DefaultAlpha           = Percent(0.01)
	DefaultBeta            = Percent(0.05)
	DefaultMetricsInterval = Duration(time.Second)
	DefaultLooks           = 3
)

// DefaultExclude are the URL paths that no gate on telemetry counts unless it is told to. The slice is new at each call.
func DefaultExclude() []string { return []string{"/ping", "/healthz", "/livez", "/readyz"} }

// DefaultSteps are the weights of a canary that names none. The slice is new at each call.
func DefaultSteps() []int { return []int{5, 25, 50, 100} }

// azureOf is how an environment reaches Azure: by its own setting, or as all do.
func (c *Config) azureOf(e Environment) Azure {
	if e.Azure.isZero() {
		return c.Azure
	}
	return e.Azure
}

// Environment is the named environment with every default filled in, its values merged over the service's.
// What it returns is a copy: changing it does not change the configuration.
// A name that does not exist is an *[Error] that lists those that do.
func (c *Config) Environment(name string) (Environment, error) {
	e, ok := c.Environments[name]
	if !ok {
		return Environment{}, &Error{Problems: []Problem{{File: FileName, Path: "environments." + name,
			Message: fmt.Sprintf("there is no environment %q%s", name, didYouMeanOrList(name, sortedKeys(c.Environments), "environments"))}}}
	}
	if e.Endpoint == "" {
		e.Endpoint = "http://" + e.Host
	}
	e.Endpoint = strings.TrimRight(e.Endpoint, "/")
	e.Gates = append([]string(nil), e.Gates...)
	e.Values = MergeValues(c.Values, e.Values)
	if e.ReadyTimeout == 0 {
		e.ReadyTimeout = DefaultReadyTimeout
	}
	e.Router = routerDefaults(e.Router, e.Namespace)
	e.Strategy = strategyDefaults(e.Strategy)
	e.Telemetry = telemetryDefaults(e.Telemetry)
	e.Judge = judgeDefaults(e.Judge)
	e.Azure = c.azureOf(e)
	e.SecretsBy = e.SecretsBy.withDefaults(e.Azure.Tenant)
	e.Guardian = guardianDefaults(e.Guardian, e.Endpoint)
	return e, nil
}

func judgeDefaults(j Judge) Judge {
	if j.Alpha == 0 {
		j.Alpha = DefaultAlpha
	}
	if j.Beta == 0 {
		j.Beta = DefaultBeta
	}
	if j.OnDeadline == "" {
		j.OnDeadline = OnDeadlineRollback
	}
	return j
}

func telemetryDefaults(t Telemetry) Telemetry {
	if t.Prometheus != nil {
		p := *t.Prometheus
		p.Metrics = slices.Clone(p.Metrics)
		if p.Interval == 0 && p.URL != "" {
			p.Interval = DefaultInterval
		} else if p.Interval == 0 {
			p.Interval = DefaultMetricsInterval
		}
		t.Prometheus = &p
	}
	if t.ApplicationInsights == nil {
		return t
	}
	insights := *t.ApplicationInsights
	insights.Roles = slices.Clone(insights.Roles)
	if insights.Slot == "" {
		insights.Slot = DefaultSlotKQL
	}
	insights.Exclude = slices.Clone(insights.Exclude)
	if insights.Exclude == nil {
		insights.Exclude = DefaultExclude()
	}
	if insights.Batch == 0 {
		insights.Batch = DefaultBatch
	}
	if insights.Interval == 0 {
		insights.Interval = DefaultInterval
	}
	t.ApplicationInsights = &insights
	return t
}

func routerDefaults(r Router, namespace string) Router {
	if r.Nginx != nil {
		nginx := *r.Nginx
		if nginx.Class == "" {
			nginx.Class = DefaultIngressClass
		}
		return Router{Nginx: &nginx}
	}
	gateway := GatewayRouter{}
	if r.Gateway != nil {
		gateway = *r.Gateway
	}
	if gateway.Name == "" {
		gateway.Name = DefaultGateway
	}
	if gateway.Namespace == "" {
		gateway.Namespace = namespace
	}
	return Router{Gateway: &gateway}
}

func strategyDefaults(s Strategy) Strategy {
	switch {
	case s.Rolling != nil:
		rolling := *s.Rolling
		return Strategy{Rolling: &rolling}
	case s.BlueGreen != nil:
		blueGreen := *s.BlueGreen
		return Strategy{BlueGreen: &blueGreen}
	case s.Canary != nil:
		canary := *s.Canary
		canary.Steps = append([]int(nil), canary.Steps...)
		if canary.Auto != nil {
			auto := *canary.Auto
			if auto.Start == 0 {
				auto.Start = DefaultStart
			}
			if auto.Budget == 0 {
				auto.Budget = DefaultBudget
			}
			canary.Auto, canary.Steps = &auto, []int{auto.Start, 100}
		}
		if len(canary.Steps) == 0 {
			canary.Steps = DefaultSteps()
		}
		if canary.Deadline == 0 {
			canary.Deadline = DefaultDeadline
		}
		return Strategy{Canary: &canary}
	}
	return s
}

// Gate is the named gate with every default filled in; a copy, as with [Config.Environment].
// A name that does not exist is an *[Error].
func (c *Config) Gate(name string) (Gate, error) {
	g, ok := c.Gates[name]
	if !ok {
		return Gate{}, &Error{Problems: []Problem{{File: FileName, Path: "gates." + name,
			Message: fmt.Sprintf("there is no gate %q%s", name, didYouMeanOrList(name, sortedKeys(c.Gates), "gates"))}}}
	}
	if g.Kubernetes != nil {
		kubernetes := *g.Kubernetes
		g.Kubernetes = &kubernetes
	}
	if g.Probe != nil {
		probe := *g.Probe
		probe.Headers = make(map[string]string, len(g.Probe.Headers))
		for k, v := range g.Probe.Headers {
			probe.Headers[k] = v
		}
		if probe.Method == "" {
			probe.Method = "GET"
		}
		if probe.Count == 0 {
			probe.Count = 1
		}
		if probe.Timeout == 0 {
			probe.Timeout = DefaultProbeTimeout
		}
		g.Probe = &probe
	}
	if g.Requests != nil {
		requests := *g.Requests
		requests.FailureRate = rateDefaults(requests.FailureRate)
		g.Requests = &requests
	}
	g.Exceptions, g.Dependencies, g.Availability = rateDefaults(g.Exceptions), rateDefaults(g.Dependencies), rateDefaults(g.Availability)
	if g.KQL != nil {
		custom := *g.KQL
		if custom.Looks == 0 {
			custom.Looks = DefaultLooks
		}
		g.KQL = &custom
	}
	if g.Prometheus != nil {
		counters := *g.Prometheus
		if counters.Max == 0 {
			counters.Max = DefaultMaxRate
		}
		g.Prometheus = &counters
	}
	if g.At == "" && g.OnTelemetry() {
		g.At = "steps"
	}
	return g, nil
}

func rateDefaults(r *Rate) *Rate {
	if r == nil {
		return nil
	}
	rate := *r
	if rate.Max == 0 {
		rate.Max = DefaultMaxRate
	}
	return &rate
}

// MergeValues lays over on top of base as Helm does: mappings merge, anything else (a list too) replaces, and a null
// in over stays null, which makes Helm drop the chart's default. Neither argument is changed or shared.
func MergeValues(base, over map[string]any) map[string]any {
	if base == nil && over == nil {
		return nil
	}
	merged := make(map[string]any, len(base)+len(over))
	for k, v := range base {
		merged[k] = copyValue(v)
	}
	for k, v := range over {
		below, isMap := merged[k].(map[string]any)
		above, overIsMap := v.(map[string]any)
		if isMap && overIsMap {
			merged[k] = MergeValues(below, above)
		} else {
			merged[k] = copyValue(v)
		}
	}
	return merged
}

func copyValue(v any) any {
	switch v := v.(type) {
	case map[string]any:
		return MergeValues(v, map[string]any{})
	case []any:
		list := make([]any, len(v))
		for i, item := range v {
			list[i] = copyValue(item)
		}
		return list
	}
	return v
}

// didYouMeanOrList is didYouMean, and the list as well: a person who asks for an environment wants to see them.
func didYouMeanOrList(given string, known []string, what string) string {
	hint := didYouMean(given, known, what)
	if strings.Contains(hint, "did you mean") {
		hint += fmt.Sprintf(" The %s are %s", what, strings.Join(known, ", "))
	}
	return hint
}
