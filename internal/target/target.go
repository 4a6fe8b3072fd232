// Package target joins a bundle, an environment and a cluster: it resolves the configuration and gives the release engine
// its real parts.
package target

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"

	"github.com/slipway-cd/slipway/internal/bundle"
	"github.com/slipway-cd/slipway/internal/chart"
	"github.com/slipway-cd/slipway/internal/cluster"
	"github.com/slipway-cd/slipway/internal/config"
	"github.com/slipway-cd/slipway/internal/event"
	"github.com/slipway-cd/slipway/internal/gate"
	"github.com/slipway-cd/slipway/internal/journal"
	"github.com/slipway-cd/slipway/internal/release"
	"github.com/slipway-cd/slipway/internal/secret"
	"github.com/slipway-cd/slipway/internal/telemetry/kube"
	"github.com/slipway-cd/slipway/internal/traffic"
	"github.com/slipway-cd/slipway/internal/vault"
)

// Options of [Open].
type Options struct {
	Environment string
	// Program is this program's version, for the user agent.
	Program string
	Sink    event.Sink
	Getenv  func(string) string
	// Learn takes each secret as soon as it is read, so that nothing that is written shows it.
	Learn func(secret.Secret)
	// Redact masks in a text the secrets that were learned; it is used for what is kept in the cluster. Nil: nothing is masked.
	Redact func(string) string
	// Log takes what libraries say; default: nothing.
	Log io.Writer
	// Unlock marks a Helm release that was left pending as failed, instead of refusing it.
	Unlock bool
	// Known are the variables as [BeforeBuild] has read them; nil: they are read.
	Known vault.Values
	// Begun are the variables that the open release has read, by its journal. The same versions are read again, so that what
	// goes on with it agrees with what stands already.
	Begun []release.Variable
	// Holder is who takes the lock; default: [cluster.Identity].
	Holder string
	// Back says that nothing will be installed: then no secret is read, and a vault that is away cannot be in the way.
	Back bool
}

// Target is one service in one environment, with its engine.
type Target struct {
	Config      *config.Config
	Environment config.Environment
	Name        string // of the environment
	Clients     *cluster.Clients
	Store       *journal.Store
	Engine      *release.Engine
	Plan        release.Plan // complete only with a bundle
	// Untouched says, of what [OpenJournal] opened, that its release had sent no user to the candidate yet.
	Untouched bool

	gates *gates
	close func()
}

// Close frees what the gates hold.
func (t *Target) Close() { t.close() }

