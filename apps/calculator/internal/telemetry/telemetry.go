// Package telemetry sets up OpenTelemetry for a service of the calculator: what it records, and
// where that goes.
package telemetry

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/metric"
	metricnoop "go.opentelemetry.io/otel/metric/noop"
	"go.opentelemetry.io/otel/propagation"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/slipway-cd/slipway/apps/calculator/internal/appinsights"
	"github.com/slipway-cd/slipway/apps/calculator/internal/mounted"
	"github.com/slipway-cd/slipway/apps/calculator/internal/wire"
)

// FlushFor is how long a service should give Shutdown: telemetry is not worth a longer stop.
const FlushFor = 3 * time.Second

// metricsEvery is how often metrics go to Application Insights.
const metricsEvery = 10 * time.Second

// scope names these instruments, as OpenTelemetry asks for.
const scope = "github.com/slipway-cd/slipway/apps/calculator"

// Telemetry records what a service does. It is safe for concurrent use. Make one with Start or Off.
type Telemetry struct {
	tracer     trace.Tracer // nil: off
	meter      metric.Meter
	propagator propagation.TextMapPropagator
	shutdown   []func(context.Context) error // in this order
}

// Off returns a Telemetry that records nothing and costs nothing.
func Off() *Telemetry { return &Telemetry{meter: metricnoop.NewMeterProvider().Meter(scope)} }

