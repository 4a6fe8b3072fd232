package target

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/slipway-cd/slipway/internal/bundle"
	"github.com/slipway-cd/slipway/internal/chart"
	"github.com/slipway-cd/slipway/internal/cluster"
	"github.com/slipway-cd/slipway/internal/config"
	"github.com/slipway-cd/slipway/internal/event"
	"github.com/slipway-cd/slipway/internal/guardian"
	"github.com/slipway-cd/slipway/internal/journal"
	"github.com/slipway-cd/slipway/internal/release"
	"github.com/slipway-cd/slipway/internal/traffic"
)

// settings are what going back needs of an environment beside the plan, resolved. The journal keeps them, so that a guardian needs
// neither slipway.yaml nor a vault nor a registry.
type settings struct {
	Endpoint  string           `json:"endpoint"` // as pods reach the gateway
	Router    config.Router    `json:"router"`
	SecretsBy config.SecretsBy `json:"secretsBy"`
}

func settingsOf(env config.Environment) (json.RawMessage, error) {
	raw, err := json.Marshal(settings{Endpoint: env.Guardian.Endpoint, Router: env.Router, SecretsBy: env.SecretsBy})
	if err != nil {
		return nil, fmt.Errorf("writing down what going back needs: %w", err)
	}
	return raw, nil
}

// OpenJournal opens what takes the open release of a service back, in the cluster that this process runs in, by the journal alone.
// The error is [release.ErrNoneOpen] where there is nothing to take back.
func OpenJournal(ctx context.Context, namespace, service, environment string, o Options) (*Target, error) {
	clients, err := cluster.Open(ctx, "", "", o.Program)
	if err != nil {
		return nil, err
	}
	rec, err := journal.New(clients.Kube, namespace, service, environment, nil).Load(ctx)
	if err != nil {
		return nil, err
	}
	if rec.Open == nil {
		return nil, release.ErrNoneOpen
	}
	var s settings
	if err := json.Unmarshal(rec.Open.Plan.Settings, &s); err != nil {
		return nil, fmt.Errorf("reading the journal of release %d: what going back needs is not in it: %w", rec.Open.Number, err)
	}
	o.Environment, o.Back = environment, true
	t, err := Open(ctx, &config.Config{APIVersion: config.APIVersion, Service: service, Environments: map[string]config.Environment{environment: {
		Namespace: namespace, Host: rec.Open.Plan.Host, Endpoint: s.Endpoint, Router: s.Router, SecretsBy: s.SecretsBy,
		Strategy: config.Strategy{Rolling: &config.Rolling{}}, ReadyTimeout: config.Duration(rec.Open.Plan.Ready),
		Guardian: config.Guardian{OnLoss: config.OnLossNone},
	}}}, nil, o)
	if err != nil {
		return nil, err
	}
	t.Untouched = !rec.Open.Routed && rec.Open.Replaced == nil
	return t, nil
}

// guardianJob is the environment's guardian as the engine wants it.
type guardianJob struct {
	guardian.Guardian
	target *Target
	charts *charts
}

// newGuardian is the guardian of the environment's releases, nil if there is none.
func newGuardian(t *Target, clients *cluster.Clients, charts *charts, pulled *bundle.Pulled) release.Guardian {
	env := t.Environment
	g := guardian.Guardian{Kube: clients.Kube, Namespace: env.Namespace, Service: t.Config.Service, Environment: t.Name, Image: env.Guardian.Image}
	switch {
	case env.Guardian.OnLoss == config.OnLossNone || pulled == nil:
		return nil
	case g.Image != "":
	case pulled.Bundle.Guardian == nil:
		return nil
	default:
		g.Image, g.Arch = pulled.Bundle.Guardian.Reference(), pulled.Bundle.Guardian.Arch
	}
	return &guardianJob{Guardian: g, target: t, charts: charts}
}

// wantsGuardian says whether a release makes a guardian; before there is a bundle, whether the environment wants one.
func (t *Target) wantsGuardian() bool {
	if t.Engine == nil {
		return t.Environment.Guardian.OnLoss == config.OnLossRollback
	}
	return t.Engine.Guardian != nil
}

// Start implements [release.Guardian].
func (w *guardianJob) Start(ctx context.Context, number int) error {
	rules, err := w.rules(ctx)
	if err != nil {
		return fmt.Errorf("finding out what the guardian must be allowed to do: %w", err)
	}
	g := w.Guardian
	g.Rules = rules
	return g.Start(ctx, number)
}

