package proxy

import (
	"context"
	"time"

	"github.com/rs/zerolog/log"
	"github.com/traefik/traefik/v3/pkg/config/dynamic"
	"github.com/traefik/traefik/v3/pkg/config/static"
	"github.com/traefik/traefik/v3/pkg/provider"
	"github.com/traefik/traefik/v3/pkg/provider/aggregator"
	"github.com/traefik/traefik/v3/pkg/provider/traefik"
	"github.com/traefik/traefik/v3/pkg/safe"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/rest"
)

const (
	probeEvery   = 500 * time.Millisecond
	probeTimeout = 3 * time.Second
)

// clusterProviders feeds Traefik from the cluster and starts afresh when the API server comes back from an outage.
//
// Traefik's own caches come back by themselves, but their retries back off to 30 seconds: after an outage of 15 seconds
// a weight change took another 24 to be seen. Meanwhile, and while the new caches fill, the last routing stays.
type clusterProviders struct {
	configure func() *static.Configuration
	// down asks whether the API server fails to answer.
	down func(context.Context) bool
}

// newClusterProviders returns providers for the cluster of cfg. configure must return a new configuration each time:
// Traefik keeps the state of a provider in it.
func newClusterProviders(cfg *rest.Config, configure func() *static.Configuration) (*clusterProviders, error) {
	cfg = rest.CopyConfig(cfg)
	cfg.Timeout = probeTimeout
	client, err := discovery.NewDiscoveryClientForConfig(cfg)
	if err != nil {
		return nil, err
	}
	down := func(ctx context.Context) bool {
		return client.RESTClient().Get().AbsPath("/readyz").Do(ctx).Error() != nil
	}
	return &clusterProviders{configure: configure, down: down}, nil
}

// Init does nothing: Provide makes what it needs.
func (c *clusterProviders) Init() error { return nil }

// Provide sends the configurations of the providers to out until the pool stops.
func (c *clusterProviders) Provide(out chan<- dynamic.Message, pool *safe.Pool) error {
	// First, because Traefik applies nothing before it has seen the internal provider.
	if err := traefik.New(*c.effective()).Provide(out, pool); err != nil {
		return err
	}
	pool.GoCtx(func(ctx context.Context) { c.follow(ctx, out) })
	return nil
}

// follow runs one generation of providers after another until ctx is done.
func (c *clusterProviders) follow(ctx context.Context, out chan<- dynamic.Message) {
	for ctx.Err() == nil {
		generation := safe.NewPool(ctx)
		var providers provider.Provider = aggregator.NewProviderAggregator(*c.effective().Providers)
		if err := providers.Provide(out, generation); err != nil {
			log.Error().Err(err).Msg("starting the providers")
		}
		c.waitForOutageToEnd(ctx)
		generation.Stop()
		if ctx.Err() == nil {
			log.Info().Msg("the API server is back: watching afresh")
		}
	}
}

// waitForOutageToEnd returns when the API server has been away and answers again, or when ctx is done.
func (c *clusterProviders) waitForOutageToEnd(ctx context.Context) {
	tick := time.NewTicker(probeEvery)
	defer tick.Stop()
	away := false
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		switch down := c.down(ctx); {
		case down && !away && ctx.Err() == nil:
			away = true
			log.Warn().Msg("the API server is away: serving the last routing known")
		case !down && away:
			return
		}
	}
}

func (c *clusterProviders) effective() *static.Configuration {
	conf := c.configure()
	conf.SetEffectiveConfiguration()
	return conf
}
