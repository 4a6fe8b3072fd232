package target

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/go-containerregistry/pkg/v1/remote"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"golang.org/x/sync/errgroup"

	"github.com/slipway-cd/slipway/internal/bundle"
	"github.com/slipway-cd/slipway/internal/chart"
	"github.com/slipway-cd/slipway/internal/cluster"
	"github.com/slipway-cd/slipway/internal/journal"
	"github.com/slipway-cd/slipway/internal/release"
	"github.com/slipway-cd/slipway/internal/traffic"
)

// preflight checks everything that can be known before anything is touched.
type preflight struct {
	target  *Target
	helm    *chart.Client
	charts  *charts
	gates   *gates
	router  traffic.Router
	options Options
	// registry says how the registry is asked.
	registry []remote.Option
}

// Check implements [release.Preflight].
func (p *preflight) Check(ctx context.Context) error {
	rec, err := p.target.Store.Load(ctx)
	if err != nil {
		return err
	}
	group, all := errgroup.WithContext(ctx)
	for _, check := range []func(context.Context) error{p.router.Check, p.images, p.after} {
		group.Go(func() error { return cluster.Explain(check(all), "checking before the release") })
	}
	group.Go(func() error { return p.gates.check(all) }) // does not ask the cluster, so its errors are not the cluster's
	if err := group.Wait(); err != nil {
		return err
	}
	// A Helm release that was left pending is told, or unlocked, after all else was found right and before Helm is asked.
	if err := p.pending(ctx, rec); err != nil {
		return cluster.Explain(err, "checking before the release")
	}
	return cluster.Explain(p.renders(ctx, rec), "checking before the release")
}

// names of the Helm releases that this release may touch.
func (p *preflight) names(rec *release.Record) []string {
	s := p.target.Config.Service
	names := []string{s, s + "-blue", s + "-green"}
	for _, slot := range rec.Slots {
		names = append(names, slot.HelmRelease)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// renders finds the Service that will take the traffic, and lets the API server say of every object of the chart, as a dry
// run, whether it would let it in.
func (p *preflight) renders(ctx context.Context, rec *release.Record) error {
	d := release.Candidate(p.target.Plan, rec)
	if _, err := p.charts.Backend(ctx, d); err != nil {
		return err
	}
	return p.charts.check(ctx, d)
}

// images asks the registry for every image of the bundle. A registry that cannot be asked from here is no reason to refuse:
// the nodes may reach it.
func (p *preflight) images(ctx context.Context) error {
	for name, img := range p.charts.pulled.Bundle.Images {
		_, err := bundle.Resolve(ctx, img.Reference(), p.registry...)
		if errors.Is(err, bundle.ErrNotFound) {
			return fmt.Errorf("image %s of the bundle does not exist in its registry any more (%s@%s): build again", name, img.Repository, bundle.ShortDigest(img.Digest))
		}
	}
	return nil
}

// pending refuses Helm releases that an operation holds or held when it died.
func (p *preflight) pending(ctx context.Context, rec *release.Record) error {
	for _, name := range p.names(rec) {
		rel, err := p.helm.Get(ctx, name)
		if errors.Is(err, chart.ErrNotFound) {
			continue
		}
		if err != nil {
			return err
		}
		if !strings.HasPrefix(string(rel.Status), "pending-") {
			continue
		}
		if p.options.Unlock {
			if err := p.helm.Unlock(ctx, name); err != nil {
				return err
			}
			continue
		}
		return &PendingError{&chart.PendingError{Release: name, Namespace: p.target.Environment.Namespace,
			Revision: rel.Revision, Status: rel.Status, Since: rel.Updated}}
	}
	return nil
}

// PendingError is a Helm release left pending, with what to do about it.
type PendingError struct{ *chart.PendingError }

// Next says what a person may do.
func (e *PendingError) Next() []string {
	return []string{"if that process is dead: the same command with --unlock marks the revision as failed and goes on"}
}

// Unwrap gives the chart package's error.
func (e *PendingError) Unwrap() error { return e.PendingError }

// after wants the bundle to have been promoted in the environment before.
func (p *preflight) after(ctx context.Context) error {
	name := p.target.Environment.After
	if name == "" {
		return nil
	}
	cfg, _, err := resolve(ctx, p.target.Config, name, location, p.options)
	if err != nil {
		return fmt.Errorf("looking into environment %s, which must have promoted the bundle first: %w", name, err)
	}
	env, err := cfg.Environment(name)
	if err != nil {
		return err
	}
	clients := p.target.Clients
	if env.Cluster != p.target.Environment.Cluster {
		if clients, err = connect(ctx, env, p.options); err != nil {
			return fmt.Errorf("looking into environment %s, which must have promoted the bundle first: %w", name, err)
		}
	}
	rec, err := journal.New(clients.Kube, env.Namespace, p.target.Config.Service, name, nil).Load(ctx)
	if err != nil {
		return err
	}
	digest := p.charts.pulled.Digest
	for _, h := range rec.History {
		if h.Outcome == release.Promoted && strings.HasSuffix(h.Bundle, digest) {
			return nil
		}
	}
	return fmt.Errorf("environment %s comes after %s, which has not promoted bundle %s: release it there first (slipway release --env %s --bundle %s)",
		p.target.Name, name, bundle.ShortDigest(digest), name, p.charts.pulled.Reference())
}

// Prepare makes sure of what the lock itself needs: the permissions, and the namespace (made if it is absent). Call it
// before the first release or deploy; errors mean that nothing was touched.
func (t *Target) Prepare(ctx context.Context) error {
	ns := t.Environment.Namespace
	if err := t.permissions(ctx); err != nil {
		return err
	}
	got, err := t.Clients.Kube.CoreV1().Namespaces().Get(ctx, ns, metav1.GetOptions{})
	switch {
	case apierrors.IsForbidden(err): // may not look: then it was made by somebody who may
		return nil
	case apierrors.IsNotFound(err):
		_, err = t.Clients.Kube.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
			Name: ns, Labels: map[string]string{"app.kubernetes.io/managed-by": "slipway"}}}, metav1.CreateOptions{FieldManager: traffic.FieldManager})
		if apierrors.IsAlreadyExists(err) {
			return nil
		}
		return cluster.Explain(err, "creating namespace "+ns)
	case err != nil:
		return cluster.Explain(err, "reading namespace "+ns)
	case got.Status.Phase == corev1.NamespaceTerminating || got.DeletionTimestamp != nil:
		return fmt.Errorf("namespace/%s is being deleted (since %s): wait until it is gone, or set another namespace for environment %s; `kubectl get namespace %s -o yaml` says what holds it",
			ns, got.DeletionTimestamp.UTC().Format("2006-01-02 15:04:05Z"), t.Name, ns)
	}
	return nil
}

