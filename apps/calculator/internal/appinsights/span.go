package appinsights

import (
	"maps"
	"net"
	"strconv"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"
)

const (
	// CustomEvent on an event of a span names a row of AppEvents; without it, the event becomes a
	// row of AppTraces. Microsoft's own exporters know it by the same key.
	CustomEvent = attribute.Key("microsoft.custom_event.name")
	// SyntheticSource on a span says that a probe or a test caused it, and which: it becomes the
	// column SyntheticSource of the span and of its events.
	SyntheticSource = attribute.Key("ai.operation.syntheticSource")
)

// facts are a span's attributes, sorted by OpenTelemetry's conventions.
type facts struct {
	method, route, path, scheme, host, fullURL string
	port                                       int64
	code                                       int64  // HTTP status; 0: none
	database, operation, databaseCode          string // of a call to a database
	synthetic                                  string
	properties                                 map[string]string // the rest
}

func (e *Exporter) facts(attributes []attribute.KeyValue) facts {
	f := facts{properties: e.properties}
	own := false
	for _, a := range attributes {
		switch a.Key {
		case semconv.HTTPRequestMethodKey:
			f.method = a.Value.AsString()
		case semconv.HTTPRouteKey:
			f.route = a.Value.AsString()
		case semconv.URLPathKey:
			f.path = a.Value.AsString()
		case semconv.URLSchemeKey:
			f.scheme = a.Value.AsString()
		case semconv.URLFullKey:
			f.fullURL = a.Value.AsString()
		case semconv.ServerAddressKey:
			f.host = a.Value.AsString()
		case semconv.ServerPortKey:
			f.port = a.Value.AsInt64()
		case semconv.HTTPResponseStatusCodeKey:
			f.code = a.Value.AsInt64()
		case semconv.DBSystemNameKey:
			f.database = a.Value.AsString()
		case semconv.DBOperationNameKey:
			f.operation = a.Value.AsString()
		case semconv.DBResponseStatusCodeKey:
			f.databaseCode = a.Value.AsString()
		case SyntheticSource:
			f.synthetic = a.Value.AsString()
		default:
			if !own { // most spans have no properties of their own, and share the constant ones
				f.properties, own = maps.Clone(e.properties), true
			}
			f.properties[cut(string(a.Key), maxKey)] = cut(a.Value.String(), maxProperty)
		}
	}
	return f
}

// target is the host, with its port unless that is the scheme's own.
func (f facts) target() string {
	if f.port == 0 || f.scheme == "http" && f.port == 80 || f.scheme == "https" && f.port == 443 {
		return f.host
	}
	return net.JoinHostPort(f.host, strconv.FormatInt(f.port, 10))
}

func (f facts) url() string {
	switch {
	case f.fullURL != "":
		return cut(f.fullURL, maxURL)
	case f.scheme != "" && f.host != "":
		return cut(f.scheme+"://"+f.target()+f.path, maxURL)
	}
	return ""
}

// resultCode is the HTTP status, or "0" where there is none, as Microsoft's exporters write it.
func (f facts) resultCode() string { return strconv.FormatInt(f.code, 10) }

// span returns a span and its events as envelopes: server and consumer spans as requests, the others
// as dependencies. What counts as success, and the result codes, are those of Microsoft's
// OpenTelemetry distribution: a request succeeds if its span's status is OK, or is unset with an HTTP
// status below 400; a dependency succeeds unless its span's status is an error.
func (e *Exporter) span(s sdktrace.ReadOnlySpan) []envelope {
	f := e.facts(s.Attributes())
	id := s.SpanContext().SpanID()
	t := e.tags
	t.Operation = s.SpanContext().TraceID().String()
	t.SyntheticSource = f.synthetic
	child := t // of the events
	child.Parent = id.String()
	if s.Parent().SpanID().IsValid() {
		t.Parent = s.Parent().SpanID().String()
	}
	var item data
	switch s.SpanKind() {
	case trace.SpanKindServer, trace.SpanKindConsumer:
		r := f.request(s)
		t.OperationName = r.Name
		item = data{"RequestData", r}
	default:
		item = data{"RemoteDependencyData", f.dependency(s)}
	}
	envelopes := append(make([]envelope, 0, 1+len(s.Events())), e.envelope(s.StartTime(), e.sampleRate, t, item))
	for _, happened := range s.Events() {
		envelopes = append(envelopes, e.envelope(happened.Time, e.sampleRate, child, e.event(happened)))
	}
	return envelopes
}

