//go:build e2e && linux

package e2e

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/slipway-cd/slipway/sandbox/internal/layout"
)

// sendTelemetry gives the stand-in for Application Insights one event.
func sendTelemetry(ctx context.Context, t *testing.T) {
	t.Helper()
	event := `{"name":"n","time":"` + time.Now().UTC().Format(time.RFC3339) + `","iKey":"` + layout.AzureInstrumentationKey +
		`","data":{"baseType":"EventData","baseData":{"name":"before"}}}`
	if got := call(ctx, t, http.MethodPost, "http://"+layout.AzureIngest+"/v2.1/track", event); !strings.Contains(got, `"itemsAccepted":1`) {
		t.Fatalf("ingestion answers %s", got)
	}
}

// hasTelemetry wants that event to be visible.
func hasTelemetry(ctx context.Context, t *testing.T) {
	t.Helper()
	if got := call(ctx, t, http.MethodGet, "http://"+layout.AzureControl+"/control/", ""); !strings.Contains(got, `"visible":{"AppEvents":1}`) {
		t.Errorf("the stand-in has %s", got)
	}
}

func call(ctx context.Context, t *testing.T, method, url, body string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}
