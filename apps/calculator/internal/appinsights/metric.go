package appinsights

import (
	"context"
	"fmt"
	"maps"
	"math"
	"time"

	"go.opentelemetry.io/otel/attribute"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/metric/metricdata"
)

// metricExporter is the side of an Exporter that a reader of metrics sees.
type metricExporter struct{ *Exporter }

// Temporality is delta: rows of AppMetrics are summed up by whoever reads them.
func (m metricExporter) Temporality(k sdkmetric.InstrumentKind) metricdata.Temporality {
	return sdkmetric.DeltaTemporalitySelector(k)
}

func (m metricExporter) Aggregation(k sdkmetric.InstrumentKind) sdkmetric.Aggregation {
	return sdkmetric.DefaultAggregationSelector(k)
}

// Export queues the measurements and does not wait for them to be sent. It fails on kinds of data
// that AppMetrics has no columns for, after it has queued the others.
func (m metricExporter) Export(_ context.Context, rm *metricdata.ResourceMetrics) error {
	var envelopes []envelope
	var unsupported error
	for _, scope := range rm.ScopeMetrics {
		for _, measured := range scope.Metrics {
			add := func(at time.Time, attributes attribute.Set, one measurement) {
				if math.IsNaN(one.Value) || math.IsInf(one.Value, 0) {
					return // JSON cannot say it, and no sum survives it
				}
				one.Name, one.Kind = cut(measured.Name, maxKey), "Aggregation"
				envelopes = append(envelopes, m.envelope(at, 100, m.tags,
					data{"MetricData", metrics{2, []measurement{one}, m.withAttributes(attributes)}}))
			}
			switch d := measured.Data.(type) {
			case metricdata.Sum[int64]:
				numbers(d.DataPoints, add)
			case metricdata.Sum[float64]:
				numbers(d.DataPoints, add)
			case metricdata.Gauge[int64]:
				numbers(d.DataPoints, add)
			case metricdata.Gauge[float64]:
				numbers(d.DataPoints, add)
			case metricdata.Histogram[int64]:
				histograms(d.DataPoints, add)
			case metricdata.Histogram[float64]:
				histograms(d.DataPoints, add)
			default:
				unsupported = fmt.Errorf("metric %s: Application Insights has no place for %T; measure with a counter, a gauge or a plain histogram", measured.Name, d)
			}
		}
	}
	m.offer(item{envelopes: envelopes})
	return unsupported
}

func (m metricExporter) ForceFlush(ctx context.Context) error { return m.Flush(ctx) }

// Shutdown does nothing: the Exporter is shut down by who made it, after spans and metrics have ended.
func (m metricExporter) Shutdown(context.Context) error { return nil }

// numbers adds counters and gauges: one row each, of one value.
func numbers[N int64 | float64](points []metricdata.DataPoint[N], add func(time.Time, attribute.Set, measurement)) {
	for _, p := range points {
		v := float64(p.Value)
		add(p.Time, p.Attributes, measurement{Value: v, Count: 1, Min: &v, Max: &v})
	}
}

// histograms adds sum, count and extremes; AppMetrics has no buckets.
func histograms[N int64 | float64](points []metricdata.HistogramDataPoint[N], add func(time.Time, attribute.Set, measurement)) {
	for _, p := range points {
		if p.Count > 0 {
			add(p.Time, p.Attributes, measurement{Value: float64(p.Sum), Count: p.Count, Min: extreme(p.Min), Max: extreme(p.Max)})
		}
	}
}

func extreme[N int64 | float64](e metricdata.Extrema[N]) *float64 {
	n, defined := e.Value()
	if !defined {
		return nil
	}
	v := float64(n)
	return &v
}

func (e *Exporter) withAttributes(attributes attribute.Set) map[string]string {
	if attributes.Len() == 0 {
		return e.properties
	}
	properties := maps.Clone(e.properties)
	for i := attributes.Iter(); i.Next(); {
		a := i.Attribute()
		properties[cut(string(a.Key), maxKey)] = cut(a.Value.String(), maxProperty)
	}
	return properties
}
