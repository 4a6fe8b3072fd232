package serve

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"syscall"
	"time"

	"github.com/slipway-cd/slipway/apps/calculator/internal/fault"
)

// Exit codes of the services.
const (
	ExitOK       = 0
	ExitInternal = 1
	ExitUsage    = 2 // a setting is wrong; nothing was served
)

// NewAPI makes a service's handler. It wraps its API calls, and only these, with faults.
type NewAPI func(ctx context.Context, config Config, faults *fault.Injector, log *slog.Logger) (http.Handler, error)

// Main runs a service from its environment until SIGTERM or SIGINT; a second signal ends
// it at once. newAPI makes its handler; an error of newAPI counts as a wrong setting.
// Main returns the exit code.
func Main(name string, defaultPort int, newAPI NewAPI) int {
	log := slog.New(slog.NewJSONHandler(os.Stdout, nil)).With("service", name)
	wrong := func(err error) int {
		log.Error("cannot start", "error", err.Error())
		return ExitUsage
	}
	config, err := FromEnv(os.Getenv, defaultPort)
	if err != nil {
		return wrong(err)
	}
	faults, err := fault.FromEnv(os.Getenv)
	if err != nil {
		return wrong(err)
	}
	log = log.With("host", config.Identity.Host, "version", config.Identity.Version, "slot", config.Identity.Slot)

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	context.AfterFunc(ctx, stop) // so that a second signal has its usual effect

	api, err := newAPI(ctx, config, fault.NewInjector(faults), log)
	if err != nil {
		return wrong(err)
	}
	state := NewState(time.Now().Add(faults.StartDelay), faults.NeverReady)
	address := net.JoinHostPort("", strconv.Itoa(config.Port))
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return wrong(fmt.Errorf("listening on %s: %w", address, err))
	}
	go fault.Run(ctx, faults, log, os.Exit)

	server := &Server{
		Handler: Handler(config.Identity, state, api),
		State:   state,
		Drain:   config.Drain,
		Log:     log,
	}
	if err := server.Run(ctx, listener); err != nil {
		log.Error("did not stop cleanly", "error", err.Error())
		return ExitInternal
	}
	return ExitOK
}
