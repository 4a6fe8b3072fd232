package config

import (
	"net"
	"time"

	ptypes "github.com/traefik/paerser/types"
	"github.com/traefik/traefik/v3/pkg/config/static"
	otypes "github.com/traefik/traefik/v3/pkg/observability/types"
	"github.com/traefik/traefik/v3/pkg/ping"
	"github.com/traefik/traefik/v3/pkg/provider/kubernetes/gateway"
	ingressnginx "github.com/traefik/traefik/v3/pkg/provider/kubernetes/ingress-nginx"
)

// Names of the two entry points.
const (
	WebEntryPoint     = "web"
	MetricsEntryPoint = "metrics"
)

// Static returns the configuration Traefik starts with: two entry points, two providers, metrics, and nothing that
// calls home, shows a dashboard or asks for certificates.
func Static(o Options) *static.Configuration {
	return &static.Configuration{
		Global: &static.Global{CheckNewVersion: false, SendAnonymousUsage: false},
		EntryPoints: static.EntryPoints{
			WebEntryPoint:     entryPoint(o.HTTP, o.Grace, true),
			MetricsEntryPoint: entryPoint(o.Metrics, 0, false),
		},
		ServersTransport: &static.ServersTransport{
			// Two, the default, makes a new connection for most requests as soon as there is load.
			MaxIdleConnsPerHost: 256,
			ForwardingTimeouts: &static.ForwardingTimeouts{
				// A pod that is on this machine answers a SYN at once or is gone.
				DialTimeout:     ptypes.Duration(3 * time.Second),
				IdleConnTimeout: ptypes.Duration(90 * time.Second),
			},
		},
		Metrics: &otypes.Metrics{Prometheus: &otypes.Prometheus{
			Buckets:              []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10},
			AddEntryPointsLabels: true,
			AddServicesLabels:    true,
			EntryPoint:           MetricsEntryPoint,
		}},
		Ping:      &ping.Handler{EntryPoint: MetricsEntryPoint, TerminatingStatusCode: 503},
		Providers: providers(o),
	}
}

func entryPoint(address string, grace time.Duration, isDefault bool) *static.EntryPoint {
	ep := &static.EntryPoint{Address: address}
	ep.SetDefaults()
	ep.AsDefault = isDefault
	ep.HTTP.AliasHeadersStrategy = static.AliasHeadersStrategyKeep // the default, said so that Traefik does not warn
	ep.Transport.LifeCycle.GraceTimeOut = ptypes.Duration(grace)
	return ep
}

func providers(o Options) *static.Providers {
	p := &static.Providers{ProvidersThrottleDuration: ptypes.Duration(o.Throttle)}
	p.SetDefaults()

	host, _, _ := net.SplitHostPort(o.HTTP) // validated by Parse; with a bad address there is simply no status address

	p.KubernetesGateway = &gateway.Provider{}
	p.KubernetesGateway.SetDefaults()
	// A weight change waits behind the status writes of the one before it; on one machine there is no server to protect.
	p.KubernetesGateway.QPS = -1
	p.KubernetesGateway.StatusAddress = &gateway.StatusAddress{IP: host}

	p.KubernetesIngressNGINX = &ingressnginx.Provider{}
	p.KubernetesIngressNGINX.SetDefaults()
	p.KubernetesIngressNGINX.HTTPEntryPoint = WebEntryPoint
	p.KubernetesIngressNGINX.PublishStatusAddress = []string{host}
	return p
}
