//go:build e2e

package e2e

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/slipway-cd/slipway/internal/bundle"
)

// The variants of the calculator that the tests release. All have the same images; what differs is in their bundles.
const (
	v1         = "v1"
	v2         = "v2"
	failing    = "failing"     // every second API call is answered with status 500
	flawed     = "flawed"      // one in five is, by chance
	neverReady = "never-ready" // its readiness probe never passes
	crashing   = "crashing"    // exits a second after its start
	imageless  = "imageless"   // names an image that its registry does not have
	otherOne   = "other"       // of another service
	stock      = "stock"       // the chart that `helm create` makes
	stock2     = "stock2"
	// These send telemetry to Application Insights.
	seen        = "seen"
	seen2       = "seen2"        // to an OpenTelemetry collector too
	seenFailing = "seen-failing" // every second API call is answered with status 500
	sampled     = "sampled"      // one operation in 20 is recorded
	sampledBad  = "sampled-failing"
	unwatched   = "unwatched" // sends no telemetry, and no gate reads any yet
	astray      = "astray"    // its connection string does not parse
)

// slipwayYAML is every variant's: the words in capitals are replaced, and the environments below are added.
const slipwayYAML = `apiVersion: slipway.dev/v1
service: SERVICE
registry: REGISTRY
build:
  images:
    calculator-frontend: { go: ROOT/apps/calculator/frontend }
    calculator-backend: { go: ROOT/apps/calculator/backend }
  chart: CHART
VALUES
gates:
  smoke:
    at: smoke
    probe: { path: SMOKE, count: 3 }
  trial:
    at: smoke
    probe: TRIAL
  answers:
    at: steps
    probe: ANSWERS
  pods:
    kubernetes: { restarts: 0 }
  failures:
    requests: { failureRate: { worseBy: 5%, max: 10% } }
  counted:
    prometheus:
      trials: traefik_service_requests_total{service=~".*-web-[12]-.*-svc-$namespace-$service-[0-9]+@.*"}
      events: traefik_service_requests_total{service=~".*-web-[12]-.*-svc-$namespace-$service-[0-9]+@.*",code=~"5.."}
      margin: 5%
environments:
`

const calculatorValues = `values:
  slot: ${slot}
  version: ${version}
  frontend: { image: "FRONTEND", replicas: 2, faults: FAULTS }
  backend: { image: "${image:calculator-backend}", replicas: 1 }
  telemetry: TELEMETRY
backend: { service: "${release}-frontend" }`

// Helm's own chart joins repository and tag with a colon; this makes a digest of it.
const stockValues = `values:
  image: { repository: "${image:calculator-frontend.repository}@sha256", tag: "${image:calculator-frontend.hex}" }
  service: { port: 8080 }
  podAnnotations: { variant: "${version}" }
  resources: { requests: { cpu: 25m } }`

const calculatorAnswers = `{ path: /api/calculate, method: POST, body: '{"number":"1234567"}', headers: { Content-Type: application/json }, count: 30, allowedFailures: 2, expect: { status: 200, within: 3s } }`

