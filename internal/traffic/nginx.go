package traffic

import (
	"context"
	"fmt"
	"strconv"

	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/util/retry"

	"github.com/slipway-cd/slipway/internal/config"
)

// Nginx routes with two Ingresses: one for production, one for the candidate with ingress-nginx's canary annotations
// (kubernetes.github.io/ingress-nginx, "Canary").
type Nginx struct {
	client dynamic.Interface
	target Target
	class  string
}

// NewNginx makes the router; it does not contact the cluster.
func NewNginx(client dynamic.Interface, t Target, cfg config.NginxRouter) *Nginx {
	class := cfg.Class
	if class == "" {
		class = "nginx"
	}
	return &Nginx{client: client, target: t, class: class}
}

var (
	_ Router = (*Nginx)(nil)

	ingressGVR      = networkingv1.SchemeGroupVersion.WithResource("ingresses")
	ingressClassGVR = networkingv1.SchemeGroupVersion.WithResource("ingressclasses")
)

const nginxPrefix = "nginx.ingress.kubernetes.io/"

func (n *Nginx) ingresses() dynamic.ResourceInterface {
	return n.client.Resource(ingressGVR).Namespace(n.target.Namespace)
}

func (n *Nginx) canaryName() string { return n.target.Name() + "-canary" }

func (n *Nginx) object(name string) string { return "ingress/" + n.target.Namespace + "/" + name }

// Check looks for the IngressClass (where it may be read), and for Ingresses of others with the same host.
func (n *Nginx) Check(ctx context.Context) error {
	_, err := n.client.Resource(ingressClassGVR).Get(ctx, n.class, metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		return &AbsentError{Object: "ingressclass/" + n.class, Hint: "set router.nginx.class to the class of this cluster's ingress-nginx"}
	case err != nil && !apierrors.IsForbidden(err): // cluster-scoped: many are not allowed to look
		return fmt.Errorf("reading ingressclass/%s: %w", n.class, err)
	}
	list, err := n.client.Resource(ingressGVR).List(ctx, metav1.ListOptions{})
	if apierrors.IsForbidden(err) {
		list, err = n.ingresses().List(ctx, metav1.ListOptions{})
	}
	if err != nil {
		return fmt.Errorf("listing ingresses: %w", err)
	}
	for _, it := range list.Items {
		if it.GetNamespace() == n.target.Namespace && ours(it.GetAnnotations()) && it.GetLabels()["slipway.dev/service"] == n.target.Service {
			if err := shared(n.target, n.object(it.GetName()), it.GetLabels()); err != nil {
				return err
			}
			continue
		}
		var ing networkingv1.Ingress
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(it.Object, &ing); err != nil {
			return fmt.Errorf("reading %s: %w", n.object(it.GetName()), err)
		}
		for _, r := range ing.Spec.Rules {
			if r.Host == n.target.Host && (ing.Spec.IngressClassName == nil || *ing.Spec.IngressClassName == n.class) {
				return &TakenError{Host: r.Host, Object: "ingress/" + ing.Namespace + "/" + ing.Name}
			}
		}
	}
	return nil
}

// Write applies both Ingresses. In a change of roles (production becomes what was the candidate) the order keeps
// every request on the new production: the main Ingress first, then the canary in one write.
// Without production (a first release) the main Ingress carries the candidate, since a canary Ingress alone serves nobody.
func (n *Nginx) Write(ctx context.Context, s Split, f Fence) (Written, error) {
	w := Written{Split: s}
	if prev, ok, err := n.Read(ctx); err != nil {
		return Written{}, err
	} else if ok {
		w.Before = &prev
	}
	main := s.Production
	if main == nil {
		main = s.Candidate
	}
	if main == nil {
		return Written{}, fmt.Errorf("writing %s: a split without any backend", n.object(n.target.Name()))
	}
	if err := n.apply(ctx, n.target.Name(), main, s, f, nil); err != nil {
		return Written{}, fmt.Errorf("setting weight %d %% on %s: %w", s.Weight, n.object(n.target.Name()), err)
	}
	if s.Production == nil || s.Candidate == nil {
		return w, n.removeCanary(ctx, f)
	}
	extra := map[string]string{
		nginxPrefix + "canary":           "true",
		nginxPrefix + "canary-by-header": Header,
		nginxPrefix + "canary-weight":    strconv.Itoa(s.Weight),
	}
	if err := n.apply(ctx, n.canaryName(), s.Candidate, s, f, extra); err != nil {
		return Written{}, fmt.Errorf("setting weight %d %% on %s: %w", s.Weight, n.object(n.canaryName()), err)
	}
	return w, nil
}

