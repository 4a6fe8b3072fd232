package clustersecret

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	clienttesting "k8s.io/client-go/testing"

	"github.com/slipway-cd/slipway/internal/config"
)

const vaultURL = "https://dev1-vault.vault.azure.net"

func TestExternalSecretsIsToldToFetchExactVersionsOnce(t *testing.T) {
	for _, r := range []schema.GroupVersionResource{external1, externalBeta} {
		c := newCluster(t, r)
		e := External{Cluster: c.Cluster, Store: "team-vault", Kind: config.ClusterSecretStore, VaultURL: vaultURL}
		if err := e.Apply(t.Context(), redis(), true); err != nil || c.dry != 1 {
			t.Fatalf("%d dry runs, %v", c.dry, err)
		}
		if err := e.Apply(t.Context(), redis(), false); err != nil {
			t.Fatal(err)
		}
		o := c.get(t, r, redis().Name)
		var got struct {
			Spec struct {
				SecretStoreRef  struct{ Name, Kind string }
				RefreshInterval string
				Target          struct {
					Name, CreationPolicy string
					Immutable            bool
				}
				Data []struct {
					SecretKey string
					RemoteRef struct{ Key, Version string }
				}
			}
		}
		read(t, o, &got.Spec)
		s := got.Spec
		if o.GetAPIVersion() != r.GroupVersion().String() || s.SecretStoreRef.Name != "team-vault" || s.SecretStoreRef.Kind != "ClusterSecretStore" || s.RefreshInterval != "0s" ||
			s.Target.Name != redis().Name || s.Target.CreationPolicy != "Owner" || !s.Target.Immutable || len(s.Data) != 2 ||
			s.Data[1].SecretKey != "password" || s.Data[1].RemoteRef.Key != "redis-access" || s.Data[1].RemoteRef.Version != "00000000000000000000000000000012" {
			t.Errorf("%s: %+v", o.GetAPIVersion(), s)
		}
	}
}

func TestAStoreThatCannotServeIsRefusedBeforeAnythingIsTouched(t *testing.T) {
	for name, c := range map[string]struct {
		store *unstructured.Unstructured
		kind  string
		says  string // "" for nothing
	}{
		"ready":                    {store("SecretStore", "shop", vaultURL+"/", "True", "store validated"), config.SecretStore, ""},
		"ready for all namespaces": {store("ClusterSecretStore", "", strings.ToUpper(vaultURL), "True", "store validated"), config.ClusterSecretStore, ""},
		"not there":                {nil, config.SecretStore, "secretstore/shop/team-vault does not exist"},
		"of the other kind":        {store("SecretStore", "shop", vaultURL, "True", ""), config.ClusterSecretStore, "clustersecretstore/team-vault does not exist"},
		"not ready":                {store("SecretStore", "shop", vaultURL, "False", "unable to create client"), config.SecretStore, "is not ready: unable to create client (InvalidProviderConfig)"},
		"never looked at":          {store("SecretStore", "shop", vaultURL, "", ""), config.SecretStore, "nobody has looked at it yet"},
		"of another vault":         {store("SecretStore", "shop", "https://prod1-vault.vault.azure.net", "True", ""), config.SecretStore, "reads the vault https://prod1-vault.vault.azure.net, but the environment's is " + vaultURL},
		"of another provider":      {store("SecretStore", "shop", "", "True", ""), config.SecretStore, "is not a store of an Azure Key Vault"},
	} {
		t.Run(name, func(t *testing.T) {
			cluster := newCluster(t, external1, stores, shared)
			if c.store != nil {
				r := stores
				if c.store.GetKind() == "ClusterSecretStore" {
					r = shared
				}
				cluster.put(t, r, c.store)
			}
			err := (External{Cluster: cluster.Cluster, Store: "team-vault", Kind: c.kind, VaultURL: vaultURL}).Check(t.Context())
			var refused *StoreError
			if c.says == "" && err != nil || c.says != "" && (!errors.As(err, &refused) || !strings.Contains(err.Error(), c.says) || len(refused.Next()) == 0) {
				t.Errorf("got %v, want %q", err, c.says)
			}
		})
	}
	c := newCluster(t, external1, shared)
	c.forbid("get", "clustersecretstores")
	if err := (External{Cluster: c.Cluster, Store: "team-vault", Kind: config.ClusterSecretStore}).Check(t.Context()); err != nil {
		t.Errorf("a store that may not be looked at should be believed: %v", err)
	}
}

