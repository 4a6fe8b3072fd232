// Package config holds the types of slipway.yaml, its defaults and its validation.
//
// The package reads and checks; it never contacts a cluster, a registry or a vault.
package config

import "time"

// APIVersion is the only apiVersion this program reads.
const APIVersion = "slipway.dev/v1"

// Config is one slipway.yaml: one service, how it is built and where it is released.
type Config struct {
	// APIVersion must equal [APIVersion].
	APIVersion string `yaml:"apiVersion" json:"apiVersion"`
	// Service is the name of what is released together; a DNS label of at most 40 characters that begins with a
	// letter, because Helm releases, Leases and Kubernetes Services are named after it.
	Service string `yaml:"service" json:"service"`
	// Registry is the repository prefix that images, the chart and the bundle are pushed under,
	// for example "acme.azurecr.io" or "127.0.0.1:5080/demo". ${NAME} reads an environment variable.
	Registry string `yaml:"registry" json:"registry"`
	Build    Build  `yaml:"build" json:"build"`
	// Values are chart values that Slipway sets on every release. Strings may hold the references
	// ${image:NAME}, ${image:NAME.repository}, ${image:NAME.digest}, ${image:NAME.hex}, ${secret:NAME}, ${slot}, ${version}, ${release},
	// which stay as they are until a release resolves them with [Expand]; $${ stands for a literal ${.
	Values map[string]any `yaml:"values,omitempty" json:"values,omitempty"`
	// Backend names the Service of the chart that takes the traffic.
	Backend Backend `yaml:"backend,omitempty" json:"backend,omitempty"`
	// Environments by name.
	Environments map[string]Environment `yaml:"environments" json:"environments"`
	// Gates by name; environments refer to them.
	Gates map[string]Gate `yaml:"gates,omitempty" json:"gates,omitempty"`

	// Azure says how Azure is reached by a build, and by every environment that has no azure of its own.
	Azure Azure `yaml:"azure,omitempty" json:"azure,omitempty"`

	// Dir is the absolute directory of the file; paths in the file are relative to it. Not part of the file.
	Dir string `yaml:"-" json:"-"`

	source    source
	vaultRefs []VaultRef
}

// Build says what `slipway build` makes.
type Build struct {
	// Images by name; the name becomes the repository below Registry. Lower-case letters and digits joined by -, _ or /
	// (no dot: ${image:NAME.digest} uses it).
	Images map[string]Image `yaml:"images,omitempty" json:"images,omitempty"`
	// Chart is the chart's directory.
	Chart string `yaml:"chart" json:"chart"`
}

// Image is one image: exactly one of Go and Dockerfile is set.
type Image struct {
	// Go is the directory of a Go main package, built without Docker (ko).
	Go string `yaml:"go,omitempty" json:"go,omitempty"`
	// Dockerfile is built through BuildKit or a Docker daemon.
	Dockerfile string `yaml:"dockerfile,omitempty" json:"dockerfile,omitempty"`
	// Context is the Dockerfile's build context; default: the Dockerfile's directory.
	Context string `yaml:"context,omitempty" json:"context,omitempty"`
	// Base is the base image of a Go build; default: empty (only the binary).
	Base string `yaml:"base,omitempty" json:"base,omitempty"`
	// Platforms as os/arch; default: linux/amd64.
	Platforms []string `yaml:"platforms,omitempty" json:"platforms,omitempty"`
}

// Backend is the Service of the chart that takes the traffic.
type Backend struct {
	// Service is its name; ${release} stands for the Helm release's name. Default: the only Service the chart renders.
	Service string `yaml:"service,omitempty" json:"service,omitempty"`
	// Port is the Service's port number; default: its first port.
	Port int `yaml:"port,omitempty" json:"port,omitempty"`
}

