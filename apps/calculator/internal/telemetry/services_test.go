package telemetry_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/slipway-cd/slipway/apps/calculator/internal/back"
	"github.com/slipway-cd/slipway/apps/calculator/internal/fault"
	"github.com/slipway-cd/slipway/apps/calculator/internal/front"
	"github.com/slipway-cd/slipway/apps/calculator/internal/serve"
	"github.com/slipway-cd/slipway/apps/calculator/internal/telemetry"
	"github.com/slipway-cd/slipway/apps/calculator/internal/wire"
)

// setup says what services to start: by default, such as work, and without telemetry.
type setup struct {
	config      telemetry.Config
	front, back fault.Config
}

// running are both services, in this process, over loopback.
type running struct {
	tb    testing.TB
	url   string // of the frontend
	flush func() // ends telemetry, when everything has been asked
}

// start starts both services. They end with the test.
func start(tb testing.TB, s setup) running {
	tb.Helper()
	quiet := slog.New(slog.DiscardHandler)
	var ends []func()
	service := func(role string, api func(*telemetry.Telemetry) http.Handler) string {
		id := wire.Identity{Host: role + "-7d4b9", Version: "v2", Slot: "green"}
		t, err := telemetry.Start(tb.Context(), s.config, role, id, quiet)
		if err != nil {
			tb.Fatal(err)
		}
		server := httptest.NewServer(t.Handler(serve.Handler(id, serve.NewState(time.Now(), false), api(t))))
		ends = append(ends, func() {
			server.Close()
			ctx, cancel := context.WithTimeout(context.Background(), telemetry.FlushFor)
			defer cancel()
			if err := t.Shutdown(ctx); err != nil {
				tb.Error(err)
			}
		})
		return server.URL
	}
	backend := service("calculator-backend", func(*telemetry.Telemetry) http.Handler {
		return back.Handler(wire.Identity{}, fault.NewInjector(s.back))
	})
	client := front.NewClient()
	url := service("calculator-frontend", func(t *telemetry.Telemetry) http.Handler {
		client.Transport = t.Transport(client.Transport)
		f := &front.Frontend{Backend: backend, Faults: fault.NewInjector(s.front), Log: quiet, Client: client, Meter: t.Meter()}
		api, err := f.Handler()
		if err != nil {
			tb.Fatal(err)
		}
		return api
	})
	ended := false
	flush := func() {
		if ended {
			return
		}
		ended = true
		client.CloseIdleConnections()
		for _, end := range ends {
			end()
		}
	}
	tb.Cleanup(flush)
	return running{tb: tb, url: url, flush: flush}
}

// ask makes one request, and returns the status. It may have further headers, as name, value, ….
func (r running) ask(method, path string, headers ...string) int {
	r.tb.Helper()
	req, err := http.NewRequestWithContext(r.tb.Context(), method, r.url+path, strings.NewReader(`{"number":"5040"}`))
	if err != nil {
		r.tb.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		r.tb.Fatal(err)
	}
	_ = resp.Body.Close()
	return resp.StatusCode
}

// secret writes the files of a mounted Secret.
func secret(tb testing.TB, files map[string]string) string {
	tb.Helper()
	dir := tb.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	return dir
}
