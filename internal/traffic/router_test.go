package traffic

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic/fake"
	clienttesting "k8s.io/client-go/testing"
	gatewayv1 "sigs.k8s.io/gateway-api/apis/v1"
	"sigs.k8s.io/yaml"

	"github.com/slipway-cd/slipway/internal/config"
)

var update = flag.Bool("update", false, "write the golden files")

var routers = map[string]func(*fake.FakeDynamicClient) Router{
	"gateway": func(c *fake.FakeDynamicClient) Router {
		return NewGateway(c, target, config.GatewayRouter{Name: "gateway", Namespace: "gateway-system", Listener: "web"})
	},
	"nginx": func(c *fake.FakeDynamicClient) Router { return NewNginx(c, target, config.NginxRouter{}) },
}

var splits = map[string]Split{
	"first-release-unreached":    {Candidate: blue},
	"first-release-all":          {Candidate: blue, Weight: 100},
	"candidate-at-0":             {Production: blue, Candidate: green},
	"candidate-at-25":            {Production: blue, Candidate: green, Weight: 25},
	"candidate-at-100":           {Production: blue, Candidate: green, Weight: 100},
	"production-only":            {Production: green},
	"roles-exchanged-and-warmed": {Production: green, Candidate: blue},
}

func TestRenderedRoutesAreAsTheGoldenFiles(t *testing.T) {
	for kind, router := range routers {
		for name, s := range splits {
			t.Run(kind+"/"+name, func(t *testing.T) {
				c := cluster(t)
				if _, err := router(c).Write(t.Context(), s, 7); err != nil {
					t.Fatal(err)
				}
				var docs [][]byte
				gvr, names := routeGVR, []string{"calculator-slipway"}
				if kind == "nginx" {
					gvr, names = ingressGVR, []string{"calculator-slipway", "calculator-slipway-canary"}
				}
				for _, n := range names {
					u, err := c.Resource(gvr).Namespace(target.Namespace).Get(t.Context(), n, metav1.GetOptions{})
					if apierrors.IsNotFound(err) {
						continue
					} else if err != nil {
						t.Fatal(err)
					}
					u.SetResourceVersion("")
					u.SetUID("")
					doc, err := yaml.Marshal(u.Object)
					if err != nil {
						t.Fatal(err)
					}
					var typed any = &gatewayv1.HTTPRoute{}
					if kind == "nginx" {
						typed = &networkingv1.Ingress{}
					}
					if err := yaml.UnmarshalStrict(doc, typed); err != nil {
						t.Errorf("not a valid object: %v", err)
					}
					docs = append(docs, doc)
				}
				golden(t, kind+"-"+name+".yaml", bytes.Join(docs, []byte("---\n")))
			})
		}
	}
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (go test -update writes it)", err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs:\n%s\nwant:\n%s", path, got, want)
	}
}

func TestARouterReadsBackWhatItHasWrittenAndSaysWhatItReplaced(t *testing.T) {
	for kind, router := range routers {
		t.Run(kind, func(t *testing.T) {
			r := router(cluster(t))
			if _, ok, err := r.Read(t.Context()); ok || err != nil {
				t.Fatalf("an empty cluster has a split: %v, %v", ok, err)
			}
			var before *Split
			for i, s := range []Split{splits["candidate-at-0"], splits["candidate-at-25"], splits["candidate-at-100"], splits["roles-exchanged-and-warmed"], splits["production-only"]} {
				w, err := r.Write(t.Context(), s, 7)
				if err != nil {
					t.Fatal(err)
				}
				if !reflect.DeepEqual(w.Before, before) || !reflect.DeepEqual(w.Split, s) {
					t.Errorf("write %d says that it replaced %+v, want %+v", i, w.Before, before)
				}
				got, ok, err := r.Read(t.Context())
				if err != nil || !ok || !reflect.DeepEqual(got, s) {
					t.Errorf("read %+v (%v, %v), want %+v", got, ok, err, s)
				}
				before = &s
			}
			for range 2 { // removing twice is as once
				if err := r.Remove(t.Context(), 7); err != nil {
					t.Fatal(err)
				}
			}
			if _, ok, _ := r.Read(t.Context()); ok {
				t.Error("something is left")
			}
		})
	}
}

func TestEachWriteOfTheGatewayIsToldApart(t *testing.T) {
	r := routers["gateway"](cluster(t))
	seen := map[string]bool{}
	for range 3 {
		w, err := r.Write(t.Context(), splits["candidate-at-25"], 7)
		if err != nil || w.Epoch == "" || seen[w.Epoch] {
			t.Fatalf("epoch %q after %v: %v", w.Epoch, seen, err)
		}
		seen[w.Epoch] = true
	}
}