// Environment is a named target.
type Environment struct {
	// Cluster is the ordinary kubeconfig's current context unless it says otherwise.
	Cluster   Cluster `yaml:"cluster,omitempty" json:"cluster,omitempty"`
	Namespace string  `yaml:"namespace" json:"namespace"`
	// Host is the DNS name under which users reach the service.
	Host string `yaml:"host" json:"host"`
	// Endpoint is the URL at which Slipway itself reaches the gateway for probes and verification
	// (the Host header is set to Host); scheme, host and port only. Default: http://<host>.
	Endpoint string `yaml:"endpoint,omitempty" json:"endpoint,omitempty"`
	// After names an environment that must have promoted the same bundle first.
	After    string   `yaml:"after,omitempty" json:"after,omitempty"`
	Router   Router   `yaml:"router,omitempty" json:"router,omitempty"`
	Strategy Strategy `yaml:"strategy" json:"strategy"`
	// Gates are names of gates, asked at every step; those with `at: smoke` only before any traffic.
	Gates []string `yaml:"gates,omitempty" json:"gates,omitempty"`
	// Values override Config.Values for this environment (deep merge).
	Values map[string]any `yaml:"values,omitempty" json:"values,omitempty"`
	// Telemetry is where gates on telemetry read.
	Telemetry Telemetry `yaml:"telemetry,omitempty" json:"telemetry,omitempty"`
	// Judge says how sure gates on telemetry must be.
	Judge Judge `yaml:"judge,omitempty" json:"judge,omitempty"`
	// Vault is where the environment's variables are kept: the https URL of an Azure Key Vault, or a file.
	Vault Vault `yaml:"vault,omitempty" json:"vault,omitempty"`
	// Secrets are Kubernetes Secrets that are made of the vault's variables: a name, which chart values refer to with
	// ${secret:NAME}, to keys, to names in the vault (NAME or NAME@VERSION).
	Secrets map[string]map[string]string `yaml:"secrets,omitempty" json:"secrets,omitempty"`
	// SecretsBy says who brings the values of Secrets into the cluster; default: Slipway, which reads them.
	SecretsBy SecretsBy `yaml:"secretsBy,omitempty" json:"secretsBy,omitempty"`
	// Azure says how Azure is reached, where something of it is used; default: the azure of the file's top level.
	Azure Azure `yaml:"azure,omitempty" json:"azure,omitempty"`
	// Guardian takes a release back when the process that runs it has died.
	Guardian Guardian `yaml:"guardian,omitempty" json:"guardian,omitempty"`
	// ReadyTimeout bounds the wait for the candidate's pods; default 5m.
	ReadyTimeout Duration `yaml:"readyTimeout,omitempty" json:"readyTimeout,omitempty"`
}

// Cluster says which cluster; the zero value is the current context of the ordinary kubeconfig.
type Cluster struct {
	Kubeconfig string `yaml:"kubeconfig,omitempty" json:"kubeconfig,omitempty"`
	Context    string `yaml:"context,omitempty" json:"context,omitempty"`
	// AKS is an AKS cluster, instead of a kubeconfig.
	AKS AKS `yaml:"aks,omitempty" json:"aks,omitempty"`
}

// Router is what shifts traffic; at most one is set. The zero value is the Gateway "gateway" in the environment's namespace.
type Router struct {
	Gateway *GatewayRouter `yaml:"gateway,omitempty" json:"gateway,omitempty"`
	Nginx   *NginxRouter   `yaml:"nginx,omitempty" json:"nginx,omitempty"`
}

// GatewayRouter shifts traffic by the backendRef weights of a Gateway API HTTPRoute.
type GatewayRouter struct {
	// Name and Namespace of the Gateway; Namespace defaults to the environment's.
	Name      string `yaml:"name" json:"name"`
	Namespace string `yaml:"namespace,omitempty" json:"namespace,omitempty"`
	// Listener is the listener's section name; default: all that match.
	Listener string `yaml:"listener,omitempty" json:"listener,omitempty"`
}

// NginxRouter shifts traffic by ingress-nginx canary annotations.
type NginxRouter struct {
	// Class is the IngressClass; default "nginx".
	Class string `yaml:"class,omitempty" json:"class,omitempty"`
	// SlotHeader is a response header of the service whose value is the slot: blue or green; with it
	// weights can be verified at the data plane. Without it Slipway waits 3 s after each change and says so.
	SlotHeader string `yaml:"slotHeader,omitempty" json:"slotHeader,omitempty"`
}

// Strategy says how a bundle enters an environment; exactly one is set.
type Strategy struct {
	Rolling   *Rolling   `yaml:"rolling,omitempty" json:"rolling,omitempty"`
	BlueGreen *BlueGreen `yaml:"blueGreen,omitempty" json:"blueGreen,omitempty"`
	Canary    *Canary    `yaml:"canary,omitempty" json:"canary,omitempty"`
}

// Rolling upgrades the Helm release in place and rolls it back when a gate fails.
type Rolling struct {
	// Hold is how long the gates are asked after the upgrade; default 0: once.
	Hold Duration `yaml:"hold,omitempty" json:"hold,omitempty"`
}

// BlueGreen deploys the candidate beside production and switches all traffic at once.
type BlueGreen struct {
	Hold Duration `yaml:"hold,omitempty" json:"hold,omitempty"` // at 100 %, gates asked; default 0: once
	Bake Duration `yaml:"bake,omitempty" json:"bake,omitempty"` // after promotion the old slot is kept warm this long
	Keep bool     `yaml:"keep,omitempty" json:"keep,omitempty"` // keep the old slot until the next release
}

