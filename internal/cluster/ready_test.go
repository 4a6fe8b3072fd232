package cluster

import (
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/ptr"
)

func deployment(gen, seen int64, want, have, updated, ready int32, conds ...appsv1.DeploymentCondition) *appsv1.Deployment {
	return &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "web", Generation: gen},
		Spec: appsv1.DeploymentSpec{Replicas: ptr.To(want), ProgressDeadlineSeconds: ptr.To(int32(600))},
		Status: appsv1.DeploymentStatus{ObservedGeneration: seen, Replicas: have, UpdatedReplicas: updated, ReadyReplicas: ready, AvailableReplicas: ready,
			Conditions: conds}}
}

func TestReadinessIsAFunctionOfTheObject(t *testing.T) {
	available := appsv1.DeploymentCondition{Type: appsv1.DeploymentAvailable, Status: corev1.ConditionTrue}
	progressed := appsv1.DeploymentCondition{Type: appsv1.DeploymentProgressing, Status: corev1.ConditionTrue, Reason: "NewReplicaSetAvailable"}
	tooLate := appsv1.DeploymentCondition{Type: appsv1.DeploymentProgressing, Status: corev1.ConditionFalse, Reason: "ProgressDeadlineExceeded"}
	job := func(t batchv1.JobConditionType) *batchv1.Job {
		return &batchv1.Job{Status: batchv1.JobStatus{StartTime: ptr.To(metav1.Now()), Conditions: []batchv1.JobCondition{{Type: t, Status: corev1.ConditionTrue}}}}
	}
	pod := func(phase corev1.PodPhase, conds ...corev1.PodCondition) *corev1.Pod {
		return &corev1.Pod{Status: corev1.PodStatus{Phase: phase, Conditions: conds}}
	}
	generic := func(kind string, status string) *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{"apiVersion": "x.example/v1", "kind": kind, "metadata": map[string]any{"name": "x", "generation": int64(1)},
			"status": map[string]any{"observedGeneration": int64(1), "conditions": []any{map[string]any{"type": "Ready", "status": status, "reason": "R", "message": "m"}}}}}
	}
	for name, c := range map[string]struct {
		obj           runtime.Object
		ready, failed bool
	}{
		"Deployment rolled out":               {deployment(2, 2, 3, 3, 3, 3, available, progressed), true, false},
		"Deployment that nobody has seen yet": {deployment(3, 2, 3, 3, 3, 3, available, progressed), false, false},
		"Deployment with old pods left":       {deployment(2, 2, 3, 4, 3, 3, available, progressed), false, false},
		"Deployment not yet updated":          {deployment(2, 2, 3, 3, 1, 3, available, progressed), false, false},
		"Deployment past its deadline":        {deployment(2, 2, 3, 3, 3, 1, tooLate), false, true},
		"Deployment scaled to nothing":        {deployment(2, 2, 0, 0, 0, 0, available, progressed), true, false},
		"Job started":                         {&batchv1.Job{Status: batchv1.JobStatus{StartTime: ptr.To(metav1.Now()), Active: 1}}, false, false},
		"Job complete":                        {job(batchv1.JobComplete), true, false},
		"Job failed":                          {job(batchv1.JobFailed), false, true},
		"Pod ready":                           {pod(corev1.PodRunning, corev1.PodCondition{Type: corev1.PodReady, Status: corev1.ConditionTrue}), true, false},
		"Pod running but not ready":           {pod(corev1.PodRunning), false, false},
		"Pod that no node takes may heal":     {pod(corev1.PodPending, corev1.PodCondition{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Reason: "Unschedulable"}), false, false},
		"Pod completed":                       {pod(corev1.PodSucceeded), true, false},
		"Pod failed":                          {pod(corev1.PodFailed), false, true},
		"Pod being deleted": {&corev1.Pod{ObjectMeta: metav1.ObjectMeta{DeletionTimestamp: ptr.To(metav1.Now())},
			Status: corev1.PodStatus{Conditions: []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}}}, false, false},
		"StatefulSet ready": {&appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Generation: 1}, Spec: appsv1.StatefulSetSpec{Replicas: ptr.To(int32(1))},
			Status: appsv1.StatefulSetStatus{ObservedGeneration: 1, Replicas: 1, ReadyReplicas: 1, CurrentReplicas: 1, UpdatedReplicas: 1, CurrentRevision: "a", UpdateRevision: "a"}}, true, false},
		"StatefulSet between revisions": {&appsv1.StatefulSet{ObjectMeta: metav1.ObjectMeta{Generation: 1}, Spec: appsv1.StatefulSetSpec{Replicas: ptr.To(int32(1))},
			Status: appsv1.StatefulSetStatus{ObservedGeneration: 1, Replicas: 1, ReadyReplicas: 1, CurrentReplicas: 1, CurrentRevision: "a", UpdateRevision: "b"}}, false, false},
		"DaemonSet ready": {&appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Generation: 1},
			Status: appsv1.DaemonSetStatus{ObservedGeneration: 1, DesiredNumberScheduled: 2, CurrentNumberScheduled: 2, UpdatedNumberScheduled: 2, NumberAvailable: 2, NumberReady: 2}}, true, false},
		"DaemonSet waiting": {&appsv1.DaemonSet{ObjectMeta: metav1.ObjectMeta{Generation: 1},
			Status: appsv1.DaemonSetStatus{ObservedGeneration: 1, DesiredNumberScheduled: 2, CurrentNumberScheduled: 2, UpdatedNumberScheduled: 2, NumberAvailable: 1, NumberReady: 1}}, false, false},
		"another kind that says Ready":     {generic("Certificate", "True"), true, false},
		"another kind that says not Ready": {generic("Certificate", "False"), false, false},
	} {
		t.Run(name, func(t *testing.T) {
			check := func(obj runtime.Object) {
				t.Helper()
				s := Ready(obj)
				if s.Ready != c.ready || s.Failed != c.failed || s.Reason == "" {
					t.Errorf("%+v", s)
				}
			}
			check(c.obj)
			// The same object as the dynamic client gives it must be judged the same.
			kinds, _, err := scheme.Scheme.ObjectKinds(c.obj)
			if err != nil {
				return // it was unstructured already
			}
			m, err := runtime.DefaultUnstructuredConverter.ToUnstructured(c.obj)
			if err != nil {
				t.Fatal(err)
			}
			u := &unstructured.Unstructured{Object: m}
			u.SetGroupVersionKind(kinds[0])
			check(u)
		})
	}
}

