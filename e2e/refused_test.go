//go:build e2e

package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

var routeGVR = schema.GroupVersionResource{Group: "gateway.networking.k8s.io", Version: "v1", Resource: "httproutes"}

// objects are everything in the namespace that a release could touch, without what changes by itself. The Lease is left
// out: taking the lock is how a release finds out whether it may touch anything.
func (s *site) objects(t *testing.T) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, gvr := range []schema.GroupVersionResource{
		{Version: "v1", Resource: "secrets"}, {Version: "v1", Resource: "configmaps"}, {Version: "v1", Resource: "services"},
		{Version: "v1", Resource: "serviceaccounts"}, {Group: "apps", Version: "v1", Resource: "deployments"},
		{Group: "policy", Version: "v1", Resource: "poddisruptionbudgets"},
		{Group: "networking.k8s.io", Version: "v1", Resource: "ingresses"}, routeGVR,
	} {
		list, err := suite.dynamic.Resource(gvr).Namespace(s.namespace).List(t.Context(), metav1.ListOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for _, it := range list.Items {
			delete(it.Object, "status")
			it.SetResourceVersion("")
			it.SetManagedFields(nil)
			raw, err := json.Marshal(it.Object)
			if err != nil {
				t.Fatal(err)
			}
			all[gvr.Resource+"/"+it.GetName()] = string(raw)
		}
	}
	return all
}

// unchangedSince fails the test for every object that was made, changed or removed.
func (s *site) unchangedSince(t *testing.T, before map[string]string) {
	t.Helper()
	after := s.objects(t)
	for _, name := range slices.Sorted(maps.Keys(after)) {
		if old, ok := before[name]; !ok {
			t.Errorf("%s was made, but nothing should have been touched", name)
		} else if old != after[name] {
			t.Errorf("%s was changed, but nothing should have been touched:\nbefore %s\nafter  %s", name, old, after[name])
		}
	}
	for name := range before {
		if _, ok := after[name]; !ok {
			t.Errorf("%s was removed, but nothing should have been touched", name)
		}
	}
}

// refuses checks that a command ends with a code, says the texts, and touches nothing.
func (s *site) refuses(t *testing.T, code int, says []string, args ...string) {
	t.Helper()
	before := s.objects(t)
	r := s.run(t, v1, args...)
	if r.code != code {
		t.Errorf("want exit code %d: %s", code, r)
	}
	r.says(t, says...)
	s.unchangedSince(t, before)
}