// Canary moves traffic step by step.
type Canary struct {
	// Steps are the candidate's weights in percent, rising, the last one 100. Default 5, 25, 50, 100.
	Steps []int `yaml:"steps,omitempty" json:"steps,omitempty"`
	// Auto chooses the weights in place of Steps.
	Auto *Auto `yaml:"auto,omitempty" json:"auto,omitempty"`
	// Hold is how long a step lasts at the least, its gates asked all the while; default 0: every gate once.
	Hold Duration `yaml:"hold,omitempty" json:"hold,omitempty"`
	// Deadline is how long a step may hold for want of evidence; then the release is taken back. Default 5m.
	Deadline Duration `yaml:"deadline,omitempty" json:"deadline,omitempty"`
	Bake     Duration `yaml:"bake,omitempty" json:"bake,omitempty"`
	Keep     bool     `yaml:"keep,omitempty" json:"keep,omitempty"`
}

// Auto gives a candidate as much traffic as what is known of it permits: were it as bad as the evidence still leaves open, no more
// than Budget requests would fail before that could be seen. The weight only rises, at least by half, and passes to 100 with the gates.
type Auto struct {
	// Start is the first weight in percent, 1 to 99; default 5.
	Start int `yaml:"start,omitempty" json:"start,omitempty"`
	// Budget is a number of requests, over what production would have failed; at least 1, default 20.
	Budget int `yaml:"budget,omitempty" json:"budget,omitempty"`
}

// Gate is one named question; exactly one of its kinds is set.
type Gate struct {
	// At is "smoke" (only before any traffic), "steps" (only at steps and in the bake) or "" (both; gates on telemetry, which
	// need traffic, only at steps).
	At         string      `yaml:"at,omitempty" json:"at,omitempty"`
	Probe      *Probe      `yaml:"probe,omitempty" json:"probe,omitempty"`
	Kubernetes *Kubernetes `yaml:"kubernetes,omitempty" json:"kubernetes,omitempty"`
	// Requests, Exceptions, Dependencies, Availability and KQL are gates on telemetry: they compare the candidate with production.
	Requests *Requests `yaml:"requests,omitempty" json:"requests,omitempty"`
	// Exceptions asks for exceptions per request.
	Exceptions *Rate `yaml:"exceptions,omitempty" json:"exceptions,omitempty"`
	// Dependencies asks how many calls to dependencies fail.
	Dependencies *Rate `yaml:"dependencies,omitempty" json:"dependencies,omitempty"`
	// Availability asks how many availability tests of a slot fail; each must carry the slot as requests do.
	Availability *Rate `yaml:"availability,omitempty" json:"availability,omitempty"`
	KQL          *KQL  `yaml:"kql,omitempty" json:"kql,omitempty"`
	// Prometheus compares counters: those of a gateway, of a mesh, of the service itself.
	Prometheus *Counters `yaml:"prometheus,omitempty" json:"prometheus,omitempty"`
}

// OnInsights says whether the gate reads Application Insights.
func (g Gate) OnInsights() bool {
	return g.Requests != nil || g.Exceptions != nil || g.Dependencies != nil || g.Availability != nil || g.KQL != nil
}

// CountsFailures says whether the gate counts requests that fail.
func (g Gate) CountsFailures() bool {
	return g.Requests != nil && g.Requests.FailureRate != nil || g.Prometheus != nil
}

// OnTelemetry says whether the gate reads telemetry of any kind.
func (g Gate) OnTelemetry() bool { return g.OnInsights() || g.Prometheus != nil }

// Probe sends HTTP requests through the gateway with a header that reaches the candidate.
type Probe struct {
	Path   string `yaml:"path" json:"path"`
	Method string `yaml:"method,omitempty" json:"method,omitempty"` // default GET
	Body   string `yaml:"body,omitempty" json:"body,omitempty"`
	// Headers are added to each request; `canary: always` is always there.
	Headers map[string]string `yaml:"headers,omitempty" json:"headers,omitempty"`
	// Count is the number of requests of one look; default 1.
	Count int `yaml:"count,omitempty" json:"count,omitempty"`
	// Interval is the pause between two requests of a look; default 0: one after the other.
	Interval Duration `yaml:"interval,omitempty" json:"interval,omitempty"`
	// Timeout of one request; default 5s.
	Timeout Duration `yaml:"timeout,omitempty" json:"timeout,omitempty"`
	Expect  Expect   `yaml:"expect,omitempty" json:"expect,omitempty"`
	// AllowedFailures of one look; default 0.
	AllowedFailures int `yaml:"allowedFailures,omitempty" json:"allowedFailures,omitempty"`
}

// Expect is what a probe's answer must be like.
type Expect struct {
	Status int      `yaml:"status,omitempty" json:"status,omitempty"` // default: any 2xx
	Body   string   `yaml:"body,omitempty" json:"body,omitempty"`     // RE2 regular expression that must match
	Within Duration `yaml:"within,omitempty" json:"within,omitempty"` // bound on each answer's latency; default none
}

// Kubernetes asks the candidate's pods.
type Kubernetes struct {
	// Restarts is how many container restarts are allowed since the candidate was deployed; default 0.
	Restarts int `yaml:"restarts,omitempty" json:"restarts,omitempty"`
}

// Duration is a time.Duration written as Go writes it ("10m", "1h30m").
type Duration time.Duration
