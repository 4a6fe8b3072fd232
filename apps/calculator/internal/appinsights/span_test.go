package appinsights

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/slipway-cd/slipway/apps/calculator/internal/appinsights/appinsightstest"
)

// exporter returns one that sends to s without a network.
func exporter(t *testing.T, s http.RoundTripper, sampleRate float64, log *slog.Logger) *Exporter {
	t.Helper()
	c, err := ParseConnectionString(appinsightstest.ConnectionString("https://ingestion.example"))
	if err != nil {
		t.Fatal(err)
	}
	return New(c, Options{Role: "calculator-frontend", RoleInstance: "frontend-7d4b9", Version: "v2", Properties: map[string]string{"slot": "green"},
		SampleRate: sampleRate, Client: &http.Client{Transport: s}, Log: log})
}

// record has spans made and sent, and returns where they came.
func record(t *testing.T, sampleRate float64, sampler sdktrace.Sampler, do func(ctx context.Context, tracer trace.Tracer)) *appinsightstest.Service {
	t.Helper()
	service := appinsightstest.New(t)
	e := exporter(t, service, sampleRate, slog.New(slog.DiscardHandler))
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(e.Spans()), sdktrace.WithSampler(sampler))
	do(t.Context(), provider.Tracer("test"))
	if err := provider.ForceFlush(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := e.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	return service
}

func all(t *testing.T, do func(ctx context.Context, tracer trace.Tracer)) *appinsightstest.Service {
	t.Helper()
	return record(t, 100, sdktrace.AlwaysSample(), do)
}

func one(t *testing.T, s *appinsightstest.Service, baseType string) appinsightstest.Item {
	t.Helper()
	items := s.Items(baseType)
	if len(items) != 1 {
		t.Fatalf("%d items of %s, want 1: %v", len(items), baseType, items)
	}
	return items[0]
}

// same reports what differs between the wanted fields and those of the item.
func same(t *testing.T, got map[string]any, want map[string]any) {
	t.Helper()
	for k, v := range want {
		if got[k] != v {
			t.Errorf("%s is %v, want %v", k, got[k], v)
		}
	}
}

func served(code int) []attribute.KeyValue {
	return []attribute.KeyValue{semconv.HTTPRequestMethodKey.String("POST"), semconv.URLScheme("http"), semconv.URLPath("/api/calculate"),
		semconv.HTTPRoute("/api/calculate"), semconv.ServerAddress("calculator.example"), semconv.ServerPort(8080), semconv.HTTPResponseStatusCode(code)}
}

func TestAServerSpanBecomesARequest(t *testing.T) {
	start := time.Date(2026, 11, 25, 8, 0, 0, 123456000, time.UTC)
	var ids trace.SpanContext
	s := all(t, func(ctx context.Context, tracer trace.Tracer) {
		_, span := tracer.Start(ctx, "POST", trace.WithSpanKind(trace.SpanKindServer), trace.WithTimestamp(start), trace.WithAttributes(served(200)...))
		span.SetAttributes(attribute.String("tenant", "a"), attribute.Int("items", 3), SyntheticSource.String("kube-probe"))
		span.End(trace.WithTimestamp(start.Add(1234500 * time.Nanosecond)))
		ids = span.SpanContext()
	})
	r := one(t, s, "RequestData")
	same(t, r.Base, map[string]any{"id": ids.SpanID().String(), "name": "POST /api/calculate", "duration": "00:00:00.0012345", "success": true,
		"responseCode": "200", "url": "http://calculator.example:8080/api/calculate"})
	same(t, r.Properties, map[string]any{"slot": "green", "tenant": "a", "items": "3"})
	if len(r.Properties) != 3 {
		t.Errorf("properties %v: what has a column of its own is there twice", r.Properties)
	}
	for tag, want := range map[string]string{"ai.cloud.role": "calculator-frontend", "ai.cloud.roleInstance": "frontend-7d4b9", "ai.application.ver": "v2",
		"ai.operation.id": ids.TraceID().String(), "ai.operation.name": "POST /api/calculate", "ai.operation.syntheticSource": "kube-probe", "ai.operation.parentId": ""} {
		if r.Tags[tag] != want {
			t.Errorf("%s is %q, want %q", tag, r.Tags[tag], want)
		}
	}
	if !r.Time.Equal(start) || r.SampleRate != 100 {
		t.Errorf("time %s, sample rate %g", r.Time, r.SampleRate)
	}
}