// What can be known before anything is touched is said before anything is touched.
func TestBadInputIsRefusedAndNothingIsTouched(t *testing.T) {
	t.Parallel()
	s := newSite(t, "refused")
	s.release(t, "canary", v1, 0)
	v := visit(t, calculate(s.host))
	bundle := func(name string) string { return variant(t, name).bundle }
	for _, c := range []struct {
		name string
		says []string
		args []string
	}{
		{"the gateway is absent", []string{"gateway/gateway-system/nobody", "gateway-system/gateway"}, []string{"release", "--env", "no-gateway", "--bundle", bundle(v2)}},
		{"the ingress class is absent", []string{"ingressclass/nobody"}, []string{"release", "--env", "nginx-class", "--bundle", bundle(v2)}},
		{"the environment before has not promoted it", []string{"canary", "has not promoted", "slipway release --env canary"}, []string{"release", "--env", "after", "--bundle", bundle(v2)}},
		{"there is no such tag", []string{registry + "/bundles/calculator:nobody"}, []string{"release", "--env", "canary", "--bundle", registry + "/bundles/calculator:nobody"}},
		{"there is no such digest", []string{"sha256:0000000000"}, []string{"release", "--env", "canary", "--bundle", registry + "/bundles/calculator@sha256:" + strings.Repeat("0", 64)}},
		{"an image is no bundle", []string{"is not a bundle"}, []string{"release", "--env", "canary", "--bundle", variant(t, v1).images["calculator-frontend"]}},
		{"the registry is down", []string{"127.0.0.1:1"}, []string{"release", "--env", "canary", "--bundle", "127.0.0.1:1/bundles/calculator:v1"}},
		{"the bundle is of another service", []string{"service other", "service calculator"}, []string{"release", "--env", "canary", "--bundle", bundle(otherOne)}},
		{"there is no such environment", []string{"canary"}, []string{"release", "--env", "canry", "--bundle", bundle(v2)}},
	} {
		t.Run(c.name, func(t *testing.T) { s.refuses(t, 2, c.says, c.args...) })
	}
	t.Run("the cluster is unreachable", func(t *testing.T) {
		away := *s
		away.kubeconfig = s.kubeconfigOf(t, "https://127.0.0.1:1", "")
		away.refuses(t, 2, []string{"127.0.0.1:1"}, "release", "--env", "canary", "--bundle", bundle(v2))
	})
	t.Run("the kubeconfig does not exist", func(t *testing.T) {
		away := *s
		away.kubeconfig = filepath.Join(suite.temp, "nobody")
		away.refuses(t, 2, []string{away.kubeconfig}, "release", "--env", "canary", "--bundle", bundle(v2))
	})
	t.Run("the credentials may not do it", func(t *testing.T) {
		weak := *s
		weak.kubeconfig = s.weakKubeconfig(t)
		weak.refuses(t, 2, []string{s.namespace, "create leases.coordination.k8s.io", "patch httproutes.gateway.networking.k8s.io"}, "release", "--env", "canary", "--bundle", bundle(v2))
	})
	v.nowSeesOnly(t, v1)
	v.sawNoFailure(t)
}

// kubeconfigOf writes a kubeconfig for a server and a token ("" for none).
func (s *site) kubeconfigOf(t *testing.T, server, token string) string {
	t.Helper()
	c := clientcmdapi.NewConfig()
	c.Clusters["x"] = &clientcmdapi.Cluster{Server: server, CertificateAuthorityData: suite.rest.CAData, CertificateAuthority: suite.rest.CAFile}
	c.AuthInfos["x"] = &clientcmdapi.AuthInfo{Token: token}
	c.Contexts["x"] = &clientcmdapi.Context{Cluster: "x", AuthInfo: "x"}
	c.CurrentContext = "x"
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(*c, path); err != nil {
		t.Fatal(err)
	}
	return path
}

// weakKubeconfig is that of a service account that may read, but not write.
func (s *site) weakKubeconfig(t *testing.T) string {
	t.Helper()
	ctx, one := t.Context(), metav1.ObjectMeta{Name: "weak"}
	if _, err := suite.kube.CoreV1().ServiceAccounts(s.namespace).Create(ctx, &corev1.ServiceAccount{ObjectMeta: one}, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	role := &rbacv1.Role{ObjectMeta: one, Rules: []rbacv1.PolicyRule{{APIGroups: []string{"*"}, Resources: []string{"*"}, Verbs: []string{"get", "list", "watch"}}}}
	if _, err := suite.kube.RbacV1().Roles(s.namespace).Create(ctx, role, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	binding := &rbacv1.RoleBinding{ObjectMeta: one, RoleRef: rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: "weak"},
		Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Name: "weak", Namespace: s.namespace}}}
	if _, err := suite.kube.RbacV1().RoleBindings(s.namespace).Create(ctx, binding, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	token, err := suite.kube.CoreV1().ServiceAccounts(s.namespace).CreateToken(ctx, "weak", &authenticationv1.TokenRequest{}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return s.kubeconfigOf(t, suite.rest.Host, token.Status.Token)
}

func TestAHostThatSomebodyElseRoutesIsLeftAlone(t *testing.T) {
	t.Parallel()
	s := newSite(t, "taken")
	route := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "gateway.networking.k8s.io/v1", "kind": "HTTPRoute", "metadata": map[string]any{"name": "theirs"},
		"spec": map[string]any{
			"parentRefs": []any{map[string]any{"name": "gateway", "namespace": "gateway-system"}},
			"hostnames":  []any{s.host},
			"rules":      []any{map[string]any{"backendRefs": []any{map[string]any{"name": "theirs", "port": int64(80)}}}},
		},
	}}
	if _, err := suite.dynamic.Resource(routeGVR).Namespace(s.namespace).Create(t.Context(), route, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	class, prefix := "nginx", networkingv1.PathTypePrefix
	ingress := &networkingv1.Ingress{ObjectMeta: metav1.ObjectMeta{Name: "theirs-too"}, Spec: networkingv1.IngressSpec{IngressClassName: &class,
		Rules: []networkingv1.IngressRule{{Host: s.host, IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{
			Paths: []networkingv1.HTTPIngressPath{{Path: "/", PathType: &prefix, Backend: networkingv1.IngressBackend{
				Service: &networkingv1.IngressServiceBackend{Name: "theirs", Port: networkingv1.ServiceBackendPort{Number: 80}}}}}}}}}}}
	if _, err := suite.kube.NetworkingV1().Ingresses(s.namespace).Create(t.Context(), ingress, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	bundle := variant(t, v1).bundle
	s.refuses(t, 2, []string{s.host, "httproute/" + s.namespace + "/theirs"}, "release", "--env", "canary", "--bundle", bundle)
	s.refuses(t, 2, []string{s.host, "ingress/" + s.namespace + "/theirs-too"}, "release", "--env", "canary-nginx", "--bundle", bundle)
}

