package clustersecret

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/slipway-cd/slipway/internal/cluster"
	"github.com/slipway-cd/slipway/internal/config"
)

const externalGroup = "external-secrets.io"

// externalSecrets is the resource in the versions that are known, the best first.
var externalSecrets = []schema.GroupVersionResource{
	{Group: externalGroup, Version: "v1", Resource: "externalsecrets"},
	{Group: externalGroup, Version: "v1beta1", Resource: "externalsecrets"},
}

// External has External Secrets make immutable Secrets, through a store that is in the cluster.
type External struct {
	Cluster
	// Store is the store's name, Kind [config.SecretStore] or [config.ClusterSecretStore].
	Store, Kind string
	// VaultURL is the vault whose versions are asked for: the store must read the same one.
	VaultURL string
	// Say takes what is waited for, whenever that reads differently; nil: nobody.
	Say func(object, message string)
}

// By is what a Secret's name tells of who fetches it.
func (e External) By() string {
	return fmt.Sprintf("externalSecrets %s %s %s", e.Kind, e.Store, strings.ToLower(e.VaultURL))
}

// resource finds the newest version of the API that the cluster has.
func (e External) resource(ctx context.Context) (schema.GroupVersionResource, error) {
	for _, r := range externalSecrets {
		if ok, err := e.served(ctx, r); err != nil || ok {
			return r, err
		}
	}
	return schema.GroupVersionResource{}, &NotServedError{What: "External Secrets", Kind: "externalsecrets." + externalGroup + "/v1 or v1beta1", Advice: []string{
		"helm install external-secrets external-secrets --repo https://charts.external-secrets.io --namespace external-secrets --create-namespace installs it",
		"or leave secretsBy out: then Slipway brings the secrets",
	}}
}

// StoreError says that the store cannot serve. Nothing was touched.
type StoreError struct {
	Object string // "secretstore/shop/team-vault"
	// Problem is a clause without a full stop.
	Problem string
	Advice  []string
}

func (e *StoreError) Error() string { return e.Object + " " + e.Problem }

// Next says what a person may do.
func (e *StoreError) Next() []string { return e.Advice }

// Check refuses a cluster without External Secrets, and a store that is not there, is not ready, or reads another vault. A
// store that may not be looked at is believed.
func (e External) Check(ctx context.Context) error {
	r, err := e.resource(ctx)
	if err != nil {
		return err
	}
	stores, object := r.GroupVersion().WithResource("secretstores"), "secretstore/"+e.Namespace+"/"+e.Store
	client := e.Dynamic.Resource(stores).Namespace(e.Namespace)
	get, scope := client.Get, " -n "+e.Namespace
	if e.Kind == config.ClusterSecretStore {
		stores, object, scope = r.GroupVersion().WithResource("clustersecretstores"), "clustersecretstore/"+e.Store, ""
		get = e.Dynamic.Resource(stores).Get
	}
	refuse := func(problem string, advice ...string) error {
		return &StoreError{Object: object, Problem: problem, Advice: advice}
	}
	describe := "kubectl" + scope + " describe " + stores.Resource + "." + externalGroup + " " + e.Store
	store, err := get(ctx, e.Store, metav1.GetOptions{})
	switch {
	case apierrors.IsForbidden(err):
		return nil
	case apierrors.IsNotFound(err):
		return refuse("does not exist", "make it, or name another in secretsBy.externalSecrets (store, kind): kubectl get secretstores,clustersecretstores -A lists those of the cluster")
	case err != nil:
		return cluster.Explain(err, "reading "+object)
	}
	url, _, _ := unstructured.NestedString(store.Object, "spec", "provider", "azurekv", "vaultUrl")
	if url == "" {
		return refuse("is not a store of an Azure Key Vault", "name one of provider azurekv in secretsBy.externalSecrets.store")
	}
	if !sameURL(url, e.VaultURL) {
		return refuse(fmt.Sprintf("reads the vault %s, but the environment's is %s, so the versions would not be found", url, e.VaultURL), "name the store of the environment's vault in secretsBy.externalSecrets.store")
	}
	switch ready, why := condition(store); {
	case why == "":
		return refuse("has no condition Ready, so nobody has looked at it yet", "check that the controller of External Secrets runs: kubectl get pods -A -l app.kubernetes.io/name=external-secrets", describe)
	case !ready:
		return refuse("is not ready: "+why, describe)
	}
	return nil
}

func sameURL(a, b string) bool {
	return strings.EqualFold(strings.TrimRight(a, "/"), strings.TrimRight(b, "/"))
}

// condition is the one named Ready: whether it is so, and what it says; "" where there is none.
func condition(o *unstructured.Unstructured) (ready bool, why string) {
	list, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions")
	for _, item := range list {
		c, _ := item.(map[string]any)
		if c["type"] != "Ready" {
			continue
		}
		message, _ := c["message"].(string)
		reason, _ := c["reason"].(string)
		if message == "" {
			message = "no message"
		}
		return c["status"] == "True", oneLine(message) + " (" + reason + ")"
	}
	return false, ""
}

