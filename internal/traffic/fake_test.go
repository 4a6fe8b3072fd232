package traffic

import (
	"encoding/json"
	"strconv"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic/fake"
	clienttesting "k8s.io/client-go/testing"
)

// cluster is a dynamic client whose server-side apply replaces the object, after a look at its resource version: the
// router is the only one that applies to its objects, so that is what the API server does as well.
func cluster(t *testing.T, objects ...runtime.Object) *fake.FakeDynamicClient {
	t.Helper()
	client := fake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), map[schema.GroupVersionResource]string{
		routeGVR: "HTTPRouteList", gatewayGVR: "GatewayList", ingressGVR: "IngressList", ingressClassGVR: "IngressClassList",
	})
	resources := map[string]schema.GroupVersionResource{"Gateway": gatewayGVR, "HTTPRoute": routeGVR, "Ingress": ingressGVR, "IngressClass": ingressClassGVR}
	for _, o := range objects { // not to the constructor, which guesses the plural of Gateway wrongly
		u := o.(*unstructured.Unstructured)
		if err := client.Tracker().Create(resources[u.GetKind()], u, u.GetNamespace()); err != nil {
			t.Fatal(err)
		}
	}
	version := 1
	client.PrependReactor("patch", "*", func(a clienttesting.Action) (bool, runtime.Object, error) {
		p := a.(clienttesting.PatchAction)
		if p.GetPatchType() != types.ApplyPatchType {
			t.Errorf("a write of %s that is no server-side apply", p.GetName())
		}
		var u unstructured.Unstructured
		if err := json.Unmarshal(p.GetPatch(), &u.Object); err != nil {
			t.Errorf("the patch is no object: %v", err)
			return true, nil, err
		}
		old, err := client.Tracker().Get(p.GetResource(), p.GetNamespace(), p.GetName())
		version++
		if apierrors.IsNotFound(err) { // the API server would make it, and replace what has come meanwhile just as well
			t.Errorf("%s was applied without having been there", p.GetName())
			return true, nil, err
		}
		if have := old.(*unstructured.Unstructured).GetResourceVersion(); u.GetResourceVersion() != have {
			return true, nil, apierrors.NewConflict(p.GetResource().GroupResource(), p.GetName(), nil)
		}
		u.SetResourceVersion(strconv.Itoa(version))
		return true, &u, client.Tracker().Update(p.GetResource(), &u, p.GetNamespace())
	})
	client.PrependReactor("create", "*", func(a clienttesting.Action) (bool, runtime.Object, error) {
		u := a.(clienttesting.CreateAction).GetObject().(*unstructured.Unstructured).DeepCopy()
		version++
		u.SetResourceVersion(strconv.Itoa(version))
		u.SetUID(types.UID("uid-" + u.GetName()))
		return true, u, client.Tracker().Create(a.GetResource(), u, a.GetNamespace())
	})
	return client
}

// failOnce makes the next call of a verb fail.
func failOnce(client *fake.FakeDynamicClient, verb, resource string, err error) {
	done := false
	client.PrependReactor(verb, resource, func(clienttesting.Action) (bool, runtime.Object, error) {
		if done {
			return false, nil, nil
		}
		done = true
		return true, nil, err
	})
}

func object(apiVersion, kind, namespace, name string, spec map[string]any) *unstructured.Unstructured {
	meta := map[string]any{"name": name}
	if namespace != "" {
		meta["namespace"] = namespace
	}
	return &unstructured.Unstructured{Object: map[string]any{"apiVersion": apiVersion, "kind": kind, "metadata": meta, "spec": spec}}
}

func gatewayObject() *unstructured.Unstructured {
	return object("gateway.networking.k8s.io/v1", "Gateway", "gateway-system", "gateway", nil)
}

func classObject() *unstructured.Unstructured {
	return object(networkingv1.SchemeGroupVersion.String(), "IngressClass", "", "nginx", nil)
}

var (
	target = Target{Service: "calculator", Environment: "prod1", Namespace: "calculator-prod1", Host: "calculator.example.org"}
	blue   = &Backend{Slot: "blue", Service: "calculator-blue-frontend", Port: 80}
	green  = &Backend{Slot: "green", Service: "calculator-green-frontend", Port: 80}
)

func forbidden(resource string) error {
	return apierrors.NewForbidden(schema.GroupResource{Resource: resource}, "", nil)
}

func get(t *testing.T, c *fake.FakeDynamicClient, gvr schema.GroupVersionResource, name string) *unstructured.Unstructured {
	t.Helper()
	u, err := c.Resource(gvr).Namespace(target.Namespace).Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return u
}
