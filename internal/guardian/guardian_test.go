package guardian

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"
	"k8s.io/utils/ptr"
)

func of(kube *fake.Clientset) *Guardian {
	return &Guardian{Kube: kube, Namespace: "shop", Service: "web", Environment: "prod1", Image: "r.test/slipway@sha256:00", Arch: "arm64",
		Rules: []rbacv1.PolicyRule{{APIGroups: []string{""}, Resources: []string{"pods"}, Verbs: []string{"list"}}}}
}

const name = "slipway-web-prod1-guardian-7"

func TestTheJobOwnsAllThatItRunsAs(t *testing.T) {
	kube := fake.NewClientset()
	g := of(kube)
	for range 2 { // a second time, by a process that goes on with the release, changes nothing
		if err := g.Start(t.Context(), 7); err != nil {
			t.Fatal(err)
		}
	}
	job, err := kube.BatchV1().Jobs("shop").Get(t.Context(), name, metav1.GetOptions{})
	if err != nil {
		t.Fatal(err)
	}
	pod := job.Spec.Template.Spec
	if pod.ServiceAccountName != name || pod.NodeSelector["kubernetes.io/arch"] != "arm64" || *job.Spec.TTLSecondsAfterFinished != 0 ||
		strings.Join(pod.Containers[0].Args, " ") != "guard --namespace shop --service web --env prod1 --release 7" {
		t.Errorf("the Job is %+v", job.Spec)
	}
	role, err := kube.RbacV1().Roles("shop").Get(t.Context(), name, metav1.GetOptions{})
	if err != nil || len(role.Rules) != 1 {
		t.Fatalf("%+v, %v", role, err)
	}
	sa, _ := kube.CoreV1().ServiceAccounts("shop").Get(t.Context(), name, metav1.GetOptions{})
	binding, _ := kube.RbacV1().RoleBindings("shop").Get(t.Context(), name, metav1.GetOptions{})
	for what, meta := range map[string]metav1.ObjectMeta{"role": role.ObjectMeta, "service account": sa.ObjectMeta, "binding": binding.ObjectMeta} {
		if len(meta.OwnerReferences) != 1 || meta.OwnerReferences[0].Kind != "Job" || meta.OwnerReferences[0].Name != name {
			t.Errorf("the %s is owned by %+v", what, meta.OwnerReferences)
		}
	}
	for range 2 {
		if err := g.Stop(t.Context(), 7); err != nil {
			t.Fatal(err)
		}
	}
	for _, list := range []func() (runtime.Object, error){
		func() (runtime.Object, error) {
			return kube.BatchV1().Jobs("shop").Get(t.Context(), name, metav1.GetOptions{})
		},
		func() (runtime.Object, error) {
			return kube.RbacV1().Roles("shop").Get(t.Context(), name, metav1.GetOptions{})
		},
		func() (runtime.Object, error) {
			return kube.CoreV1().ServiceAccounts("shop").Get(t.Context(), name, metav1.GetOptions{})
		},
		func() (runtime.Object, error) {
			return kube.RbacV1().RoleBindings("shop").Get(t.Context(), name, metav1.GetOptions{})
		},
	} {
		if o, err := list(); err == nil {
			t.Errorf("left: %+v", o)
		}
	}
}

func TestAWatchingGuardianIsReadyAndOneThatCannotBeStartedSaysWhy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kube := fake.NewClientset()
		g := of(kube)
		if err := g.Start(t.Context(), 7); err != nil {
			t.Fatal(err)
		}
		_, err := kube.CoreV1().Pods("shop").Create(t.Context(), &corev1.Pod{ObjectMeta: metav1.ObjectMeta{Name: name + "-x", Namespace: "shop", Labels: map[string]string{batchv1.JobNameLabel: name}},
			Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{{State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "ImagePullBackOff", Message: "401"}}}}}}, metav1.CreateOptions{})
		if err != nil {
			t.Fatal(err)
		}
		err = g.Ready(t.Context(), 7)
		if err == nil || !strings.Contains(err.Error(), "job/shop/"+name) || !strings.Contains(err.Error(), "pod/shop/"+name+"-x: ImagePullBackOff: 401") || !strings.Contains(err.Error(), "guardian.onLoss: none") {
			t.Errorf("got %v", err)
		}
		job, _ := kube.BatchV1().Jobs("shop").Get(t.Context(), name, metav1.GetOptions{})
		job.Status.Ready = ptr.To[int32](1)
		if _, err := kube.BatchV1().Jobs("shop").UpdateStatus(t.Context(), job, metav1.UpdateOptions{}); err != nil {
			t.Fatal(err)
		}
		if err := g.Ready(t.Context(), 7); err != nil {
			t.Error(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := g.Ready(ctx, 8); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		if err := g.Ready(t.Context(), 8); err == nil || !strings.Contains(err.Error(), "somebody has deleted it") {
			t.Errorf("got %v", err)
		}
	})
}

func TestARefusalOfTheAPIServerNamesTheGuardian(t *testing.T) {
	for _, resource := range []string{"serviceaccounts", "roles", "rolebindings", "jobs"} {
		kube := fake.NewClientset()
		kube.PrependReactor("create", resource, func(clienttesting.Action) (bool, runtime.Object, error) { return true, nil, errors.New("forbidden") })
		if err := of(kube).Start(t.Context(), 7); err == nil || !strings.Contains(err.Error(), "starting the guardian job/shop/"+name+": forbidden") {
			t.Errorf("%s: %v", resource, err)
		}
	}
}

func TestNamesFitAndAreToldApart(t *testing.T) {
	long := func(env string) *Guardian { return &Guardian{Service: strings.Repeat("s", 40), Environment: env} }
	a, b := long("production-europe-west-1").Name(123), long("production-europe-west-2").Name(123)
	if len(a) != 63 || len(b) != 63 || a == b || !strings.HasSuffix(a, "-guardian-123") {
		t.Errorf("%q, %q", a, b)
	}
	if got := (&Guardian{Service: "web", Environment: "prod1"}).Name(7); got != name {
		t.Errorf("%q", got)
	}
}
