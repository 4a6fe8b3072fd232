// Package cache keeps answers in Redis. It is never in the way: when Redis is slow or
// gone, callers are told so within a bounded time and calculate for themselves.
package cache

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
	// Public certificate authorities: the images have no /etc/ssl, and a managed Redis
	// has a publicly trusted certificate. Used only where no ca.crt is given.
	_ "golang.org/x/crypto/x509roots/fallback"

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
	read := func(name, absent string) (string, error) {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if errors.Is(err, fs.ErrNotExist) && absent != "" {
			return absent, nil
		}
		if err != nil {
			return "", fmt.Errorf("reading Redis settings: %w", err)
		}
		return strings.TrimSpace(string(b)), nil
	}
	host, err := read("host", "")
	if err != nil {
		return nil, err
	}
	port, err := read("port", defaultPort)
	if err != nil {
		return nil, err
	}
	if _, err := read("password", ""); err != nil {
		return nil, err
	}
	roots, err := authorities(filepath.Join(dir, "ca.crt"))
	if err != nil {
		return nil, err
	}
	redis.SetLogger(quiet{log})
	client := redis.NewClient(&redis.Options{
		Addr: net.JoinHostPort(host, port),
		CredentialsProviderContext: func(context.Context) (string, string, error) {
			password, err := read("password", "")
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
	return &Redis{client: client, prefix: "calculator:" + version + ":", log: log}, nil
}

// authorities reads PEM certificates; nil, which means the public ones, if there is no file.
func authorities(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading Redis settings: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("reading Redis settings: %s holds no PEM certificate", file)
	}
	return pool, nil
}

// Get returns the factors kept for n. found is false when there are none, and ok is
// false when Redis could not say; it never takes longer than Timeout.
func (r *Redis) Get(ctx context.Context, n wire.Number) (f wire.Factors, found, ok bool) {
	if r.paused() {
		return f, false, false
	}
	bounded, cancel := context.WithTimeout(ctx, Timeout)
	defer cancel()
	raw, err := r.client.Get(bounded, r.prefix+n.String()).Bytes()
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
	if err := r.client.Set(bounded, r.prefix+f.Number.String(), raw, Keep).Err(); err != nil {
		r.failed(ctx, "set", err)
		return false
	}
	r.worked(ctx)
	return true
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
