package clustersecret

import (
	"bytes"
	"context"
	"encoding/json"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/slipway-cd/slipway/internal/secret"
	"github.com/slipway-cd/slipway/internal/vault"
)

var (
	external1    = externalSecrets[0]
	externalBeta = externalSecrets[1]
	stores       = external1.GroupVersion().WithResource("secretstores")
	shared       = external1.GroupVersion().WithResource("clustersecretstores")
)

// fakeCluster is one that serves only the given resources; server-side apply replaces the object, a dry run stores nothing.
type fakeCluster struct {
	Cluster
	dynamic *dynamicfake.FakeDynamicClient
	kube    *fake.Clientset
	dry     int // dry runs that were asked for
}

func newCluster(t *testing.T, served ...schema.GroupVersionResource) *fakeCluster {
	t.Helper()
	kinds := map[schema.GroupVersionResource]string{
		providerClasses: "SecretProviderClassList", external1: "ExternalSecretList", externalBeta: "ExternalSecretList",
		stores: "SecretStoreList", shared: "ClusterSecretStoreList",
		externalBeta.GroupVersion().WithResource("secretstores"): "SecretStoreList",
	}
	c := &fakeCluster{dynamic: dynamicfake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), kinds), kube: fake.NewClientset()}
	c.Cluster = Cluster{Kube: c.kube, Dynamic: c.dynamic, Namespace: "shop"}
	c.dynamic.PrependReactor("patch", "*", func(a clienttesting.Action) (bool, runtime.Object, error) {
		p := a.(clienttesting.PatchActionImpl)
		if p.GetPatchType() != types.ApplyPatchType {
			t.Errorf("a write of %s that is no server-side apply", p.GetName())
		}
		var u unstructured.Unstructured
		if err := json.Unmarshal(p.GetPatch(), &u.Object); err != nil {
			t.Errorf("the patch is no object: %v", err)
			return true, nil, err
		}
		if len(p.PatchOptions.DryRun) > 0 {
			c.dry++
			return true, &u, nil
		}
		if _, err := c.dynamic.Tracker().Get(p.GetResource(), p.GetNamespace(), p.GetName()); apierrors.IsNotFound(err) {
			return true, &u, c.dynamic.Tracker().Create(p.GetResource(), &u, p.GetNamespace())
		}
		return true, &u, c.dynamic.Tracker().Update(p.GetResource(), &u, p.GetNamespace())
	})
	c.dynamic.PrependReactor("*", "*", func(a clienttesting.Action) (bool, runtime.Object, error) {
		for _, r := range served {
			if r == a.GetResource() {
				return false, nil, nil
			}
		}
		return true, nil, apierrors.NewNotFound(a.GetResource().GroupResource(), "")
	})
	return c
}

// put stores an object.
func (c *fakeCluster) put(t *testing.T, r schema.GroupVersionResource, o *unstructured.Unstructured) {
	t.Helper()
	if err := c.dynamic.Tracker().Create(r, o, o.GetNamespace()); err != nil {
		t.Fatal(err)
	}
}

func (c *fakeCluster) get(t *testing.T, r schema.GroupVersionResource, name string) *unstructured.Unstructured {
	t.Helper()
	o, err := c.dynamic.Resource(r).Namespace("shop").Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return o
}

// forbid makes a verb on a resource be refused.
func (c *fakeCluster) forbid(verb, resource string) {
	refuse := func(a clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewForbidden(a.GetResource().GroupResource(), "", nil)
	}
	c.dynamic.PrependReactor(verb, resource, refuse)
	c.kube.PrependReactor(verb, resource, refuse)
}

// store is a SecretStore of the vault with the condition Ready of that status, or without one.
func store(kind, namespace, url, status, message string) *unstructured.Unstructured {
	o := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "external-secrets.io/v1", "kind": kind, "metadata": map[string]any{"name": "team-vault"},
		"spec": map[string]any{"provider": map[string]any{"azurekv": map[string]any{"vaultUrl": url}}},
	}}
	o.SetNamespace(namespace)
	if status != "" {
		setReady(o, status, "InvalidProviderConfig", message)
	}
	return o
}

func setReady(o *unstructured.Unstructured, status, reason, message string) {
	_ = unstructured.SetNestedSlice(o.Object, []any{map[string]any{"type": "Ready", "status": status, "reason": reason, "message": message}}, "status", "conditions")
}

// redis is a Secret whose values are not known.
func redis() Secret {
	return Secret{Name: "web-blue-redis-0123456789", Logical: "redis", Release: "web-blue", Slot: "blue", Labels: map[string]string{"slipway.dev/service": "web"},
		Keys: map[string]vault.Value{
			"password": {Ref: vault.Ref{Name: "redis-access", Version: "00000000000000000000000000000012"}},
			"host":     {Ref: vault.Ref{Name: "redis-host", Version: "1234567890123456789012345678901e"}},
		}}
}

// known is a Secret whose value is known.
func known() Secret {
	s := redis()
	s.Keys = map[string]vault.Value{"password": {Ref: vault.Ref{Name: "redis-access", Version: "1"}, Secret: secret.New("swordfish")}}
	return s
}

// read decodes an object, all of whose fields must be known.
func read(t *testing.T, o *unstructured.Unstructured, spec any) {
	t.Helper()
	raw, err := json.Marshal(o.Object["spec"])
	if err != nil {
		t.Fatal(err)
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.DisallowUnknownFields()
	if err := d.Decode(spec); err != nil {
		t.Fatal(err)
	}
}

func none(string) bool { return false }

// injector is what every way of bringing secrets can do.
type injector interface {
	By() string
	Check(context.Context) error
	Apply(context.Context, Secret, bool) error
}
