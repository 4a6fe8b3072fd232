package kube

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/slipway-cd/slipway/internal/cluster"
)

// Source reads pods and their owners from one cluster. It needs get, list and watch on pods, deployments, replicasets,
// statefulsets, daemonsets, jobs, services, endpointslices and events in the target's namespace.
type Source struct {
	Kube kubernetes.Interface
}

// NewSource returns a Source over kube.
func NewSource(kube kubernetes.Interface) *Source { return &Source{Kube: kube} }

// Inspect reads once and judges. Events are read only when something is not ready; if that is forbidden the report says so.
func (s *Source) Inspect(ctx context.Context, t Target) (Report, error) {
	snap, err := s.read(ctx, t)
	if err != nil {
		return Report{}, err
	}
	r := Judge(t, snap)
	if r.Done {
		return r, nil
	}
	ev, err := s.Kube.CoreV1().Events(t.Namespace).List(ctx, metav1.ListOptions{FieldSelector: "type=Warning"})
	switch {
	case apierrors.IsForbidden(err):
		r.Notes = append(r.Notes, "events may not be read: failed probes are not told")
		return r, nil
	case err != nil:
		return r, cluster.Explain(err, "reading the events of namespace "+t.Namespace)
	}
	snap.Events = pointers(ev.Items)
	return Judge(t, snap), nil
}

// read lists everything but events. The lists are not one transaction; each is consistent in itself.
func (s *Source) read(ctx context.Context, t Target) (Snapshot, error) {
	var snap Snapshot
	g, ctx := errgroup.WithContext(ctx)
	all := metav1.ListOptions{}
	apps := s.Kube.AppsV1()
	list := func(what string, f func() error) {
		g.Go(func() error {
			return cluster.Explain(f(), fmt.Sprintf("reading the %s of namespace %s", what, t.Namespace))
		})
	}
	list("deployments", func() error {
		l, err := apps.Deployments(t.Namespace).List(ctx, all)
		if err == nil {
			snap.Deployments = pointers[appsv1.Deployment](l.Items)
		}
		return err
	})
	list("replicasets", func() error {
		l, err := apps.ReplicaSets(t.Namespace).List(ctx, all)
		if err == nil {
			snap.ReplicaSets = pointers[appsv1.ReplicaSet](l.Items)
		}
		return err
	})
	list("statefulsets", func() error {
		l, err := apps.StatefulSets(t.Namespace).List(ctx, all)
		if err == nil {
			snap.StatefulSets = pointers[appsv1.StatefulSet](l.Items)
		}
		return err
	})
	list("daemonsets", func() error {
		l, err := apps.DaemonSets(t.Namespace).List(ctx, all)
		if err == nil {
			snap.DaemonSets = pointers[appsv1.DaemonSet](l.Items)
		}
		return err
	})
	list("jobs", func() error {
		l, err := s.Kube.BatchV1().Jobs(t.Namespace).List(ctx, all)
		if err == nil {
			snap.Jobs = pointers[batchv1.Job](l.Items)
		}
		return err
	})
	list("pods", func() error {
		l, err := s.Kube.CoreV1().Pods(t.Namespace).List(ctx, all)
		if err == nil {
			snap.Pods = pointers[corev1.Pod](l.Items)
		}
		return err
	})
	if t.Service != "" {
		list("endpoint slices", func() error {
			l, err := s.Kube.DiscoveryV1().EndpointSlices(t.Namespace).List(ctx,
				metav1.ListOptions{LabelSelector: discoveryv1.LabelServiceName + "=" + t.Service})
			if err == nil {
				snap.Slices = l.Items
			}
			return err
		})
		list("services", func() error {
			svc, err := s.Kube.CoreV1().Services(t.Namespace).Get(ctx, t.Service, metav1.GetOptions{})
			if apierrors.IsNotFound(err) {
				return nil
			}
			if err == nil {
				snap.Service = svc
			}
			return err
		})
	}
	return snap, g.Wait()
}

func pointers[T any](items []T) []*T {
	out := make([]*T, len(items))
	for i := range items {
		out[i] = &items[i]
	}
	return out
}
