package config

import (
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"sort"
	"strings"
)

// Names end up in Kubernetes objects, so Kubernetes' rules for them hold.
var (
	label     = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)
	startsAZ  = regexp.MustCompile(`^[a-z]`)
	subdomain = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$`)
	imageName = regexp.MustCompile(`^[a-z0-9]+((_|__|-+|/)[a-z0-9]+)*$`)
	registry  = regexp.MustCompile(`^([a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?)(\.[a-zA-Z0-9]([-a-zA-Z0-9]*[a-zA-Z0-9])?)*(:[0-9]{1,5})?(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*$`)
	platform  = regexp.MustCompile(`^[a-z0-9]+/[a-z0-9]+(/v[0-9]+)?$`)
)

const maxService = 40 // leaves room for a slot and Helm's own suffixes below Kubernetes' 63

// fail records a problem with the value at path. A path that has a problem already is left alone: one cause, one line.
func (d *document) fail(path, format string, args ...any) {
	if d.later[path] {
		return // checked once its variables are known
	}
	for _, p := range d.problems {
		if p.Path == path {
			return
		}
	}
	d.problem(d.valuePlace(path), path, format, args...)
}

// set says whether the file gives the path a value.
func (d *document) set(path string) bool {
	_, ok := d.at[path]
	return ok
}

func (d *document) validate(c *Config) {
	d.checkRefs(c) // first: it finds the variables that the checks below ask about
	if d.set("apiVersion") && c.APIVersion != APIVersion {
		d.fail("apiVersion", "apiVersion is %q, but this Slipway reads only %q", c.APIVersion, APIVersion)
	}
	if d.set("service") {
		d.checkLabel("service", c.Service, maxService)
		if label.MatchString(c.Service) && !startsAZ.MatchString(c.Service) {
			d.fail("service", "service is %q, but it must begin with a letter, because Kubernetes Services are named after it", c.Service)
		}
	}
	d.checkRegistry(c.Registry)
	d.checkBuild(c.Build)
	d.checkBackend(c.Backend)
	if d.set("environments") && len(c.Environments) == 0 {
		d.fail("environments", "environments is empty; a service needs at least one")
	}
	for _, name := range sortedKeys(c.Environments) {
		d.checkEnvironment(c, name)
	}
	d.checkAzure("azure", c.Azure)
	d.checkOrder(c)
	for _, name := range sortedKeys(c.Gates) {
		d.checkGate("gates."+name, name, c.Gates[name])
	}
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

const labelRule = "lower-case letters, digits and -, with a letter or digit at both ends"

func (d *document) checkLabel(path, value string, longest int) {
	switch {
	case len(value) > longest:
		d.fail(path, "%s is %d characters long, but at most %d fit", path, len(value), longest)
	case !label.MatchString(value):
		d.fail(path, "%s is %q, but must be %s", path, value, labelRule)
	}
}

// checkName is checkLabel for a name that is a key of the file.
func (d *document) checkName(path, what, name string) {
	if len(name) > 63 || !label.MatchString(name) {
		d.problem(d.place(path), path, "%q is no name for %s: use at most 63 %s", name, what, labelRule)
	}
}

func (d *document) checkRegistry(value string) {
	if !d.set("registry") {
		return
	}
	switch {
	case strings.Contains(value, "://"):
		d.fail("registry", "registry is %q, but a registry is named without a scheme: %q", value, value[strings.Index(value, "://")+3:])
	case !registry.MatchString(value):
		d.fail("registry", `registry is %q, but must be a host with an optional port and path, such as "acme.azurecr.io" or "127.0.0.1:5080/demo"`, value)
	}
}

func (d *document) checkBuild(b Build) {
	if d.set("build.chart") && strings.TrimSpace(b.Chart) == "" {
		d.fail("build.chart", "build.chart is empty; name the chart's directory")
	}
	for _, name := range sortedKeys(b.Images) {
		path, image := "build.images."+name, b.Images[name]
		if !imageName.MatchString(name) || len(name) > 128 {
			d.problem(d.place(path), path, "%q is no name for an image: use lower-case letters and digits, joined by -, _ or /", name)
		}
		d.exactlyOne(path, []string{"go", "dockerfile"})
		for _, key := range []string{"go", "dockerfile", "context", "base"} {
			if sub := join(path, key); d.set(sub) && strings.TrimSpace(map[string]string{"go": image.Go, "dockerfile": image.Dockerfile, "context": image.Context, "base": image.Base}[key]) == "" {
				d.fail(sub, "%s is empty", sub)
			}
		}
		if d.set(path+".context") && !d.set(path+".dockerfile") {
			d.fail(path+".context", "%s.context belongs to a dockerfile, but this image has none", path)
		}
		if d.set(path+".base") && !d.set(path+".go") {
			d.fail(path+".base", "%s.base belongs to a Go build; a dockerfile names its base itself", path)
		}
		for i, p := range image.Platforms {
			if !platform.MatchString(p) {
				sub := fmt.Sprintf("%s.platforms[%d]", path, i)
				d.fail(sub, "%s is %q, but must be os/arch, such as \"linux/amd64\"", sub, p)
			}
		}
	}
}

func (d *document) checkBackend(b Backend) {
	if d.set("backend.service") {
		plain, err := Expand(b.Service, func(string) (string, error) { return "x", nil })
		if err != nil || !label.MatchString(plain) {
			d.fail("backend.service", "backend.service is %q, but must be the name of a Service: %s; ${release} stands for the Helm release's name", b.Service, labelRule)
		}
	}
	if d.set("backend.port") && (b.Port < 1 || b.Port > 65535) {
		d.fail("backend.port", "backend.port is %d, but a port is 1 to 65535", b.Port)
	}
}

// exactlyOne checks that one of the keys stands in the mapping at path.
func (d *document) exactlyOne(path string, keys []string) {
	present := d.presentOf(path, keys)
	if len(present) == 0 && d.mapping(path) {
		d.problem(d.place(path), path, "%s has no kind: write exactly one of %s", path, strings.Join(keys, ", "))
	}
	d.atMostOne(path, present)
}

func (d *document) atMostOne(path string, present []string) {
	for _, extra := range present[min(1, len(present)):] {
		d.problem(d.place(join(path, extra)), join(path, extra), "%s has both %s and %s; write one of them", path, present[0], extra)
	}
}

// presentOf are those of the keys that stand in the mapping at path, in the order of the file.
func (d *document) presentOf(path string, keys []string) []string {
	var present []string
	for _, key := range keys {
		if _, ok := d.keyAt[join(path, key)]; ok {
			present = append(present, key)
		}
	}
	sort.SliceStable(present, func(i, j int) bool {
		a, b := d.keyAt[join(path, present[i])], d.keyAt[join(path, present[j])]
		return a.line < b.line || a.line == b.line && a.column < b.column
	})
	return present
}

// mapping says that the value at path is there and had the right type, so that what it lacks can be reported.
func (d *document) mapping(path string) bool {
	if !d.set(path) {
		return false
	}
	for _, p := range d.problems {
		if p.Path == path || strings.HasPrefix(p.Path, path+".") && strings.HasPrefix(p.Message, "unknown key") {
			return false // a misspelt kind is reported already, with what it should have been
		}
	}
	return true
}

func (d *document) checkEnvironment(c *Config, name string) {
	path, e := "environments."+name, c.Environments[name]
	d.checkName(path, "an environment", name)
	if d.set(path + ".namespace") {
		d.checkLabel(path+".namespace", e.Namespace, 63)
	}
	if d.set(path+".host") && (len(e.Host) > 253 || !subdomain.MatchString(e.Host)) {
		d.fail(path+".host", "%s.host is %q, but must be a DNS name such as \"calculator.example.org\", without scheme, port or path", path, e.Host)
	}
	if d.set(path + ".endpoint") {
		d.checkEndpoint(path+".endpoint", e.Endpoint)
	}
	d.atMostOne(path+".router", d.presentOf(path+".router", []string{"gateway", "nginx"}))
	d.checkRouter(path+".router", e.Router)
	d.checkStrategy(path+".strategy", e.Strategy)
	d.positive(path+".readyTimeout", e.ReadyTimeout)
	d.checkTelemetry(path+".telemetry.applicationInsights", e.Telemetry.ApplicationInsights)
	d.checkPrometheus(path+".telemetry.prometheus", e.Telemetry.Prometheus)
	d.checkJudge(path+".judge", e.Judge)
	d.checkAzure(path+".azure", e.Azure)
	d.checkAKS(path+".cluster", e.Cluster)
	d.checkVault(path, e)
	d.checkSecretsBy(c, path, e)
	d.checkGuardian(path+".guardian", e.Guardian)
	if at := path + ".strategy.canary.auto"; d.set(at) && !slices.ContainsFunc(e.Gates, func(name string) bool { return c.Gates[name].CountsFailures() }) {
		d.fail(at, "%s goes by how many requests fail, but no gate of the environment counts that on telemetry: add one with requests.failureRate or prometheus", at)
	}
	for i, gate := range e.Gates {
		sub := fmt.Sprintf("%s.gates[%d]", path, i)
		if _, ok := c.Gates[gate]; !ok {
			d.fail(sub, "%s asks for the gate %q, which gates does not have%s", path, gate, didYouMean(gate, sortedKeys(c.Gates), "gates"))
		} else if slices.Index(e.Gates, gate) < i {
			d.fail(sub, "%s names the gate %q twice", path, gate)
		} else if c.Gates[gate].OnInsights() && e.Telemetry.ApplicationInsights == nil {
			d.fail(sub, "%s asks for the gate %q, which reads telemetry, but has none: add %s.telemetry", path, gate, path)
		} else if c.Gates[gate].Prometheus != nil {
			d.checkReadable(sub, path, gate, *c.Gates[gate].Prometheus, e.Telemetry.Prometheus)
		}
	}
}

func (d *document) checkEndpoint(path, value string) {
	u, err := url.Parse(value)
	switch {
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		d.fail(path, `%s is %q, but must be an http or https URL such as "http://127.0.0.1:8080"`, path, value)
	case u.User != nil:
		d.fail(path, "%s holds a user name or password; a secret must not stand in slipway.yaml", path)
	case strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "":
		d.fail(path, "%s is %q, but must end after host and port: the path is the probe's", path, value)
	}
}

func (d *document) checkRouter(path string, r Router) {
	if r.Gateway != nil {
		for key, value := range map[string]string{"name": r.Gateway.Name, "namespace": r.Gateway.Namespace, "listener": r.Gateway.Listener} {
			if sub := path + ".gateway." + key; d.set(sub) && (len(value) > 253 || !subdomain.MatchString(value)) {
				d.fail(sub, "%s is %q, but must be a Kubernetes name: %s", sub, value, labelRule)
			}
		}
	}
	if r.Nginx != nil {
		if sub := path + ".nginx.class"; d.set(sub) && !subdomain.MatchString(r.Nginx.Class) {
			d.fail(sub, "%s is %q, but must be the name of an IngressClass: %s", sub, r.Nginx.Class, labelRule)
		}
		if sub := path + ".nginx.slotHeader"; d.set(sub) && !headerName.MatchString(r.Nginx.SlotHeader) {
			d.fail(sub, "%s is %q, which is no name of an HTTP header", sub, r.Nginx.SlotHeader)
		}
	}
}

func (d *document) checkStrategy(path string, s Strategy) {
	d.exactlyOne(path, []string{"rolling", "blueGreen", "canary"})
	if s.Canary == nil {
		return
	}
	d.positive(path+".canary.deadline", s.Canary.Deadline)
	d.checkAuto(path+".canary", s.Canary.Auto)
	steps, sub := s.Canary.Steps, path+".canary.steps"
	if !d.set(sub) {
		return
	}
	if len(steps) == 0 {
		d.fail(sub, "%s is empty; leave it out for 5, 25, 50, 100", sub)
		return
	}
	for i, weight := range steps {
		at := fmt.Sprintf("%s[%d]", sub, i)
		switch {
		case weight < 1 || weight > 100:
			d.fail(at, "%s is %d, but a step is 1 to 100 percent", at, weight)
		case i > 0 && weight <= steps[i-1]:
			d.fail(at, "%s is %d after %d, but steps must rise", at, weight, steps[i-1])
		case i == len(steps)-1 && weight != 100:
			d.fail(at, "the last step is %d, but it must be 100: then all traffic is on the new version", weight)
		}
	}
}

func (d *document) checkAuto(path string, a *Auto) {
	if a == nil {
		return
	}
	if d.set(path + ".steps") {
		d.fail(path+".auto", "%s has both steps and auto; write one of them", path)
	}
	if sub := path + ".auto.start"; d.set(sub) && (a.Start < 1 || a.Start > 99) {
		d.fail(sub, "%s is %d, but the first weight is 1 to 99 percent", sub, a.Start)
	}
	if sub := path + ".auto.budget"; d.set(sub) && a.Budget < 1 {
		d.fail(sub, "%s is %d, but at least 1 request must be risked, or no candidate could ever have any", sub, a.Budget)
	}
}

// positive refuses an explicit zero where it would mean "never".
func (d *document) positive(path string, value Duration) {
	if d.set(path) && value <= 0 {
		d.fail(path, "%s must be longer than 0; leave it out for its default", path)
	}
}

// checkOrder checks that each after names an environment, and that no chain of them comes back to itself.
func (d *document) checkOrder(c *Config) {
	reported := map[string]bool{}
	for _, name := range sortedKeys(c.Environments) {
		path, after := "environments."+name+".after", c.Environments[name].After
		if after == "" {
			continue
		}
		if _, ok := c.Environments[after]; !ok {
			d.fail(path, "environments.%s comes after %q, which does not exist%s", name, after, didYouMean(after, sortedKeys(c.Environments), "environments"))
			continue
		}
		chain := []string{name}
		for next := after; next != "" && !slices.Contains(chain, next); next = c.Environments[next].After {
			chain = append(chain, next)
		}
		if last := c.Environments[chain[len(chain)-1]].After; last == name && !reported[name] {
			for _, n := range chain {
				reported[n] = true
			}
			d.fail(path, "environments wait for one another and none can be first: %s", strings.Join(append(chain, name), " after "))
		}
	}
}