// Open resolves the environment, connects to its cluster and wires the engine. With a bundle the engine can release it;
// without one (nil) it can only continue what the cluster knows, go back and tell. Nothing is changed in the cluster.
func Open(ctx context.Context, cfg *config.Config, pulled *bundle.Pulled, o Options) (*Target, error) {
	needed := reachable
	if pulled != nil && !o.Back {
		needed = whole
	}
	cfg, values, err := resolve(ctx, cfg, o.Environment, needed, o)
	if err != nil {
		return nil, err
	}
	env, err := cfg.Environment(o.Environment)
	if err != nil {
		return nil, err
	}
	if o.Log == nil {
		o.Log = io.Discard
	}
	if o.Holder == "" {
		o.Holder = cluster.Identity()
	}
	clients, err := connect(ctx, env, o)
	if err != nil {
		return nil, err
	}
	registry, err := Registry(env.Azure, o.Getenv)
	if err != nil {
		return nil, err
	}
	log := slog.New(slog.NewTextHandler(o.Log, nil))
	guard := &cluster.Guard{}
	guarded, err := cluster.NewClients(guard.Wrap(clients.REST), o.Program)
	if err != nil {
		return nil, err
	}
	helm, err := chart.New(guarded.REST, env.Namespace, log)
	if err != nil {
		return nil, err
	}
	where := traffic.Target{Service: cfg.Service, Environment: o.Environment, Namespace: env.Namespace, Host: env.Host}
	marks, err := newAnnotator(cfg.Service, o.Environment, env, pulled, o)
	if err != nil {
		return nil, err
	}
	o.Sink = marks
	router, routerName, slotHeader := newRouter(guarded, where, env.Router)
	verifier, err := traffic.NewVerifier(env.Endpoint, env.Host, slotHeader)
	if err != nil {
		return nil, err
	}
	store := journal.New(guarded.Kube, env.Namespace, cfg.Service, o.Environment, o.Redact)
	source := kube.NewSource(clients.Kube)
	gates, err := newGates(cfg, env, source, o.Sink)
	if err != nil {
		return nil, err
	}
	if pulled != nil { // going back and telling must not need telemetry
		if err := gates.connect(o.Getenv); err != nil {
			return nil, err
		}
	}
	gates.slotHeader = slotHeader
	owned := map[string]string{"slipway.dev/service": cfg.Service, "slipway.dev/environment": o.Environment}
	charts := &charts{helm: helm, config: cfg, env: env, pulled: pulled, labels: owned, secrets: &secrets{
		injector: newInjector(guarded, env, o.Sink), environment: o.Environment, labels: owned, declared: env.Secrets, values: values, ready: time.Duration(env.ReadyTimeout),
	}}
	if pulled != nil {
		if charts.chart, err = chart.Open(pulled.ChartTGZ); err != nil {
			return nil, err
		}
	}
	t := &Target{
		Config: cfg, Environment: env, Name: o.Environment, Clients: clients, Store: store, gates: gates, close: sync.OnceFunc(func() { gates.close(); marks.Close() }),
		Plan: plan(cfg, env, o.Environment, routerName, pulled),
	}
	t.Plan.Variables = journalled(values)
	if t.Plan.Settings, err = settingsOf(env); err != nil {
		return nil, err
	}
	t.Engine = &release.Engine{
		Store:     store,
		Locker:    locker{clients: clients, guard: guard, holder: o.Holder, namespace: env.Namespace, name: journal.Name(cfg.Service, o.Environment), sink: o.Sink},
		Charts:    charts,
		Router:    router,
		Verifier:  verifier,
		Readiness: readiness{source: source, namespace: env.Namespace, charts: charts, sink: o.Sink},
		Gates:     gates,
		Alarm:     alarm{kube: clients.Kube, namespace: env.Namespace},
		Preflight: &preflight{target: t, helm: helm, charts: charts, gates: gates, router: router, options: o, registry: registry},
		Sink:      o.Sink,
		Clock:     clock.RealClock{},
		Holder:    o.Holder,
	}
	if w := newGuardian(t, guarded, charts, pulled); w != nil {
		t.Engine.Guardian = w
	}
	return t, nil
}

func newRouter(c *cluster.Clients, t traffic.Target, cfg config.Router) (router traffic.Router, name, slotHeader string) {
	if cfg.Nginx != nil {
		return traffic.NewNginx(c.Dynamic, t, *cfg.Nginx), "nginx", cfg.Nginx.SlotHeader
	}
	var g config.GatewayRouter
	if cfg.Gateway != nil {
		g = *cfg.Gateway
	}
	return traffic.NewGateway(c.Dynamic, t, g), "gateway", traffic.SlotHeader
}

// plan resolves what the journal keeps.
func plan(cfg *config.Config, env config.Environment, name, router string, pulled *bundle.Pulled) release.Plan {
	p := release.Plan{
		Service: cfg.Service, Environment: name, Namespace: env.Namespace, Host: env.Host, Endpoint: env.Endpoint,
		Router: router, Gates: env.Gates, Ready: time.Duration(env.ReadyTimeout), Steps: []int{100}, Deadline: gate.DefaultDeadline,
	}
	if pulled != nil {
		p.Bundle, p.Version = pulled.Reference(), pulled.Bundle.Version
	}
	s := env.Strategy
	switch {
	case s.Rolling != nil:
		p.Strategy, p.Hold = "rolling", time.Duration(s.Rolling.Hold)
	case s.BlueGreen != nil:
		p.Strategy, p.Hold, p.Bake, p.Keep = "blue-green", time.Duration(s.BlueGreen.Hold), time.Duration(s.BlueGreen.Bake), s.BlueGreen.Keep
	case s.Canary != nil:
		p.Strategy, p.Hold, p.Bake, p.Keep = "canary", time.Duration(s.Canary.Hold), time.Duration(s.Canary.Bake), s.Canary.Keep
		p.Steps = slices.Clone(s.Canary.Steps)
		if s.Canary.Deadline > 0 {
			p.Deadline = time.Duration(s.Canary.Deadline)
		}
	}
	return p
}

// locker takes the Lease.
type locker struct {
	clients         *cluster.Clients
	guard           *cluster.Guard // of everything that is changed under the Lease
	holder          string
	namespace, name string
	sink            event.Sink
}