func TestAServiceIsReadyWithOneReadyEndpoint(t *testing.T) {
	ep := func(pod string, ready *bool) discoveryv1.Endpoint {
		return discoveryv1.Endpoint{Addresses: []string{pod}, Conditions: discoveryv1.EndpointConditions{Ready: ready},
			TargetRef: &corev1.ObjectReference{Kind: "Pod", Name: pod}}
	}
	slices := func(e ...discoveryv1.Endpoint) []discoveryv1.EndpointSlice {
		return []discoveryv1.EndpointSlice{{Endpoints: e}, {Endpoints: e}} // as with IPv4 and IPv6
	}
	svc := &corev1.Service{Spec: corev1.ServiceSpec{Selector: map[string]string{"a": "b"}}}
	for name, c := range map[string]struct {
		svc           *corev1.Service
		slices        []discoveryv1.EndpointSlice
		n             int
		ready, failed bool
	}{
		"none":          {svc, nil, 0, false, false},
		"one not ready": {svc, slices(ep("a", ptr.To(false))), 0, false, false},
		"one of two":    {svc, slices(ep("a", ptr.To(false)), ep("b", ptr.To(true))), 1, true, false},
		"not said":      {svc, slices(ep("a", nil)), 1, true, false},
		"no selector":   {&corev1.Service{}, nil, 0, false, false},
		"an outer name": {&corev1.Service{Spec: corev1.ServiceSpec{Type: corev1.ServiceTypeExternalName}}, nil, 0, false, true},
		"two in all":    {svc, slices(ep("a", nil), ep("b", nil)), 2, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			if n := ReadyEndpoints(c.slices); n != c.n {
				t.Errorf("%d endpoints", n)
			}
			if s := ServiceReady(c.svc, c.slices); s.Ready != c.ready || s.Failed != c.failed || s.Reason == "" {
				t.Errorf("%+v", s)
			}
		})
	}
}
