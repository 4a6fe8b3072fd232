package target

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"
	"sync"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/slipway-cd/slipway/internal/azure"
	"github.com/slipway-cd/slipway/internal/azure/acr"
	"github.com/slipway-cd/slipway/internal/azure/aks"
	"github.com/slipway-cd/slipway/internal/cluster"
	"github.com/slipway-cd/slipway/internal/config"
)

// connect opens the cluster of an environment: an AKS cluster through Azure, or a context of a kubeconfig.
func connect(ctx context.Context, env config.Environment, o Options) (*cluster.Clients, error) {
	if env.Cluster.AKS == (config.AKS{}) {
		return cluster.Open(ctx, env.Cluster.Kubeconfig, env.Cluster.Context, o.Program)
	}
	cred, client, err := identity(env.Azure, o.Getenv)
	if err != nil {
		return nil, err
	}
	cfg, err := aks.Connect(ctx, aks.Cluster(env.Cluster.AKS), cred, client)
	if err != nil {
		return nil, err
	}
	return cluster.OpenConfig(ctx, cfg, o.Program)
}

// Registry says how registries are spoken to: with the credentials of Docker's configuration, or else, where a registry is
// Azure's, with an Entra token. Nothing is asked before a registry wants credentials. One that has too many requests is left
// alone for as long as it says.
func Registry(a config.Azure, getenv func(string) string) ([]remote.Option, error) {
	keychain, transport, err := RegistryAccess(a, getenv)
	if err != nil {
		return nil, err
	}
	return []remote.Option{remote.WithAuthFromKeychain(keychain), remote.WithTransport(transport)}, nil
}

// RegistryAccess is [Registry] for those who do not take options.
func RegistryAccess(a config.Azure, getenv func(string) string) (authn.Keychain, http.RoundTripper, error) {
	cloud, err := azure.NewCloud(a.Cloud, azure.Endpoints(a.Endpoints))
	if err != nil {
		return nil, nil, err
	}
	standard, ok := remote.DefaultTransport.(*http.Transport)
	if !ok {
		return nil, nil, errors.New("the process has replaced the registry library's HTTP transport")
	}
	own := standard.Clone()
	own.ResponseHeaderTimeout = headerTimeout
	if a.CAFile != "" {
		pool, err := azure.Roots(a.CAFile)
		if err != nil {
			return nil, nil, err
		}
		own.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: pool}
	}
	keychain := authn.NewMultiKeychain(authn.DefaultKeychain, &entraKeychain{azure: a, cloud: cloud, getenv: getenv})
	return keychain, patient(own), nil
}

// entraKeychain looks for an identity only when a registry that takes Entra tokens is spoken to.
type entraKeychain struct {
	azure  config.Azure
	cloud  azure.Cloud
	getenv func(string) string

	once sync.Once
	keys *acr.Keychain
	err  error
}

// Resolve implements authn.Keychain.
func (k *entraKeychain) Resolve(r authn.Resource) (authn.Authenticator, error) {
	return k.ResolveContext(context.Background(), r)
}

// ResolveContext implements authn.ContextKeychain. Without any identity the registry is asked as nobody: it may allow that,
// and says so if it does not.
func (k *entraKeychain) ResolveContext(ctx context.Context, r authn.Resource) (authn.Authenticator, error) {
	o := acr.Options{Cloud: k.cloud, Hosts: k.azure.Registries}
	if !acr.NewKeychain(o).Has(r.RegistryStr()) {
		return authn.Anonymous, nil
	}
	k.once.Do(func() {
		if o.Credential, o.Client, k.err = identity(k.azure, k.getenv); k.err == nil {
			k.keys = acr.NewKeychain(o)
		}
	})
	var nobody *azure.NoIdentityError
	switch {
	case errors.As(k.err, &nobody):
		return authn.Anonymous, nil
	case k.err != nil:
		return nil, k.err
	}
	return k.keys.ResolveContext(ctx, r)
}
