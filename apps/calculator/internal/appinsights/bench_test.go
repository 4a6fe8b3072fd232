package appinsights

import (
	"log/slog"
	"net/http"
	"testing"

	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

// BenchmarkEncode is what one request with a custom event costs off the hot path: two items.
func BenchmarkEncode(b *testing.B) {
	kept := tracetest.NewSpanRecorder()
	_, span := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(kept)).Tracer("").Start(b.Context(), "POST /api/calculate",
		trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(semconv.HTTPRequestMethodKey.String("POST"), semconv.URLScheme("http"),
			semconv.URLPath("/api/calculate"), semconv.HTTPRoute("/api/calculate"), semconv.ServerAddress("calculator.example"), semconv.HTTPResponseStatusCode(200)))
	span.AddEvent("Calculated", trace.WithAttributes(CustomEvent.String("Calculated"), attribute.String("cache", "off"), attribute.Int("factors", 4)))
	span.End()
	e := New(Connection{key: "00000000-0000-4000-8000-000000000001", endpoint: "http://127.0.0.1:1"}, Options{Role: "calculator-frontend",
		RoleInstance: "calculator-frontend-0", Version: "v1", Properties: map[string]string{"slot": "green"}, SampleRate: 100,
		Client: http.DefaultClient, Log: slog.New(slog.DiscardHandler)})
	batch := newBatch()
	for b.Loop() {
		for _, one := range e.span(kept.Ended()[0]) {
			batch.add(one)
		}
		if batch.lines.Len() > maxBatch {
			batch.pack()
		}
	}
}
