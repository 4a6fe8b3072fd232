package telemetry

import (
	"context"
	"strings"

	"go.opentelemetry.io/otel/baggage"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/slipway-cd/slipway/apps/calculator/internal/appinsights"
)

// syntheticMember is the baggage that tells the next service that a request is not a user's. The next
// service cannot tell from the User-Agent, which is that of the service in between.
const syntheticMember = "synthetic"

// probes are the User-Agents of those who ask without a user behind them: the kubelet, Slipway's
// gates and verifier, and the chart's own test.
var probes = []string{"kube-probe", "slipway-probe", "slipway-verify", "calculator-check"}

// withSource marks ctx if the User-Agent is that of a probe.
func withSource(ctx context.Context, userAgent string) context.Context {
	product, _, _ := strings.Cut(userAgent, "/")
	for _, probe := range probes {
		if product != probe {
			continue
		}
		member, err := baggage.NewMember(syntheticMember, probe)
		if err != nil {
			return ctx // not for these constants
		}
		if marked, err := baggage.FromContext(ctx).SetMember(member); err == nil {
			return baggage.ContextWithBaggage(ctx, marked)
		}
	}
	return ctx
}

// synthetic puts the mark on every span that is started under it.
type synthetic struct{}

func (synthetic) OnStart(parent context.Context, s sdktrace.ReadWriteSpan) {
	if source := baggage.FromContext(parent).Member(syntheticMember).Value(); source != "" {
		s.SetAttributes(appinsights.SyntheticSource.String(source))
	}
}

func (synthetic) OnEnd(sdktrace.ReadOnlySpan)      {}
func (synthetic) ForceFlush(context.Context) error { return nil }
func (synthetic) Shutdown(context.Context) error   { return nil }
