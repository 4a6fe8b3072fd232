//go:build e2e

package chart

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// These tests need a real API server, and nothing else of a cluster: KUBECONFIG names it.

func liveConfig(t *testing.T) *rest.Config {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		t.Fatalf("these tests need a cluster: set KUBECONFIG: %v", err)
	}
	return config
}

func liveClient(t *testing.T) (*Client, kubernetes.Interface) {
	t.Helper()
	config := liveConfig(t)
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	ns, err := kube.CoreV1().Namespaces().Create(t.Context(),
		&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "chart-test-"}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = kube.CoreV1().Namespaces().Delete(context.Background(), ns.Name, metav1.DeleteOptions{})
	})
	client, err := New(config, ns.Name, slog.New(slog.NewTextHandler(testWriter{t}, nil)))
	if err != nil {
		t.Fatal(err)
	}
	return client, kube
}

type testWriter struct{ t *testing.T }

func (w testWriter) Write(p []byte) (int, error) {
	w.t.Log(strings.TrimSpace(string(p)))
	return len(p), nil
}

func TestLiveReleaseGoesThroughItsWholeLife(t *testing.T) {
	client, kube := liveClient(t)
	ctx, ns := t.Context(), client.Namespace()
	ch := loadPlain(t)
	timed := func(what string, do func() error) {
		t.Helper()
		start := time.Now()
		if err := do(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		t.Logf("%-28s %v", what, time.Since(start).Round(time.Millisecond))
	}
	opts := InstallOptions{Release: "web", Chart: ch, Labels: map[string]string{"slot": "blue"}, Description: "first"}
	timed("install", func() error { _, err := client.Install(ctx, opts); return err })
	if _, err := kube.AppsV1().Deployments(ns).Get(ctx, "web", metav1.GetOptions{}); err != nil {
		t.Fatalf("the Deployment is not there: %v", err)
	}
	opts.Values, opts.Labels, opts.Description = map[string]any{"replicas": 3, "hook": true}, nil, ""
	timed("upgrade with a hook", func() error { _, err := client.Upgrade(ctx, opts); return err })
	opts.Values = map[string]any{"replicas": 4}
	timed("upgrade", func() error { _, err := client.Apply(ctx, opts); return err })

	r, err := client.Get(ctx, "web")
	if err != nil {
		t.Fatal(err)
	}
	if r.Revision != 3 || r.Status != Deployed || r.Labels["slot"] != "blue" || len(r.Labels) != 1 || !r.ServerSide || r.ChartVersion != "1.2.3+build.4" {
		t.Errorf("Get gave %+v", r)
	}
	// A person scales by hand: going back must not be refused for it.
	scale, err := kube.AppsV1().Deployments(ns).GetScale(ctx, "web", metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	scale.Spec.Replicas, scale.ResourceVersion = 7, "" // whatever the controllers have written meanwhile
	if _, err := kube.AppsV1().Deployments(ns).UpdateScale(ctx, "web", scale, metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	var conflict *ConflictError
	opts.Values = map[string]any{"replicas": 5}
	if _, err := client.Upgrade(ctx, opts); !errors.As(err, &conflict) {
		t.Errorf("an upgrade over a person's change gave %v, want a ConflictError", err)
	} else {
		t.Log(err)
	}
	timed("rollback", func() error { _, err := client.Rollback(ctx, "web", 1); return err })
	d, err := kube.AppsV1().Deployments(ns).Get(ctx, "web", metav1.GetOptions{})
	if err != nil || *d.Spec.Replicas != 1 {
		t.Errorf("after the rollback: %v, %v replicas", err, *d.Spec.Replicas)
	}
	all, err := client.History(ctx, "web")
	if err != nil || len(all) != 5 {
		t.Fatalf("history has %d revisions, %v", len(all), err)
	}
	for _, r := range all {
		t.Logf("revision %d %s %q", r.Revision, r.Status, r.Description)
	}
	timed("uninstall and wait", func() error {
		return client.UninstallWith(ctx, "web", UninstallOptions{Wait: true, Timeout: 20 * time.Second})
	})
	timed("uninstall of nothing", func() error { return client.Uninstall(ctx, "web") })
	if _, err := kube.CoreV1().Services(ns).Get(ctx, "web", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("the Service is still there: %v", err)
	}
	if _, err := client.Get(ctx, "web"); !errors.Is(err, ErrNotFound) {
		t.Errorf("after the uninstall Get gave %v", err)
	}
}

func TestLiveHistoryIsBounded(t *testing.T) {
	client, _ := liveClient(t)
	ch := loadPlain(t)
	for i := range maxHistory + 3 {
		if _, err := client.Apply(t.Context(), InstallOptions{Release: "web", Chart: ch, Values: map[string]any{"replicas": i}}); err != nil {
			t.Fatal(err)
		}
	}
	all, err := client.History(t.Context(), "web")
	if err != nil || len(all) != maxHistory || all[len(all)-1].Revision != maxHistory+3 {
		t.Errorf("kept %d revisions, %v", len(all), err)
	}
}

func TestLiveErrorsSayWhatIsWrong(t *testing.T) {
	client, kube := liveClient(t)
	ctx, ns := t.Context(), client.Namespace()
	ch := loadPlain(t)
	if _, err := client.Install(ctx, InstallOptions{Release: "web", Chart: ch}); err != nil {
		t.Fatal(err)
	}
	config := rest.CopyConfig(liveConfig(t))
	config.Impersonate = rest.ImpersonationConfig{UserName: "weak"}
	weak, err := New(config, ns, nil)
	if err != nil {
		t.Fatal(err)
	}
	missing, err := New(liveConfig(t), "no-such-namespace", nil)
	if err != nil {
		t.Fatal(err)
	}
	dead, err := New(&rest.Config{Host: "https://127.0.0.1:1"}, ns, nil)
	if err != nil {
		t.Fatal(err)
	}
	dying, err := kube.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		GenerateName: "chart-test-", Finalizers: []string{"slipway.dev/test"}}}, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if err := kube.CoreV1().Namespaces().Delete(ctx, dying.Name, metav1.DeleteOptions{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if ns, err := kube.CoreV1().Namespaces().Get(context.Background(), dying.Name, metav1.GetOptions{}); err == nil {
			ns.Finalizers = nil
			_, _ = kube.CoreV1().Namespaces().Update(context.Background(), ns, metav1.UpdateOptions{})
		}
	})
	terminating, err := New(liveConfig(t), dying.Name, nil)
	if err != nil {
		t.Fatal(err)
	}
	apply := func(c *Client, release string, values map[string]any) error {
		_, err := c.Apply(ctx, InstallOptions{Release: release, Chart: ch, Values: values})
		return err
	}
	for _, test := range []struct {
		name string
		err  error
		as   any
		says []string
	}{
		{"forbidden by RBAC", apply(weak, "web", nil), new(*ForbiddenError), []string{"weak", "list", "secrets", ns}},
		{"forbidden to uninstall", weak.Uninstall(ctx, "web"), new(*ForbiddenError), []string{"weak", "list", "secrets"}},
		{"namespace missing", apply(missing, "web", nil), new(*NamespaceError), []string{"no-such-namespace", "does not exist"}},
		{"namespace terminating", apply(terminating, "web", nil), new(*NamespaceError), []string{dying.Name, "being deleted"}},
		{"unreachable", apply(dead, "web", nil), new(*UnreachableError), []string{"127.0.0.1:1", "connection refused"}},
		{"immutable field", apply(client, "web", map[string]any{"app": "other"}), new(*ImmutableError), []string{"Deployment.apps web", "spec.selector"}},
		{"another release's object", apply(client, "other", map[string]any{"service": "web"}), new(*OwnershipError), []string{"Service web", ns + "/web", ns + "/other"}},
		{"values refused", apply(client, "web", map[string]any{"replicas": "many"}), new(*ValuesError), []string{"replicas", "want integer"}},
		{"unknown kind", apply(client, "web", map[string]any{"extra": object("example.test/v1", "Gadget", nil)}), new(*UnknownKindError), []string{"example.test/v1 Gadget"}},
		{"unknown field", apply(client, "web", map[string]any{"extra": object("v1", "Service", map[string]any{"prots": 1})}), new(*RejectedError), []string{"spec.prots"}},
		{"invalid object", apply(client, "web", map[string]any{"extra": object("v1", "Service", map[string]any{"ports": []any{map[string]any{"port": 0}}})}), new(*RejectedError), []string{"Service extra", "spec.ports[0].port"}},
		{"name in use", func() error { _, err := client.Install(ctx, InstallOptions{Release: "web", Chart: ch}); return err }(), new(*ExistsError), []string{"exists", "web"}},
		{"no such revision", func() error { _, err := client.Rollback(ctx, "web", 77); return err }(), new(*RevisionError), []string{"77", "kept"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.err == nil || !errors.As(test.err, test.as) {
				t.Fatalf("got %T %v, want %T", test.err, test.err, test.as)
			}
			for _, part := range test.says {
				if !strings.Contains(test.err.Error(), part) {
					t.Errorf("%q does not say %q", test.err, part)
				}
			}
			t.Log(test.err)
		})
	}
	if r, err := client.Get(ctx, "web"); err != nil || r.Status.Pending() {
		t.Errorf("after all that the release is %+v, %v", r, err)
	}
	if err := apply(client, "web", nil); err != nil {
		t.Errorf("it cannot be upgraded any more: %v", err)
	}
}

func TestLiveCheckFindsWhatApplyWouldAndChangesNothing(t *testing.T) {
	client, kube := liveClient(t)
	ctx, ns := t.Context(), client.Namespace()
	ch := loadPlain(t)
	start := time.Now()
	if err := client.Check(ctx, InstallOptions{Release: "web", Chart: ch}); err != nil {
		t.Fatal(err)
	}
	t.Logf("check %v", time.Since(start).Round(time.Millisecond))
	if _, err := kube.AppsV1().Deployments(ns).Get(ctx, "web", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("checking made the Deployment: %v", err)
	}
	if _, err := client.Get(ctx, "web"); !errors.Is(err, ErrNotFound) {
		t.Errorf("checking made a release: %v", err)
	}
	// Someone who may do everything with releases and Services, and nothing with Deployments.
	role := &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Name: "half"}, Rules: []rbacv1.PolicyRule{
		{APIGroups: []string{""}, Resources: []string{"secrets", "services", "configmaps"}, Verbs: []string{"*"}},
		{APIGroups: []string{"apps"}, Resources: []string{"deployments"}, Verbs: []string{"get"}}}}
	if _, err := kube.RbacV1().Roles(ns).Create(ctx, role, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	binding := &rbacv1.RoleBinding{ObjectMeta: metav1.ObjectMeta{Name: "half"}, RoleRef: rbacv1.RoleRef{APIGroup: "rbac.authorization.k8s.io", Kind: "Role", Name: "half"},
		Subjects: []rbacv1.Subject{{Kind: "User", APIGroup: "rbac.authorization.k8s.io", Name: "half"}}}
	if _, err := kube.RbacV1().RoleBindings(ns).Create(ctx, binding, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	config := rest.CopyConfig(liveConfig(t))
	config.Impersonate = rest.ImpersonationConfig{UserName: "half"}
	half, err := New(config, ns, nil)
	if err != nil {
		t.Fatal(err)
	}
	var forbidden *ForbiddenError
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); { // RBAC takes a moment to learn of a binding
		err = half.Check(ctx, InstallOptions{Release: "web", Chart: ch})
		if !errors.As(err, &forbidden) || forbidden.Resource != "secrets" {
			break
		}
	}
	if !errors.As(err, &forbidden) || forbidden.Verb != "patch" || forbidden.Resource != "deployments.apps" {
		t.Errorf("got %v", err)
	}
	t.Log(err)
	if _, err := client.Install(ctx, InstallOptions{Release: "web", Chart: ch}); err != nil {
		t.Fatal(err)
	}
	var immutable *ImmutableError
	if err := client.Check(ctx, InstallOptions{Release: "web", Chart: ch, Values: map[string]any{"app": "other"}}); !errors.As(err, &immutable) {
		t.Errorf("got %v", err)
	}
	if r, err := client.Get(ctx, "web"); err != nil || r.Revision != 1 || r.Status != Deployed {
		t.Errorf("checking touched the release: %+v, %v", r, err)
	}
}

