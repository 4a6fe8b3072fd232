// Package calculator holds the tests of the calculator chart; the chart itself has no Go.
package calculator

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v4/pkg/chart/common"
	"helm.sh/helm/v4/pkg/chart/common/util"
	"helm.sh/helm/v4/pkg/chart/v2/lint"
	"helm.sh/helm/v4/pkg/chart/v2/lint/support"
	"helm.sh/helm/v4/pkg/chart/v2/loader"
	"helm.sh/helm/v4/pkg/engine"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "write the golden files anew")

func values(t *testing.T, name string) map[string]any {
	t.Helper()
	v, err := common.ReadValuesFile(filepath.Join("testdata", name+".values.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// render returns the manifests in a fixed order, each under the name of its template.
func render(release string, v map[string]any) (string, error) {
	chart, err := loader.Load(".")
	if err != nil {
		return "", fmt.Errorf("loading the chart: %w", err)
	}
	all, err := util.ToRenderValues(chart, v, common.ReleaseOptions{Name: release, Namespace: "shop", IsInstall: true, Revision: 1},
		common.DefaultCapabilities)
	if err != nil {
		return "", fmt.Errorf("checking the values: %w", err)
	}
	files, err := engine.Render(chart, all)
	if err != nil {
		return "", fmt.Errorf("rendering: %w", err)
	}
	var out strings.Builder
	for _, name := range slices.Sorted(maps.Keys(files)) {
		if text := strings.TrimSpace(files[name]); text != "" && !strings.HasSuffix(name, ".tpl") {
			fmt.Fprintf(&out, "---\n# %s\n%s\n", name, text)
		}
	}
	return out.String(), nil
}

func TestManifestsLookLikeTheirGolden(t *testing.T) {
	for _, name := range []string{"plain", "full"} {
		got, err := render("shop-green", values(t, name))
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join("testdata", name+".golden.yaml")
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal([]byte(got), want) {
			t.Errorf("%s differs (go test -update writes it anew), got:\n%s", file, got)
		}
	}
}

func TestLintFindsNoWarning(t *testing.T) {
	for _, name := range []string{"plain", "full"} {
		for _, m := range lint.RunAll(".", values(t, name), "shop").Messages {
			if m.Severity > support.InfoSev {
				t.Errorf("%s: %v", name, m)
			}
		}
	}
}

// Kubernetes refuses unknown fields only when asked to: ask here, of every object.
func TestEveryObjectIsValidAndRestricted(t *testing.T) {
	rendered, err := render("shop-green", values(t, "full"))
	if err != nil {
		t.Fatal(err)
	}
	pods := 0
	for doc := range strings.SplitSeq(rendered, "---\n") {
		if strings.Contains(doc, "NOTES.txt") || strings.TrimSpace(doc) == "" {
			continue
		}
		var kind struct{ Kind string }
		if err := yaml.Unmarshal([]byte(doc), &kind); err != nil {
			t.Fatalf("%v in\n%s", err, doc)
		}
		var deployment appsv1.Deployment
		var pod corev1.Pod
		into, ok := map[string]any{
			"Deployment": &deployment, "Pod": &pod, "Service": &corev1.Service{}, "ServiceAccount": &corev1.ServiceAccount{},
			"PodDisruptionBudget": &policyv1.PodDisruptionBudget{}, "HorizontalPodAutoscaler": &autoscalingv2.HorizontalPodAutoscaler{},
		}[kind.Kind]
		if !ok {
			t.Fatalf("unexpected kind %q", kind.Kind)
		}
		if err := yaml.UnmarshalStrict([]byte(doc), into); err != nil {
			t.Errorf("%s: %v", kind.Kind, err)
		}
		switch kind.Kind {
		case "Deployment":
			pods++
			restricted(t, deployment.Name, deployment.Spec.Template.Spec)
			for k, v := range deployment.Spec.Selector.MatchLabels {
				if deployment.Spec.Template.Labels[k] != v {
					t.Errorf("%s does not select its own pods by %s", deployment.Name, k)
				}
			}
			if deployment.Spec.Selector.MatchLabels["app.kubernetes.io/instance"] != "shop-green" {
				t.Errorf("%s: the selector does not hold the release's name", deployment.Name)
			}
			if l := deployment.Spec.Template.Labels; l["slot"] != "green" || l["version"] != "2.0.0-rc.1" {
				t.Errorf("%s: pod labels %v, want slot and version", deployment.Name, l)
			}
		case "Pod":
			pods++
			restricted(t, pod.Name, pod.Spec)
		}
	}
	if pods != 3 {
		t.Errorf("%d pods checked, want 3", pods)
	}
}

// restricted checks what Kubernetes' Pod Security Standard of that name asks for.
func restricted(t *testing.T, name string, spec corev1.PodSpec) {
	t.Helper()
	s := spec.SecurityContext
	if s == nil || s.RunAsNonRoot == nil || !*s.RunAsNonRoot || s.SeccompProfile == nil || s.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault {
		t.Errorf("%s: pod security context %+v", name, s)
	}
	if spec.AutomountServiceAccountToken == nil || *spec.AutomountServiceAccountToken || spec.HostNetwork || spec.HostPID || spec.HostIPC {
		t.Errorf("%s: has a token or a part of the host", name)
	}
	for _, c := range spec.Containers {
		s := c.SecurityContext
		if s == nil || s.AllowPrivilegeEscalation == nil || *s.AllowPrivilegeEscalation || s.ReadOnlyRootFilesystem == nil || !*s.ReadOnlyRootFilesystem ||
			s.Capabilities == nil || !slices.Equal(s.Capabilities.Drop, []corev1.Capability{"ALL"}) || len(s.Capabilities.Add) > 0 {
			t.Errorf("%s: container security context %+v", name, s)
		}
		if c.Resources.Requests.Cpu().IsZero() || c.Resources.Limits.Memory().IsZero() {
			t.Errorf("%s: requests or limits are missing", name)
		}
	}
}

func TestRedisIsMountedFromWhoeverFetchesIt(t *testing.T) {
	for csi, want := range map[bool]string{false: "secret: {secretName: \"shop-redis\"", true: "csi: {driver: secrets-store.csi.k8s.io, readOnly: true, volumeAttributes: {secretProviderClass: \"shop-redis\"}}"} {
		v := values(t, "plain")
		v["redis"] = map[string]any{"existingSecret": "shop-redis", "csi": csi}
		got, err := render("shop-green", v)
		if err != nil || strings.Count(got, want) != 1 {
			t.Errorf("csi %v: %d times %q in\n%s (%v)", csi, strings.Count(got, want), want, got, err)
		}
	}
}

func TestWrongValuesAreRefusedByTheSchema(t *testing.T) {
	for want, bad := range map[string]string{
		"'colour'":                        "colour: blue",
		"/slot":                           "slot: red",
		"/version":                        "version: 1.5",
		"/frontend/image":                 "frontend: {image: 'registry.example/calculator:latest'}",
		"/frontend/replicas":              "frontend: {replicas: -1}",
		"/backend/port":                   "backend: {port: 80}",
		"/backend/faults/failureRate":     "backend: {faults: {failureRate: 2}}",
		"/frontend/faults/addedLatency":   "frontend: {faults: {addedLatency: slow}}",
		"'speed'":                         "backend: {faults: {speed: 1}}",
		"/redis":                          "redis: {password: hunter2}",
		"/drainSeconds":                   "drainSeconds: 1.5",
		"/telemetry/secret/key":           "telemetry: {secret: {name: x, key: ''}}",
		"/telemetry/samplingRatio":        "telemetry: {samplingRatio: 0}",
		"/telemetry/otlpEndpoint":         "telemetry: {otlpEndpoint: 'collector:4317'}",
		"'connectionString'":              "telemetry: {connectionString: InstrumentationKey=x}",
		"/imagePullSecrets/0":             "imagePullSecrets: [{}]",
		"/frontend/autoscaling":           "frontend: {autoscaling: {enabled: maybe}}",
		"/backend/faults/memoryLeak":      "backend: {faults: {memoryLeak: 10Mi}}",
		"/frontend/resources/requestssss": "frontend: {resources: {requestssss: {}}}",
	} {
		v, err := common.ReadValues([]byte(bad))
		if err != nil {
			t.Fatal(err)
		}
		want = strings.TrimSuffix(want, "/requestssss")
		if _, err := render("r", v); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want a refusal that names %s", bad, err, want)
		}
	}
}

func TestTwoReleasesShareNoName(t *testing.T) {
	names := map[string]string{}
	for _, release := range []string{"calculator-blue", "calculator-green", "blue", strings.Repeat("long", 13)} {
		rendered, err := render(release, values(t, "full"))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.SplitSeq(rendered, "\n") {
			name, ok := strings.CutPrefix(line, "  name: ")
			if !ok {
				continue
			}
			if other, taken := names[name]; taken && other != release {
				t.Errorf("releases %s and %s both have an object %s", other, release, name)
			}
			if len(name) > 63 {
				t.Errorf("release %s: the name %s is longer than 63 characters", release, name)
			}
			names[name] = release
		}
	}
}
