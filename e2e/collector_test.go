//go:build e2e

package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"

	collectortrace "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	"google.golang.org/protobuf/proto"
)

// collectorAddress is on the node, where pods reach it.
const collectorAddress = "10.123.0.1:4318"

// collector is an OpenTelemetry collector: it takes traces by OTLP over HTTP.
type collector struct {
	server *http.Server

	mu    sync.Mutex
	spans map[string]int // by service and slot
	wrong []string
}

func startCollector() (*collector, error) {
	listener, err := net.Listen("tcp", collectorAddress)
	if err != nil {
		return nil, fmt.Errorf("listening for telemetry by OTLP: %w", err)
	}
	c := &collector{spans: map[string]int{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/traces", c.traces)
	mux.HandleFunc("POST /v1/metrics", func(w http.ResponseWriter, r *http.Request) { _, _ = io.Copy(io.Discard, r.Body) })
	c.server = &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = c.server.Serve(listener) }() // ends with Close
	return c, nil
}

func (c *collector) traces(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	var request collectortrace.ExportTraceServiceRequest
	if err == nil {
		err = proto.Unmarshal(body, &request)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		c.wrong = append(c.wrong, err.Error())
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	for _, resource := range request.ResourceSpans {
		key := attribute(resource.Resource.Attributes, "service.name") + " " + attribute(resource.Resource.Attributes, "slot")
		for _, scope := range resource.ScopeSpans {
			c.spans[key] += len(scope.Spans)
		}
	}
}

func attribute(list []*common.KeyValue, key string) string {
	for _, a := range list {
		if a.Key == key {
			return a.Value.GetStringValue()
		}
	}
	return ""
}

// heard fails the test unless a role in a slot has sent spans.
func (c *collector) heard(t *testing.T, role, slot string) {
	t.Helper()
	eventually(t, 30*time.Second, "spans of "+role+" in slot "+slot, func() (bool, string) {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.spans[role+" "+slot] > 0, fmt.Sprint(c.spans, c.wrong)
	})
}