// waits runs Wait for one Secret of a cluster that changes meanwhile, and gives what it said and how long it took.
func waits(t *testing.T, c *fakeCluster, change func()) (said []string, took time.Duration, err error) {
	t.Helper()
	e := External{Cluster: c.Cluster, Store: "team-vault", Kind: config.SecretStore, Say: func(object, message string) { said = append(said, object+": "+message) }}
	if err := e.Apply(t.Context(), redis(), false); err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	if change != nil {
		go change()
	}
	err = e.Wait(t.Context(), []string{redis().Name}, 2*time.Minute)
	return said, time.Since(begin), err
}

func (c *fakeCluster) report(t *testing.T, status, reason, message string) {
	o := c.get(t, external1, redis().Name)
	setReady(o, status, reason, message)
	if err := c.dynamic.Tracker().Update(external1, o, "shop"); err != nil {
		t.Error(err)
	}
}

func (c *fakeCluster) synced(t *testing.T) {
	s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Name: redis().Name, Namespace: "shop"}}
	if err := c.kube.Tracker().Add(s); err != nil {
		t.Error(err)
	}
}

func TestASecretIsWaitedForUntilItIsThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, external1)
		said, took, err := waits(t, c, func() {
			time.Sleep(10 * time.Second)
			c.report(t, "False", "SecretSyncedError", "could not get secret data from provider")
			time.Sleep(10 * time.Second)
			c.report(t, "True", "SecretSynced", "secret synced")
			time.Sleep(10 * time.Second)
			c.synced(t)
		})
		if err != nil || took < 30*time.Second || took > 31*time.Second {
			t.Errorf("%v after %s", err, took)
		}
		const object = "externalsecret/shop/web-blue-redis-0123456789: "
		if want := []string{object + "External Secrets has not looked at it yet", object + "could not get secret data from provider (SecretSyncedError)", object + "it says that it is synced, but there is no Secret yet"}; !slices.Equal(said, want) {
			t.Errorf("said %q", said)
		}
	})
}

func TestASecretThatDoesNotComeInTimeIsToldInTheOperatorsWords(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*testing.T, *fakeCluster)
		says   string
	}{
		"nobody looks at it": {nil, "externalsecret/shop/web-blue-redis-0123456789 was not synced within 2m0s: External Secrets has not looked at it yet"},
		"it fails": {func(t *testing.T, c *fakeCluster) {
			c.report(t, "False", "SecretSyncedError", "could not get secret data from provider")
		}, "could not get secret data from provider (SecretSyncedError)"},
		"it fails and an event says why": {func(t *testing.T, c *fakeCluster) {
			c.report(t, "False", "SecretSyncedError", "could not get secret data from provider")
			for i, m := range []string{"an older one", "error processing spec.data[0] (key: redis-host), err: 403 Forbidden"} {
				e := &corev1.Event{ObjectMeta: metav1.ObjectMeta{Name: m[:5], Namespace: "shop"}, Type: corev1.EventTypeWarning, Message: m, LastTimestamp: metav1.NewTime(time.Now().Add(time.Duration(i) * time.Second)),
					InvolvedObject: corev1.ObjectReference{Kind: "ExternalSecret", Name: redis().Name}}
				if err := c.kube.Tracker().Add(e); err != nil {
					t.Error(err)
				}
			}
		}, "(SecretSyncedError); error processing spec.data[0] (key: redis-host), err: 403 Forbidden"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				cluster := newCluster(t, external1)
				_, took, err := waits(t, cluster, func() {
					if c.change != nil {
						c.change(t, cluster)
					}
				})
				var late *NotSyncedError
				if !errors.As(err, &late) || !strings.Contains(err.Error(), c.says) || took > 2*time.Minute+time.Second {
					t.Errorf("got %v after %s, want %q", err, took, c.says)
				}
			})
		})
	}
}

