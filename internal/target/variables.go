package target

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/slipway-cd/slipway/internal/azure"
	"github.com/slipway-cd/slipway/internal/config"
	"github.com/slipway-cd/slipway/internal/event"
	"github.com/slipway-cd/slipway/internal/release"
	"github.com/slipway-cd/slipway/internal/secret"
	"github.com/slipway-cd/slipway/internal/vault"
)

// ErrNoVault says that an environment names no vault.
var ErrNoVault = errors.New("the environment has no vault")

// Vault is a store of variables.
type Vault interface {
	vault.Reader
	// List gives every variable, never a value.
	List(context.Context) ([]vault.Info, error)
	// Set makes a new version of a variable.
	Set(ctx context.Context, name string, value secret.Secret) (vault.Ref, error)
}

// OpenVault is the vault of an environment, with the identity that is at hand. It asks nothing yet.
func OpenVault(cfg *config.Config, environment string, getenv func(string) string) (Vault, error) {
	env, err := cfg.Environment(environment)
	if err != nil {
		return nil, err
	}
	v := env.Vault
	switch {
	case v.File != "":
		return &vault.File{Path: cfg.FilePath(v.File), Identity: cfg.FilePath(v.Identity), Recipients: v.Recipients, Plain: v.Plain}, nil
	case v.URL == "":
		return nil, ErrNoVault
	}
	cloud, err := azure.NewCloud(env.Azure.Cloud, azure.Endpoints(env.Azure.Endpoints))
	if err != nil {
		return nil, err
	}
	url, err := cloud.VaultURL(v.URL)
	if err != nil {
		return nil, &VaultError{err}
	}
	cred, client, err := identity(env.Azure, getenv)
	if err != nil {
		return nil, err
	}
	return vault.NewKeyVault(vault.KeyVaultOptions{URL: url, Credential: cred, Client: client, AnyHost: cloud.Private})
}

// VaultError says that the vault of the configuration cannot be one.
type VaultError struct{ Err error }

func (e *VaultError) Error() string { return e.Err.Error() }
func (e *VaultError) Unwrap() error { return e.Err }

// scope says how much of an environment is to be resolved.
type scope int

const (
	whole     scope = iota // for a release
	reachable              // what a person or another command needs: all but chart values and secrets
	location               // only where it is: namespace and cluster
)

func (s scope) has(r config.VaultRef, environment string) bool {
	switch s {
	case reachable:
		return !r.InValues
	case location:
		rest := strings.TrimPrefix(r.Path, "environments."+environment+".")
		return rest == "namespace" || strings.HasPrefix(rest, "cluster.")
	}
	return true
}

// Resolve is an environment with its variables in place, but for those of chart values, as a command needs it that looks.
func Resolve(ctx context.Context, cfg *config.Config, o Options) (config.Environment, error) {
	cfg, _, err := resolve(ctx, cfg, o.Environment, reachable, o)
	if err != nil {
		return config.Environment{}, err
	}
	return cfg.Environment(o.Environment)
}

// resolve reads the variables of an environment, all at once, and puts them in place. Nothing is read where nothing is asked
// for. Every secret is told to o.Learn before anything else is done with it.
func resolve(ctx context.Context, cfg *config.Config, environment string, s scope, o Options) (*config.Config, vault.Values, error) {
	if o.Known != nil && environment == o.Environment {
		return resolveFrom(ctx, cfg, environment, s, o, o.Known)
	}
	return resolveFrom(ctx, cfg, environment, s, o, nil)
}

// resolveFrom reads from a store, or, if that is nil, from the environment's own.
func resolveFrom(ctx context.Context, cfg *config.Config, environment string, s scope, o Options, store vault.Reader) (*config.Config, vault.Values, error) {
	env, err := cfg.Environment(environment)
	if err != nil {
		return nil, nil, err
	}
	var refs []vault.Ref
	for _, r := range cfg.VaultRefs(environment) {
		if s.has(r, environment) {
			refs = append(refs, r.Ref)
		}
	}
	var secrets []vault.Ref
	if s == whole {
		secrets = env.SecretRefs()
	}
	if refs = append(refs, secrets...); len(refs) == 0 {
		return cfg, nil, nil
	}
	if store == nil {
		if store, err = OpenVault(cfg, environment, o.Getenv); err != nil {
			return nil, nil, err
		}
	}
	var names []string
	for _, ref := range secrets {
		names = append(names, ref.Name)
	}
	if remote, ok := store.(*vault.KeyVault); ok && env.SecretsBy.InCluster() {
		store = &vault.Sealed{Vault: remote, Names: names} // the cluster reads the values, not this process
	}
	store = &vault.Overlay{Store: store, Getenv: o.Getenv, Secrets: names}
	if environment == o.Environment {
		store = begun{store: store, read: o.Begun, getenv: o.Getenv}
	}
	values, err := store.Read(ctx, refs)
	if err != nil {
		return nil, nil, err
	}
	for ref, v := range values {
		if env.SecretsBy.InCluster() && slices.Contains(secrets, ref) {
			continue // its value is not known here
		}
		if v.IsSecret() || slices.Contains(secrets, ref) && v.Tags[vault.Tag] != vault.TagPlain {
			o.learn(v.Secret)
			if v.Secret.Len() < secret.MinLength {
				o.warn(fmt.Sprintf("the secret %s has fewer than %d bytes, so that it cannot be masked in output: set a longer one", ref, secret.MinLength))
			}
		}
	}
	for _, w := range values.Warnings(time.Now()) {
		o.warn(w)
	}
	resolved, err := cfg.Resolve(environment, func(r config.VaultRef) (string, error) {
		v, ok := values[r.Ref]
		switch {
		case !ok:
			return "", config.ErrLater
		case r.InValues && !v.MayBeSeen() && !v.IsSecret():
			return "", fmt.Errorf("chart values are kept in Helm's release records, and nothing says that the variable %s may be seen there: use it under \"secrets\"; if it is no secret, give it the tag %s=%s", v.Name, vault.Tag, vault.TagPlain)
		}
		return v.Plain()
	})
	if err != nil {
		return nil, nil, err
	}
	return resolved, values, nil
}

func (o Options) warn(msg string) {
	o.Sink.Emit(event.Event{Time: time.Now().UTC(), Kind: event.Warning, Phase: "preflight", Message: msg})
}

func (o Options) learn(s secret.Secret) {
	if o.Learn != nil {
		o.Learn(s)
	}
}

// journalled are the names and versions of what was read, for the record.
func journalled(values vault.Values) []release.Variable {
	var all []release.Variable
	for _, ref := range slices.SortedFunc(maps.Keys(values), func(a, b vault.Ref) int { return strings.Compare(a.String(), b.String()) }) {
		all = append(all, release.Variable(values[ref].Ref))
	}
	return slices.Compact(all)
}