func (f facts) request(s sdktrace.ReadOnlySpan) request {
	r := request{
		Version:    2,
		ID:         s.SpanContext().SpanID().String(),
		Name:       cut(s.Name(), maxName),
		Duration:   timespan(s.EndTime().Sub(s.StartTime())),
		Success:    s.Status().Code == codes.Ok || s.Status().Code == codes.Unset && f.code < 400,
		Code:       f.resultCode(),
		URL:        f.url(),
		Properties: f.properties,
	}
	if f.method != "" && f.route != "" {
		r.Name = cut(f.method+" "+f.route, maxName)
	} else if f.method != "" && f.path != "" {
		r.Name = cut(f.method+" "+f.path, maxName)
	}
	return r
}

func (f facts) dependency(s sdktrace.ReadOnlySpan) dependency {
	d := dependency{
		Version:    2,
		ID:         s.SpanContext().SpanID().String(),
		Name:       cut(s.Name(), maxName),
		Duration:   timespan(s.EndTime().Sub(s.StartTime())),
		Success:    s.Status().Code != codes.Error,
		Code:       f.resultCode(),
		Type:       "Dependency",
		Properties: f.properties,
	}
	switch {
	case f.method != "":
		d.Type, d.Target, d.Data = "Http", cut(f.target(), maxName), f.url()
		if f.path != "" {
			d.Name = cut(f.method+" "+f.path, maxName)
		}
	case f.database != "":
		d.Type, d.Target, d.Data = cut(f.database, maxName), cut(f.target(), maxName), cut(f.operation, maxData)
		if f.databaseCode != "" {
			d.Code = cut(f.databaseCode, maxName)
		}
	case s.SpanKind() == trace.SpanKindInternal && s.Parent().SpanID().IsValid():
		d.Type = "InProc"
	}
	return d
}

// event returns what happened during a span as an exception, a custom event or a message.
func (e *Exporter) event(happened sdktrace.Event) data {
	x := exception{Message: "exception"}
	custom := ""
	properties := maps.Clone(e.properties)
	var measurements map[string]float64
	for _, a := range happened.Attributes {
		switch {
		case a.Key == semconv.ExceptionTypeKey:
			x.Type = cut(a.Value.AsString(), maxName)
		case a.Key == semconv.ExceptionMessageKey:
			x.Message = cut(a.Value.AsString(), maxMessage)
		case a.Key == semconv.ExceptionStacktraceKey:
			x.Stack, x.HasFullStack = cut(a.Value.AsString(), maxMessage), true
		case a.Key == CustomEvent:
			custom = cut(a.Value.AsString(), maxName)
		case a.Value.Type() == attribute.INT64 || a.Value.Type() == attribute.FLOAT64:
			if measurements == nil {
				measurements = map[string]float64{}
			}
			measurements[cut(string(a.Key), maxKey)] = float(a.Value)
		default:
			properties[cut(string(a.Key), maxKey)] = cut(a.Value.String(), maxProperty)
		}
	}
	if custom != "" {
		return data{"EventData", event{2, custom, properties, measurements}}
	}
	// Only custom events have measurements.
	for k, v := range measurements {
		properties[k] = strconv.FormatFloat(v, 'g', -1, 64)
	}
	if happened.Name == semconv.ExceptionEventName {
		return data{"ExceptionData", exceptions{2, []exception{x}, severityError, properties}}
	}
	return data{"MessageData", message{2, cut(happened.Name, maxMessage), properties}}
}

func float(v attribute.Value) float64 {
	if v.Type() == attribute.INT64 {
		return float64(v.AsInt64())
	}
	return v.AsFloat64()
}

func (e *Exporter) envelope(at time.Time, sampleRate float64, t tags, d data) envelope {
	return envelope{
		Version: 1, Time: timestamp(at), SampleRate: sampleRate, Key: e.key, Tags: t, Data: d,
		Name: e.prefix + strings.TrimSuffix(d.Type, "Data"),
	}
}
