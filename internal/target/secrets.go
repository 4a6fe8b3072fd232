package target

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/slipway-cd/slipway/internal/chart"
	"github.com/slipway-cd/slipway/internal/cluster"
	"github.com/slipway-cd/slipway/internal/clustersecret"
	"github.com/slipway-cd/slipway/internal/config"
	"github.com/slipway-cd/slipway/internal/event"
	"github.com/slipway-cd/slipway/internal/release"
	"github.com/slipway-cd/slipway/internal/vault"
)

// injector brings the values of Secrets into the cluster, or has the cluster fetch them.
type injector interface {
	// By is what makes a Secret another one when somebody else, or another way, brings it.
	By() string
	// Check refuses a cluster that lacks what is needed; it changes nothing.
	Check(ctx context.Context) error
	// Apply makes a Secret, or what leads to it; dry, it asks only whether that would be let in.
	Apply(ctx context.Context, s clustersecret.Secret, dry bool) error
	// Wait returns when the Secrets of these names are there, as far as that does not take a pod.
	Wait(ctx context.Context, names []string, timeout time.Duration) error
	// Prune removes the Secrets of a Helm release that keep does not want, and what leads to them.
	Prune(ctx context.Context, release string, keep func(name string) bool) error
}

// secrets are the Kubernetes Secrets that an environment declares. Each is immutable and is named after what it is made of,
// so a changed variable makes another Secret, which rolls the pods, and a version that is gone back to finds its own again.
type secrets struct {
	injector    injector
	environment string
	labels      map[string]string
	declared    map[string]map[string]string
	values      vault.Values
	// ready bounds the wait for what the cluster fetches.
	ready time.Duration
}

// newInjector is what the environment's secretsBy says.
func newInjector(clients *cluster.Clients, env config.Environment, sink event.Sink) injector {
	c := clustersecret.Cluster{Kube: clients.Kube, Dynamic: clients.Dynamic, Namespace: env.Namespace}
	switch by := env.SecretsBy; {
	case by.CSI != nil:
		cloud := env.Azure.Cloud
		if env.Azure.Endpoints.Authority != "" { // a private cloud: only who installed the provider can have told it
			cloud = ""
		}
		return clustersecret.CSI{Cluster: c, ClientID: by.CSI.ClientID, Tenant: by.CSI.Tenant, Vault: env.Vault.Name(), Cloud: cloud}
	case by.ExternalSecrets != nil:
		return clustersecret.External{Cluster: c, Store: by.ExternalSecrets.Store, Kind: by.ExternalSecrets.Kind, VaultURL: env.Vault.URL, Say: func(object, message string) {
			sink.Emit(event.Event{Time: time.Now().UTC(), Kind: event.Progress, Phase: string(release.PhaseDeploy), Object: object, Message: message})
		}}
	}
	return clustersecret.Direct{Cluster: c}
}

// name of a declared Secret for a Helm release. The hash is made of names and versions in the vault, never of values, and of
// who brings them.
func (s *secrets) name(helmRelease, logical string) (string, error) {
	keys, ok := s.declared[logical]
	if !ok {
		return "", config.UndeclaredSecretError(s.environment, logical)
	}
	h := sha256.New()
	if by := s.injector.By(); by != "" {
		fmt.Fprintf(h, "by %s\n", by)
	}
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		v, err := s.value(keys[key])
		if err != nil {
			return "", err
		}
		fmt.Fprintf(h, "%s=%s@%s\n", key, v.Name, v.Version)
	}
	return helmRelease + "-" + logical + "-" + fmt.Sprintf("%x", h.Sum(nil)[:5]), nil
}

// names of all declared Secrets for a Helm release.
func (s *secrets) names(helmRelease string) ([]string, error) {
	var all []string
	for _, logical := range slices.Sorted(maps.Keys(s.declared)) {
		name, err := s.name(helmRelease, logical)
		if err != nil {
			return nil, err
		}
		all = append(all, name)
	}
	return all, nil
}

func (s *secrets) value(text string) (vault.Value, error) {
	ref, err := vault.ParseRef(text)
	if err != nil {
		return vault.Value{}, err
	}
	v, ok := s.values[ref]
	if !ok {
		return vault.Value{}, fmt.Errorf("the variable %s was not read", ref)
	}
	return v, nil
}

// resolver gives what ${secret:NAME} and ${vault:NAME} stand for in chart values; all else is asked of next.
func (s *secrets) resolver(d release.Deployment, next func(string) (string, error)) func(string) (string, error) {
	return func(ref string) (string, error) {
		kind, name, _ := strings.Cut(ref, ":")
		switch {
		case s == nil:
		case kind == "secret":
			return s.name(d.Release, name)
		case kind == "vault":
			v, err := s.value(name)
			if err != nil {
				return "", err
			}
			return v.Plain()
		}
		return next(ref)
	}
}

// check says why the Secrets of a Helm release could not come: the cluster lacks something, or the API server would refuse.
func (s *secrets) check(ctx context.Context, d release.Deployment) error {
	if s == nil || len(s.declared) == 0 {
		return nil
	}
	if err := s.injector.Check(ctx); err != nil {
		return err
	}
	return s.apply(ctx, d, true)
}

// inject makes the Secrets of a Helm release, or has the cluster make them and waits for it.
func (s *secrets) inject(ctx context.Context, d release.Deployment) error {
	if s == nil || len(s.declared) == 0 {
		return nil
	}
	if err := s.apply(ctx, d, false); err != nil {
		return err
	}
	names, err := s.names(d.Release)
	if err != nil {
		return err
	}
	return s.injector.Wait(ctx, names, s.ready)
}

func (s *secrets) apply(ctx context.Context, d release.Deployment, dry bool) error {
	for _, logical := range slices.Sorted(maps.Keys(s.declared)) {
		name, err := s.name(d.Release, logical)
		if err != nil {
			return err
		}
		one := clustersecret.Secret{Name: name, Logical: logical, Release: d.Release, Slot: d.Slot, Labels: s.labels, Keys: map[string]vault.Value{}}
		for key, text := range s.declared[logical] {
			if one.Keys[key], err = s.value(text); err != nil {
				return err
			}
		}
		if err := s.injector.Apply(ctx, one, dry); err != nil {
			return err
		}
	}
	return nil
}

// prune removes the Secrets of a Helm release that keep does not want.
func (s *secrets) prune(ctx context.Context, helmRelease string, keep func(name string) bool) error {
	if s == nil {
		return nil
	}
	return s.injector.Prune(ctx, helmRelease, keep)
}

// history reads what Helm keeps of a release.
type history interface {
	History(ctx context.Context, release string) ([]chart.Release, error)
}

// named says which Secrets a revision of a Helm release names, in its manifest or in its values: those that `helm rollback`
// may need again.
func named(ctx context.Context, helm history, helmRelease string) (func(name string) bool, error) {
	revisions, err := helm.History(ctx, helmRelease)
	if errors.Is(err, chart.ErrNotFound) {
		return func(string) bool { return false }, nil
	}
	if err != nil {
		return nil, err
	}
	var all strings.Builder
	for _, r := range revisions {
		values, err := json.Marshal(r.Values)
		if err != nil {
			return nil, fmt.Errorf("reading the values of revision %d of helm release %s: %w", r.Revision, helmRelease, err)
		}
		all.WriteString(r.Manifest)
		all.Write(values)
	}
	text := all.String()
	return func(name string) bool { return strings.Contains(text, name) }, nil
}
