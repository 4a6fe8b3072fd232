// Package config turns the gateway's flags into Traefik's static configuration. It does no I/O.
package config

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/rs/zerolog"
)

// Options is everything the gateway can be told.
type Options struct {
	// Kubeconfig is the path of the file that names the cluster and the identity to use.
	Kubeconfig string
	// HTTP is the host:port of the entry point "web", which serves all routes. A Gateway's listener must have the same port.
	HTTP string
	// Metrics is the host:port that serves /metrics (Prometheus) and /ping.
	Metrics string
	// LogLevel is debug, info, warn or error.
	LogLevel zerolog.Level
	// Grace is how long requests in flight may take to finish after SIGTERM. Idle connections are closed at once.
	Grace time.Duration
	// Throttle is the shortest time between two changes of routing that the gateway applies.
	Throttle time.Duration
	// Pods is a second address that is answered as HTTP is, for pods; "" for none.
	Pods string
	// Version asks for the version only.
	Version bool
}

// ErrHelp says that help was asked for and has been printed.
var ErrHelp = errors.New("help was asked for")

const usage = `slipway-gateway serves HTTP for a cluster: Traefik, with the Gateway API and ingress-nginx's annotations.

Usage:
  slipway-gateway --kubeconfig FILE [flags]

Example:
  slipway-gateway --kubeconfig /var/lib/slipway-sandbox/kubeconfig --http 127.0.0.1:8080 --metrics 127.0.0.1:8082

It serves the HTTPRoutes of every Gateway whose class has the controller traefik.io/gateway-controller and whose
listener has the port of --http, and every Ingress of the class nginx. It waits for the API server and for the Gateway
API's definitions, and goes on serving what it knows while the API server is away. SIGTERM stops it.

Flags:
`

// Parse reads the command line (without the program's name). Help and the complaints of the flag package go to out.
// It returns ErrHelp when help was asked for; any other error is wrong usage and says which flag and why.
func Parse(args []string, out io.Writer) (Options, error) {
	var o Options
	level := "info"
	fs := flag.NewFlagSet("slipway-gateway", flag.ContinueOnError)
	fs.SetOutput(io.Discard)
	fs.StringVar(&o.Kubeconfig, "kubeconfig", "", "`file` that names the cluster and the identity to use (required)")
	fs.StringVar(&o.HTTP, "http", "127.0.0.1:8080", "`host:port` that serves the routes")
	fs.StringVar(&o.Pods, "pods", "", "`host:port` at which pods reach what --http serves, if they cannot reach that")
	fs.StringVar(&o.Metrics, "metrics", "127.0.0.1:8082", "`host:port` that serves /metrics (Prometheus) and /ping")
	fs.StringVar(&level, "log-level", level, "debug, info, warn or error")
	fs.DurationVar(&o.Grace, "grace", time.Second, "`time` that requests in flight have to finish after SIGTERM")
	fs.DurationVar(&o.Throttle, "throttle", 20*time.Millisecond, "shortest `time` between two changes of routing")
	fs.BoolVar(&o.Version, "version", false, "print the version and exit")

	switch err := fs.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		fmt.Fprint(out, usage)
		fs.SetOutput(out)
		fs.PrintDefaults()
		return Options{}, ErrHelp
	case err != nil:
		return Options{}, fmt.Errorf("%w; see slipway-gateway --help", err)
	}
	if fs.NArg() > 0 {
		return Options{}, fmt.Errorf("%q is not a flag: slipway-gateway takes flags only; see slipway-gateway --help", fs.Arg(0))
	}
	if o.Version {
		return o, nil
	}
	parsed, err := parseLevel(level)
	if err != nil {
		return Options{}, err
	}
	o.LogLevel = parsed
	return o, o.validate()
}

func (o Options) validate() error {
	if o.Kubeconfig == "" {
		return errors.New("--kubeconfig is missing: name the file that slipway sandbox up wrote")
	}
	for _, a := range []struct{ flag, address string }{{"--http", o.HTTP}, {"--metrics", o.Metrics}, {"--pods", o.Pods}} {
		if a.flag == "--pods" && a.address == "" {
			continue
		}
		host, port, err := net.SplitHostPort(a.address)
		if err != nil {
			return fmt.Errorf("%s %q is not host:port, as in 127.0.0.1:8080", a.flag, a.address)
		}
		if net.ParseIP(host) == nil {
			return fmt.Errorf("%s %q: %q is not an IP address; the gateway binds only where it is told", a.flag, a.address, host)
		}
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 {
			return fmt.Errorf("%s %q: %q is not a port (1 to 65535)", a.flag, a.address, port)
		}
	}
	if o.HTTP == o.Metrics {
		return fmt.Errorf("--http and --metrics are both %s: give each its own port", o.HTTP)
	}
	if o.Grace < 0 || o.Throttle < 0 {
		return errors.New("--grace and --throttle cannot be negative")
	}
	return nil
}

func parseLevel(s string) (zerolog.Level, error) {
	switch level, err := zerolog.ParseLevel(strings.ToLower(s)); {
	case err == nil && level >= zerolog.DebugLevel && level <= zerolog.ErrorLevel:
		return level, nil
	default:
		return zerolog.NoLevel, fmt.Errorf("--log-level %q is not one of debug, info, warn, error", s)
	}
}
