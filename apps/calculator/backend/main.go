// Backend answers POST /factors with the prime factors of a number. It is configured by
// environment variables: PORT (8081), VERSION, SLOT, DRAIN, and FAULT_… (see package fault).
package main

import (
	"context"
	"log/slog"
	"net/http"
	"os"

	"github.com/slipway-cd/slipway/apps/calculator/internal/back"
	"github.com/slipway-cd/slipway/apps/calculator/internal/fault"
	"github.com/slipway-cd/slipway/apps/calculator/internal/serve"
)

func main() {
	os.Exit(serve.Main("backend", 8081,
		func(_ context.Context, c serve.Config, faults *fault.Injector, _ *slog.Logger) (http.Handler, error) {
			return back.Handler(c.Identity, faults), nil
		}))
}
