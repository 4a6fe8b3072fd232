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

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	applycorev1 "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/client-go/kubernetes"

	"github.com/slipway-cd/slipway/internal/chart"
	"github.com/slipway-cd/slipway/internal/cluster"
	"github.com/slipway-cd/slipway/internal/config"
	"github.com/slipway-cd/slipway/internal/release"
	"github.com/slipway-cd/slipway/internal/traffic"
	"github.com/slipway-cd/slipway/internal/vault"
)

// releaseLabel names the Helm release that a Secret belongs to.
const releaseLabel = "slipway.dev/release"

// secrets are the Kubernetes Secrets that an environment declares. Each is immutable and is named after what it is made of,
// so a changed variable makes another Secret, which rolls the pods, and a version that is gone back to finds its own again.
type secrets struct {
	client      kubernetes.Interface
	namespace   string
	environment string
	labels      map[string]string
	declared    map[string]map[string]string
	values      vault.Values
}

// name of a declared Secret for a Helm release. The hash is made of names and versions in the vault, never of values.
func (s *secrets) name(helmRelease, logical string) (string, error) {
	keys, ok := s.declared[logical]
	if !ok {
		return "", config.UndeclaredSecretError(s.environment, logical)
	}
	h := sha256.New()
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
	for logical := range s.declared {
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

// apply makes the Secrets of a Helm release, or, dry, asks the API server whether it would let them in.
func (s *secrets) apply(ctx context.Context, d release.Deployment, dry bool) error {
	if s == nil {
		return nil
	}
	for _, logical := range slices.Sorted(maps.Keys(s.declared)) {
		name, err := s.name(d.Release, logical)
		if err != nil {
			return err
		}
		data := map[string][]byte{}
		for key, text := range s.declared[logical] {
			v, err := s.value(text)
			if err != nil {
				return err
			}
			data[key] = []byte(v.Secret.Reveal()) // the one place where values leave the vault: into the cluster's Secret
		}
		options := metav1.ApplyOptions{FieldManager: traffic.FieldManager, Force: true}
		if dry {
			options.DryRun = []string{metav1.DryRunAll}
		}
		object := "secret/" + s.namespace + "/" + name
		_, err = s.client.CoreV1().Secrets(s.namespace).Apply(ctx, applycorev1.Secret(name, s.namespace).
			WithLabels(s.labels).WithLabels(map[string]string{
			releaseLabel: d.Release, "slipway.dev/slot": d.Slot, "slipway.dev/secret": logical, "app.kubernetes.io/managed-by": "slipway",
		}).WithImmutable(true).WithData(data), options)
		switch {
		case apierrors.IsInvalid(err): // the API server's own words would repeat what it was sent
			return fmt.Errorf("%s was not taken: the API server says that it is not valid; if it was changed by hand, delete it: kubectl -n %s delete secret %s", object, s.namespace, name)
		case err != nil:
			return cluster.Explain(err, "applying "+object)
		}
	}
	return nil
}

// prune removes the Secrets of a Helm release that keep does not want.
func (s *secrets) prune(ctx context.Context, helmRelease string, keep func(name string) bool) error {
	if s == nil {
		return nil
	}
	chosen := labels.Set{releaseLabel: helmRelease, "app.kubernetes.io/managed-by": "slipway"}
	list, err := s.client.CoreV1().Secrets(s.namespace).List(ctx, metav1.ListOptions{LabelSelector: chosen.String()})
	if err != nil {
		return cluster.Explain(err, "looking for the Secrets of helm release "+helmRelease)
	}
	for _, found := range list.Items {
		if keep(found.Name) {
			continue
		}
		err := s.client.CoreV1().Secrets(s.namespace).Delete(ctx, found.Name, metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			return cluster.Explain(err, "removing secret/"+s.namespace+"/"+found.Name)
		}
	}
	return nil
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