// environments are the same in every bundle, each with both routers unless it names one; namespace, host and cluster come
// from the environment of the process, so that every test can have its own.
var environments = map[string]string{
	"rolling":        `strategy: { rolling: {} }`,
	"blue-green":     `strategy: { blueGreen: {} }`,
	"canary":         `strategy: { canary: { steps: [10, 50, 100], deadline: 20s } }`,
	"baking":         `strategy: { canary: { steps: [50, 100], bake: 2m } }`,
	"keeping":        `strategy: { blueGreen: { keep: true } }`,
	"staged":         `strategy: { canary: { steps: [10, 25, 60, 100] } }`,
	"slow":           `strategy: { canary: { steps: [30, 100], hold: "${E2E_HOLD}" } }`,
	"impatient":      `strategy: { canary: { steps: [50, 100] } }, readyTimeout: 12s`,
	"after":          `strategy: { canary: {} }, after: canary`,
	"tried":          `strategy: { canary: { steps: [10, 100] } }, gates: [trial]`,
	"no-gateway":     `strategy: { canary: {} }, router: { gateway: { name: nobody, namespace: gateway-system } }`,
	"adopting":       `strategy: { canary: { steps: [10, 50, 100], bake: 2s } }`,
	"seen":           `strategy: { canary: { steps: [50, 100], deadline: "${E2E_DEADLINE}" } }, ` + watched,
	"counted":        `strategy: { canary: { steps: [50, 100] } }, gates: [smoke, counted], telemetry: { prometheus: { metrics: ["${E2E_METRICS}"], interval: 500ms } }`,
	"auto":           `strategy: { canary: { auto: { start: 10, budget: 5 } } }, gates: [smoke, counted], telemetry: { prometheus: { metrics: ["${E2E_METRICS}"], interval: 500ms } }`,
	"undecided":      `strategy: { canary: { steps: [50, 100], deadline: 4s } }, judge: { onDeadline: hold }, ` + watched,
	"trusting":       `strategy: { canary: { steps: [50, 100], deadline: 4s } }, judge: { onDeadline: promote }, ` + watched,
	"guarded":        `strategy: { canary: { steps: [50, 100], hold: "${E2E_HOLD}" } }, ` + guarded,
	"guarded-switch": `strategy: { blueGreen: {} }, ` + guarded,
	"guarded-place":  `strategy: { rolling: { hold: "${E2E_HOLD}" } }, ` + guarded,
	"seen-switched":  `strategy: { blueGreen: {} }, ` + watched,
	"nginx-class":    `strategy: { canary: {} }, router: { nginx: { class: nobody } }`,
}

// guarded is an environment whose releases have a guardian; in the others, this would only take time.
const guarded = `guardian: { endpoint: "http://10.123.0.1:8080" }`

// watched is an environment whose gate reads the telemetry that the service itself sends.
const watched = `gates: [smoke, failures], ` +
	`telemetry: { applicationInsights: { workspace: "${E2E_WORKSPACE}", component: ` + component + `, roles: ["${E2E_NAMESPACE}.calculator-frontend"], batch: 2s, interval: 1s } }, ` +
	`azure: { tenant: 00000000-0000-4000-8000-000000000010, clientID: 00000000-0000-4000-8000-000000000050, tokenFile: ` + sandboxDir + `/azure/federated-token, ` +
	`endpoints: { authority: "https://10.123.0.1:5093", logs: "${E2E_LOGS}", management: "https://10.123.0.1:5095" }, caFile: "${E2E_CA}" }`

// routers that an environment's name may end in.
var routers = map[string]string{
	"":       `, router: { gateway: { name: gateway, namespace: gateway-system } }`,
	"-nginx": `, router: { nginx: { slotHeader: X-Slot } }`,
}

func environmentsYAML(service string) string {
	var b strings.Builder
	gates := "[smoke, answers, pods]"
	if service == "web" {
		gates = "[smoke, pods]"
	}
	for _, name := range slices.Sorted(maps.Keys(environments)) {
		for _, suffix := range []string{"", "-nginx"} {
			strategy, router := environments[name], routers[suffix]
			if strings.Contains(strategy, "router:") {
				if suffix != "" {
					continue
				}
				router = ""
			}
			asked := "gates: " + gates + ", "
			if strings.Contains(strategy, "gates:") {
				asked = ""
			}
			if !strings.Contains(strategy, "guardian:") {
				asked += "guardian: { onLoss: none }, "
			}
			b.WriteString("  " + name + suffix + ": { cluster: { kubeconfig: \"${E2E_KUBECONFIG}\" }, namespace: \"${E2E_NAMESPACE}\", host: \"${E2E_HOST}\", " +
				"endpoint: \"" + endpoint + "\", " + asked + strategy + router + " }\n")
		}
	}
	return b.String()
}

// project is one variant, written and built.
type project struct {
	dir    string
	bundle string            // reference by digest
	images map[string]string // references by digest
	err    error
}

// projects are built once each.
type projects struct {
	mu    sync.Mutex
	built map[string]project
}

