package kube

import (
	"context"
	"fmt"
	"sync"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"

	"github.com/slipway-cd/slipway/internal/cluster"
)

// settle is how long changes are gathered before they are judged: a pod that gets ready changes four objects.
const settle = 5 * time.Millisecond

// Watch follows the target and calls see with a report at the start and after each change, from one goroutine, until see
// returns true, ctx ends (its error is returned) or the cluster refuses the watch (*[cluster.Error]). Connections that
// break are made again; while there is none, see is not called. The first report is not older than the call.
func (s *Source) Watch(ctx context.Context, t Target, see func(Report) bool) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)

	// A watch may begin with what a cache of the API server knew a moment ago. Asking once for certain tells which
	// generations are the least that count, so that the Deployment of before the upgrade is not taken for ready.
	first, err := s.read(ctx, t)
	if err != nil {
		return err
	}
	least := generations(first)

	in := s.Kube
	st := stores{
		deployments:  follow(in, in.AppsV1().Deployments(t.Namespace), &appsv1.Deployment{}, ""),
		replicaSets:  follow(in, in.AppsV1().ReplicaSets(t.Namespace), &appsv1.ReplicaSet{}, ""),
		statefulSets: follow(in, in.AppsV1().StatefulSets(t.Namespace), &appsv1.StatefulSet{}, ""),
		daemonSets:   follow(in, in.AppsV1().DaemonSets(t.Namespace), &appsv1.DaemonSet{}, ""),
		jobs:         follow(in, in.BatchV1().Jobs(t.Namespace), &batchv1.Job{}, ""),
		pods:         follow(in, in.CoreV1().Pods(t.Namespace), &corev1.Pod{}, ""),
		events:       follow(in, in.CoreV1().Events(t.Namespace), &corev1.Event{}, "type=Warning"),
	}
	needed := []cache.SharedIndexInformer{st.deployments, st.replicaSets, st.statefulSets, st.daemonSets, st.jobs, st.pods}
	if t.Service != "" {
		st.services = follow(in, in.CoreV1().Services(t.Namespace), &corev1.Service{}, "")
		st.slices = follow(in, in.DiscoveryV1().EndpointSlices(t.Namespace), &discoveryv1.EndpointSlice{}, "")
		needed = append(needed, st.services, st.slices)
	}
	changed := make(chan struct{}, 1)
	poke := func() {
		select {
		case changed <- struct{}{}:
		default:
		}
	}
	on := cache.ResourceEventHandlerFuncs{
		AddFunc: func(any) { poke() }, UpdateFunc: func(any, any) { poke() }, DeleteFunc: func(any) { poke() },
	}
	refused := func(what string) cache.WatchErrorHandlerWithContext {
		return func(_ context.Context, _ *cache.Reflector, err error) {
			if apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) {
				cancel(cluster.Explain(err, "watching "+what+" in namespace "+t.Namespace))
			}
		}
	}
	for _, i := range needed {
		if err := i.SetWatchErrorHandlerWithContext(refused("the release's objects")); err != nil {
			return fmt.Errorf("preparing to watch namespace %s: %w", t.Namespace, err)
		}
		if _, err := i.AddEventHandler(on); err != nil {
			return fmt.Errorf("preparing to watch namespace %s: %w", t.Namespace, err)
		}
	}
	// Without events there is less to tell, but nothing to stop for.
	quiet := func(context.Context, *cache.Reflector, error) {}
	if err := st.events.SetWatchErrorHandlerWithContext(quiet); err != nil {
		return fmt.Errorf("preparing to watch the events of namespace %s: %w", t.Namespace, err)
	}
	if _, err := st.events.AddEventHandler(on); err != nil {
		return fmt.Errorf("preparing to watch the events of namespace %s: %w", t.Namespace, err)
	}
	var running sync.WaitGroup
	for _, i := range append([]cache.SharedIndexInformer{st.events}, needed...) {
		running.Go(func() { i.RunWithContext(ctx) })
	}
	defer func() {
		cancel(nil)
		running.Wait()
	}()
	for _, i := range needed {
		if !cache.WaitForCacheSync(ctx.Done(), i.HasSynced) {
			return context.Cause(ctx)
		}
	}
	poke()
	for {
		var stale <-chan time.Time
		if least != nil {
			stale = time.After(time.Second)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-changed:
		case <-stale:
			// Perhaps a workload was deleted meanwhile, and waiting for it would be for ever.
			if first, err = s.read(ctx, t); err != nil {
				return err
			}
			least = generations(first)
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(settle):
		}
		snap := st.snapshot(t.Service)
		if !atLeast(snap, least) {
			continue
		}
		least = nil
		if see(Judge(t, snap)) {
			return nil
		}
	}
}