func TestAHolderWithAnOlderTokenChangesNothing(t *testing.T) {
	for kind, router := range routers {
		t.Run(kind, func(t *testing.T) {
			r := router(cluster(t))
			if _, err := r.Write(t.Context(), splits["candidate-at-25"], 7); err != nil {
				t.Fatal(err)
			}
			_, writeErr := r.Write(t.Context(), splits["candidate-at-100"], 6)
			for what, err := range map[string]error{"write": writeErr, "removal": r.Remove(t.Context(), 6)} {
				var stale *StaleError
				if !errors.As(err, &stale) || stale.Found != 7 || stale.Ours != 6 {
					t.Errorf("%s: %v", what, err)
				}
			}
			if s, _, _ := r.Read(t.Context()); s.Weight != 25 {
				t.Errorf("the weight is %d", s.Weight)
			}
		})
	}
}

// A late first write of a holder that was replaced: it has looked and found nothing, and meanwhile a later holder has written.
func TestAFirstWriteThatComesLateDoesNotReplaceALaterHolders(t *testing.T) {
	for kind, router := range routers {
		t.Run(kind, func(t *testing.T) {
			gvr := map[string]schema.GroupVersionResource{"gateway": routeGVR, "nginx": ingressGVR}[kind]
			later := cluster(t)
			if _, err := router(later).Write(t.Context(), splits["production-only"], 2); err != nil {
				t.Fatal(err)
			}
			theirs, err := later.Tracker().Get(gvr, target.Namespace, target.Name())
			if err != nil {
				t.Fatal(err)
			}
			client, came := cluster(t), false
			r := router(client)
			client.PrependReactor("get", gvr.Resource, func(clienttesting.Action) (bool, runtime.Object, error) {
				if came {
					return false, nil, nil
				}
				came = true
				if err := client.Tracker().Create(gvr, theirs, target.Namespace); err != nil {
					t.Error(err)
				}
				return true, nil, apierrors.NewNotFound(gvr.GroupResource(), target.Name())
			})
			_, err = r.Write(t.Context(), splits["candidate-at-100"], 1)
			var stale *StaleError
			if !errors.As(err, &stale) {
				t.Errorf("got %v", err)
			}
			if got, _, _ := r.Read(t.Context()); !reflect.DeepEqual(got, splits["production-only"]) {
				t.Errorf("the later holder's split was replaced by %+v", got)
			}
		})
	}
}