func TestSuccessAndResultCodeAreThoseOfMicrosoftsDistribution(t *testing.T) {
	for _, c := range []struct {
		kind    trace.SpanKind
		code    int // 0: none
		status  codes.Code
		success bool
		result  string
	}{
		{trace.SpanKindServer, 200, codes.Unset, true, "200"},
		{trace.SpanKindServer, 302, codes.Unset, true, "302"},
		{trace.SpanKindServer, 400, codes.Unset, false, "400"},
		{trace.SpanKindServer, 404, codes.Ok, true, "404"},
		{trace.SpanKindServer, 499, codes.Unset, false, "499"},
		{trace.SpanKindServer, 500, codes.Error, false, "500"},
		{trace.SpanKindServer, 200, codes.Error, false, "200"},
		{trace.SpanKindServer, 0, codes.Unset, true, "0"},
		{trace.SpanKindConsumer, 0, codes.Error, false, "0"},
		{trace.SpanKindClient, 200, codes.Unset, true, "200"},
		{trace.SpanKindClient, 404, codes.Error, false, "404"},
		{trace.SpanKindClient, 0, codes.Error, false, "0"},
	} {
		s := all(t, func(ctx context.Context, tracer trace.Tracer) {
			_, span := tracer.Start(ctx, "work", trace.WithSpanKind(c.kind))
			if c.code != 0 {
				span.SetAttributes(served(c.code)...)
			}
			span.SetStatus(c.status, "")
			span.End()
		})
		table, code := "RequestData", "responseCode"
		if c.kind == trace.SpanKindClient {
			table, code = "RemoteDependencyData", "resultCode"
		}
		if r := one(t, s, table); r.Base["success"] != c.success || r.Base[code] != c.result {
			t.Errorf("%s %d, status %s: success %v, code %v; want %t, %s", c.kind, c.code, c.status, r.Base["success"], r.Base[code], c.success, c.result)
		}
	}
}

func TestClientSpansBecomeDependenciesOfTheirRequest(t *testing.T) {
	var request, redis trace.SpanContext
	s := all(t, func(ctx context.Context, tracer trace.Tracer) {
		ctx, span := tracer.Start(ctx, "GET /", trace.WithSpanKind(trace.SpanKindServer))
		_, call := tracer.Start(ctx, "POST", trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(semconv.HTTPRequestMethodKey.String("POST"),
			semconv.URLScheme("http"), semconv.URLPath("/factors"), semconv.ServerAddress("calculator-backend"), semconv.ServerPort(80), semconv.HTTPResponseStatusCode(200)))
		call.End()
		_, get := tracer.Start(ctx, "GET", trace.WithSpanKind(trace.SpanKindClient), trace.WithAttributes(semconv.DBSystemNameRedis,
			semconv.DBOperationName("GET"), semconv.ServerAddress("redis"), semconv.ServerPort(6380)))
		get.End()
		_, inside := tracer.Start(ctx, "think")
		inside.End()
		span.End()
		request, redis = span.SpanContext(), get.SpanContext()
	})
	byName := map[any]appinsightstest.Item{}
	for _, d := range s.Items("RemoteDependencyData") {
		byName[d.Base["name"]] = d
		if d.Tags["ai.operation.id"] != request.TraceID().String() || d.Tags["ai.operation.parentId"] != request.SpanID().String() {
			t.Errorf("%v belongs to %v, want %s", d.Base["name"], d.Tags, request.SpanID())
		}
	}
	same(t, byName["POST /factors"].Base, map[string]any{"type": "Http", "target": "calculator-backend", "data": "http://calculator-backend/factors", "resultCode": "200", "success": true})
	same(t, byName["GET"].Base, map[string]any{"type": "redis", "target": "redis:6380", "data": "GET", "resultCode": "0", "success": true, "id": redis.SpanID().String()})
	same(t, byName["think"].Base, map[string]any{"type": "InProc", "success": true})
}

