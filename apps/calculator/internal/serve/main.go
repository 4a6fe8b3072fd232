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

	"go.opentelemetry.io/otel"

	"github.com/slipway-cd/slipway/apps/calculator/internal/fault"
	"github.com/slipway-cd/slipway/apps/calculator/internal/telemetry"
)

// Exit codes of the services.
const (
	ExitOK       = 0
	ExitInternal = 1
	ExitUsage    = 2 // a setting is wrong; nothing was served
)

// Parts are what Main has made ready for a service.
type Parts struct {
	Config    Config
	Faults    *fault.Injector // to wrap the API calls with, and only these
	Telemetry *telemetry.Telemetry
	Log       *slog.Logger
}

// NewAPI makes a service's handler. Main records the requests to it.
type NewAPI func(ctx context.Context, p Parts) (http.Handler, error)

// Main runs a service from its environment until SIGTERM or SIGINT; a second signal ends
// it at once. newAPI makes its handler; an error of newAPI counts as a wrong setting. What telemetry
// there is at the end is sent, in a bounded time; that it cannot be sent does not change the outcome.
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
	sending, err := telemetry.FromEnv(os.Getenv)
	if err != nil {
		return wrong(err)
	}
	log = log.With("host", config.Identity.Host, "version", config.Identity.Version, "slot", config.Identity.Slot)

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	context.AfterFunc(ctx, stop) // so that a second signal has its usual effect

	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) { log.Warn("telemetry does not work", "error", err.Error()) }))
	tel, err := telemetry.Start(ctx, sending, "calculator-"+name, config.Identity, log)
	if err != nil {
		return wrong(err)
	}
	defer flush(tel, log)
	api, err := newAPI(ctx, Parts{Config: config, Faults: fault.NewInjector(faults), Telemetry: tel, Log: log})
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
		Handler: tel.Handler(Handler(config.Identity, state, api)),
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

func flush(t *telemetry.Telemetry, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.Background(), telemetry.FlushFor)
	defer cancel()
	if err := t.Shutdown(ctx); err != nil {
		log.Warn("not all telemetry was sent", "error", err.Error())
	}
}