// variant gives the project of a variant, built.
func variant(t *testing.T, name string) project {
	t.Helper()
	p := &suite.projects
	p.mu.Lock() // one build at a time: they share two cores
	defer p.mu.Unlock()
	if p.built == nil {
		p.built = map[string]project{}
	}
	made, ok := p.built[name]
	if !ok {
		made = build(t, name)
		p.built[name] = made
	}
	if made.err != nil {
		t.Fatalf("building variant %s: %v", name, made.err)
	}
	return made
}

func build(t *testing.T, name string) project {
	t.Helper()
	p := project{dir: filepath.Join(suite.temp, name)}
	if p.err = os.MkdirAll(p.dir, 0o755); p.err != nil {
		return p
	}
	var yaml string
	if yaml, p.err = compose(t, name); p.err != nil {
		return p
	}
	if p.err = os.WriteFile(filepath.Join(p.dir, "slipway.yaml"), []byte(yaml), 0o644); p.err != nil {
		return p
	}
	cmd := exec.Command(bin("slipway"), "build", "-f", p.dir, "--version", name, "-o", "json")
	cmd.Env = (&site{namespace: "build", host: "build.test", kubeconfig: sandboxKubeconfig()}).environ()
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Logf("slipway build said:\n%s", stderr.String())
		p.err = err
		return p
	}
	var said struct {
		Reference string        `json:"reference"`
		Bundle    bundle.Bundle `json:"bundle"`
	}
	p.err = json.Unmarshal(out, &said)
	p.bundle, p.images = said.Reference, map[string]string{}
	for name, image := range said.Bundle.Images {
		p.images[name] = image.Reference()
	}
	return p
}

// compose writes the slipway.yaml of a variant.
func compose(t *testing.T, name string) (string, error) {
	t.Helper()
	environments := environmentsYAML
	service, chart, values, smoke, answers := "calculator", filepath.Join(suite.root, "charts/calculator"), calculatorValues, "/ping", calculatorAnswers
	frontend, faults, telemetry := "${image:calculator-frontend}", "{}", "{}"
	switch name {
	case seen, seen2, seenFailing, sampled, sampledBad, astray:
		telemetry = "{ secret: { name: telemetry } }"
		switch name {
		case seen2:
			telemetry = "{ secret: { name: telemetry }, otlpEndpoint: \"http://" + collectorAddress + "\" }"
		case sampled, sampledBad:
			telemetry = "{ secret: { name: telemetry }, samplingRatio: 0.05 }"
		case astray:
			telemetry = "{ secret: { name: astray } }"
		}
		if name == seenFailing || name == sampledBad {
			faults = "{ failureRate: 0.5 }"
		}
	case unwatched:
		environments = func(service string) string {
			return strings.ReplaceAll(environmentsYAML(service), "gates: [smoke, failures]", "gates: [smoke]")
		}
	case failing:
		faults = "{ failureRate: 0.5 }"
	case flawed:
		faults = "{ failureRate: 0.2, random: true }"
	case neverReady:
		faults = "{ neverReady: true }"
	case crashing:
		faults = "{ crashAfter: 1s, startDelay: 30s }"
	case imageless:
		frontend = registry + "/calculator-frontend@sha256:" + strings.Repeat("0123456789abcdef", 4)
	case otherOne:
		service = "other"
	case stock, stock2:
		service, values, smoke, answers = "web", stockValues, "/", "{ path: /, count: 5 }"
		chart = filepath.Join(suite.temp, "helm-create", "web")
		if _, err := os.Stat(chart); err != nil {
			if err := os.MkdirAll(filepath.Dir(chart), 0o755); err != nil {
				return "", err
			}
			if out, err := exec.Command(bin("helm4"), "create", chart).CombinedOutput(); err != nil {
				t.Logf("helm create said: %s", out)
				return "", err
			}
		}
	}
	return strings.NewReplacer("SERVICE", service, "REGISTRY", registry, "ROOT", suite.root, "CHART", chart, "SMOKE", smoke, "ANSWERS", answers, "TRIAL", strings.Replace(answers, "count: 30, allowedFailures: 2", "count: 50", 1),
		"VALUES", strings.NewReplacer("FRONTEND", frontend, "FAULTS", faults, "TELEMETRY", telemetry).Replace(values)).Replace(slipwayYAML) + environments(service), nil
}