// rules are what taking the open release back may need: this service's lock, record and route, Helm's records, and the objects of the
// Helm releases that are the candidate and production; no others.
func (w *guardianJob) rules(ctx context.Context) ([]rbacv1.PolicyRule, error) {
	t := w.target
	name := journal.Name(t.Config.Service, t.Name)
	rules := []rbacv1.PolicyRule{
		rule("coordination.k8s.io", "leases", []string{name}, "get", "update"),
		rule("", "configmaps", []string{name}, "get", "update"),
		rule("", "configmaps", []string{name + "-request"}, "get", "delete"),
		rule("", "secrets", nil, "get", "list", "create", "update", "patch", "delete"), // Helm's records, which it finds by listing
		rule("", "pods", nil, "get", "list", "watch"),
		rule("", "services", nil, "get", "list", "watch"),
		rule("", "events", nil, "get", "list", "watch", "create"),
		rule("discovery.k8s.io", "endpointslices", nil, "get", "list", "watch"),
		rule("apps", "deployments", nil, "get", "list", "watch"),
		rule("apps", "replicasets", nil, "get", "list", "watch"),
		rule("apps", "statefulsets", nil, "get", "list", "watch"),
		rule("apps", "daemonsets", nil, "get", "list", "watch"),
		rule("batch", "jobs", nil, "get", "list", "watch"),
	}
	route := traffic.Target{Service: t.Config.Service}.Name()
	if t.Plan.Router == "nginx" {
		rules = append(rules, rule("networking.k8s.io", "ingresses", []string{route, route + "-canary"}, "get", "patch", "update", "delete"),
			rule("networking.k8s.io", "ingresses", nil, "create"))
	} else {
		rules = append(rules, rule("gateway.networking.k8s.io", "httproutes", []string{route}, "get", "patch", "update", "delete"),
			rule("gateway.networking.k8s.io", "httproutes", nil, "create"))
	}
	switch by := t.Environment.SecretsBy; {
	case by.CSI != nil:
		rules = append(rules, rule("secrets-store.csi.x-k8s.io", "secretproviderclasses", nil, "list", "delete"))
	case by.ExternalSecrets != nil:
		rules = append(rules, rule("external-secrets.io", "externalsecrets", nil, "list", "delete"))
	}
	objects, err := w.objects(ctx)
	if err != nil {
		return nil, err
	}
	return append(rules, objects...), nil
}

func rule(group, resource string, names []string, verbs ...string) rbacv1.PolicyRule {
	return rbacv1.PolicyRule{APIGroups: []string{group}, Resources: []string{resource}, ResourceNames: names, Verbs: verbs}
}

// objects are the rules for what the candidate's chart has, and for what the Helm releases have that are there.
func (w *guardianJob) objects(ctx context.Context) ([]rbacv1.PolicyRule, error) {
	rec, err := w.target.Store.Load(ctx)
	if err != nil {
		return nil, err
	}
	candidate := release.Candidate(w.target.Plan, rec)
	if rec.Open != nil {
		candidate = rec.Open.Deployment(rec)
	}
	m, err := w.charts.render(ctx, candidate)
	if err != nil {
		return nil, err
	}
	found := append(slices.Clone(m.Objects), m.Hooks...)
	for _, s := range rec.Slots {
		rel, err := w.charts.helm.Get(ctx, s.HelmRelease)
		if errors.Is(err, chart.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		found = append(found, parse(rel.Manifest)...)
	}
	names := map[chart.Resource][]string{}
	for _, o := range found {
		r, err := w.charts.helm.Resource(o.GroupVersionKind())
		if err != nil {
			return nil, err
		}
		if r.Namespaced && !slices.Contains(names[r], o.GetName()) { // a Role says nothing of others
			names[r] = append(names[r], o.GetName())
		}
	}
	var rules []rbacv1.PolicyRule
	verbs := []string{"get", "delete"}
	inPlace := w.target.Plan.InPlace()
	if inPlace { // Helm goes back to a revision
		verbs = []string{"get", "patch", "update", "delete"}
	}
	for r, n := range names {
		slices.Sort(n)
		rules = append(rules, rule(r.Group, r.Name, n, verbs...))
		if inPlace {
			rules = append(rules, rule(r.Group, r.Name, nil, "create"))
		}
	}
	slices.SortFunc(rules, func(a, b rbacv1.PolicyRule) int {
		return strings.Compare(a.APIGroups[0]+"/"+a.Resources[0]+"/"+a.Verbs[0], b.APIGroups[0]+"/"+b.Resources[0]+"/"+b.Verbs[0])
	})
	return rules, nil
}

// parse takes the objects out of what Helm has applied; what cannot be read is left out.
func parse(manifest string) []*unstructured.Unstructured {
	var objects []*unstructured.Unstructured
	for _, doc := range strings.Split(manifest, "\n---") {
		var u unstructured.Unstructured
		raw, err := yaml.YAMLToJSON([]byte(doc)) // whole numbers must stay whole
		if err != nil || u.UnmarshalJSON(raw) != nil {
			continue
		}
		objects = append(objects, &u)
	}
	return objects
}

// WarnUnguarded tells a person before a release that nobody watches over it, although the environment wants that.
func (t *Target) WarnUnguarded(sink event.Sink) {
	if t.wantsGuardian() || t.Environment.Guardian.OnLoss == config.OnLossNone {
		return
	}
	sink.Emit(event.Event{Time: time.Now().UTC(), Kind: event.Warning, Phase: "preflight",
		Message: "this release has no guardian, for its bundle has no image of slipway: if this process dies, nobody takes the release back",
		Next:    []string{"build with a slipway for Linux, or name its image with guardian.image; guardian.onLoss: none releases without a guardian"}})
}