func (n *Nginx) apply(ctx context.Context, name string, b *Backend, s Split, f Fence, extra map[string]string) error {
	return retry.OnError(retry.DefaultBackoff, overtaken, func() error {
		old, err := found(n.ingresses().Get(ctx, name, metav1.GetOptions{}))
		if err != nil {
			return err
		}
		epoch := int64(1)
		if old != nil {
			if !ours(old.GetAnnotations()) {
				return &TakenError{Host: n.target.Host, Object: n.object(name)}
			}
			if err := checkFence(n.object(name), old.GetAnnotations(), f); err != nil {
				return err
			}
			last, _ := strconv.ParseInt(old.GetAnnotations()[annotationEpoch], 10, 64)
			epoch = last + 1
		}
		obj, err := n.ingress(name, b, s, f, strconv.FormatInt(epoch, 10), extra)
		if err != nil {
			return err
		}
		return put(ctx, n.ingresses(), obj, old)
	})
}

func (n *Nginx) ingress(name string, b *Backend, s Split, f Fence, epoch string, extra map[string]string) (*unstructured.Unstructured, error) {
	annotations, err := marks(s, f, epoch)
	if err != nil {
		return nil, err
	}
	for k, v := range extra {
		annotations[k] = v
	}
	ing := &networkingv1.Ingress{
		TypeMeta:   metav1.TypeMeta{APIVersion: networkingv1.SchemeGroupVersion.String(), Kind: "Ingress"},
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: n.target.Namespace, Labels: labels(n.target), Annotations: annotations},
		Spec: networkingv1.IngressSpec{
			IngressClassName: &n.class,
			Rules: []networkingv1.IngressRule{{
				Host: n.target.Host,
				IngressRuleValue: networkingv1.IngressRuleValue{HTTP: &networkingv1.HTTPIngressRuleValue{
					Paths: []networkingv1.HTTPIngressPath{{
						Path: "/", PathType: ref(networkingv1.PathTypePrefix),
						Backend: networkingv1.IngressBackend{Service: &networkingv1.IngressServiceBackend{
							Name: b.Service, Port: networkingv1.ServiceBackendPort{Number: int32(b.Port)},
						}},
					}},
				}},
			}},
		},
	}
	obj, err := runtime.DefaultUnstructuredConverter.ToUnstructured(ing)
	if err != nil {
		return nil, fmt.Errorf("rendering %s: %w", n.object(name), err)
	}
	delete(obj, "status")
	unstructured.RemoveNestedField(obj, "metadata", "creationTimestamp")
	return &unstructured.Unstructured{Object: obj}, nil
}

// Read gives the split last written: the canary Ingress's where there is one, since it is written last.
func (n *Nginx) Read(ctx context.Context) (Split, bool, error) {
	for _, name := range []string{n.canaryName(), n.target.Name()} {
		obj, err := n.ingresses().Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			continue
		}
		if err != nil {
			return Split{}, false, fmt.Errorf("reading %s: %w", n.object(name), err)
		}
		s, ok := splitOf(obj.GetAnnotations())
		return s, ok, nil
	}
	return Split{}, false, nil
}

// Describe says that Ingresses have no conditions to look at.
func (n *Nginx) Describe(context.Context) string {
	return "an Ingress has no condition that says whether it was taken up"
}

func (n *Nginx) removeCanary(ctx context.Context, f Fence) error {
	return removeOurs(ctx, n.ingresses(), n.canaryName(), n.object(n.canaryName()), f)
}

// Remove deletes the canary Ingress, then the main one.
func (n *Nginx) Remove(ctx context.Context, f Fence) error {
	if err := n.removeCanary(ctx, f); err != nil {
		return err
	}
	return removeOurs(ctx, n.ingresses(), n.target.Name(), n.object(n.target.Name()), f)
}
