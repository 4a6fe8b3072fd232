package target

import (
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/fake"

	"github.com/slipway-cd/slipway/internal/chart"
	"github.com/slipway-cd/slipway/internal/clustersecret"
	"github.com/slipway-cd/slipway/internal/config"
	"github.com/slipway-cd/slipway/internal/event"
	"github.com/slipway-cd/slipway/internal/release"
	"github.com/slipway-cd/slipway/internal/secret"
	"github.com/slipway-cd/slipway/internal/vault"
)

const withVariables = `apiVersion: slipway.dev/v1
service: svc
registry: 127.0.0.1:5080
build: { chart: chart }
values: { redis: { existingSecret: "${secret:redis}" } }
environments:
  dev1:
    vault: { file: vault.yaml, plain: true }
    namespace: ${vault:namespace}
    host: svc.test
    strategy: { rolling: {} }
    secrets: { redis: { host: redis-host, key: redis-access } }
    values: { region: "${vault:region}" }
`

// inDirectory parses the configuration beside a vault file with these variables.
func inDirectory(t *testing.T, text, variables string) *config.Config {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "vault.yaml"), []byte(variables), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Parse("slipway.yaml", []byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	cfg.Dir = dir
	return cfg
}

const allVariables = "namespace: shop\nregion: westeurope\nredis-host: redis.test\nredis-access: hunter2-hunter2\n"

func quiet(learned *[]string) Options {
	return Options{Environment: "dev1", Sink: event.Discard, Getenv: func(string) string { return "" },
		Learn: func(s secret.Secret) { *learned = append(*learned, s.Reveal()) }}
}

func TestAReleaseReadsItsVariablesOnceAndOnlySecretsAreMasked(t *testing.T) {
	cfg := inDirectory(t, withVariables, allVariables)
	var learned []string
	resolved, values, err := resolve(t.Context(), cfg, "dev1", whole, quiet(&learned))
	if err != nil {
		t.Fatal(err)
	}
	env, err := resolved.Environment("dev1")
	if err != nil {
		t.Fatal(err)
	}
	if env.Namespace != "shop" {
		t.Errorf("namespace %q", env.Namespace)
	}
	slices.Sort(learned)
	if strings.Join(learned, " ") != "hunter2-hunter2 redis.test" {
		t.Errorf("the masker learned %v", learned)
	}
	var names []string
	for _, v := range journalled(values) {
		if v.Version == "" {
			t.Errorf("no version of %s for the journal", v.Name)
		}
		names = append(names, v.Name)
	}
	if strings.Join(names, " ") != "namespace redis-access redis-host region" {
		t.Errorf("the journal names %v", names)
	}
}

func TestGoingBackAndLookingReadNoSecret(t *testing.T) {
	cfg := inDirectory(t, withVariables, "namespace: shop\n") // all else is missing
	var learned []string
	resolved, values, err := resolve(t.Context(), cfg, "dev1", reachable, quiet(&learned))
	if err != nil {
		t.Fatal(err)
	}
	if env, _ := resolved.Environment("dev1"); env.Namespace != "shop" || len(values) != 1 || len(learned) != 0 {
		t.Errorf("namespace %q, read %d, learned %v", env.Namespace, len(values), learned)
	}
}

func TestAllVariablesThatAreMissingAreNamedAtOnce(t *testing.T) {
	cfg := inDirectory(t, withVariables, "namespace: shop\nredis-acces: x\n")
	_, _, err := resolve(t.Context(), cfg, "dev1", whole, quiet(new([]string)))
	for _, want := range []string{"3 of 4 variables cannot be read", "redis-access does not exist; did you mean redis-acces?", "redis-host does not exist", "region does not exist"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
}

// marked is a store whose variables carry tags.
type marked map[string]vault.Value

func (m marked) Read(_ context.Context, refs []vault.Ref) (vault.Values, error) {
	values := vault.Values{}
	for _, ref := range refs {
		v := m[ref.Name]
		v.Ref = vault.Ref{Name: ref.Name, Version: "1"}
		values[ref] = v
	}
	return values, nil
}

func TestAChartValueMustBeSaidToBeNoSecret(t *testing.T) {
	cfg := inDirectory(t, withVariables, allVariables)
	for name, c := range map[string]struct {
		value vault.Value
		says  string
	}{
		"unmarked": {vault.Value{Secret: secret.New("westeurope")}, `slipway.yaml:13:24: ${vault:region}: chart values are kept in Helm's release records, and nothing says that the variable region may be seen there: use it under "secrets"`},
		"a secret": {vault.Value{Secret: secret.New("westeurope"), Tags: map[string]string{vault.Tag: vault.TagSecret}}, `use it under "secrets"`},
		"plain":    {vault.Value{Secret: secret.New("westeurope"), Tags: map[string]string{vault.Tag: vault.TagPlain}}, ""},
		"itself":   {vault.Value{Secret: secret.New("${vault:region}"), Tags: map[string]string{vault.Tag: vault.TagPlain}}, "refers to itself"},
	} {
		t.Run(name, func(t *testing.T) {
			store := marked{"region": c.value, "namespace": {Secret: secret.New("shop")}, "redis-host": {Secret: secret.New("h")}, "redis-access": {Secret: secret.New("k")}}
			_, _, err := resolveFrom(t.Context(), cfg, "dev1", whole, quiet(new([]string)), store)
			if c.says == "" && err != nil || c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)) {
				t.Errorf("says %v, want %q", err, c.says)
			}
		})
	}
}

