package journal

import (
	"context"
	"errors"
	"reflect"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/slipway-cd/slipway/internal/release"
	"github.com/slipway-cd/slipway/internal/secret"
	"github.com/slipway-cd/slipway/internal/traffic"
)

// cluster is a clientset whose ConfigMaps have resource versions that updates must match, as the API server's do.
func cluster(objects ...runtime.Object) *fake.Clientset {
	client := fake.NewClientset(objects...)
	var version atomic.Int64
	client.PrependReactor("create", "configmaps", func(a clienttesting.Action) (bool, runtime.Object, error) {
		cm := a.(clienttesting.CreateAction).GetObject().(*corev1.ConfigMap)
		cm.ResourceVersion = strconv.FormatInt(version.Add(1), 10)
		return false, nil, nil
	})
	client.PrependReactor("update", "configmaps", func(a clienttesting.Action) (bool, runtime.Object, error) {
		cm := a.(clienttesting.UpdateAction).GetObject().(*corev1.ConfigMap)
		old, err := client.Tracker().Get(a.GetResource(), a.GetNamespace(), cm.Name)
		if err != nil {
			return true, nil, err
		}
		if have := old.(*corev1.ConfigMap).ResourceVersion; cm.ResourceVersion != "" && cm.ResourceVersion != have {
			return true, nil, apierrors.NewConflict(corev1.Resource("configmaps"), cm.Name, errors.New("the object has been modified"))
		}
		cm.ResourceVersion = strconv.FormatInt(version.Add(1), 10)
		return false, nil, nil
	})
	return client
}

func store(c *fake.Clientset) *Store { return New(c, "ns", "svc", "prod", nil) }

func TestWhatIsSavedIsLoaded(t *testing.T) {
	s := store(cluster())
	rec, err := s.Load(t.Context())
	if err != nil || rec.Schema != release.Schema || rec.Service != "svc" || rec.Environment != "prod" || rec.Version != "" {
		t.Fatalf("an empty journal: %+v, %v", rec, err)
	}
	rec.Production = "blue"
	rec.Slots = map[string]release.Slot{"blue": {HelmRelease: "svc-blue", Backend: traffic.Backend{Slot: "blue", Service: "s", Port: 80}, Number: 1,
		Since: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Leaving: true, Before: &release.Earlier{HelmRevision: 3}}}
	rec.Open = &release.Journal{Number: 2, Phase: release.PhaseSteps, Plan: release.Plan{Steps: []int{5, 100}, Hold: time.Minute}, Routed: true, Return: "slot"}
	for range 2 { // the first creates, the second updates
		if err := s.Save(t.Context(), rec); err != nil {
			t.Fatal(err)
		}
		got, err := s.Load(t.Context())
		if err != nil || !reflect.DeepEqual(got, rec) {
			t.Fatalf("got %+v, %v\nwant %+v", got, err, rec)
		}
	}
}