func (l locker) options(after int64) cluster.LockOptions {
	say := func(msg string) {
		l.sink.Emit(event.Event{Time: time.Now().UTC(), Kind: event.Progress, Phase: "lock", Object: "lease/" + l.namespace + "/" + l.name, Message: msg})
	}
	return cluster.LockOptions{
		Namespace: l.namespace, Name: l.name, Holder: l.holder, After: after,
		Watching: func(h cluster.HeldError) {
			say("the lock is held by " + h.Holder + "; watching whether that process is alive")
		},
		TookOver: func(h cluster.HeldError) {
			say("took the lock over from " + h.Holder + ", which has stopped renewing it")
		},
	}
}

// Succeed implements [release.Locker].
func (l locker) Succeed(ctx context.Context, left func() bool) (release.Lock, error) {
	lock, err := cluster.Succeed(ctx, l.clients.Kube, l.options(0), left)
	if err != nil {
		return nil, err
	}
	l.guard.Under(lock)
	return lock, nil
}

// Acquire implements [release.Locker].
func (l locker) Acquire(ctx context.Context, after int64) (release.Lock, error) {
	lock, err := cluster.Acquire(ctx, l.clients.Kube, l.options(after))
	var held *cluster.HeldError
	if errors.As(err, &held) {
		return nil, &release.HeldError{Err: err}
	}
	if err != nil {
		return nil, err
	}
	l.guard.Under(lock)
	return lock, nil
}

// readiness waits for the pods of a slot.
type readiness struct {
	source    *kube.Source
	namespace string
	charts    *charts
	sink      event.Sink
}

func (r readiness) Wait(ctx context.Context, d release.Deployment, b traffic.Backend, since time.Time, timeout time.Duration) error {
	_, err := gate.WaitReady(ctx, r.source, gate.Candidate{
		Namespace: r.namespace, Release: d.Release, Slot: d.Slot, Service: b.Service, Since: since,
		Workloads: r.charts.workloads(ctx, d),
	}, gate.ReadyOptions{Timeout: timeout, Sink: r.sink, Phase: string(release.PhaseDeploy)})
	return err
}

// Endpoints implements [release.Readiness].
func (r readiness) Endpoints(ctx context.Context, b traffic.Backend) (int, error) {
	found, err := r.source.Kube.DiscoveryV1().EndpointSlices(r.namespace).List(ctx, metav1.ListOptions{LabelSelector: discoveryv1.LabelServiceName + "=" + b.Service})
	if err != nil {
		return 0, err
	}
	n := 0
	for _, s := range found.Items {
		for _, e := range s.Endpoints {
			if ptr.Deref(e.Conditions.Ready, true) { // unset means ready, says the API
				n++
			}
		}
	}
	return n, nil
}

// resolver gives the values that references in chart values stand for.
func resolver(pulled *bundle.Pulled, d release.Deployment) func(string) (string, error) {
	return func(ref string) (string, error) {
		switch ref {
		case "slot":
			return d.Slot, nil
		case "release":
			return d.Release, nil
		case "version":
			return pulled.Bundle.Version, nil
		}
		for _, name := range slices.Sorted(maps.Keys(pulled.Bundle.Images)) {
			img := pulled.Bundle.Images[name]
			switch ref {
			case "image:" + name:
				return img.Reference(), nil
			case "image:" + name + ".repository":
				return img.Repository, nil
			case "image:" + name + ".digest":
				return img.Digest, nil
			case "image:" + name + ".hex":
				return img.Digest[len("sha256:"):], nil
			}
		}
		return "", fmt.Errorf("${%s} is in the release configuration, but bundle %s has no such thing", ref, bundle.ShortDigest(pulled.Digest))
	}
}

// expand resolves the references in every string of a value.
func expand(v any, resolve func(string) (string, error)) (any, error) {
	switch v := v.(type) {
	case string:
		return config.Expand(v, resolve)
	case map[string]any:
		out := make(map[string]any, len(v))
		for k, e := range v {
			x, err := expand(e, resolve)
			if err != nil {
				return nil, err
			}
			out[k] = x
		}
		return out, nil
	case []any:
		out := make([]any, len(v))
		for i, e := range v {
			x, err := expand(e, resolve)
			if err != nil {
				return nil, err
			}
			out[i] = x
		}
		return out, nil
	default:
		return v, nil
	}
}

var errNoBundle = errors.New("no bundle is at hand")
