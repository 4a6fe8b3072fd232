package config

import (
	"reflect"
	"testing"
	"time"

	"github.com/traefik/traefik/v3/pkg/config/static"
)

func testStatic(t *testing.T) *static.Configuration {
	t.Helper()
	c := Static(Options{HTTP: "127.0.0.1:8080", Metrics: "127.0.0.1:8082", Grace: time.Second, Throttle: 20 * time.Millisecond})
	c.SetEffectiveConfiguration()
	if err := c.ValidateConfiguration(); err != nil {
		t.Fatalf("Traefik refuses the configuration: %v", err)
	}
	return c
}

func TestTheGatewayListensOnItsTwoAddressesOnly(t *testing.T) {
	c := testStatic(t)
	got := map[string]string{}
	for name, ep := range c.EntryPoints {
		got[name] = ep.Address
	}
	if want := map[string]string{"web": "127.0.0.1:8080", "metrics": "127.0.0.1:8082"}; !reflect.DeepEqual(got, want) {
		t.Errorf("entry points %v, want %v", got, want)
	}
}

func TestTheGatewayCallsNobodyHomeAndShowsNoDashboard(t *testing.T) {
	c := testStatic(t)
	if c.Global.CheckNewVersion || c.Global.SendAnonymousUsage {
		t.Error("it would check for versions or send statistics")
	}
	if c.API != nil {
		t.Error("the API and dashboard are on")
	}
	if c.CertificatesResolvers != nil || c.Tracing != nil || c.Experimental != nil {
		t.Error("certificates, tracing or plugins are on")
	}
}

func TestOnlyTheTwoClusterProvidersAreOn(t *testing.T) {
	p := reflect.ValueOf(*testStatic(t).Providers)
	var on []string
	for i := range p.NumField() {
		if f := p.Field(i); f.Kind() == reflect.Pointer && !f.IsNil() {
			on = append(on, p.Type().Field(i).Name)
		}
	}
	if want := []string{"KubernetesIngressNGINX", "KubernetesGateway"}; !reflect.DeepEqual(on, want) {
		t.Errorf("providers %v, want %v", on, want)
	}
}

func TestRoutesAreServedOnTheWebEntryPointAndNotNextToTheMetrics(t *testing.T) {
	c := testStatic(t)
	if !c.EntryPoints[WebEntryPoint].AsDefault || c.EntryPoints[MetricsEntryPoint].AsDefault {
		t.Error("web must be the only default entry point")
	}
	nginx := c.Providers.KubernetesIngressNGINX
	if nginx.HTTPEntryPoint != WebEntryPoint || nginx.IngressClass != "nginx" || nginx.ControllerClass != "k8s.io/ingress-nginx" {
		t.Errorf("ingress-nginx provider: entry point %q, class %q, controller %q", nginx.HTTPEntryPoint, nginx.IngressClass, nginx.ControllerClass)
	}
	if got := c.Providers.KubernetesGateway.EntryPoints[WebEntryPoint].Address; got != "127.0.0.1:8080" {
		t.Errorf("the Gateway provider knows web as %q", got)
	}
}

func TestMetricsTellServicesApart(t *testing.T) {
	m := testStatic(t).Metrics.Prometheus
	if !m.AddServicesLabels || m.EntryPoint != MetricsEntryPoint {
		t.Errorf("services labels %v on %q", m.AddServicesLabels, m.EntryPoint)
	}
}

func TestStoppingWaitsForRequestsInFlightNoLongerThanAsked(t *testing.T) {
	for name, want := range map[string]time.Duration{WebEntryPoint: time.Second, MetricsEntryPoint: 0} {
		l := testStatic(t).EntryPoints[name].Transport.LifeCycle
		if time.Duration(l.GraceTimeOut) != want || l.RequestAcceptGraceTimeout != 0 {
			t.Errorf("%s: grace %v and %v more of accepting, want %v and none", name, l.GraceTimeOut, l.RequestAcceptGraceTimeout, want)
		}
	}
}

// Traefik keeps a provider's state in its configuration, so a second set of providers needs a second one.
func TestEachCallReturnsAConfigurationOfItsOwn(t *testing.T) {
	a, b := testStatic(t), testStatic(t)
	if a.Providers.KubernetesGateway == b.Providers.KubernetesGateway || a.Providers.KubernetesIngressNGINX == b.Providers.KubernetesIngressNGINX {
		t.Error("two configurations share a provider")
	}
}
