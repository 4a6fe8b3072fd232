package proxy

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/rs/zerolog/log"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// needed is what Traefik watches as soon as it starts. If one of them is not served yet, its cache never fills and the
// retries back off to half a minute, so we look ourselves and start it when all are there.
var needed = map[string][]string{
	"gateway.networking.k8s.io/v1":      {"gatewayclasses", "gateways", "httproutes", "grpcroutes", "tlsroutes", "backendtlspolicies"},
	"gateway.networking.k8s.io/v1beta1": {"referencegrants"},
	"networking.k8s.io/v1":              {"ingresses", "ingressclasses"},
	"discovery.k8s.io/v1":               {"endpointslices"},
}

const (
	pollEvery   = 100 * time.Millisecond
	remindEvery = 10 * time.Second
)

// LoadKubeconfig reads the file and checks that it names a server. It makes no connection.
func LoadKubeconfig(path string) (*rest.Config, error) {
	cfg, err := clientcmd.BuildConfigFromFlags("", path)
	if err != nil {
		return nil, fmt.Errorf("reading --kubeconfig %s: %w", path, err)
	}
	cfg.Timeout = 5 * time.Second
	cfg.QPS = -1 // the waits below set the pace
	return cfg, nil
}

// WaitForCluster returns when the API server answers and serves every kind that Traefik watches, or with ctx's error.
// It says what it is waiting for when that changes, and again every ten seconds.
func WaitForCluster(ctx context.Context, cfg *rest.Config) error {
	client, err := discovery.NewDiscoveryClientForConfig(cfg)
	if err != nil {
		return fmt.Errorf("making a client for %s: %w", cfg.Host, err)
	}
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	var said string
	var saidAt time.Time
	for {
		err := missing(client)
		if err == nil {
			return nil
		}
		if msg := err.Error(); msg != said || time.Since(saidAt) > remindEvery {
			log.Info().Str("server", cfg.Host).Str("reason", msg).Msg("waiting for the cluster")
			said, saidAt = msg, time.Now()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// lister is the part of a discovery client that missing needs.
type lister interface {
	ServerResourcesForGroupVersion(groupVersion string) (*metav1.APIResourceList, error)
}

// missing says which kinds are not served yet, or returns nil.
func missing(client lister) error {
	var errs []error
	for gv, names := range needed {
		list, err := client.ServerResourcesForGroupVersion(gv)
		if err != nil {
			return fmt.Errorf("%s: %w", gv, err)
		}
		served := make(map[string]bool, len(list.APIResources))
		for _, r := range list.APIResources {
			served[r.Name] = true
		}
		for _, name := range names {
			if !served[name] {
				errs = append(errs, fmt.Errorf("%s %s is not served", gv, name))
			}
		}
	}
	return errors.Join(errs...)
}