func TestWhatHappenedDuringASpanBelongsToIt(t *testing.T) {
	var ids trace.SpanContext
	s := all(t, func(ctx context.Context, tracer trace.Tracer) {
		_, span := tracer.Start(ctx, "GET /", trace.WithSpanKind(trace.SpanKindServer), trace.WithAttributes(SyntheticSource.String("slipway-probe")))
		span.RecordError(errors.New("boom"), trace.WithStackTrace(true))
		span.AddEvent("calculated", trace.WithAttributes(CustomEvent.String("Calculated"), attribute.String("cache", "hit"), attribute.Int("factors", 4), attribute.Float64("share", .5)))
		span.AddEvent("thinking", trace.WithAttributes(attribute.Int("step", 2)))
		span.End()
		ids = span.SpanContext()
	})
	x := one(t, s, "ExceptionData")
	thrown, _ := x.Base["exceptions"].([]any)[0].(map[string]any)
	same(t, thrown, map[string]any{"typeName": "*errors.errorString", "message": "boom", "hasFullStack": true})
	if stack, _ := thrown["stack"].(string); !strings.Contains(stack, "span_test.go") {
		t.Errorf("stack %q does not name this file", stack)
	}
	event := one(t, s, "EventData")
	same(t, event.Base, map[string]any{"name": "Calculated"})
	same(t, event.Properties, map[string]any{"slot": "green", "cache": "hit", "factors": nil})
	measurements, _ := event.Base["measurements"].(map[string]any)
	same(t, measurements, map[string]any{"factors": 4.0, "share": .5})
	m := one(t, s, "MessageData")
	same(t, m.Base, map[string]any{"message": "thinking"})
	same(t, m.Properties, map[string]any{"slot": "green", "step": "2"})
	for _, item := range []appinsightstest.Item{x, event, m} {
		if item.Properties["slot"] != "green" || item.Tags["ai.operation.id"] != ids.TraceID().String() || item.Tags["ai.operation.parentId"] != ids.SpanID().String() ||
			item.Tags["ai.operation.syntheticSource"] != "slipway-probe" || item.Tags["ai.application.ver"] != "v2" {
			t.Errorf("%s: properties %v, tags %v", item.Type, item.Properties, item.Tags)
		}
	}
}

// onlyTraceOne samples the trace 1; of others, spans are recorded for whoever else may want them.
type onlyTraceOne struct{}

func (onlyTraceOne) Description() string { return "only trace 1" }

func (onlyTraceOne) ShouldSample(p sdktrace.SamplingParameters) sdktrace.SamplingResult {
	if p.TraceID == (trace.TraceID{15: 1}) {
		return sdktrace.SamplingResult{Decision: sdktrace.RecordAndSample}
	}
	return sdktrace.SamplingResult{Decision: sdktrace.RecordOnly}
}

func TestTheSampleRateIsOnWhatIsSampledAndTheRestIsNotSent(t *testing.T) {
	s := record(t, 5, onlyTraceOne{}, func(ctx context.Context, tracer trace.Tracer) {
		for _, traceID := range []trace.TraceID{{15: 1}, {15: 2}} {
			parent := trace.NewSpanContext(trace.SpanContextConfig{TraceID: traceID, SpanID: trace.SpanID{1}, Remote: true})
			_, span := tracer.Start(trace.ContextWithRemoteSpanContext(ctx, parent), "GET /", trace.WithSpanKind(trace.SpanKindServer))
			span.AddEvent("thinking")
			span.End()
		}
	})
	r, m := one(t, s, "RequestData"), one(t, s, "MessageData")
	if r.SampleRate != 5 || m.SampleRate != 5 || r.Tags["ai.operation.parentId"] != "0100000000000000" {
		t.Errorf("sample rates %g and %g, want 5; tags %v", r.SampleRate, m.SampleRate, r.Tags)
	}
}

func TestAnythingFitsIntoAnItem(t *testing.T) {
	long := strings.Repeat("ä", 40000)
	s := all(t, func(ctx context.Context, tracer trace.Tracer) {
		_, span := tracer.Start(ctx, long, trace.WithSpanKind(trace.SpanKindServer))
		span.SetAttributes(attribute.String(long, long), attribute.String("odd", "\x00\xff\"</script>\u2028"), semconv.URLFull("http://x/"+long), semconv.HTTPRequestMethodGet)
		span.RecordError(errors.New(long))
		span.End()
	})
	r := one(t, s, "RequestData")
	same(t, r.Properties, map[string]any{"odd": "\x00\ufffd\"</script>\u2028", strings.Repeat("ä", 75): strings.Repeat("ä", 4096)})
	same(t, r.Base, map[string]any{"name": strings.Repeat("ä", 512)})
	thrown, _ := one(t, s, "ExceptionData").Base["exceptions"].([]any)[0].(map[string]any)
	same(t, thrown, map[string]any{"message": strings.Repeat("ä", 16384)})
}

func TestTimespansAreThoseOfDotNet(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "00:00:00.0000000", -time.Second: "00:00:00.0000000", 150: "00:00:00.0000001", 123400 * time.Microsecond: "00:00:00.1234000",
		time.Hour - 1: "00:59:59.9999999", 25*time.Hour + 2*time.Minute + 3*time.Second: "1.01:02:03.0000000",
	} {
		if got := timespan(d); got != want {
			t.Errorf("%d ns: %s, want %s", d, got, want)
		}
	}
}
