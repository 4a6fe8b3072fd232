// Package kube talks to the sandbox's API server: it applies the objects that
// belong to the sandbox and asks whether they are in place.
package kube

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/gateway-api/pkg/consts"
	"sigs.k8s.io/yaml"
)

//go:generate go run ./gen gatewayapi

// The definitions are made by go generate and are not in the repository; the
// directory always is, so that the package compiles without them.
//
//go:embed all:gatewayapi
var definitions embed.FS

//go:embed manifests
var manifests embed.FS

// FieldManager owns the fields that the sandbox sets.
const FieldManager = "slipway-sandbox"

// madeFrom is the annotation with the hash of what an object was made from.
const madeFrom = "sandbox.slipway.dev/made-from"

// Client applies and reads objects with the administrator's rights. It
// connects at the first use, when the kubeconfig has been written.
type Client struct {
	kubeconfig string
	connect    func() (dynamic.Interface, error)
}

// New makes a client of the cluster that kubeconfig names.
func New(kubeconfig string) *Client {
	return &Client{kubeconfig: kubeconfig, connect: sync.OnceValues(func() (dynamic.Interface, error) {
		cfg, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
		if err != nil {
			return nil, fmt.Errorf("read the kubeconfig: %w", err)
		}
		cfg.QPS, cfg.Burst = 100, 100
		cfg.Timeout = 10 * time.Second
		cfg.UserAgent = FieldManager
		c, err := dynamic.NewForConfig(cfg)
		if err != nil {
			return nil, fmt.Errorf("make a client: %w", err)
		}
		return c, nil
	})}
}

var (
	crds     = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}
	nodes    = schema.GroupVersionResource{Version: "v1", Resource: "nodes"}
	accounts = schema.GroupVersionResource{Version: "v1", Resource: "serviceaccounts"}
	services = schema.GroupVersionResource{Version: "v1", Resource: "services"}
	gateways = schema.GroupVersionResource{Group: "gateway.networking.k8s.io", Version: "v1", Resource: "gateways"}
)

// clusterScoped are the kinds among the manifests that have no namespace.
var clusterScoped = []string{"Namespace", "ClusterRole", "ClusterRoleBinding", "IngressClass", "GatewayClass"}

// ApplyBase applies the Gateway API's definitions, the roles, the DNS Service
// and the Gateway. It is idempotent.
func (c *Client) ApplyBase(ctx context.Context) error {
	api, err := c.connect()
	if err != nil {
		return err
	}
	defs, err := readDefinitions(definitions)
	if err != nil {
		return err
	}
	base, err := readManifest("manifests/10-base.yaml")
	if err != nil {
		return err
	}
	g, gctx := errgroup.WithContext(ctx)
	for _, def := range defs {
		g.Go(func() error {
			if err := apply(gctx, api.Resource(crds), def); err != nil {
				return err
			}
			return established(gctx, api, def.GetName())
		})
	}
	g.Go(func() error { return applyAll(gctx, api, base) })
	if err := g.Wait(); err != nil {
		return err
	}
	gw, err := readManifest("manifests/20-gateway.yaml")
	if err != nil {
		return err
	}
	return applyAll(ctx, api, gw)
}

func applyAll(ctx context.Context, api dynamic.Interface, objects []*unstructured.Unstructured) error {
	for _, o := range objects {
		gvr := resource(o)
		var r dynamic.ResourceInterface = api.Resource(gvr)
		if !slices.Contains(clusterScoped, o.GetKind()) {
			r = api.Resource(gvr).Namespace(o.GetNamespace())
		}
		if err := apply(ctx, r, o); err != nil {
			return err
		}
	}
	return nil
}

// resource guesses the plural, which works for all our kinds but one.
func resource(o *unstructured.Unstructured) schema.GroupVersionResource {
	if o.GetKind() == "Gateway" {
		return gateways
	}
	gvr, _ := meta.UnsafeGuessKindToResource(o.GroupVersionKind())
	return gvr
}

// apply creates o, or replaces it when it was made from something else. It
// does not use server-side apply, which makes a fresh API server build
// schemas of everything first: seconds, on a small machine.
func apply(ctx context.Context, r dynamic.ResourceInterface, o *unstructured.Unstructured) error {
	raw, err := o.MarshalJSON()
	if err != nil {
		return fmt.Errorf("encode the %s %s: %w", o.GetKind(), o.GetName(), err)
	}
	sum := sha256.Sum256(raw)
	made := o.GetAnnotations()
	if made == nil {
		made = map[string]string{}
	}
	made[madeFrom] = hex.EncodeToString(sum[:8])
	o.SetAnnotations(made)
	// Creating first would be refused for more reasons than that it exists: a Service's address is taken.
	old, err := r.Get(ctx, o.GetName(), metav1.GetOptions{})
	switch {
	case apierrors.IsNotFound(err):
		_, err = r.Create(ctx, o, metav1.CreateOptions{FieldManager: FieldManager})
	case err == nil && old.GetAnnotations()[madeFrom] != made[madeFrom]:
		o.SetResourceVersion(old.GetResourceVersion())
		_, err = r.Update(ctx, o, metav1.UpdateOptions{FieldManager: FieldManager})
	}
	if err != nil {
		return fmt.Errorf("apply the %s %s: %w", o.GetKind(), o.GetName(), err)
	}
	return nil
}

