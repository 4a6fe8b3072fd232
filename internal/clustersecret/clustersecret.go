// Package clustersecret brings the values of an environment's vault into Kubernetes Secrets: by writing them, or by leaving
// in the cluster what makes the cluster fetch them, the Secrets Store CSI driver or External Secrets. Each Secret, and each
// object that leads to one, has the same name, labels and life, whoever makes it.
package clustersecret

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"

	"github.com/slipway-cd/slipway/internal/cluster"
	"github.com/slipway-cd/slipway/internal/traffic"
	"github.com/slipway-cd/slipway/internal/vault"
)

// Labels that everything of this package carries, beside those of [Secret].
const (
	releaseLabel = "slipway.dev/release" // the Helm release
	slotLabel    = "slipway.dev/slot"
	secretLabel  = "slipway.dev/secret" // the name in slipway.yaml
	managedLabel = "app.kubernetes.io/managed-by"
	manager      = "slipway"
)

// Secret is one Kubernetes Secret that is to be.
type Secret struct {
	// Name is unique for what the Secret is made of: there is never another content under it.
	Name string
	// Logical is its name in slipway.yaml, Release and Slot are where it belongs.
	Logical, Release, Slot string
	// Labels are put on it beside the package's own.
	Labels map[string]string
	// Keys are variables by the Secret's key. Only [Direct] needs their values.
	Keys map[string]vault.Value
}

func (s Secret) labels() map[string]string {
	all := maps.Clone(s.Labels)
	if all == nil {
		all = map[string]string{}
	}
	all[releaseLabel], all[slotLabel], all[secretLabel], all[managedLabel] = s.Release, s.Slot, s.Logical, manager
	return all
}

// keys of the Secret, in order.
func (s Secret) keys() []string { return slices.Sorted(maps.Keys(s.Keys)) }

// Cluster is one namespace of a cluster.
type Cluster struct {
	Kube      kubernetes.Interface
	Dynamic   dynamic.Interface
	Namespace string
}

// NotServedError says that a cluster does not have what should fetch secrets. Nothing was touched.
type NotServedError struct {
	What   string // "External Secrets"
	Kind   string // "externalsecrets.external-secrets.io"
	Advice []string
}

func (e *NotServedError) Error() string {
	return fmt.Sprintf("secretsBy has the cluster fetch secrets with %s, but this cluster does not know %s", e.What, e.Kind)
}

// Next says what a person may do.
func (e *NotServedError) Next() []string { return e.Advice }

// apply sends an object as server-side apply; dry, the API server only says whether it would take it.
func (c Cluster) apply(ctx context.Context, resource schema.GroupVersionResource, o *unstructured.Unstructured, dry bool) error {
	options := metav1.ApplyOptions{FieldManager: traffic.FieldManager, Force: true}
	if dry {
		options.DryRun = []string{metav1.DryRunAll}
	}
	object := c.object(resource, o.GetName())
	_, err := c.Dynamic.Resource(resource).Namespace(c.Namespace).Apply(ctx, o.GetName(), o, options)
	if err != nil && strings.Contains(err.Error(), "field not declared in schema") {
		return fmt.Errorf("%s was not taken: what is installed in the cluster is too old to know one of its fields (%w): update it", object, err)
	}
	return cluster.Explain(err, "applying "+object)
}

func (c Cluster) object(resource schema.GroupVersionResource, name string) string {
	return strings.TrimSuffix(resource.Resource, "s") + "/" + c.Namespace + "/" + name
}

// new is an object of ours.
func (c Cluster) new(gv schema.GroupVersion, kind string, s Secret, spec map[string]any) *unstructured.Unstructured {
	o := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
	o.SetGroupVersionKind(gv.WithKind(kind))
	o.SetNamespace(c.Namespace)
	o.SetName(s.Name)
	o.SetLabels(s.labels())
	return o
}

// served says whether the cluster has a resource.
func (c Cluster) served(ctx context.Context, resource schema.GroupVersionResource) (bool, error) {
	_, err := c.Dynamic.Resource(resource).Namespace(c.Namespace).List(ctx, metav1.ListOptions{Limit: 1})
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	return err == nil, cluster.Explain(err, "looking for "+resource.Resource+" in namespace "+c.Namespace)
}

// Prune removes the Secrets of a Helm release that keep does not want, and what leads to them, whoever made them: a
// configuration may have changed who does. What leads to a Secret goes before it, or it would come again.
func (c Cluster) Prune(ctx context.Context, release string, keep func(name string) bool) error {
	chosen := metav1.ListOptions{LabelSelector: labels.Set{releaseLabel: release, managedLabel: manager}.String()}
	resources := append([]schema.GroupVersionResource{providerClasses}, externalSecrets...)
	for _, resource := range resources {
		err := prune(ctx, c.Dynamic.Resource(resource).Namespace(c.Namespace), chosen, keep)
		if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsForbidden(err) { // then none of them is ours
			return cluster.Explain(err, "removing "+resource.Resource+" of helm release "+release)
		}
	}
	list, err := c.Kube.CoreV1().Secrets(c.Namespace).List(ctx, chosen)
	if err != nil {
		return cluster.Explain(err, "looking for the Secrets of helm release "+release)
	}
	for _, found := range list.Items {
		if keep(found.Name) {
			continue
		}
		err := c.Kube.CoreV1().Secrets(c.Namespace).Delete(ctx, found.Name, metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			return cluster.Explain(err, "removing secret/"+c.Namespace+"/"+found.Name)
		}
	}
	return nil
}

func prune(ctx context.Context, client dynamic.ResourceInterface, chosen metav1.ListOptions, keep func(name string) bool) error {
	list, err := client.List(ctx, chosen)
	if err != nil {
		return err
	}
	for _, found := range list.Items {
		if keep(found.GetName()) {
			continue
		}
		if err := client.Delete(ctx, found.GetName(), metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
			return err
		}
	}
	return nil
}