func object(api, kind string, spec map[string]any) map[string]any {
	return map[string]any{"apiVersion": api, "kind": kind, "metadata": map[string]any{"name": "extra"}, "spec": spec}
}

func TestLiveCutOffInstallStopsWritingAndIsNotLeftPending(t *testing.T) {
	client, kube := liveClient(t)
	// A Job that nothing runs: the hook waits until it is cut off. There is no controller, or no such image.
	hook := map[string]any{"apiVersion": "batch/v1", "kind": "Job",
		"metadata": map[string]any{"name": "hook", "annotations": map[string]any{"helm.sh/hook": "pre-install"}},
		"spec": map[string]any{"template": map[string]any{"spec": map[string]any{"restartPolicy": "Never",
			"containers": []any{map[string]any{"name": "x", "image": "example.test/none:0"}}}}}}
	ctx, cancel := context.WithCancelCause(t.Context())
	why := fmt.Errorf("the test has had enough")
	go func() {
		for t.Context().Err() == nil {
			if _, err := kube.BatchV1().Jobs(client.Namespace()).Get(t.Context(), "hook", metav1.GetOptions{}); err == nil {
				cancel(why)
				return
			}
		}
	}()
	_, err := client.Install(ctx, InstallOptions{Release: "web", Chart: loadPlain(t), Values: map[string]any{"extra": hook}})
	if !errors.Is(err, why) {
		t.Fatalf("got %v", err)
	}
	t.Log(err)
	if _, err := kube.AppsV1().Deployments(client.Namespace()).Get(t.Context(), "web", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
		t.Errorf("the Deployment was made after the end: %v", err)
	}
	r, err := client.Get(t.Context(), "web")
	if err != nil || r.Status != Failed {
		t.Errorf("the release is %+v, %v; want failed", r, err)
	}
	if err := client.Uninstall(t.Context(), "web"); err != nil {
		t.Error(err)
	}
}

func TestLivePendingReleaseIsReportedAndUnlocked(t *testing.T) {
	client, _ := liveClient(t)
	ctx := t.Context()
	opts := InstallOptions{Release: "web", Chart: loadPlain(t)}
	if _, err := client.Install(ctx, opts); err != nil {
		t.Fatal(err)
	}
	leavePending(t, client, "web")
	var pending *PendingError
	if _, err := client.Upgrade(ctx, opts); !errors.As(err, &pending) || pending.Revision != 2 || pending.Status != PendingUpgrade {
		t.Fatalf("got %v", err)
	}
	if err := client.Unlock(ctx, "web"); err != nil {
		t.Fatal(err)
	}
	if _, err := client.Rollback(ctx, "web", 1); err != nil {
		t.Errorf("rollback after unlocking: %v", err)
	}
}