// established waits until a definition is served.
func established(ctx context.Context, api dynamic.Interface, name string) error {
	t := time.NewTicker(50 * time.Millisecond)
	defer t.Stop()
	for {
		o, err := api.Resource(crds).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return fmt.Errorf("read the definition %s: %w", name, err)
		}
		if condition(o, "status", "conditions")["Established"] == "True" {
			return nil
		}
		select {
		case <-t.C:
		case <-ctx.Done():
			return fmt.Errorf("wait for the definition %s: %w", name, ctx.Err())
		}
	}
}

// BaseReady says whether the objects that ApplyBase makes last are there.
func (c *Client) BaseReady(ctx context.Context) error {
	api, err := c.connect()
	if err != nil {
		return err
	}
	if _, err := api.Resource(services).Namespace("kube-system").Get(ctx, "kube-dns", metav1.GetOptions{}); err != nil {
		return fmt.Errorf("read the DNS Service: %w", err)
	}
	if _, err := c.gateway(ctx); err != nil {
		return err
	}
	return nil
}

// NodeReady says whether pods can be scheduled and started: the node is ready
// and untainted, and the default service account exists.
func (c *Client) NodeReady(name string) func(context.Context) error {
	return func(ctx context.Context) error {
		api, err := c.connect()
		if err != nil {
			return err
		}
		n, err := api.Resource(nodes).Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return fmt.Errorf("read the node: %w", err)
		}
		if s := condition(n, "status", "conditions")["Ready"]; s != "True" {
			return fmt.Errorf("the node's condition Ready is %q", s)
		}
		if taints, _, _ := unstructured.NestedSlice(n.Object, "spec", "taints"); len(taints) > 0 {
			return errors.New("the node is still tainted")
		}
		_, err = api.Resource(accounts).Namespace("default").Get(ctx, "default", metav1.GetOptions{})
		if err != nil {
			return fmt.Errorf("read the default service account: %w", err)
		}
		return nil
	}
}

// RoutesReady says whether the Gateway is programmed.
func (c *Client) RoutesReady(ctx context.Context) error {
	g, err := c.gateway(ctx)
	if err != nil {
		return err
	}
	if s := condition(g, "status", "conditions")["Programmed"]; s != "True" {
		return fmt.Errorf("the Gateway gateway-system/gateway has the condition Programmed %q", s)
	}
	return nil
}

func (c *Client) gateway(ctx context.Context) (*unstructured.Unstructured, error) {
	api, err := c.connect()
	if err != nil {
		return nil, err
	}
	g, err := api.Resource(gateways).Namespace("gateway-system").Get(ctx, "gateway", metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("read the Gateway gateway-system/gateway: %w", err)
	}
	return g, nil
}

// condition returns the status of each condition by type.
func condition(o *unstructured.Unstructured, path ...string) map[string]string {
	list, _, _ := unstructured.NestedSlice(o.Object, path...)
	out := map[string]string{}
	for _, e := range list {
		m, _ := e.(map[string]any)
		t, _ := m["type"].(string)
		s, _ := m["status"].(string)
		out[t] = s
	}
	return out
}

func readDefinitions(from fs.FS) ([]*unstructured.Unstructured, error) {
	paths, err := fs.Glob(from, "gatewayapi/*.json")
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		return nil, fmt.Errorf("this slipway-sandbox was built without the Gateway API's definitions (%s); build it with `make sandbox`", consts.BundleVersion)
	}
	var out []*unstructured.Unstructured
	for _, path := range paths {
		raw, err := fs.ReadFile(from, path)
		if err != nil {
			return nil, err
		}
		o := &unstructured.Unstructured{}
		if err := o.UnmarshalJSON(raw); err != nil {
			return nil, fmt.Errorf("read the definition %s: %w", path, err)
		}
		unstructured.RemoveNestedField(o.Object, "status")
		out = append(out, o)
	}
	return out, nil
}

func readManifest(path string) ([]*unstructured.Unstructured, error) {
	raw, err := manifests.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var out []*unstructured.Unstructured
	for doc := range strings.SplitSeq(string(raw), "\n---\n") {
		o := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(doc), &o.Object); err != nil {
			return nil, fmt.Errorf("read %s: %w", path, err)
		}
		out = append(out, o)
	}
	return out, nil
}
