package kube

import (
	"context"
	"errors"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
	k8stesting "k8s.io/client-go/testing"

	"github.com/slipway-cd/slipway/internal/cluster"
)

func load(t *testing.T, s Snapshot) *fake.Clientset {
	t.Helper()
	var objs []runtime.Object
	for _, d := range s.Deployments {
		d.Namespace = "shop"
		objs = append(objs, d)
	}
	for _, r := range s.ReplicaSets {
		r.Namespace = "shop"
		objs = append(objs, r)
	}
	for _, p := range s.Pods {
		p.Namespace = "shop"
		objs = append(objs, p)
	}
	return fake.NewClientset(objs...)
}

func TestInspectReadsWhatJudgeNeeds(t *testing.T) {
	s := web()
	finish(&s)
	r, err := NewSource(load(t, s)).Inspect(t.Context(), Target{Namespace: "shop", Release: "web-green"})
	if err != nil || !r.Done {
		t.Fatalf("%+v, %v", r, err)
	}
}

func TestEventsThatMayNotBeReadAreNotedAndNotFatal(t *testing.T) {
	c := load(t, web())
	c.PrependReactor("list", "events", func(k8stesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewForbidden(schema.GroupResource{Resource: "events"}, "", errors.New("no"))
	})
	r, err := NewSource(c).Inspect(t.Context(), Target{Namespace: "shop", Release: "web-green"})
	if err != nil || len(r.Notes) != 1 {
		t.Fatalf("%+v, %v", r, err)
	}
}

func TestAMissingPermissionNamesVerbAndResource(t *testing.T) {
	c := load(t, web())
	c.PrependReactor("list", "pods", func(k8stesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "",
			errors.New(`User "ann" cannot list resource "pods" in API group "" in the namespace "shop"`))
	})
	src := NewSource(c)
	_, err := src.Inspect(t.Context(), Target{Namespace: "shop", Release: "web-green"})
	if !cluster.IsKind(err, cluster.Forbidden) {
		t.Errorf("Inspect: %v", err)
	}
	if err := src.Watch(t.Context(), Target{Namespace: "shop"}, func(Report) bool { return false }); !cluster.IsKind(err, cluster.Forbidden) {
		t.Errorf("Watch: %v", err)
	}
}

func TestWatchTellsAChangeSoonAfterItHappened(t *testing.T) {
	s := web()
	c := load(t, s)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	reports := make(chan Report, 100)
	ended := make(chan error, 1)
	go func() {
		ended <- NewSource(c).Watch(ctx, Target{Namespace: "shop", Release: "web-green"}, func(r Report) bool {
			reports <- r
			return r.Done
		})
	}()
	if r := <-reports; r.Done || r.Ready != 0 {
		t.Fatalf("first report %+v", r)
	}
	finish(&s)
	start := time.Now()
	if _, err := c.CoreV1().Pods("shop").UpdateStatus(ctx, s.Pods[0], metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.AppsV1().Deployments("shop").UpdateStatus(ctx, s.Deployments[0], metav1.UpdateOptions{}); err != nil {
		t.Fatal(err)
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("seen only after %v", took)
	}
}

func TestWatchEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	err := NewSource(load(t, web())).Watch(ctx, Target{Namespace: "shop"}, func(Report) bool { cancel(); return false })
	if !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v", err)
	}
}

func TestAWatchIsNotFooledByAnOlderGeneration(t *testing.T) {
	old := Snapshot{Deployments: []*appsv1.Deployment{{ObjectMeta: metav1.ObjectMeta{UID: "d", Generation: 1}}}}
	now := map[string]bool{"same": atLeast(old, generations(old))}
	newer := Snapshot{Deployments: []*appsv1.Deployment{{ObjectMeta: metav1.ObjectMeta{UID: "d", Generation: 2}}}}
	now["newer"] = atLeast(newer, generations(old))
	if !now["same"] || !now["newer"] || atLeast(old, generations(newer)) || atLeast(Snapshot{Pods: []*corev1.Pod{}}, generations(old)) {
		t.Errorf("%v", now)
	}
}