// Apply makes the ExternalSecret of a Secret: each variable in exactly the version that was found, fetched once.
func (e External) Apply(ctx context.Context, s Secret, dry bool) error {
	r, err := e.resource(ctx)
	if err != nil {
		return err
	}
	var data []any
	for _, key := range s.keys() {
		v := s.Keys[key]
		data = append(data, map[string]any{"secretKey": key, "remoteRef": map[string]any{"key": v.Name, "version": v.Version}})
	}
	return e.apply(ctx, r, e.new(r.GroupVersion(), "ExternalSecret", s, map[string]any{
		"secretStoreRef":  map[string]any{"name": e.Store, "kind": e.Kind},
		"refreshInterval": "0s", // in all versions of the API: never again
		"target":          map[string]any{"name": s.Name, "creationPolicy": "Owner", "immutable": true},
		"data":            data,
	}), dry)
}

// NotSyncedError says that External Secrets did not make a Secret in time. The object that asks for it stays until it is
// pruned; nothing waits for it.
type NotSyncedError struct {
	Object string
	After  time.Duration
	// Why is what is known, in the words of External Secrets.
	Why string
}

func (e *NotSyncedError) Error() string {
	return fmt.Sprintf("%s was not synced within %s: %s", e.Object, e.After, e.Why)
}

// interval is how often is asked whether Secrets are there.
const interval = 500 * time.Millisecond

// Wait returns once every ExternalSecret is Ready and its Secret is there, or with a *[NotSyncedError] when the time is up. A
// condition that is false is told and waited for: External Secrets tries again.
func (e External) Wait(ctx context.Context, names []string, timeout time.Duration) error {
	r, err := e.resource(ctx)
	if err != nil {
		return err
	}
	var waiting, why string
	err = wait.PollUntilContextTimeout(ctx, interval, timeout, true, func(left context.Context) (bool, error) {
		for _, name := range names {
			ready, now, err := e.look(ctx, r, name)
			if !ready && left.Err() != nil && ctx.Err() == nil {
				return false, nil // a look that went on beyond the end of the time takes no reason's place
			}
			if err != nil {
				return false, err
			}
			if ready {
				continue
			}
			if object := e.object(r, name); object != waiting || now != why {
				if waiting, why = object, now; e.Say != nil {
					e.Say(waiting, why)
				}
			}
			return false, nil
		}
		return true, nil
	})
	if wait.Interrupted(err) && ctx.Err() == nil {
		_, name, _ := strings.Cut(strings.TrimPrefix(waiting, "externalsecret/"), "/")
		return &NotSyncedError{Object: waiting, After: timeout, Why: why + e.newest(ctx, name)}
	}
	if err != nil && ctx.Err() != nil {
		return fmt.Errorf("waiting for secrets to be synced: %w", ctx.Err())
	}
	return err
}

// lookFor bounds one look. It is not cut to what is left of the time: client-go refuses requests that may not be sent before
// their context ends, and that would take the place of the reason.
const lookFor = 10 * time.Second

// look says how one ExternalSecret is.
func (e External) look(ctx context.Context, r schema.GroupVersionResource, name string) (ready bool, why string, err error) {
	whole := ctx
	ctx, cancel := context.WithTimeout(ctx, lookFor)
	defer cancel()
	defer func() {
		if err != nil && ctx.Err() != nil && whole.Err() == nil {
			ready, why, err = false, silent, nil
		}
	}()
	o, err := e.Dynamic.Resource(r).Namespace(e.Namespace).Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		return false, silent, passing(err, "reading "+e.object(r, name))
	}
	ready, why = condition(o)
	switch {
	case why == "":
		return false, "External Secrets has not looked at it yet", nil
	case !ready:
		return false, why, nil
	}
	_, err = e.Kube.CoreV1().Secrets(e.Namespace).Get(ctx, name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return false, "it says that it is synced, but there is no Secret yet", nil
	}
	return err == nil, silent, passing(err, "reading secret/"+e.Namespace+"/"+name)
}

const silent = "the API server does not answer"

// passing drops errors that the next look may not have.
func passing(err error, doing string) error {
	explained := cluster.Explain(err, doing)
	var unreachable *cluster.UnreachableError
	if cluster.IsKind(explained, cluster.Busy) || errors.As(explained, &unreachable) {
		return nil
	}
	return explained
}

// newest is the last warning about an ExternalSecret: the condition often says only that something failed. What cannot be
// found out is left out.
func (e External) newest(ctx context.Context, name string) string {
	events, err := e.Kube.CoreV1().Events(e.Namespace).List(ctx, metav1.ListOptions{FieldSelector: fields.Set{"involvedObject.name": name, "involvedObject.kind": "ExternalSecret"}.String()})
	if err != nil {
		return ""
	}
	var last *corev1.Event
	for i := range events.Items {
		ev := &events.Items[i]
		if ev.Type == corev1.EventTypeWarning && ev.InvolvedObject.Name == name && (last == nil || !cluster.EventTime(ev).Before(cluster.EventTime(last))) {
			last = ev
		}
	}
	if last == nil {
		return ""
	}
	return "; " + oneLine(last.Message)
}

// oneLine is one line of at most 400 bytes.
func oneLine(s string) string { return cluster.OneLine(s, 400) }
