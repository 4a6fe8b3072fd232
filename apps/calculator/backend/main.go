// Backend answers POST /factors with the prime factors of a number. It is configured by
// environment variables: PORT (8081), VERSION, SLOT, DRAIN, TELEMETRY_…, OTEL_EXPORTER_OTLP_ENDPOINT
// (see package telemetry), and FAULT_… (see package fault).
package main

import (
	"context"
	"net/http"
	"os"

	"github.com/slipway-cd/slipway/apps/calculator/internal/back"
	"github.com/slipway-cd/slipway/apps/calculator/internal/serve"
)

func main() {
	os.Exit(serve.Main("backend", 8081,
		func(_ context.Context, p serve.Parts) (http.Handler, error) {
			return back.Handler(p.Config.Identity, p.Faults), nil
		}))
}
