package front

import (
	"context"
	"fmt"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/metric/noop"

	"github.com/slipway-cd/slipway/apps/calculator/internal/telemetry"
	"github.com/slipway-cd/slipway/apps/calculator/internal/wire"
)

// What became of the question to the cache; beside wire's CacheOff and CacheDown.
const (
	cacheHit  = "hit"
	cacheMiss = "miss"
)

// recorder counts the answers that were given, and makes each a custom event.
type recorder struct {
	calculations metric.Int64Counter
	factors      metric.Int64Histogram
	by           map[string]metric.MeasurementOption // the attribute cache, made once
}

// newRecorder makes the instruments; a nil meter makes such as measure nothing.
func newRecorder(meter metric.Meter) (*recorder, error) {
	if meter == nil {
		meter = noop.Meter{}
	}
	r := &recorder{by: map[string]metric.MeasurementOption{}}
	for _, how := range []string{cacheHit, cacheMiss, wire.CacheOff, wire.CacheDown} {
		r.by[how] = metric.WithAttributeSet(attribute.NewSet(attribute.String("cache", how)))
	}
	var err error
	if r.calculations, err = meter.Int64Counter("calculations", metric.WithDescription("answers with factors")); err != nil {
		return nil, fmt.Errorf("counting calculations: %w", err)
	}
	if r.factors, err = meter.Int64Histogram("factors", metric.WithDescription("prime factors in an answer")); err != nil {
		return nil, fmt.Errorf("counting factors: %w", err)
	}
	return r, nil
}

func (r *recorder) record(ctx context.Context, a wire.Answer) {
	how := a.Cache
	switch {
	case a.Cached:
		how = cacheHit
	case a.Cache == wire.CacheOK:
		how = cacheMiss
	}
	r.calculations.Add(ctx, 1, r.by[how])
	r.factors.Record(ctx, int64(len(a.Factors)))
	telemetry.Event(ctx, "Calculated", attribute.String("cache", how), attribute.Int("factors", len(a.Factors)))
}
