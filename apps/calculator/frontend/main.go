// Frontend serves the calculator's page and POST /api/calculate.
//
// It is configured by environment variables: PORT (8080), VERSION, SLOT, DRAIN,
// BACKEND_URL (http://localhost:8081), REDIS_DIR (a directory with the files host,
// port, password, ca.crt; unset: no cache), and FAULT_… (see package fault).
//
// "frontend check URL…" asks each URL once it answers, for tests of a release.
package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/slipway-cd/slipway/apps/calculator/internal/cache"
	"github.com/slipway-cd/slipway/apps/calculator/internal/fault"
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

func newAPI(_ context.Context, c serve.Config, faults *fault.Injector, log *slog.Logger) (http.Handler, error) {
	backend := os.Getenv("BACKEND_URL")
	if backend == "" {
		backend = "http://localhost:8081"
	}
	if u, err := url.Parse(backend); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("BACKEND_URL=%q: want an http or https URL, for example http://calculator-backend", backend)
	}
	f := &front.Frontend{
		Identity: c.Identity,
		Backend:  strings.TrimSuffix(backend, "/"),
		Faults:   faults,
		Log:      log,
		Client:   front.NewClient(),
	}
	if dir := os.Getenv("REDIS_DIR"); dir != "" {
		redis, err := cache.Open(dir, c.Identity.Version, log)
		if err != nil {
			return nil, err
		}
		f.Cache = redis
	} else {
		log.Info("no cache: REDIS_DIR is not set")
	}
	return f.Handler()
}
