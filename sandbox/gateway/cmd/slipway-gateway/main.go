// Command slipway-gateway is the sandbox's gateway: Traefik with the Gateway API and ingress-nginx's annotations.
//
// Exit codes: 0 stopped by a signal · 1 internal error · 2 wrong flags, kubeconfig or a port that is taken (nothing started).
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	stdlog "log"
	"net"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/rs/zerolog"
	"github.com/rs/zerolog/log"
	"github.com/sirupsen/logrus"
	"github.com/traefik/traefik/v3/pkg/config/static"

	"github.com/slipway-cd/slipway/sandbox/gateway/internal/config"
	"github.com/slipway-cd/slipway/sandbox/gateway/internal/proxy"
)

func main() {
	os.Exit(run(os.Args[1:], os.Stdout, os.Stderr))
}

func run(args []string, stdout, stderr io.Writer) int {
	opts, err := config.Parse(args, stdout)
	switch {
	case errors.Is(err, config.ErrHelp):
		return 0
	case err != nil:
		return fail(stderr, 2, err)
	case opts.Version:
		fmt.Fprintln(stdout, "slipway-gateway", traefikVersion())
		return 0
	}

	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer cancel()

	setUpProcess(opts, stderr)
	cluster, err := proxy.LoadKubeconfig(opts.Kubeconfig)
	if err != nil {
		return fail(stderr, 2, err)
	}
	// Asked now so that a taken port is said at once, not after the wait.
	if err := portsFree(ctx, opts); err != nil {
		return fail(stderr, 2, err)
	}
	if err := proxy.Forward(ctx, opts.Pods, opts.HTTP); err != nil {
		return fail(stderr, 2, err)
	}
	if err := proxy.WaitForCluster(ctx, cluster); err != nil {
		if ctx.Err() != nil {
			return 0
		}
		return fail(stderr, 1, err)
	}
	if err := proxy.Run(ctx, cluster, func() *static.Configuration { return config.Static(opts) }); err != nil {
		if errors.Is(err, syscall.EADDRINUSE) {
			return fail(stderr, 2, err)
		}
		return fail(stderr, 1, err)
	}
	return 0
}

// setUpProcess sets what Traefik reads from the process instead of from its configuration.
func setUpProcess(opts config.Options, stderr io.Writer) {
	_ = os.Setenv("KUBECONFIG", opts.Kubeconfig)
	// With this set Traefik would take itself for a pod; with the others it would send requests for pods to a proxy.
	for _, name := range []string{
		"KUBERNETES_SERVICE_HOST",
		"HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy",
	} {
		_ = os.Unsetenv(name)
	}
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(50) // half the default: the sandbox has little memory and the gateway little garbage
	}

	zerolog.SetGlobalLevel(opts.LogLevel)
	log.Logger = zerolog.New(stderr).With().Timestamp().Logger()
	zerolog.DefaultContextLogger = &log.Logger
	debugOnly := lineWriter{log.Logger}
	logrus.SetOutput(debugOnly)
	stdlog.SetOutput(debugOnly)
	stdlog.SetFlags(0)
}

// lineWriter logs what libraries print on their own, at debug level.
type lineWriter struct{ logger zerolog.Logger }

func (w lineWriter) Write(p []byte) (int, error) {
	w.logger.Debug().Msg(string(p))
	return len(p), nil
}

func portsFree(ctx context.Context, opts config.Options) error {
	for _, a := range []struct{ flag, address string }{{"--http", opts.HTTP}, {"--metrics", opts.Metrics}} {
		l, err := new(net.ListenConfig).Listen(ctx, "tcp", a.address)
		if errors.Is(err, syscall.EADDRINUSE) {
			return fmt.Errorf("%s is already in use by another process; stop that, or choose another address with %s (nothing was started)", a.address, a.flag)
		}
		if err != nil {
			return fmt.Errorf("cannot listen on %s %s: %w (nothing was started)", a.flag, a.address, err)
		}
		_ = l.Close()
	}
	return nil
}

func traefikVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "(unknown version)"
	}
	for _, dep := range info.Deps {
		if dep.Path == "github.com/traefik/traefik/v3" {
			return "(Traefik " + dep.Version + ")"
		}
	}
	return "(unknown version)"
}

func fail(stderr io.Writer, code int, err error) int {
	fmt.Fprintln(stderr, "slipway-gateway:", err)
	return code
}