func secretsOf(t *testing.T, client *fake.Clientset, variables string) *secrets {
	t.Helper()
	cfg := inDirectory(t, withVariables, variables)
	resolved, values, err := resolve(t.Context(), cfg, "dev1", whole, quiet(new([]string)))
	if err != nil {
		t.Fatal(err)
	}
	env, err := resolved.Environment("dev1")
	if err != nil {
		t.Fatal(err)
	}
	direct := clustersecret.Direct{Cluster: clustersecret.Cluster{Kube: client, Dynamic: nothingElse(), Namespace: "shop"}}
	return &secrets{injector: direct, environment: "dev1", declared: env.Secrets, values: values, labels: map[string]string{"slipway.dev/service": "svc"}}
}

func listed(t *testing.T, client *fake.Clientset) []corev1.Secret {
	t.Helper()
	list, err := client.CoreV1().Secrets("shop").List(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return list.Items
}

func TestEachSlotHasAnImmutableSecretOfItsOwnThatGoesWithIt(t *testing.T) {
	client := fake.NewClientset()
	s := secretsOf(t, client, allVariables)
	blue, green := release.Deployment{Release: "svc-blue", Slot: "blue"}, release.Deployment{Release: "svc-green", Slot: "green"}
	for _, d := range []release.Deployment{blue, green, green} { // the last is an effect that is made again
		if err := s.inject(t.Context(), d); err != nil {
			t.Fatal(err)
		}
	}
	all := listed(t, client)
	if len(all) != 2 {
		t.Fatalf("%d Secrets, want one a slot", len(all))
	}
	for _, got := range all {
		if got.Immutable == nil || !*got.Immutable || string(got.Data["key"]) != "hunter2-hunter2" || string(got.Data["host"]) != "redis.test" {
			t.Errorf("secret %s: %+v", got.Name, got)
		}
		slot := got.Labels["slipway.dev/slot"]
		if want := "svc-" + slot + "-redis-"; !strings.HasPrefix(got.Name, want) || got.Labels["slipway.dev/service"] != "svc" {
			t.Errorf("secret %s of slot %s, labels %v", got.Name, slot, got.Labels)
		}
	}
	c := &charts{pulled: pulled(), env: config.Environment{Values: map[string]any{"s": "${secret:redis}", "region": "in ${vault:region}"}}, secrets: s}
	values, err := c.values(green)
	if err != nil {
		t.Fatal(err)
	}
	if name, _ := values["s"].(string); name == "" || !slices.ContainsFunc(all, func(s corev1.Secret) bool { return s.Name == name && s.Labels["slipway.dev/slot"] == "green" }) {
		t.Errorf("the chart is given %v", values["s"])
	}
	if values["region"] != "in westeurope" {
		t.Errorf("region is %v", values["region"])
	}
	if err := s.prune(t.Context(), "svc-green", func(string) bool { return false }); err != nil {
		t.Fatal(err)
	}
	if left := listed(t, client); len(left) != 1 || left[0].Labels["slipway.dev/slot"] != "blue" {
		t.Errorf("left: %v", left)
	}
}

// revisions is what Helm keeps.
type revisions []chart.Release

func (r revisions) History(context.Context, string) ([]chart.Release, error) { return r, nil }

func TestInPlaceTheSecretsOfKeptRevisionsStay(t *testing.T) {
	client := fake.NewClientset()
	d := release.Deployment{Release: "svc", Slot: "blue"}
	var names []string
	for _, password := range []string{"first-first", "second-second", "third-third"} {
		s := secretsOf(t, client, strings.Replace(allVariables, "hunter2-hunter2", password, 1))
		if err := s.inject(t.Context(), d); err != nil {
			t.Fatal(err)
		}
		name, err := s.name(d.Release, "redis")
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, name)
	}
	if slices.Sort(names); len(slices.Compact(slices.Clone(names))) != 3 {
		t.Fatalf("a changed variable must give another Secret: %v", names)
	}
	s := secretsOf(t, client, allVariables)
	keep, err := named(t.Context(), revisions{{Manifest: "secretName: " + names[1]}, {Values: map[string]any{"redis": map[string]any{"existingSecret": names[2]}}}}, "svc")
	if err != nil {
		t.Fatal(err)
	}
	if err := s.prune(t.Context(), "svc", keep); err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, l := range listed(t, client) {
		left = append(left, l.Name)
	}
	if slices.Sort(left); !slices.Equal(left, names[1:]) {
		t.Errorf("left %v, want %v", left, names[1:])
	}
}

func TestWhatTheClusterFetchesIsNotLearned(t *testing.T) {
	text := strings.Replace(withVariables, "    vault: { file: vault.yaml, plain: true }", "    vault: https://dev1-vault.vault.azure.net\n    secretsBy: { externalSecrets: { store: s } }", 1)
	cfg := inDirectory(t, text, "")
	plain := map[string]string{vault.Tag: vault.TagPlain}
	store := marked{"region": {Secret: secret.New("westeurope"), Tags: plain}, "namespace": {Secret: secret.New("shop")}, "redis-host": {}, "redis-access": {}} // versions without values
	var learned []string
	o := quiet(&learned)
	o.Sink = event.SinkFunc(func(e event.Event) { t.Errorf("it says %q", e.Message) })
	_, values, err := resolveFrom(t.Context(), cfg, "dev1", whole, o, store)
	if err != nil || len(learned) != 0 || len(journalled(values)) != 4 {
		t.Errorf("learned %q, journals %v, %v", learned, journalled(values), err)
	}
	o.Getenv = func(name string) string {
		return map[string]string{"SLIPWAY_VAR_REDIS_ACCESS": "x"}[name]
	}
	if _, _, err := resolveFrom(t.Context(), cfg, "dev1", whole, o, store); err == nil || !strings.Contains(err.Error(), "no place for one") {
		t.Errorf("a secret of the process's environment: %v", err)
	}
}