// needs are the permissions that every release needs in its namespace; those of the chart's own objects come to light
// when Helm applies them.
func (t *Target) needs() []authorizationv1.ResourceAttributes {
	route := authorizationv1.ResourceAttributes{Group: "gateway.networking.k8s.io", Resource: "httproutes"}
	if t.Plan.Router == "nginx" {
		route = authorizationv1.ResourceAttributes{Group: "networking.k8s.io", Resource: "ingresses"}
	}
	var all []authorizationv1.ResourceAttributes
	add := func(a authorizationv1.ResourceAttributes, verbs ...string) {
		for _, v := range verbs {
			a.Verb, a.Namespace = v, t.Environment.Namespace
			all = append(all, a)
		}
	}
	add(authorizationv1.ResourceAttributes{Group: "coordination.k8s.io", Resource: "leases"}, "get", "create", "update")
	add(authorizationv1.ResourceAttributes{Resource: "configmaps"}, "get", "create", "update", "delete", "watch")
	add(authorizationv1.ResourceAttributes{Resource: "secrets"}, "get", "list", "create", "update", "delete") // Helm's records
	switch by := t.Environment.SecretsBy; {
	case len(t.Environment.Secrets) == 0:
	case by.CSI != nil:
		add(authorizationv1.ResourceAttributes{Group: "secrets-store.csi.x-k8s.io", Resource: "secretproviderclasses"}, "list", "create", "patch", "delete")
	case by.ExternalSecrets != nil:
		add(authorizationv1.ResourceAttributes{Group: "external-secrets.io", Resource: "externalsecrets"}, "get", "list", "create", "patch", "delete")
	default:
		add(authorizationv1.ResourceAttributes{Resource: "secrets"}, "patch") // ours are applied server-side
	}
	if t.wantsGuardian() {
		add(authorizationv1.ResourceAttributes{Resource: "serviceaccounts"}, "get", "create", "update", "delete")
		add(authorizationv1.ResourceAttributes{Group: "rbac.authorization.k8s.io", Resource: "roles"}, "get", "create", "update", "delete")
		add(authorizationv1.ResourceAttributes{Group: "rbac.authorization.k8s.io", Resource: "rolebindings"}, "get", "create", "update", "delete")
		add(authorizationv1.ResourceAttributes{Group: "batch", Resource: "jobs"}, "get", "create", "delete")
	}
	add(route, "get", "list", "create", "patch", "delete")
	add(authorizationv1.ResourceAttributes{Resource: "pods"}, "list", "watch")
	add(authorizationv1.ResourceAttributes{Group: "discovery.k8s.io", Resource: "endpointslices"}, "list", "watch")
	add(authorizationv1.ResourceAttributes{Group: "apps", Resource: "deployments"}, "get", "list", "watch", "create", "patch", "delete")
	return all
}

// DeniedError names every permission that is missing.
type DeniedError struct {
	Namespace string
	Missing   []string // "create leases.coordination.k8s.io"
}

func (e *DeniedError) Error() string {
	return fmt.Sprintf("these credentials may not do in namespace %s what a release needs; missing: %s", e.Namespace, strings.Join(e.Missing, ", "))
}

// permissions asks the API server what these credentials may do.
func (t *Target) permissions(ctx context.Context) error {
	needs := t.needs()
	missing := make([]string, len(needs))
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(8)
	for i, n := range needs {
		group.Go(func() error {
			got, err := t.Clients.Kube.AuthorizationV1().SelfSubjectAccessReviews().Create(ctx, &authorizationv1.SelfSubjectAccessReview{
				Spec: authorizationv1.SelfSubjectAccessReviewSpec{ResourceAttributes: &n}}, metav1.CreateOptions{})
			if err != nil {
				return cluster.Explain(err, "asking what these credentials may do")
			}
			if !got.Status.Allowed {
				missing[i] = n.Verb + " " + n.Resource
				if n.Group != "" {
					missing[i] += "." + n.Group
				}
			}
			return nil
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	missing = slices.DeleteFunc(missing, func(s string) bool { return s == "" })
	if len(missing) > 0 {
		return &DeniedError{Namespace: t.Environment.Namespace, Missing: missing}
	}
	return nil
}
