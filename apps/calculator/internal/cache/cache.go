// Package cache keeps answers in Redis. It is never in the way: when Redis is slow or
// gone, callers are told so within a bounded time and calculate for themselves.
package cache

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/slipway-cd/slipway/apps/calculator/internal/mounted"
	"github.com/slipway-cd/slipway/apps/calculator/internal/wire"
)

const (
	// Timeout bounds each call to Redis, a new connection included.
	Timeout = 150 * time.Millisecond
	// Pause is how long Redis is left alone after it failed.
	Pause = 2 * time.Second
	// Keep is how long an answer is kept.
	Keep = 10 * time.Minute

	defaultPort = "6380" // Redis over TLS, as Azure Cache for Redis has it
)

// Redis is a cache of factors. It is safe for concurrent use.
type Redis struct {
	client *redis.Client
	prefix string
	server []attribute.KeyValue // who is called, for spans
	log    *slog.Logger
	// When Redis may be asked again, in Unix nanoseconds; 0 while it works.
	pausedUntil atomic.Int64
}

// Open reads the connection's settings from the files of dir, as a mounted Secret has
// them: host, password, and optionally port (6380) and ca.crt (public authorities).
// The password is read anew for each connection, so it may be rotated. Redis itself is
// not contacted: that it is down is no error here.
//
// Keys carry the version, so that a release never reads what another one has written.
func Open(dir, version string, log *slog.Logger) (*Redis, error) {
	secret := mounted.Secret(dir)
	wrong := func(err error) (*Redis, error) { return nil, fmt.Errorf("reading Redis settings: %w", err) }
	host, err := secret.Read("host")
	if err != nil {
		return wrong(err)
	}
	port, err := secret.ReadOr("port", defaultPort)
	if err != nil {
		return wrong(err)
	}
	if _, err := secret.Read("password"); err != nil {
		return wrong(err)
	}
	roots, err := secret.Authorities("ca.crt")
	if err != nil {
		return wrong(err)
	}
	redis.SetLogger(quiet{log})
	client := redis.NewClient(&redis.Options{
		Addr: net.JoinHostPort(host, port),
		CredentialsProviderContext: func(context.Context) (string, string, error) {
			password, err := secret.Read("password")
			return "", password, err
		},
		TLSConfig:             &tls.Config{RootCAs: roots, ServerName: host, MinVersion: tls.VersionTLS12},
		ContextTimeoutEnabled: true,
		DialTimeout:           Timeout,
		ReadTimeout:           Timeout,
		WriteTimeout:          Timeout,
		PoolTimeout:           Timeout,
		MaxRetries:            -1,
		DialerRetries:         1,
		DisableIdentity:       true,
		MaintNotificationsConfig: &maintnotifications.Config{
			Mode: maintnotifications.ModeDisabled,
		},
	})
	portNumber, err := net.LookupPort("tcp", port)
	if err != nil {
		return wrong(err)
	}
	return &Redis{
		client: client,
		prefix: "calculator:" + version + ":",
		server: []attribute.KeyValue{semconv.DBSystemNameRedis, semconv.ServerAddress(host), semconv.ServerPort(portNumber)},
		log:    log,
	}, nil
}

// Get returns the factors kept for n. found is false when there are none, and ok is
// false when Redis could not say; it never takes longer than Timeout.
func (r *Redis) Get(ctx context.Context, n wire.Number) (f wire.Factors, found, ok bool) {
	if r.paused() {
		return f, false, false
	}
	bounded, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	traced, end := r.span(bounded, "GET")
	raw, err := r.client.Get(traced, r.prefix+n.String()).Bytes()
	end(ctx, err)
	if errors.Is(err, redis.Nil) {
		r.worked(ctx)
		return f, false, true
	}
	if err != nil {
		r.failed(ctx, "get", err)
		return f, false, false
	}
	r.worked(ctx)
	if err := json.Unmarshal(raw, &f); err != nil || f.Number != n {
		// Somebody else's value: calculating anew overwrites it.
		return wire.Factors{}, false, true
	}
	return f, true, true
}

// Put keeps f, if Redis can, and never takes longer than Timeout.
func (r *Redis) Put(ctx context.Context, f wire.Factors) (ok bool) {
	if r.paused() {
		return false
	}
	raw, err := json.Marshal(f)
	if err != nil {
		r.log.ErrorContext(ctx, "not cached: encoding the answer", "error", err.Error())
		return false
	}
	bounded, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	traced, end := r.span(bounded, "SET")
	err = r.client.Set(traced, r.prefix+f.Number.String(), raw, Keep).Err()
	end(ctx, err)
	if err != nil {
		r.failed(ctx, "set", err)
		return false
	}
	r.worked(ctx)
	return true
}

// span begins a span of one call to Redis, in the trace of ctx. End it with the context of who is
// waiting and with the call's error. That there is no such key is no error, and neither is that the
// caller has gone.
func (r *Redis) span(ctx context.Context, operation string) (traced context.Context, end func(caller context.Context, err error)) {
	tracer := trace.SpanFromContext(ctx).TracerProvider().Tracer("github.com/slipway-cd/slipway/apps/calculator/internal/cache")
	traced, span := tracer.Start(ctx, operation, trace.WithSpanKind(trace.SpanKindClient))
	return traced, func(caller context.Context, err error) {
		span.SetAttributes(append(r.server[:len(r.server):len(r.server)], semconv.DBOperationName(operation))...)
		if err != nil && !errors.Is(err, redis.Nil) && caller.Err() == nil {
			span.RecordError(err)
			span.SetStatus(codes.Error, err.Error())
		}
		span.End()
	}
}

// Close ends the connections.
func (r *Redis) Close() error { return r.client.Close() }

// paused reports whether Redis is being left alone. When the pause is over, one caller
// is let through and the others wait for its result, so that a dead Redis costs one
// call a Timeout every Pause and not every call one.
func (r *Redis) paused() bool {
	until := r.pausedUntil.Load()
	if until == 0 {
		return false
	}
	now := time.Now()
	if now.UnixNano() < until {
		return true
	}
	return !r.pausedUntil.CompareAndSwap(until, now.Add(Pause).UnixNano())
}

func (r *Redis) worked(ctx context.Context) {
	if r.pausedUntil.Swap(0) != 0 {
		r.log.InfoContext(ctx, "cache is back")
	}
}

func (r *Redis) failed(ctx context.Context, what string, err error) {
	if ctx.Err() != nil {
		return // our caller has gone: that says nothing about Redis
	}
	if r.pausedUntil.Swap(time.Now().Add(Pause).UnixNano()) == 0 {
		r.log.WarnContext(ctx, "cache does not answer: going on without it", "call", what, "error", err.Error())
	}
}

// quiet keeps the library's own messages out of the log: state changes are logged here.
type quiet struct{ log *slog.Logger }

func (q quiet) Printf(ctx context.Context, format string, v ...any) {
	q.log.DebugContext(ctx, fmt.Sprintf(format, v...))
}
