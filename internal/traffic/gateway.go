package traffic

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/util/retry"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"

	"github.com/slipway-cd/slipway/internal/config"
)

// Annotations on the objects a router owns.
const (
	annotationSplit = "slipway.dev/split" // the Split as JSON: what a reader needs to continue
	annotationFence = "slipway.dev/fence" // the token of the last writer
	annotationEpoch = "slipway.dev/epoch" // counts writes
)

// Gateway routes with an HTTPRoute of its own (Gateway API v1). Its backendRefs carry a filter that marks each answer
// with the slot and with the write that routed it, so a weight change is verified exactly, for any chart.
type Gateway struct {
	client dynamic.Interface
	target Target
	cfg    config.GatewayRouter
}

// NewGateway makes the router; it does not contact the cluster.
func NewGateway(client dynamic.Interface, t Target, cfg config.GatewayRouter) *Gateway {
	if cfg.Namespace == "" {
		cfg.Namespace = t.Namespace
	}
	return &Gateway{client: client, target: t, cfg: cfg}
}

var (
	_ Router = (*Gateway)(nil)

	gatewayAPI = schema.GroupVersion{Group: gatewayv1.GroupName, Version: "v1"}
	routeGVR   = gatewayAPI.WithResource("httproutes")
	gatewayGVR = gatewayAPI.WithResource("gateways")
)

func (g *Gateway) routes() dynamic.ResourceInterface {
	return g.client.Resource(routeGVR).Namespace(g.target.Namespace)
}

func (g *Gateway) object() string {
	return "httproute/" + g.target.Namespace + "/" + g.target.Name()
}

// Check looks for the Gateway, and for routes of others with the same host on it.
func (g *Gateway) Check(ctx context.Context) error {
	name := "gateway/" + g.cfg.Namespace + "/" + g.cfg.Name
	_, err := g.client.Resource(gatewayGVR).Namespace(g.cfg.Namespace).Get(ctx, g.cfg.Name, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return &AbsentError{Object: name, Hint: g.absentHint(ctx)}
	case err != nil:
		return fmt.Errorf("reading %s: %w", name, err)
	}
	list, err := g.client.Resource(routeGVR).List(ctx, metav1.ListOptions{})
	if apierrors.IsForbidden(err) { // not allowed to see other namespaces: look at least in ours
		list, err = g.routes().List(ctx, metav1.ListOptions{})
	}
	if err != nil {
		return fmt.Errorf("listing httproutes: %w", err)
	}
	for i := range list.Items {
		var r gatewayv1.HTTPRoute
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(list.Items[i].Object, &r); err != nil {
			return fmt.Errorf("reading httproute/%s/%s: %w", list.Items[i].GetNamespace(), list.Items[i].GetName(), err)
		}
		if r.Namespace == g.target.Namespace && r.Name == g.target.Name() && ours(r.Annotations) {
			if err := shared(g.target, g.object(), r.Labels); err != nil {
				return err
			}
			continue
		}
		if g.attached(&r) && hasHost(&r, g.target.Host) {
			return &TakenError{Host: g.target.Host, Object: "httproute/" + r.Namespace + "/" + r.Name}
		}
	}
	return nil
}

func ours(annotations map[string]string) bool { return annotations[annotationSplit] != "" }

// shared refuses an object of ours that another environment made.
func shared(t Target, object string, labels map[string]string) error {
	if env := labels["slipway.dev/environment"]; env != t.Environment {
		return &SharedError{Object: object, Environment: env}
	}
	return nil
}

// absentHint tells a missing Gateway API apart from a missing Gateway.
func (g *Gateway) absentHint(ctx context.Context) string {
	list, err := g.client.Resource(gatewayGVR).List(ctx, metav1.ListOptions{Limit: 20})
	if apierrors.IsNotFound(err) {
		return "this cluster has no Gateway API (gateway.networking.k8s.io/v1); install it, or set router.nginx for this environment"
	}
	if err != nil || len(list.Items) == 0 {
		return "make it, or set router.gateway.name and .namespace to the Gateway that serves this environment"
	}
	var names []string
	for _, it := range list.Items {
		names = append(names, it.GetNamespace()+"/"+it.GetName())
	}
	return "set router.gateway.name and .namespace; this cluster has " + strings.Join(names, ", ")
}

func (g *Gateway) attached(r *gatewayv1.HTTPRoute) bool {
	for _, p := range r.Spec.ParentRefs {
		ns := r.Namespace
		if p.Namespace != nil {
			ns = string(*p.Namespace)
		}
		if string(p.Name) == g.cfg.Name && ns == g.cfg.Namespace {
			return true
		}
	}
	return false
}