func TestOfTwoWritersTheSecondIsRefused(t *testing.T) {
	for _, existing := range []bool{false, true} {
		c := cluster()
		if existing {
			if err := store(c).Save(t.Context(), &release.Record{Schema: 1, Service: "svc", Environment: "prod"}); err != nil {
				t.Fatal(err)
			}
		}
		a, b := store(c), store(c)
		recA, err := a.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		recB, err := b.Load(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		recA.Production, recB.Production = "blue", "green"
		if err := a.Save(t.Context(), recA); err != nil {
			t.Fatal(err)
		}
		var stale *release.StaleError
		if err := b.Save(t.Context(), recB); !errors.As(err, &stale) {
			t.Fatalf("existing %v: got %v", existing, err)
		}
		if got, _ := a.Load(t.Context()); got.Production != "blue" {
			t.Errorf("existing %v: the second writer has won", existing)
		}
		if err := a.Save(t.Context(), recA); err != nil {
			t.Errorf("existing %v: the first writer is refused afterwards: %v", existing, err)
		}
	}
}

func TestARecordThatCannotBeTrustedIsNotTakenForAnEmptyOne(t *testing.T) {
	for name, c := range map[string]struct{ data, want string }{
		"of a newer slipway":   {`{"schema":2}`, "written by a newer slipway (schema 2, this one knows 1)"},
		"cut off":              {`{"schema":1,"slots":{`, "was not written by Slipway, or was edited"},
		"of another type":      {`[]`, "was not written by Slipway, or was edited"},
		"without its one key":  {``, "was not written by Slipway, or was edited"},
		"of another's service": {`{"schema":1,"service":"other","environment":"prod"}`, "is of other in prod"},
	} {
		t.Run(name, func(t *testing.T) {
			cm := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "slipway-svc-prod"}, Data: map[string]string{recordKey: c.data}}
			_, err := store(cluster(cm)).Load(t.Context())
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "configmap/ns/slipway-svc-prod") {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestAnErrorOfTheServerIsNotTakenForAnEmptyRecord(t *testing.T) {
	c := cluster()
	c.PrependReactor("get", "configmaps", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewForbidden(corev1.Resource("configmaps"), "slipway-svc-prod", errors.New("no"))
	})
	if rec, err := store(c).Load(t.Context()); err == nil || !apierrors.IsForbidden(err) {
		t.Errorf("got %+v, %v", rec, err)
	}
}

func ask(t *testing.T, s *Store, by string) {
	t.Helper()
	if err := s.Ask(t.Context(), release.Request{Kind: "rollback", By: by, At: time.Now().UTC()}); err != nil {
		t.Error(err)
	}
}

// receive waits in the bubble's time.
func receive(t *testing.T, from <-chan release.Request) string {
	t.Helper()
	select {
	case q := <-from:
		return q.By
	case <-time.After(time.Minute):
		t.Fatal("no request arrived")
		return ""
	}
}

func TestARequestReachesTheRunningRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := store(cluster())
		ctx, cancel := context.WithCancel(t.Context())
		requests := s.Requests(ctx)
		synctest.Wait() // it watches
		ask(t, s, "ann")
		if by := receive(t, requests); by != "ann" {
			t.Errorf("got the request of %q", by)
		}
		ask(t, s, "bob") // replaces the one that is there
		if by := receive(t, requests); by != "bob" {
			t.Errorf("got the request of %q", by)
		}
		cancel()
		if _, open := <-requests; open {
			t.Error("the channel is not closed when the context ends")
		}
	})
}

func TestABrokenWatchIsBegunAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := cluster()
		watches := 0
		c.PrependWatchReactor("configmaps", func(clienttesting.Action) (bool, watch.Interface, error) {
			watches++
			switch watches {
			case 1:
				return true, nil, errors.New("the API server did not answer")
			case 2:
				w := watch.NewFakeWithChanSize(1, false)
				w.Error(&metav1.Status{Code: 410, Reason: metav1.StatusReasonExpired})
				w.Stop()
				return true, w, nil
			}
			return false, nil, nil
		})
		s := store(c)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		requests := s.Requests(ctx)
		time.Sleep(10 * time.Second) // the bubble's: both watches have broken by then
		synctest.Wait()
		ask(t, s, "ann")
		if by := receive(t, requests); by != "ann" || watches != 3 {
			t.Errorf("got %q after %d watches", by, watches)
		}
		cancel()
		for range requests {
		}
	})
}

func TestClearedRequestsAreGone(t *testing.T) {
	c := cluster()
	s := store(c)
	ask(t, s, "ann")
	for range 2 {
		if err := s.ClearRequests(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if list, err := c.CoreV1().ConfigMaps("ns").List(t.Context(), metav1.ListOptions{}); err != nil || len(list.Items) != 0 {
		t.Errorf("left: %v, %v", list.Items, err)
	}
}

func TestASecretThatAReasonQuotesIsNotKept(t *testing.T) {
	const value = `tr0ub"4dor&3`
	client := cluster()
	var m secret.Masker
	m.Add(secret.New(value))
	s := New(client, "ns", "svc", "prod", m.String)
	rec, err := s.Load(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	rec.History = []release.Summary{{Number: 1, Reason: "the container said: no user " + value}}
	if err := s.Save(t.Context(), rec); err != nil {
		t.Fatal(err)
	}
	maps, err := client.CoreV1().ConfigMaps("ns").List(t.Context(), metav1.ListOptions{})
	if err != nil || len(maps.Items) != 1 {
		t.Fatalf("want the journal, got %d: %v", len(maps.Items), err)
	}
	for _, cm := range maps.Items {
		for key, text := range cm.Data {
			if strings.Contains(text, "4dor") || !strings.Contains(text, secret.Mask) {
				t.Errorf("%s of %s is not masked: %s", key, cm.Name, text)
			}
		}
	}
	again, err := s.Load(t.Context())
	if err != nil || again.History[0].Reason != "the container said: no user "+secret.Mask {
		t.Errorf("the masked record does not read back: %+v, %v", again, err)
	}
}