func TestAConflictIsRetried(t *testing.T) {
	for kind, resource := range map[string]string{"gateway": "httproutes", "nginx": "ingresses"} {
		t.Run(kind, func(t *testing.T) {
			c := cluster(t)
			r := routers[kind](c)
			failOnce(c, "patch", resource, apierrors.NewConflict(schema.GroupResource{Resource: resource}, "x", nil))
			if _, err := r.Write(t.Context(), splits["candidate-at-25"], 7); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestObjectsOfOthersAreNeitherWrittenNorRemoved(t *testing.T) {
	theirs := map[string]runtime.Object{
		"gateway": object("gateway.networking.k8s.io/v1", "HTTPRoute", target.Namespace, "calculator-slipway", nil),
		"nginx":   object("networking.k8s.io/v1", "Ingress", target.Namespace, "calculator-slipway", nil),
	}
	for kind, router := range routers {
		t.Run(kind, func(t *testing.T) {
			c := cluster(t, theirs[kind])
			r := router(c)
			var taken *TakenError
			if _, err := r.Write(t.Context(), splits["production-only"], 7); !errors.As(err, &taken) {
				t.Errorf("write: %v", err)
			}
			if err := r.Remove(t.Context(), 7); err != nil {
				t.Errorf("removal: %v", err)
			}
			gvr := routeGVR
			if kind == "nginx" {
				gvr = ingressGVR
			}
			if u := get(t, c, gvr, "calculator-slipway"); len(u.GetAnnotations()) > 0 {
				t.Errorf("it was changed: %v", u.GetAnnotations())
			}
		})
	}
}

func TestCheckTellsWhatKeepsARouteFromWorking(t *testing.T) {
	parent := map[string]any{"parentRefs": []any{map[string]any{"name": "gateway", "namespace": "gateway-system"}}, "hostnames": []any{target.Host}}
	elsewhere := map[string]any{"parentRefs": []any{map[string]any{"name": "other"}}, "hostnames": []any{target.Host}}
	rule := map[string]any{"ingressClassName": "nginx", "rules": []any{map[string]any{"host": target.Host}}}
	otherClass := map[string]any{"ingressClassName": "haproxy", "rules": []any{map[string]any{"host": target.Host}}}
	cases := []struct {
		name, kind string
		objects    []runtime.Object
		forbidden  string // resource that may not be listed or read cluster-wide
		want       string // "" for no error
	}{
		{"all is well", "gateway", []runtime.Object{gatewayObject()}, "", ""},
		{"no gateway", "gateway", nil, "", "gateway/gateway-system/gateway does not exist: make it"},
		{"another gateway", "gateway", []runtime.Object{object("gateway.networking.k8s.io/v1", "Gateway", "infra", "public", nil)}, "", "this cluster has infra/public"},
		{"host taken", "gateway", []runtime.Object{gatewayObject(), object("gateway.networking.k8s.io/v1", "HTTPRoute", "shop", "web", parent)}, "", "already routed by httproute/shop/web"},
		{"host on another gateway", "gateway", []runtime.Object{gatewayObject(), object("gateway.networking.k8s.io/v1", "HTTPRoute", "shop", "web", elsewhere)}, "", ""},
		{"all is well", "nginx", []runtime.Object{classObject()}, "", ""},
		{"no class", "nginx", nil, "", "ingressclass/nginx does not exist: set router.nginx.class"},
		{"classes are not for us to see", "nginx", nil, "ingressclasses", ""},
		{"host taken", "nginx", []runtime.Object{classObject(), object("networking.k8s.io/v1", "Ingress", "shop", "web", rule)}, "", "already routed by ingress/shop/web"},
		{"host of another class", "nginx", []runtime.Object{classObject(), object("networking.k8s.io/v1", "Ingress", "shop", "web", otherClass)}, "", ""},
	}
	for _, c := range cases {
		t.Run(c.kind+"/"+c.name, func(t *testing.T) {
			client := cluster(t, c.objects...)
			if c.forbidden != "" {
				failOnce(client, "get", c.forbidden, forbidden(c.forbidden))
			}
			err := routers[c.kind](client).Check(t.Context())
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestARouteOfOursIsNoObstacle(t *testing.T) {
	for kind, router := range routers {
		t.Run(kind, func(t *testing.T) {
			r := router(cluster(t, gatewayObject(), classObject()))
			if _, err := r.Write(t.Context(), splits["candidate-at-25"], 7); err != nil {
				t.Fatal(err)
			}
			if err := r.Check(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestTwoEnvironmentsOfAServiceInOneNamespaceAreRefused(t *testing.T) {
	for kind, router := range routers {
		t.Run(kind, func(t *testing.T) {
			c := cluster(t, gatewayObject(), classObject())
			dev := target
			dev.Environment, dev.Host = "dev1", "dev.example.org"
			var first Router = NewGateway(c, dev, config.GatewayRouter{Name: "gateway", Namespace: "gateway-system"})
			if kind == "nginx" {
				first = NewNginx(c, dev, config.NginxRouter{})
			}
			if _, err := first.Write(t.Context(), splits["candidate-at-25"], 7); err != nil {
				t.Fatal(err)
			}
			var other *SharedError
			if err := router(c).Check(t.Context()); !errors.As(err, &other) || other.Environment != "dev1" {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestDescribeTellsTheConditionsThatAreNotTrue(t *testing.T) {
	c := cluster(t)
	r := routers["gateway"](c)
	if _, err := r.Write(t.Context(), splits["production-only"], 7); err != nil {
		t.Fatal(err)
	}
	if got := r.Describe(t.Context()); !strings.Contains(got, "not been taken up by any gateway") {
		t.Errorf("without status: %s", got)
	}
	u := get(t, c, routeGVR, "calculator-slipway")
	u.Object["status"] = map[string]any{"parents": []any{map[string]any{"controllerName": "x/y", "parentRef": map[string]any{"name": "gateway"},
		"conditions": []any{map[string]any{"type": "ResolvedRefs", "status": "False", "reason": "BackendNotFound", "message": "no such Service", "lastTransitionTime": "2026-01-01T00:00:00Z"}}}}}
	if err := c.Tracker().Update(routeGVR, u, target.Namespace); err != nil {
		t.Fatal(err)
	}
	if got := r.Describe(t.Context()); !strings.Contains(got, "ResolvedRefs is False: no such Service (BackendNotFound)") {
		t.Errorf("got %s", got)
	}
}
