//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/slipway-cd/slipway/internal/vault"
)

var (
	externalSecrets = schema.GroupVersionResource{Group: "external-secrets.io", Version: "v1", Resource: "externalsecrets"}
	secretStores    = externalSecrets.GroupVersion().WithResource("secretstores")
)

// operator stands in for External Secrets in one namespace: it reads the Key Vault stand-in in the versions that an
// ExternalSecret names, once, and makes the Secret. What an ExternalSecret may hold, its definition says.
type operator struct {
	t         *testing.T
	vault     *vault.KeyVault
	namespace string

	mu   sync.Mutex
	mood string // "", "dead" or "fails"
}

// startOperator serves until the test ends.
func startOperator(t *testing.T, namespace string) *operator {
	t.Helper()
	o := &operator{t: t, vault: sandboxVault(t), namespace: namespace}
	w, err := suite.dynamic.Resource(externalSecrets).Namespace(namespace).Watch(t.Context(), metav1.ListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for e := range w.ResultChan() {
			if object, ok := e.Object.(*unstructured.Unstructured); ok && e.Type != "DELETED" {
				o.reconcile(t.Context(), object)
			}
		}
	}()
	t.Cleanup(func() { w.Stop(); <-done })
	return o
}

func (o *operator) feel(mood string) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.mood = mood
}

// external is an ExternalSecret as the operator reads it.
type external struct {
	Spec struct {
		SecretStoreRef  struct{ Name, Kind string }
		RefreshInterval string
		Target          struct {
			Name, CreationPolicy string
			Immutable            bool
		}
		Data []struct {
			SecretKey string
			RemoteRef struct{ Key, Version string }
		}
	}
}

func (o *operator) reconcile(ctx context.Context, object *unstructured.Unstructured) {
	o.mu.Lock()
	mood := o.mood
	o.mu.Unlock()
	if _, looked, _ := unstructured.NestedSlice(object.Object, "status", "conditions"); looked || mood == "dead" {
		return
	}
	if mood == "fails" {
		why := "error processing spec.data[0] (key: redis-ca), err: keyvault.BaseClient#GetSecret: StatusCode=403 Caller is not authorized"
		event := &corev1.Event{ObjectMeta: metav1.ObjectMeta{GenerateName: object.GetName()}, Type: corev1.EventTypeWarning, Reason: "UpdateFailed", Message: why, LastTimestamp: metav1.Now(),
			InvolvedObject: corev1.ObjectReference{Kind: "ExternalSecret", APIVersion: object.GetAPIVersion(), Namespace: o.namespace, Name: object.GetName(), UID: object.GetUID()}}
		if _, err := suite.kube.CoreV1().Events(o.namespace).Create(ctx, event, metav1.CreateOptions{}); err != nil {
			o.t.Errorf("writing an event: %v", err)
		}
		o.report(ctx, object, "False", "SecretSyncedError", "could not get secret data from provider")
		return
	}
	if err := o.make(ctx, object); err != nil {
		o.t.Errorf("%s: %v", object.GetName(), err)
		return
	}
	o.report(ctx, object, "True", "SecretSynced", "secret synced")
}

func (o *operator) make(ctx context.Context, object *unstructured.Unstructured) error {
	var e external
	if err := decode(object, &e); err != nil {
		return err
	}
	if every, err := time.ParseDuration(e.Spec.RefreshInterval); err != nil || every != 0 {
		return fmt.Errorf("it would be fetched again after %q (%v)", e.Spec.RefreshInterval, err)
	}
	secret := &corev1.Secret{Immutable: &e.Spec.Target.Immutable, Data: map[string][]byte{}, ObjectMeta: metav1.ObjectMeta{Name: e.Spec.Target.Name, Labels: object.GetLabels(),
		OwnerReferences: []metav1.OwnerReference{{APIVersion: object.GetAPIVersion(), Kind: object.GetKind(), Name: object.GetName(), UID: object.GetUID(), Controller: ptr(true)}}}}
	for _, d := range e.Spec.Data {
		ref := vault.Ref{Name: d.RemoteRef.Key, Version: d.RemoteRef.Version}
		if ref.Version == "" {
			return fmt.Errorf("%s is not pinned", d.SecretKey)
		}
		values, err := o.vault.Read(ctx, []vault.Ref{ref})
		if err != nil {
			return err
		}
		secret.Data[d.SecretKey] = []byte(values[ref].Secret.Reveal())
	}
	_, err := suite.kube.CoreV1().Secrets(o.namespace).Create(ctx, secret, metav1.CreateOptions{})
	return err
}

// report writes the condition Ready.
func (o *operator) report(ctx context.Context, object *unstructured.Unstructured, status, reason, message string) {
	if err := setReady(ctx, externalSecrets, object, status, reason, message); err != nil && !apierrors.IsNotFound(err) && ctx.Err() == nil {
		o.t.Errorf("reporting on %s: %v", object.GetName(), err)
	}
}

func setReady(ctx context.Context, r schema.GroupVersionResource, object *unstructured.Unstructured, status, reason, message string) error {
	patch, err := json.Marshal(map[string]any{"status": map[string]any{"conditions": []any{map[string]any{"type": "Ready", "status": status, "reason": reason, "message": message}}}})
	if err != nil {
		return err
	}
	_, err = suite.dynamic.Resource(r).Namespace(object.GetNamespace()).Patch(ctx, object.GetName(), "application/merge-patch+json", patch, metav1.PatchOptions{}, "status")
	return err
}

// makeStore makes a SecretStore of a vault, which nobody has looked at yet.
func makeStore(t *testing.T, namespace, name, url string) *unstructured.Unstructured {
	t.Helper()
	store := &unstructured.Unstructured{Object: map[string]any{
		"apiVersion": "external-secrets.io/v1", "kind": "SecretStore", "metadata": map[string]any{"name": name, "namespace": namespace},
		"spec": map[string]any{"provider": map[string]any{"azurekv": map[string]any{"vaultUrl": url}}},
	}}
	made, err := suite.dynamic.Resource(secretStores).Namespace(namespace).Create(t.Context(), store, metav1.CreateOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return made
}
