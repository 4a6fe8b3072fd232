// Package serve runs an HTTP service behind a load balancer: who it is, whether it is
// ready, and how it leaves without losing a request.
package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"regexp"
	"sync/atomic"
	"time"

	"github.com/slipway-cd/slipway/apps/calculator/internal/wire"
)

// DefaultDrain is how long a service goes on serving after it was told to stop. Until
// then, gateways and nodes may not yet know that its address is gone.
const DefaultDrain = 3 * time.Second

// finish bounds how long requests that are under way at the end of the drain may take.
const finish = 10 * time.Second

// Slots and versions are Kubernetes label values, so that pods can carry them.
var label = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$`)

// Config is what every service reads from its environment.
type Config struct {
	Identity wire.Identity
	Port     int
	Drain    time.Duration
}

// FromEnv reads PORT, VERSION, SLOT and DRAIN (a duration) with getenv, and the host's
// name. All bad values are told at once.
func FromEnv(getenv func(string) string, defaultPort int) (Config, error) {
	c := Config{Port: defaultPort, Drain: DefaultDrain}
	var errs []error
	if v := getenv("PORT"); v != "" {
		port, err := net.LookupPort("tcp", v)
		if err != nil || port == 0 {
			errs = append(errs, fmt.Errorf("PORT=%q: want a TCP port from 1 to 65535", v))
		}
		c.Port = port
	}
	if v := getenv("DRAIN"); v != "" {
		drain, err := time.ParseDuration(v)
		if err != nil || drain < 0 {
			errs = append(errs, fmt.Errorf("DRAIN=%q: want a duration of 0 or more, for example 3s", v))
		}
		c.Drain = drain
	}
	for _, l := range []struct {
		name, absent string
		to           *string
	}{
		{"VERSION", "dev", &c.Identity.Version},
		{"SLOT", "none", &c.Identity.Slot},
	} {
		*l.to = getenv(l.name)
		if *l.to == "" {
			*l.to = l.absent
		}
		if !label.MatchString(*l.to) {
			errs = append(errs, fmt.Errorf("%s=%q: want at most 63 letters, digits, dots, dashes or underscores", l.name, *l.to))
		}
	}
	host, err := os.Hostname()
	if err != nil {
		errs = append(errs, fmt.Errorf("reading the host's name: %w", err))
	}
	c.Identity.Host = host
	if len(errs) > 0 {
		return Config{}, fmt.Errorf("reading the service's settings: %w", errors.Join(errs...))
	}
	return c, nil
}

// State is whether a service should be given requests. It is safe for concurrent use.
type State struct {
	readyFrom time.Time
	never     bool
	draining  atomic.Bool
}

// NewState returns the state of a service that is ready from readyFrom on, or never.
func NewState(readyFrom time.Time, never bool) *State {
	return &State{readyFrom: readyFrom, never: never}
}

// NotReady returns why the service should be given no requests now, or "" if it should.
func (s *State) NotReady() string {
	switch {
	case s.draining.Load():
		return "draining: the service was told to stop"
	case s.never:
		return "never ready: this release is configured so"
	case time.Now().Before(s.readyFrom):
		return "not ready before " + s.readyFrom.UTC().Format(time.RFC3339) + ": this release is configured so"
	}
	return ""
}

// Handler puts the service's own pages around api: /ping (200 as long as the process
// lives, drain included), /healthz (the same, for liveness) and /readyz (503 while
// NotReady). Every answer carries X-Host, X-Version and X-Slot.
func Handler(id wire.Identity, state *State, api http.Handler) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", api)
	mux.HandleFunc("GET /ping", plain(func() (int, string) { return http.StatusOK, "pong" }))
	mux.HandleFunc("GET /healthz", plain(func() (int, string) { return http.StatusOK, "ok" }))
	mux.HandleFunc("GET /readyz", plain(func() (int, string) {
		if why := state.NotReady(); why != "" {
			return http.StatusServiceUnavailable, why
		}
		return http.StatusOK, "ready"
	}))
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("X-Host", id.Host)
		h.Set("X-Version", id.Version)
		h.Set("X-Slot", id.Slot)
		h.Set("X-Content-Type-Options", "nosniff")
		if state.draining.Load() {
			// Ask the caller to leave this connection. To close it from here while idle
			// would race with a request that is already on its way.
			h.Set("Connection", "close")
		}
		mux.ServeHTTP(w, r)
	})
}

func plain(say func() (int, string)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		code, text := say()
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		w.Header().Set("Cache-Control", "no-store")
		w.WriteHeader(code)
		_, _ = io.WriteString(w, text+"\n")
	}
}

// Server serves until it is told to stop, and then drains.
type Server struct {
	Handler http.Handler
	State   *State
	Drain   time.Duration
	Log     *slog.Logger
	// After gives the clock of the drain; nil means time.After.
	After func(time.Duration) <-chan time.Time
}

// Run serves on l until ctx is done. Then it turns readiness off, goes on serving for
// Drain, closes the listener, and waits up to 10 s for the requests under way. It
// returns nil when all of them were answered. l is closed in any case.
func (s *Server) Run(ctx context.Context, l net.Listener) error {
	after := s.After
	if after == nil {
		after = time.After
	}
	server := &http.Server{
		Handler:           s.Handler,
		ReadHeaderTimeout: 5 * time.Second,
		ReadTimeout:       10 * time.Second,
		WriteTimeout:      60 * time.Second,
		// Longer than a gateway keeps idle connections (90 s is usual), so that the
		// gateway closes first and never writes into a closed connection.
		IdleTimeout: 120 * time.Second,
		ErrorLog:    slog.NewLogLogger(s.Log.Handler(), slog.LevelWarn),
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(l) }()
	s.Log.InfoContext(ctx, "serving", "address", l.Addr().String())

	select {
	case err := <-served:
		return fmt.Errorf("serving on %s: %w", l.Addr(), err)
	case <-ctx.Done():
	}
	s.State.draining.Store(true)
	s.Log.InfoContext(ctx, "draining: readiness is off, still serving", "for", s.Drain.String())
	select {
	case err := <-served:
		return fmt.Errorf("serving on %s while draining: %w", l.Addr(), err)
	case <-after(s.Drain):
	}
	// ctx is done already; the end has a deadline of its own.
	end, cancel := context.WithTimeout(context.WithoutCancel(ctx), finish)
	defer cancel()
	if err := server.Shutdown(end); err != nil {
		return fmt.Errorf("waiting %s for the requests under way: %w", finish, errors.Join(err, server.Close()))
	}
	s.Log.InfoContext(ctx, "stopped: every request was answered")
	return nil
}
