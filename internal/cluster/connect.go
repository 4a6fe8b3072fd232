// Package cluster connects to a Kubernetes cluster and holds what every other package needs from it: clients,
// errors in words a person can act on, readiness as a pure function of an object, and the Lease that makes sure
// that a service in an environment has one writer.
package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// ConnectTimeout bounds how long [Open] and [Clients.Check] wait for the API server to answer.
const ConnectTimeout = 5 * time.Second

// Clients are the clients of one cluster. They are safe for concurrent use.
type Clients struct {
	// Kube has the built-in kinds.
	Kube kubernetes.Interface
	// Dynamic has every other kind, Gateway API among them. It is dynamic and not typed because an object that is
	// read, changed and written through Go types of another version loses the fields that those types do not know.
	Dynamic dynamic.Interface
	// REST is what both were made of; it holds credentials and must not be logged.
	REST *rest.Config
}

// Open connects as [Connect] does, makes the clients and asks the API server for its version, so that a wrong address
// or expired credentials are told before anything else is done. Version goes into the user agent (slipway/<version>).
// Errors are *[ConfigError], *[UnreachableError] or *[Error].
func Open(ctx context.Context, kubeconfig, contextName, version string) (*Clients, error) {
	cfg, err := Connect(kubeconfig, contextName)
	if err != nil {
		return nil, err
	}
	return OpenConfig(ctx, cfg, version)
}

// OpenConfig is [Open] for a configuration that was made elsewhere, such as of an AKS cluster.
func OpenConfig(ctx context.Context, cfg *rest.Config, version string) (*Clients, error) {
	c, err := NewClients(raise(cfg), version)
	if err != nil {
		return nil, err
	}
	if err := c.Check(ctx); err != nil {
		return nil, err
	}
	return c, nil
}

// Connect reads the configuration of a cluster; it does not contact it. An empty kubeconfig means KUBECONFIG, then
// ~/.kube/config, then, inside a pod, the pod's own service account. An empty contextName is the current context.
// Errors are *[ConfigError]: nothing was touched.
func Connect(kubeconfig, contextName string) (*rest.Config, error) {
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = kubeconfig
	rules.WarnIfAllMissing = false
	where := kubeconfig
	if where == "" {
		where = strings.Join(rules.Precedence, string(os.PathListSeparator))
	}
	raw, err := rules.Load()
	switch {
	case kubeconfig != "" && errors.Is(err, os.ErrNotExist):
		return nil, &ConfigError{Path: where, What: "the kubeconfig file does not exist",
			Next: "name an existing file in cluster.kubeconfig, or leave it out to use KUBECONFIG or ~/.kube/config", Err: err}
	case err != nil:
		return nil, &ConfigError{Path: where, What: "the kubeconfig cannot be read",
			Next: "check it with: kubectl config view", Err: err}
	}
	if len(raw.Contexts) == 0 && len(raw.Clusters) == 0 {
		if kubeconfig == "" && contextName == "" {
			cfg, err := rest.InClusterConfig()
			if err == nil {
				return raise(cfg), nil
			}
			if !errors.Is(err, rest.ErrNotInCluster) {
				return nil, &ConfigError{Path: "the pod's service account", What: "the in-cluster configuration cannot be read",
					Next: "check that the pod mounts its service account's token", Err: err}
			}
		}
		return nil, &ConfigError{Path: where, What: "no kubeconfig was found, and this is not a pod",
			Next: "set KUBECONFIG, or log in to the cluster (for AKS: az aks get-credentials)"}
	}
	if name := contextName; name != "" && raw.Contexts[name] == nil {
		var have []string
		for n := range raw.Contexts {
			have = append(have, n)
		}
		slices.Sort(have)
		list := strings.Join(have, ", ")
		if list == "" {
			list = "none"
		}
		return nil, &ConfigError{Path: where, Context: name, What: fmt.Sprintf("there is no context %q", name),
			Next: "contexts in it: " + list}
	}
	cfg, err := clientcmd.NewNonInteractiveClientConfig(*raw, contextName, &clientcmd.ConfigOverrides{}, rules).ClientConfig()
	if err != nil {
		next := "check it with: kubectl config view"
		if contextName == "" && raw.CurrentContext == "" {
			next = "choose a context with: kubectl config use-context NAME, or set cluster.context"
		}
		return nil, &ConfigError{Path: where, Context: contextName, What: "the kubeconfig is not usable", Next: next, Err: err}
	}
	return raise(cfg), nil
}

// raise lifts client-go's limits of 5 requests a second: a release reads many small objects at once, and the API
// server has its own fair queueing.
func raise(cfg *rest.Config) *rest.Config {
	cfg.QPS, cfg.Burst = 100, 200
	// Deprecation warnings of the user's charts would otherwise go to standard error, through the live view.
	cfg.WarningHandler = rest.NoWarnings{}
	return cfg
}

// NewClients makes clients of cfg, which it copies. Version goes into the user agent.
func NewClients(cfg *rest.Config, version string) (*Clients, error) {
	cfg = rest.CopyConfig(cfg)
	if version == "" {
		version = "dev"
	}
	cfg.UserAgent = "slipway/" + version
	hc, err := rest.HTTPClientFor(cfg)
	if err != nil {
		return nil, &ConfigError{Path: cfg.Host, What: "the cluster's TLS or credential settings are not usable",
			Next: "check certificate-authority, client-certificate and exec in the kubeconfig", Err: err}
	}
	kube, err := kubernetes.NewForConfigAndClient(cfg, hc)
	if err != nil {
		return nil, fmt.Errorf("making a client for %s: %w", cfg.Host, err)
	}
	dyn, err := dynamic.NewForConfigAndClient(cfg, hc)
	if err != nil {
		return nil, fmt.Errorf("making a dynamic client for %s: %w", cfg.Host, err)
	}
	return &Clients{Kube: kube, Dynamic: dyn, REST: cfg}, nil
}

// Check asks the API server for its version within [ConnectTimeout]. It proves that the address answers and that the
// credentials are accepted; it does not prove any permission.
func (c *Clients) Check(ctx context.Context) error {
	cctx, cancel := context.WithTimeout(ctx, ConnectTimeout)
	defer cancel()
	err := c.Kube.Discovery().RESTClient().Get().AbsPath("/version").Do(cctx).Error()
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return fmt.Errorf("connecting to the cluster at %s: %w", c.REST.Host, ctx.Err())
	}
	return explainAt(err, "connecting to the cluster", c.REST.Host)
}