// lister is what every typed client of a namespace has.
type lister[L runtime.Object] interface {
	List(context.Context, metav1.ListOptions) (L, error)
	Watch(context.Context, metav1.ListOptions) (watch.Interface, error)
}

// follow makes an informer of one kind. The informer factory would do it too, but links those of every kind there is:
// megabytes.
func follow[L runtime.Object](kube kubernetes.Interface, from lister[L], example runtime.Object, fields string) cache.SharedIndexInformer {
	lw := &cache.ListWatch{
		ListWithContextFunc: func(ctx context.Context, o metav1.ListOptions) (runtime.Object, error) {
			o.FieldSelector = fields
			return from.List(ctx, o)
		},
		WatchFuncWithContext: func(ctx context.Context, o metav1.ListOptions) (watch.Interface, error) {
			o.FieldSelector = fields
			return from.Watch(ctx, o)
		},
	}
	return cache.NewSharedIndexInformer(cache.ToListWatcherWithWatchListSemantics(lw, kube), example, 0, cache.Indexers{})
}

// stores are the informers' caches.
type stores struct {
	deployments, replicaSets, statefulSets, daemonSets, jobs, pods, events, services, slices cache.SharedIndexInformer
}

func (st stores) snapshot(service string) Snapshot {
	snap := Snapshot{
		Deployments: objects[appsv1.Deployment](st.deployments), ReplicaSets: objects[appsv1.ReplicaSet](st.replicaSets),
		StatefulSets: objects[appsv1.StatefulSet](st.statefulSets), DaemonSets: objects[appsv1.DaemonSet](st.daemonSets),
		Jobs: objects[batchv1.Job](st.jobs), Pods: objects[corev1.Pod](st.pods), Events: objects[corev1.Event](st.events),
	}
	if st.services == nil {
		return snap
	}
	for _, svc := range objects[corev1.Service](st.services) {
		if svc.Name == service {
			snap.Service = svc
		}
	}
	for _, sl := range objects[discoveryv1.EndpointSlice](st.slices) {
		if sl.Labels[discoveryv1.LabelServiceName] == service {
			snap.Slices = append(snap.Slices, *sl)
		}
	}
	return snap
}

func objects[T any](i cache.SharedIndexInformer) []*T {
	list := i.GetStore().List()
	out := make([]*T, 0, len(list))
	for _, o := range list {
		if x, ok := any(o).(*T); ok {
			out = append(out, x)
		}
	}
	return out
}

func generations(s Snapshot) map[types.UID]int64 {
	out := map[types.UID]int64{}
	for _, x := range s.Deployments {
		out[x.UID] = x.Generation
	}
	for _, x := range s.StatefulSets {
		out[x.UID] = x.Generation
	}
	for _, x := range s.DaemonSets {
		out[x.UID] = x.Generation
	}
	return out
}

// atLeast says whether every workload of least is in s in that generation or a later one. It is asked only until it was
// true once: after that a workload may be deleted.
func atLeast(s Snapshot, least map[types.UID]int64) bool {
	have := generations(s)
	for uid, g := range least {
		if have[uid] < g {
			return false
		}
	}
	return true
}