func hasHost(r *gatewayv1.HTTPRoute, host string) bool {
	for _, h := range r.Spec.Hostnames {
		if string(h) == host {
			return true
		}
	}
	return false
}

// Write applies the HTTPRoute. It retries conflicts (the gateway's own status updates cause them) after looking
// at the fence again.
func (g *Gateway) Write(ctx context.Context, s Split, f Fence) (Written, error) {
	var w Written
	err := retry.OnError(retry.DefaultBackoff, overtaken, func() error {
		old, err := found(g.routes().Get(ctx, g.target.Name(), metav1.GetOptions{}))
		if err != nil {
			return err
		}
		w = Written{Split: s}
		epoch := int64(1)
		if old != nil {
			a := old.GetAnnotations()
			if !ours(a) {
				return &TakenError{Host: g.target.Host, Object: g.object()}
			}
			if err := checkFence(g.object(), a, f); err != nil {
				return err
			}
			if prev, ok := splitOf(a); ok {
				w.Before = &prev
			}
			last, _ := strconv.ParseInt(a[annotationEpoch], 10, 64)
			epoch = last + 1
		}
		w.Epoch = strconv.FormatInt(epoch, 10)
		obj, err := g.route(s, f, w.Epoch)
		if err != nil {
			return err
		}
		return put(ctx, g.routes(), obj, old)
	})
	if err != nil {
		return Written{}, fmt.Errorf("setting weight %d %% on %s: %w", s.Weight, g.object(), err)
	}
	return w, nil
}

// put writes an object over the one that was looked at, or, where there was none (nil), makes it. Applied, one that was not there
// would also replace what a later holder of the lock has made meanwhile.
func put(ctx context.Context, client dynamic.ResourceInterface, obj, old *unstructured.Unstructured) error {
	if old == nil {
		_, err := client.Create(ctx, obj, metav1.CreateOptions{FieldManager: FieldManager})
		return err
	}
	obj.SetResourceVersion(old.GetResourceVersion())
	_, err := client.Apply(ctx, obj.GetName(), obj, metav1.ApplyOptions{FieldManager: FieldManager, Force: true})
	return err
}

// found is what a Get has found, nil for nothing.
func found(o *unstructured.Unstructured, err error) (*unstructured.Unstructured, error) {
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	return o, err
}

// overtaken says that an object has changed, or has come, since it was looked at.
func overtaken(err error) bool { return apierrors.IsConflict(err) || apierrors.IsAlreadyExists(err) }

func checkFence(object string, annotations map[string]string, f Fence) error {
	found, _ := strconv.ParseInt(annotations[annotationFence], 10, 64)
	if found > int64(f) {
		return &StaleError{Object: object, Ours: int64(f), Found: found}
	}
	return nil
}

func splitOf(annotations map[string]string) (Split, bool) {
	var s Split
	raw := annotations[annotationSplit]
	return s, raw != "" && json.Unmarshal([]byte(raw), &s) == nil
}

func marks(s Split, f Fence, epoch string) (map[string]string, error) {
	raw, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("writing the split: %w", err)
	}
	return map[string]string{annotationSplit: string(raw), annotationFence: strconv.FormatInt(int64(f), 10), annotationEpoch: epoch}, nil
}

func labels(t Target) map[string]string {
	return map[string]string{
		"app.kubernetes.io/managed-by": "slipway",
		"slipway.dev/service":          t.Service,
		"slipway.dev/environment":      t.Environment,
	}
}