// Start returns a Telemetry that sends what it records to where c says. role names the service, and id
// the process; both are on everything that is sent. The log is told once where telemetry goes, or that
// it goes nowhere. Errors are about settings: that nobody answers is no error here.
func Start(ctx context.Context, c Config, role string, id wire.Identity, log *slog.Logger) (*Telemetry, error) {
	if c.Dir == "" && !c.OTLP {
		log.InfoContext(ctx, "telemetry is off: neither TELEMETRY_DIR nor OTEL_EXPORTER_OTLP_ENDPOINT is set")
		return Off(), nil
	}
	every := max(1, c.Every)
	if c.Namespace != "" {
		role = c.Namespace + "." + role // as Microsoft's distributions join service.namespace and service.name
	}
	who := resource.NewWithAttributes(semconv.SchemaURL, semconv.ServiceName(role), semconv.ServiceVersion(id.Version),
		semconv.ServiceInstanceID(id.Host), attribute.String("slot", id.Slot))
	traces := []sdktrace.TracerProviderOption{sdktrace.WithResource(who), sdktrace.WithSampler(sampler(every)), sdktrace.WithSpanProcessor(synthetic{})}
	metrics := []sdkmetric.Option{sdkmetric.WithResource(who)}
	var insights *appinsights.Exporter
	if c.Dir != "" {
		connection, client, err := reach(mounted.Secret(c.Dir))
		if err != nil {
			return nil, err
		}
		insights = appinsights.New(connection, appinsights.Options{
			Role: role, RoleInstance: id.Host, Version: id.Version, Properties: map[string]string{"slot": id.Slot},
			SampleRate: 100 / float64(every), Client: client, Log: log,
		})
		traces = append(traces, sdktrace.WithSpanProcessor(insights.Spans()))
		metrics = append(metrics, sdkmetric.WithReader(sdkmetric.NewPeriodicReader(insights.Metrics(), sdkmetric.WithInterval(metricsEvery))))
		log.InfoContext(ctx, "telemetry goes to Application Insights", "endpoint", connection.Endpoint(), "oneTraceIn", every)
	}
	if c.OTLP {
		spans, err := otlptracehttp.New(ctx)
		if err != nil {
			return nil, fmt.Errorf("setting up OTLP for traces: %w", err)
		}
		numbers, err := otlpmetrichttp.New(ctx)
		if err != nil {
			return nil, fmt.Errorf("setting up OTLP for metrics: %w", err)
		}
		traces = append(traces, sdktrace.WithBatcher(spans))
		metrics = append(metrics, sdkmetric.WithReader(sdkmetric.NewPeriodicReader(numbers)))
		log.InfoContext(ctx, "telemetry goes to an OTLP collector", "oneTraceIn", every)
	}
	tracing, measuring := sdktrace.NewTracerProvider(traces...), sdkmetric.NewMeterProvider(metrics...)
	t := &Telemetry{
		tracer:     tracing.Tracer(scope),
		meter:      measuring.Meter(scope),
		propagator: propagation.NewCompositeTextMapPropagator(propagation.TraceContext{}, propagation.Baggage{}),
		shutdown:   []func(context.Context) error{measuring.Shutdown, tracing.Shutdown},
	}
	if insights != nil {
		t.shutdown = append(t.shutdown, insights.Shutdown)
		if err := countLosses(t.meter, insights); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// reach reads the connection string, and makes a client that trusts the Secret's authorities.
func reach(secret mounted.Secret) (appinsights.Connection, *http.Client, error) {
	wrong := func(err error) (appinsights.Connection, *http.Client, error) {
		return appinsights.Connection{}, nil, fmt.Errorf("reading where telemetry goes: %w", err)
	}
	text, err := secret.Read(connectionFile)
	if err != nil {
		return wrong(err)
	}
	connection, err := appinsights.ParseConnectionString(text)
	if err != nil {
		return wrong(fmt.Errorf("%s/%s: %w", secret, connectionFile, err))
	}
	roots, err := secret.Authorities(authoritiesFile)
	if err != nil {
		return wrong(err)
	}
	return connection, &http.Client{Transport: &http.Transport{
		Proxy:             http.ProxyFromEnvironment,
		TLSClientConfig:   &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2: true,
		IdleConnTimeout:   90 * time.Second,
	}}, nil
}

// sampler records one in so many traces. It decides by the trace's id alone, so that failures are as
// likely as successes, and so that both services decide alike; within a service, what belongs to a
// recorded request is recorded. A caller's flag is not asked: it would make requests stand for more,
// or for fewer, than the rate on their rows says.
func sampler(every int) sdktrace.Sampler {
	one := sdktrace.TraceIDRatioBased(1 / float64(every))
	return sdktrace.ParentBased(one, sdktrace.WithRemoteParentSampled(one), sdktrace.WithRemoteParentNotSampled(one))
}

// countLosses makes a metric of the items that did not get through, by why.
func countLosses(meter metric.Meter, insights *appinsights.Exporter) error {
	why := func(s string) metric.MeasurementOption {
		return metric.WithAttributeSet(attribute.NewSet(attribute.String("why", s)))
	}
	full, refused, late := why("full"), why("refused"), why("late")
	_, err := meter.Int64ObservableCounter("telemetry.lost", metric.WithDescription("items of telemetry that were dropped"),
		metric.WithInt64Callback(func(_ context.Context, o metric.Int64Observer) error {
			l := insights.Losses()
			o.Observe(l.Full, full)
			o.Observe(l.Refused, refused)
			o.Observe(l.Late, late)
			return nil
		}))
	if err != nil {
		return fmt.Errorf("counting lost telemetry: %w", err)
	}
	return nil
}

// Meter makes instruments for what the service counts.
func (t *Telemetry) Meter() metric.Meter { return t.meter }

// Shutdown sends what was recorded, until ctx is done. Call it when the last request has been answered.
func (t *Telemetry) Shutdown(ctx context.Context) error {
	var errs []error
	for _, end := range t.shutdown {
		errs = append(errs, end(ctx))
	}
	return errors.Join(errs...)
}

// Event records that something happened which the business, not only the service, knows by this name. It
// becomes a custom event of Application Insights: numbers are its measurements, the rest its properties.
// It belongs to the span in ctx, and is recorded if that is.
func Event(ctx context.Context, name string, attributes ...attribute.KeyValue) {
	if span := trace.SpanFromContext(ctx); span.IsRecording() {
		span.AddEvent(name, trace.WithAttributes(append(attributes, appinsights.CustomEvent.String(name))...))
	}
}
