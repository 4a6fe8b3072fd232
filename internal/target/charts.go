package target

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/slipway-cd/slipway/internal/bundle"
	"github.com/slipway-cd/slipway/internal/chart"
	"github.com/slipway-cd/slipway/internal/config"
	"github.com/slipway-cd/slipway/internal/release"
	"github.com/slipway-cd/slipway/internal/telemetry/kube"
	"github.com/slipway-cd/slipway/internal/traffic"
)

// charts installs the bundle's chart through Helm.
type charts struct {
	helm   *chart.Client
	config *config.Config
	env    config.Environment
	pulled *bundle.Pulled
	chart  *chart.Chart
	labels map[string]string
	// secrets are those that the environment declares.
	secrets *secrets
}

var _ release.Charts = (*charts)(nil)

// values of a deployment: the service's, the environment's over them, references resolved.
func (c *charts) values(d release.Deployment) (map[string]any, error) {
	if c.pulled == nil {
		return nil, errNoBundle
	}
	v, err := expand(c.env.Values, c.secrets.resolver(d, resolver(c.pulled, d)))
	if err != nil {
		return nil, err
	}
	m, _ := v.(map[string]any)
	return m, nil
}

func (c *charts) render(ctx context.Context, d release.Deployment) (*chart.Manifest, error) {
	values, err := c.values(d)
	if err != nil {
		return nil, err
	}
	return chart.Render(ctx, c.chart, chart.RenderOptions{Release: d.Release, Namespace: c.env.Namespace, Values: values})
}

// Install implements [release.Charts]. A Helm release that is pending was found healthy by the preflight check, and the
// lock is ours: so a run of ours died in it, and it is unlocked.
func (c *charts) Install(ctx context.Context, d release.Deployment) error {
	opts, err := c.options(d)
	if err != nil {
		return err
	}
	if err := c.secrets.inject(ctx, d); err != nil {
		return err
	}
	_, err = c.helm.Apply(ctx, opts)
	var pending *chart.PendingError
	if errors.As(err, &pending) {
		if err := c.helm.Unlock(ctx, d.Release); err != nil {
			return err
		}
		_, err = c.helm.Apply(ctx, opts)
	}
	if err != nil || c.secrets == nil {
		return err
	}
	old, err := named(ctx, c.helm, d.Release)
	if err != nil {
		return err
	}
	current, err := c.secrets.names(d.Release)
	if err != nil {
		return err
	}
	return c.secrets.prune(ctx, d.Release, func(name string) bool { return slices.Contains(current, name) || old(name) })
}

func (c *charts) options(d release.Deployment) (chart.InstallOptions, error) {
	values, err := c.values(d)
	if err != nil {
		return chart.InstallOptions{}, err
	}
	return chart.InstallOptions{Release: d.Release, Chart: c.chart, Values: values, Labels: c.labels,
		Description: "slipway " + bundle.ShortDigest(c.pulled.Digest) + " " + c.pulled.Bundle.Version}, nil
}

// check asks the API server whether Install would be let in; it changes nothing.
func (c *charts) check(ctx context.Context, d release.Deployment) error {
	opts, err := c.options(d)
	if err != nil {
		return err
	}
	if err := c.secrets.check(ctx, d); err != nil {
		return err
	}
	return c.helm.Check(ctx, opts)
}

// Rollback implements [release.Charts]. Going back must not be blocked by a release that is pending.
func (c *charts) Rollback(ctx context.Context, name string, revision int) error {
	_, err := c.helm.Rollback(ctx, name, revision)
	var pending *chart.PendingError
	if errors.As(err, &pending) {
		if err := c.helm.Unlock(ctx, name); err != nil {
			return err
		}
		_, err = c.helm.Rollback(ctx, name, revision)
	}
	return err
}

// Uninstall implements [release.Charts]. The Secrets go last: pods that end may still want them.
func (c *charts) Uninstall(ctx context.Context, name string) error {
	if err := c.helm.Uninstall(ctx, name); err != nil {
		return err
	}
	return c.secrets.prune(ctx, name, func(string) bool { return false })
}

// Revision implements [release.Charts].
func (c *charts) Revision(ctx context.Context, name string) (int, error) {
	rel, err := c.helm.Get(ctx, name)
	if errors.Is(err, chart.ErrNotFound) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return rel.Revision, nil
}

// Backend implements [release.Charts].
func (c *charts) Backend(ctx context.Context, d release.Deployment) (traffic.Backend, error) {
	m, err := c.render(ctx, d)
	if err != nil {
		return traffic.Backend{}, err
	}
	return c.pick(m.Services(), d.Release)
}

// Adopt implements [release.Charts]: the Service is found in what Helm has installed.
func (c *charts) Adopt(ctx context.Context, name string) (traffic.Backend, error) {
	rel, err := c.helm.Get(ctx, name)
	if err != nil {
		return traffic.Backend{}, err
	}
	m := chart.Manifest{Objects: parse(rel.Manifest)}
	return c.pick(m.Services(), name)
}

// pick chooses the Service that takes the traffic.
func (c *charts) pick(services []chart.Service, release string) (traffic.Backend, error) {
	var names []string
	for _, s := range services {
		names = append(names, s.Name)
	}
	want := c.config.Backend
	if want.Service == "" && len(services) != 1 {
		if len(services) == 0 {
			return traffic.Backend{}, errors.New("the chart has no Service that could take traffic")
		}
		return traffic.Backend{}, fmt.Errorf("the chart has %d Services (%s): say which one takes the traffic with backend.service in slipway.yaml (${release} stands for %s)", len(services), strings.Join(names, ", "), release)
	}
	name, err := config.Expand(want.Service, func(ref string) (string, error) {
		if ref == "release" {
			return release, nil
		}
		return "", fmt.Errorf("backend.service may refer to ${release} only, not to ${%s}", ref)
	})
	if err != nil {
		return traffic.Backend{}, err
	}
	for _, s := range services {
		if name != "" && s.Name != name {
			continue
		}
		for _, p := range s.Ports {
			if want.Port == 0 || want.Port == p.Number {
				return traffic.Backend{Service: s.Name, Port: p.Number}, nil
			}
		}
		return traffic.Backend{}, fmt.Errorf("the chart's Service %s has no port %d (backend.port)", s.Name, want.Port)
	}
	return traffic.Backend{}, fmt.Errorf("the chart has no Service %s (backend.service); it has %s", name, strings.Join(names, ", "))
}

// workloads that the chart renders; only a help for charts without labels, so an error means none.
func (c *charts) workloads(ctx context.Context, d release.Deployment) []kube.WorkloadRef {
	if c.pulled == nil {
		return nil
	}
	m, err := c.render(ctx, d)
	if err != nil {
		return nil
	}
	var refs []kube.WorkloadRef
	for _, o := range m.Objects {
		switch o.GetKind() {
		case "Deployment", "StatefulSet", "DaemonSet", "Job":
			refs = append(refs, kube.WorkloadRef{Kind: o.GetKind(), Name: o.GetName()})
		}
	}
	return refs
}