// route renders the HTTPRoute of a split.
func (g *Gateway) route(s Split, f Fence, epoch string) (*unstructured.Unstructured, error) {
	annotations, err := marks(s, f, epoch)
	if err != nil {
		return nil, err
	}
	parent := gatewayv1.ParentReference{
		Name:      gatewayv1.ObjectName(g.cfg.Name),
		Namespace: ref(gatewayv1.Namespace(g.cfg.Namespace)),
	}
	if g.cfg.Listener != "" {
		parent.SectionName = ref(gatewayv1.SectionName(g.cfg.Listener))
	}
	var rules []gatewayv1.HTTPRouteRule
	only := func(value string, b *Backend) {
		rules = append(rules, gatewayv1.HTTPRouteRule{
			Matches:     []gatewayv1.HTTPRouteMatch{{Headers: []gatewayv1.HTTPHeaderMatch{{Name: Header, Value: value}}}},
			BackendRefs: []gatewayv1.HTTPBackendRef{backendRef(b, 1, epoch)},
		})
	}
	if s.Candidate != nil {
		only(HeaderAlways, s.Candidate)
		if s.Production != nil {
			only(HeaderNever, s.Production)
		}
	}
	var refs []gatewayv1.HTTPBackendRef
	if s.Production != nil {
		refs = append(refs, backendRef(s.Production, int32(100-s.Weight), epoch))
	}
	if s.Candidate != nil && (s.Production != nil || s.Weight > 0) {
		refs = append(refs, backendRef(s.Candidate, int32(s.Weight), epoch))
	}
	if len(refs) > 0 {
		rules = append(rules, gatewayv1.HTTPRouteRule{BackendRefs: refs})
	}
	route := &gatewayv1.HTTPRoute{
		TypeMeta: metav1.TypeMeta{APIVersion: gatewayAPI.String(), Kind: "HTTPRoute"},
		ObjectMeta: metav1.ObjectMeta{
			Name: g.target.Name(), Namespace: g.target.Namespace,
			Labels: labels(g.target), Annotations: annotations,
		},
		Spec: gatewayv1.HTTPRouteSpec{
			CommonRouteSpec: gatewayv1.CommonRouteSpec{ParentRefs: []gatewayv1.ParentReference{parent}},
			Hostnames:       []gatewayv1.Hostname{gatewayv1.Hostname(g.target.Host)},
			Rules:           rules,
		},
	}
	obj, err := runtime.DefaultUnstructuredConverter.ToUnstructured(route)
	if err != nil {
		return nil, fmt.Errorf("rendering %s: %w", g.object(), err)
	}
	delete(obj, "status")
	unstructured.RemoveNestedField(obj, "metadata", "creationTimestamp")
	return &unstructured.Unstructured{Object: obj}, nil
}

// backendRef marks its answers, see [SlotHeader] and [EpochHeader].
func backendRef(b *Backend, weight int32, epoch string) gatewayv1.HTTPBackendRef {
	return gatewayv1.HTTPBackendRef{
		BackendRef: gatewayv1.BackendRef{
			BackendObjectReference: gatewayv1.BackendObjectReference{
				Name: gatewayv1.ObjectName(b.Service),
				Port: ref(gatewayv1.PortNumber(b.Port)),
			},
			Weight: ref(weight),
		},
		Filters: []gatewayv1.HTTPRouteFilter{{
			Type: gatewayv1.HTTPRouteFilterResponseHeaderModifier,
			ResponseHeaderModifier: &gatewayv1.HTTPHeaderFilter{Set: []gatewayv1.HTTPHeader{
				{Name: SlotHeader, Value: b.Slot},
				{Name: EpochHeader, Value: epoch},
			}},
		}},
	}
}

func ref[T any](v T) *T { return &v }

// Read gives the split that the route was last written with.
func (g *Gateway) Read(ctx context.Context) (Split, bool, error) {
	obj, err := g.routes().Get(ctx, g.target.Name(), metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return Split{}, false, nil
	}
	if err != nil {
		return Split{}, false, fmt.Errorf("reading %s: %w", g.object(), err)
	}
	s, ok := splitOf(obj.GetAnnotations())
	return s, ok, nil
}

// Describe gives the route's conditions that are not as they should be.
func (g *Gateway) Describe(ctx context.Context) string {
	obj, err := g.routes().Get(ctx, g.target.Name(), metav1.GetOptions{})
	if err != nil {
		return fmt.Sprintf("%s cannot be read: %v", g.object(), err)
	}
	var r gatewayv1.HTTPRoute
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(obj.Object, &r); err != nil {
		return fmt.Sprintf("%s cannot be read: %v", g.object(), err)
	}
	if len(r.Status.Parents) == 0 {
		return g.object() + " has not been taken up by any gateway (no status)"
	}
	var bad []string
	for _, p := range r.Status.Parents {
		for _, c := range p.Conditions {
			if c.Status != metav1.ConditionTrue {
				bad = append(bad, fmt.Sprintf("%s is %s: %s (%s)", c.Type, c.Status, c.Message, c.Reason))
			}
		}
	}
	if len(bad) == 0 {
		return g.object() + " is accepted by its gateway"
	}
	return g.object() + ": " + strings.Join(bad, "; ")
}

// Remove deletes the HTTPRoute if it is ours.
func (g *Gateway) Remove(ctx context.Context, f Fence) error {
	return removeOurs(ctx, g.routes(), g.target.Name(), g.object(), f)
}

func removeOurs(ctx context.Context, client dynamic.ResourceInterface, name, object string, f Fence) error {
	return retry.OnError(retry.DefaultBackoff, apierrors.IsConflict, func() error {
		obj, err := client.Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) || (err == nil && !ours(obj.GetAnnotations())) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("removing %s: %w", object, err)
		}
		if err := checkFence(object, obj.GetAnnotations(), f); err != nil {
			return err
		}
		uid, version := obj.GetUID(), obj.GetResourceVersion()
		err = client.Delete(ctx, name, metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &uid, ResourceVersion: &version}})
		if err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("removing %s: %w", object, err)
		}
		return nil
	})
}
