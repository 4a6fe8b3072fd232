// Package proxy runs Traefik inside this process: it wires the providers to the entry points and waits for the cluster.
package proxy

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/rs/zerolog/log"
	"github.com/traefik/traefik/v3/pkg/config/dynamic"
	"github.com/traefik/traefik/v3/pkg/config/runtime"
	"github.com/traefik/traefik/v3/pkg/config/static"
	"github.com/traefik/traefik/v3/pkg/observability/metrics"
	"github.com/traefik/traefik/v3/pkg/plugins"
	"github.com/traefik/traefik/v3/pkg/provider/traefik"
	"github.com/traefik/traefik/v3/pkg/proxy/httputil"
	"github.com/traefik/traefik/v3/pkg/safe"
	"github.com/traefik/traefik/v3/pkg/server"
	"github.com/traefik/traefik/v3/pkg/server/middleware"
	"github.com/traefik/traefik/v3/pkg/server/service"
	"github.com/traefik/traefik/v3/pkg/tcp"
	"github.com/traefik/traefik/v3/pkg/tls"
	"k8s.io/client-go/rest"

	"github.com/slipway-cd/slipway/sandbox/gateway/internal/config"
)

// Run serves until ctx is done, then stops within the entry points' grace time. It returns an error only when it could
// not start; nothing is bound then. Traefik keeps state in globals (metrics, KUBECONFIG), so Run at most once a process.
//
// configure must return a new, equal configuration each time it is called.
func Run(ctx context.Context, cluster *rest.Config, configure func() *static.Configuration) error {
	conf := configure()
	srv, err := build(conf, cluster, configure)
	if err != nil {
		return err
	}
	conf.Ping.WithContext(ctx)
	srv.Start(ctx)
	srv.Wait()
	// No srv.Close(): it waits for the providers' goroutines, which hold nothing that outlives the process.
	return nil
}

func build(conf *static.Configuration, cluster *rest.Config, configure func() *static.Configuration) (*server.Server, error) {
	conf.SetEffectiveConfiguration()
	if err := conf.ValidateConfiguration(); err != nil {
		return nil, fmt.Errorf("checking Traefik's configuration: %w", err)
	}

	pool := safe.NewPool(context.Background())
	providers, err := newClusterProviders(cluster, configure)
	if err != nil {
		return nil, fmt.Errorf("making a client for %s: %w", cluster.Host, err)
	}

	registry := metrics.NewMultiRegistry([]metrics.Registry{
		metrics.RegisterPrometheus(context.Background(), conf.Metrics.Prometheus),
	})
	observability := middleware.NewObservabilityMgr(*conf, registry, nil, nil, nil, nil)

	tcpEntryPoints, err := server.NewTCPEntryPoints(conf.EntryPoints, nil, registry)
	if err != nil {
		return nil, fmt.Errorf("opening the entry points: %w", err)
	}
	udpEntryPoints, err := server.NewUDPEntryPoints(nil)
	if err != nil {
		return nil, fmt.Errorf("opening no UDP entry points: %w", err)
	}

	tlsManager := tls.NewManager(nil)
	transports := service.NewTransportManager(nil)
	dialers := tcp.NewDialerManager(nil)
	var proxies service.ProxyBuilder = httputil.NewProxyBuilder(transports, nil)
	var acmeChallenges http.Handler // none: nothing here asks for certificates
	services := service.NewManagerFactory(*conf, pool, observability, transports, proxies, acmeChallenges, tlsManager)
	var noPlugins *plugins.Builder // Traefik tells "none" by a nil pointer of this type
	routers, err := server.NewRouterFactory(*conf, services, tlsManager, observability, noPlugins, dialers)
	if err != nil {
		return nil, fmt.Errorf("making the router factory: %w", err)
	}

	watcher := server.NewConfigurationWatcher(pool, providers, []string{config.WebEntryPoint}, traefik.ProviderName, false)
	// The order matters: what routers refer to is brought up to date before the routers are switched.
	watcher.AddListener(func(routing dynamic.Configuration) {
		tlsManager.UpdateConfigs(context.Background(), routing.TLS.Stores, routing.TLS.Options, routing.TLS.Certificates)
		transports.Update(routing.HTTP.ServersTransports)
		proxies.Update(routing.HTTP.ServersTransports)
		dialers.Update(routing.TCP.ServersTransports)
	})
	watcher.AddListener(func(routing dynamic.Configuration) {
		tcpRouters, udpRouters := routers.CreateRouters(runtime.NewConfig(routing))
		tcpEntryPoints.Switch(tcpRouters)
		udpEntryPoints.Switch(udpRouters)
		registry.ConfigReloadsCounter().Add(1)
		registry.LastConfigReloadSuccessGauge().Set(float64(time.Now().Unix()))
		log.Info().Int("routers", len(routing.HTTP.Routers)).Int("services", len(routing.HTTP.Services)).Msg("routing changed")
	})
	watcher.AddListener(func(routing dynamic.Configuration) {
		metrics.OnConfigurationUpdate(routing, []string{config.WebEntryPoint, config.MetricsEntryPoint})
	})
	return server.NewServer(pool, tcpEntryPoints, udpEntryPoints, watcher, observability), nil
}