func TestANamespaceThatIsBeingDeletedIsRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t, "terminating")
	ctx, configMaps := t.Context(), suite.kube.CoreV1().ConfigMaps(s.namespace)
	holds := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "holds", Finalizers: []string{"slipway.dev/e2e"}}}
	if _, err := configMaps.Create(ctx, holds, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := suite.kube.CoreV1().Namespaces().Delete(ctx, s.namespace, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	eventually(t, 30*time.Second, "the namespace to be deleted but for what holds it", func() (bool, string) {
		left := s.objects(t)
		return len(left) == 1, fmt.Sprint(slices.Sorted(maps.Keys(left)))
	})
	s.refuses(t, 2, []string{"namespace/" + s.namespace + " is being deleted"}, "release", "--env", "canary", "--bundle", variant(t, v1).bundle)
	if _, err := configMaps.Patch(ctx, "holds", types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`), metav1.PatchOptions{}); err != nil {
		t.Fatal(err)
	}
}

func TestAHelmReleaseThatWasLeftPendingIsRefused(t *testing.T) {
	t.Parallel()
	s := newSite(t, "pending")
	images := variant(t, v1).images
	helm := exec.Command(bin("helm3"), "--namespace", s.namespace, "install", "calculator", filepath.Join(suite.root, "charts/calculator"), "--wait", "--set",
		"frontend.faults.neverReady=true,frontend.image="+images["calculator-frontend"]+",backend.image="+images["calculator-backend"])
	helm.Env = append(os.Environ(), "KUBECONFIG="+sandboxKubeconfig())
	if err := helm.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, time.Minute, "Helm to install the deployments", func() (bool, string) {
		list, err := suite.kube.AppsV1().Deployments(s.namespace).List(t.Context(), metav1.ListOptions{})
		taken := 0 // by the controller, which changes nothing more of them afterwards
		for _, d := range list.Items {
			if d.Annotations["deployment.kubernetes.io/revision"] != "" {
				taken++
			}
		}
		return err == nil && taken == 2, fmt.Sprintf("%d of 2 (%v)", taken, err)
	})
	_ = helm.Process.Kill()
	_ = helm.Wait() // killed
	s.refuses(t, 2, []string{"calculator", "pending-install", "--unlock"}, "release", "--env", "rolling", "--bundle", variant(t, v1).bundle)

	r := s.run(t, v1, "release", "--env", "rolling", "--bundle", variant(t, v1).bundle, "--unlock", "-o", "json")
	r.mustExit(t, 0)
	visit(t, calculate(s.host)).nowSeesOnly(t, v1)
}
