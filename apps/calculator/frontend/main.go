// Frontend serves the calculator's page and POST /api/calculate.
//
// It is configured by environment variables: PORT (8080), VERSION, SLOT, DRAIN,
// BACKEND_URL (http://localhost:8081), REDIS_DIR (a directory with the files host,
// port, password, ca.crt; unset: no cache), TELEMETRY_DIR (a directory with the files
// connection-string, of Application Insights, and ca.crt; unset: no telemetry),
// TELEMETRY_SAMPLING_RATIO (1), OTEL_EXPORTER_OTLP_ENDPOINT, and FAULT_… (see package fault).
//
// "frontend check URL…" asks each URL once it answers, for tests of a release.
package main

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/slipway-cd/slipway/apps/calculator/internal/cache"
	"github.com/slipway-cd/slipway/apps/calculator/internal/front"
	"github.com/slipway-cd/slipway/apps/calculator/internal/serve"
)

func main() {
	switch {
	case len(os.Args) == 1:
		os.Exit(serve.Main("frontend", 8080, newAPI))
	case os.Args[1] == "check":
		ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
		code := check(ctx, os.Args[2:], os.Stdout, os.Stderr)
		stop()
		os.Exit(code)
	default:
		fmt.Fprintf(os.Stderr, "unknown argument %q\nusage: frontend              serve, configured by the environment\n"+
			"       frontend check URL…   ask each URL and exit 0 if all answer well\n", os.Args[1])
		os.Exit(serve.ExitUsage)
	}
}

func newAPI(_ context.Context, p serve.Parts) (http.Handler, error) {
	backend := os.Getenv("BACKEND_URL")
	if backend == "" {
		backend = "http://localhost:8081"
	}
	if u, err := url.Parse(backend); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("BACKEND_URL=%q: want an http or https URL, for example http://calculator-backend", backend)
	}
	f := &front.Frontend{
		Identity: p.Config.Identity,
		Backend:  strings.TrimSuffix(backend, "/"),
		Faults:   p.Faults,
		Log:      p.Log,
		Client:   front.NewClient(),
		Meter:    p.Telemetry.Meter(),
	}
	f.Client.Transport = p.Telemetry.Transport(f.Client.Transport)
	if dir := os.Getenv("REDIS_DIR"); dir != "" {
		redis, err := cache.Open(dir, p.Config.Identity.Version, p.Log)
		if err != nil {
			return nil, err
		}
		f.Cache = redis
	} else {
		p.Log.Info("no cache: REDIS_DIR is not set")
	}
	return f.Handler()
}
