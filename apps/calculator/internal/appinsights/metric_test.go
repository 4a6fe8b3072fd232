package appinsights

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"strings"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"

	"github.com/slipway-cd/slipway/apps/calculator/internal/appinsights/appinsightstest"
)

// measured is a reader that sends to a Service; read sends once.
func measured(t *testing.T, views ...sdkmetric.View) (meter metric.Meter, read func() error, s *appinsightstest.Service) {
	t.Helper()
	s = appinsightstest.New(t)
	e := exporter(t, s, 5, slog.New(slog.DiscardHandler))
	reader := sdkmetric.NewPeriodicReader(e.Metrics())
	provider := sdkmetric.NewMeterProvider(sdkmetric.WithReader(reader), sdkmetric.WithView(views...))
	t.Cleanup(func() {
		if err := e.Shutdown(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return provider.Meter("test"), func() error { return errors.Join(provider.ForceFlush(t.Context()), e.Flush(t.Context())) }, s
}

func metricOf(t *testing.T, i appinsightstest.Item) map[string]any {
	t.Helper()
	m, _ := i.Base["metrics"].([]any)[0].(map[string]any)
	return m
}

func TestCountersAreSentAsWhatWasAddedSinceTheLastTime(t *testing.T) {
	meter, read, s := measured(t)
	counter, err := meter.Int64Counter("calculations")
	if err != nil {
		t.Fatal(err)
	}
	hit := metric.WithAttributes(attribute.String("cache", "hit"))
	for _, add := range []int64{3, 4} {
		counter.Add(t.Context(), add, hit)
		if err := read(); err != nil {
			t.Fatal(err)
		}
	}
	items := s.Items("MetricData")
	if len(items) != 2 {
		t.Fatalf("%d items, want 2", len(items))
	}
	for i, want := range []float64{3, 4} {
		same(t, metricOf(t, items[i]), map[string]any{"name": "calculations", "kind": "Aggregation", "value": want, "count": 1.0})
		same(t, items[i].Properties, map[string]any{"slot": "green", "cache": "hit"})
		if items[i].SampleRate != 100 || items[i].Tags["ai.application.ver"] != "v2" {
			t.Errorf("sample rate %g, want 100: metrics are not sampled; tags %v", items[i].SampleRate, items[i].Tags)
		}
	}
}

func TestAHistogramIsSentAsSumCountAndExtremes(t *testing.T) {
	meter, read, s := measured(t)
	histogram, err := meter.Float64Histogram("took")
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []float64{2.5, 1.5, 6} {
		histogram.Record(t.Context(), v)
	}
	if err := read(); err != nil {
		t.Fatal(err)
	}
	same(t, metricOf(t, one(t, s, "MetricData")), map[string]any{"name": "took", "value": 10.0, "count": 3.0, "min": 1.5, "max": 6.0})
}

func TestAGaugeThatIsNoNumberIsLeftOut(t *testing.T) {
	meter, read, s := measured(t)
	for name, v := range map[string]float64{"good": 7, "none": math.NaN(), "endless": math.Inf(1)} {
		gauge, err := meter.Float64Gauge(name)
		if err != nil {
			t.Fatal(err)
		}
		gauge.Record(t.Context(), v)
	}
	if err := read(); err != nil {
		t.Fatal(err)
	}
	same(t, metricOf(t, one(t, s, "MetricData")), map[string]any{"name": "good", "value": 7.0})
}

func TestAKindOfMetricWithoutColumnsIsAnErrorThatNamesIt(t *testing.T) {
	meter, read, s := measured(t, sdkmetric.NewView(sdkmetric.Instrument{Name: "took"},
		sdkmetric.Stream{Aggregation: sdkmetric.AggregationBase2ExponentialHistogram{MaxSize: 10, MaxScale: 5}}))
	took, err := meter.Float64Histogram("took")
	if err != nil {
		t.Fatal(err)
	}
	counter, err := meter.Int64Counter("calculations")
	if err != nil {
		t.Fatal(err)
	}
	took.Record(t.Context(), 1)
	counter.Add(t.Context(), 1)
	if err := read(); err == nil || !strings.Contains(err.Error(), "metric took") {
		t.Errorf("got %v, want an error that names the metric", err)
	}
	same(t, metricOf(t, one(t, s, "MetricData")), map[string]any{"name": "calculations"})
}