func TestALookThatIsCutOffByTheEndSaysNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, external1)
		begin := time.Now()
		c.dynamic.PrependReactor("get", "externalsecrets", func(clienttesting.Action) (bool, runtime.Object, error) {
			if time.Since(begin) < 119*time.Second {
				return false, nil, nil
			}
			time.Sleep(2 * time.Second)
			return true, nil, context.DeadlineExceeded
		})
		_, _, err := waits(t, c, func() { c.report(t, "False", "SecretSyncedError", "could not get secret data from provider") })
		if err == nil || !strings.Contains(err.Error(), "within 2m0s: could not get secret data from provider") {
			t.Errorf("got %v", err)
		}
	})
}

func TestAWaitEndsWithItsRelease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, external1)
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errors.New("interrupted"))
		defer cancel()
		e := External{Cluster: c.Cluster}
		if err := e.Apply(t.Context(), redis(), false); err != nil {
			t.Fatal(err)
		}
		var late *NotSyncedError
		if err := e.Wait(ctx, []string{redis().Name}, time.Minute); !errors.Is(err, context.DeadlineExceeded) || errors.As(err, &late) {
			t.Errorf("got %v", err)
		}
	})
}

func TestAnExternalSecretThatIsTakenAwayIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, external1)
		_, took, err := waits(t, c, func() {
			time.Sleep(time.Second)
			if err := c.dynamic.Tracker().Delete(external1, "shop", redis().Name); err != nil {
				t.Error(err)
			}
		})
		if err == nil || !strings.Contains(err.Error(), "does not exist") || took > 2*time.Second {
			t.Errorf("got %v after %s", err, took)
		}
	})
}

// paced refuses what could not be sent before its context ends, as client-go's rate limiter does.
type paced struct{ dynamic.Interface }

func (p paced) Resource(r schema.GroupVersionResource) dynamic.NamespaceableResourceInterface {
	return pacedResource{NamespaceableResourceInterface: p.Interface.Resource(r)}
}

type pacedResource struct {
	dynamic.NamespaceableResourceInterface
	in dynamic.ResourceInterface
}

func (p pacedResource) Namespace(ns string) dynamic.ResourceInterface {
	p.in = p.NamespaceableResourceInterface.Namespace(ns)
	return p
}

func (p pacedResource) Get(ctx context.Context, name string, o metav1.GetOptions, sub ...string) (*unstructured.Unstructured, error) {
	if end, ok := ctx.Deadline(); ok && time.Until(end) <= interval {
		return nil, errors.New("client rate limiter Wait returned an error: rate: Wait(n=1) would exceed context deadline")
	}
	return p.in.Get(ctx, name, o, sub...)
}

func (p pacedResource) List(ctx context.Context, o metav1.ListOptions) (*unstructured.UnstructuredList, error) {
	return p.in.List(ctx, o)
}

func TestTheEndOfTheTimeDoesNotTakeThePlaceOfTheReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, external1)
		e := External{Cluster: c.Cluster, Store: "team-vault", Kind: config.SecretStore}
		if err := e.Apply(t.Context(), redis(), false); err != nil {
			t.Fatal(err)
		}
		e.Dynamic = paced{e.Dynamic}
		err := e.Wait(t.Context(), []string{redis().Name}, 6*time.Second)
		if late := (*NotSyncedError)(nil); !errors.As(err, &late) || !strings.Contains(err.Error(), "within 6s: External Secrets has not looked at it yet") {
			t.Errorf("got %v", err)
		}
	})
}
