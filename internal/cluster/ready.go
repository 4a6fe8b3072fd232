package cluster

import (
	"fmt"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
)

// Status is what an object says about itself.
type Status struct {
	Ready  bool   // it does what it was made for
	Failed bool   // it will not get ready without a change
	Reason string // one phrase for a person; never empty
}

// Ready judges one object by itself, without contacting anything. Deployments, StatefulSets, DaemonSets, ReplicaSets,
// claims, CRDs and kinds with the generic conditions are judged by kstatus, which Helm links already; what kstatus
// answers for another purpose is judged here: a Job is ready when it is complete (not when it has started), a Pod that
// cannot be scheduled has not failed (an autoscaler may help), and a Pod's crash loop is a matter of counting (see
// telemetry/kube). Obj may be typed or *unstructured.Unstructured; it is not changed. For a Service see [ServiceReady].
func Ready(obj runtime.Object) Status {
	switch o := obj.(type) {
	case *corev1.Pod:
		return podReady(o)
	case *batchv1.Job:
		return jobReady(o)
	}
	u, ok := obj.(*unstructured.Unstructured)
	if !ok {
		m, err := runtime.DefaultUnstructuredConverter.ToUnstructured(obj)
		if err != nil {
			return Status{Reason: fmt.Sprintf("cannot be read: %v", err)}
		}
		u = &unstructured.Unstructured{Object: m}
		// Typed clients leave kind and apiVersion empty.
		if kinds, _, err := scheme.Scheme.ObjectKinds(obj); err == nil && len(kinds) > 0 {
			u.SetGroupVersionKind(kinds[0])
		}
	} else {
		switch u.GroupVersionKind().GroupKind() {
		case corev1.SchemeGroupVersion.WithKind("Pod").GroupKind():
			return typed(u, &corev1.Pod{}, podReady)
		case batchv1.SchemeGroupVersion.WithKind("Job").GroupKind():
			return typed(u, &batchv1.Job{}, jobReady)
		}
	}
	res, err := status.Compute(u)
	if err != nil {
		return Status{Reason: fmt.Sprintf("cannot be judged: %v", err)}
	}
	s := Status{Ready: res.Status == status.CurrentStatus, Failed: res.Status == status.FailedStatus, Reason: res.Message}
	if s.Reason == "" {
		s.Reason = res.Status.String()
	}
	return s
}

func typed[T any](u *unstructured.Unstructured, into *T, judge func(*T) Status) Status {
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(u.Object, into); err != nil {
		return Status{Reason: fmt.Sprintf("cannot be read: %v", err)}
	}
	return judge(into)
}

func podReady(p *corev1.Pod) Status {
	switch {
	case p.DeletionTimestamp != nil:
		return Status{Reason: "being deleted"}
	case p.Status.Phase == corev1.PodSucceeded:
		return Status{Ready: true, Reason: "completed"}
	case p.Status.Phase == corev1.PodFailed:
		reason := "failed"
		if p.Status.Reason != "" {
			reason += ": " + p.Status.Reason
		}
		return Status{Failed: true, Reason: reason}
	}
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue {
			return Status{Ready: true, Reason: "ready"}
		}
	}
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse {
			return Status{Reason: "not scheduled: " + c.Message}
		}
	}
	return Status{Reason: "not ready yet"}
}

func jobReady(j *batchv1.Job) Status {
	for _, c := range j.Status.Conditions {
		if c.Status != corev1.ConditionTrue {
			continue
		}
		switch c.Type {
		case batchv1.JobComplete:
			return Status{Ready: true, Reason: "complete"}
		case batchv1.JobFailed:
			return Status{Failed: true, Reason: fmt.Sprintf("failed: %s: %s", c.Reason, c.Message)}
		}
	}
	return Status{Reason: fmt.Sprintf("running: %d active, %d failed", j.Status.Active, j.Status.Failed)}
}

// ServiceReady judges a Service by its endpoint slices: it is ready when at least one endpoint is. An ExternalName
// Service has failed, for no router can give it a weight.
func ServiceReady(svc *corev1.Service, slices []discoveryv1.EndpointSlice) Status {
	if svc.Spec.Type == corev1.ServiceTypeExternalName {
		return Status{Failed: true, Reason: "is of type ExternalName, which has no endpoints to route to"}
	}
	if n := ReadyEndpoints(slices); n > 0 {
		return Status{Ready: true, Reason: fmt.Sprintf("%d ready endpoints", n)}
	}
	reason := "no ready endpoints"
	if len(svc.Spec.Selector) == 0 {
		reason += " (it has no selector)"
	}
	return Status{Reason: reason}
}

// ReadyEndpoints counts distinct ready endpoints; one that is in several slices (IPv4 and IPv6) counts once.
func ReadyEndpoints(slices []discoveryv1.EndpointSlice) int {
	seen := map[string]bool{}
	for _, s := range slices {
		for _, e := range s.Endpoints {
			// A missing condition means ready, as the API says.
			if e.Conditions.Ready != nil && !*e.Conditions.Ready {
				continue
			}
			key := fmt.Sprint(e.Addresses)
			if e.TargetRef != nil {
				key = e.TargetRef.Kind + "/" + e.TargetRef.Namespace + "/" + e.TargetRef.Name
			}
			seen[key] = true
		}
	}
	return len(seen)
}
