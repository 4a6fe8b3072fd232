// Package front is the calculator's frontend: a web page and the call behind it.
package front

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"go.opentelemetry.io/otel/metric"
	"go.opentelemetry.io/otel/trace"

	"github.com/slipway-cd/slipway/apps/calculator/internal/fault"
	"github.com/slipway-cd/slipway/apps/calculator/internal/wire"
)

// Timeout bounds a call to the backend.
const Timeout = 10 * time.Second

// maxAnswer bounds what is read of a backend's answer, in bytes.
const maxAnswer = 64 << 10

// Cache keeps factors. Its methods never fail and never take long; ok tells whether the
// cache works.
type Cache interface {
	Get(ctx context.Context, n wire.Number) (f wire.Factors, found, ok bool)
	Put(ctx context.Context, f wire.Factors) (ok bool)
}

// Frontend answers GET / with the page and POST /api/calculate with a wire.Answer.
type Frontend struct {
	Identity wire.Identity
	Backend  string          // base URL, for example http://calculator-backend
	Cache    Cache           // nil: none
	Faults   *fault.Injector // shown to API calls only
	Log      *slog.Logger
	Client   *http.Client  // NewClient
	Timeout  time.Duration // of a call to the backend; 0 means the constant Timeout
	Meter    metric.Meter  // nil: nothing is measured

	recorder *recorder
}

// NewClient returns the client for the backend: keep-alive, no proxy, no redirects. It has no timeout:
// that of an http.Client costs a goroutine for each call when its Transport is wrapped.
func NewClient() *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			MaxIdleConnsPerHost: 64,
			// Shorter than the backend's own, so that the backend never closes first.
			IdleConnTimeout: 30 * time.Second,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// Handler returns the frontend's handler.
func (f *Frontend) Handler() (http.Handler, error) {
	page, err := newPage()
	if err != nil {
		return nil, fmt.Errorf("making the page: %w", err)
	}
	if f.recorder, err = newRecorder(f.Meter); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	mux.Handle("GET /{$}", page)
	mux.Handle("POST /api/calculate", f.Faults.Wrap(http.HandlerFunc(f.calculate)))
	return mux, nil
}

func (f *Frontend) calculate(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	req, err := wire.ReadRequest(w, r)
	if err != nil {
		wire.WriteError(w, http.StatusBadRequest, err.Error())
		return
	}
	ctx := r.Context()
	answer := wire.Answer{Number: req.Number, Frontend: f.Identity, Cache: wire.CacheOff}
	var found wire.Factors
	if f.Cache != nil {
		var ok bool
		found, answer.Cached, ok = f.Cache.Get(ctx, req.Number)
		answer.Cache = cacheState(ok)
	}
	if !answer.Cached {
		if found, err = f.ask(ctx, req); err != nil {
			f.refuse(w, r, err)
			return
		}
		if f.Cache != nil {
			answer.Cache = cacheState(f.Cache.Put(ctx, found))
		}
	}
	answer.Factors, answer.Backend = found.Factors, found.Backend
	answer.Milliseconds = float64(time.Since(start).Microseconds()) / 1000
	f.recorder.record(ctx, answer)
	wire.WriteJSON(w, http.StatusOK, answer)
}

func cacheState(ok bool) string {
	if ok {
		return wire.CacheOK
	}
	return wire.CacheDown
}

// refuse answers a call that the backend did not help with.
func (f *Frontend) refuse(w http.ResponseWriter, r *http.Request, err error) {
	if r.Context().Err() != nil {
		w.WriteHeader(wire.StatusCallerGone)
		return
	}
	trace.SpanFromContext(r.Context()).RecordError(err)
	f.Log.WarnContext(r.Context(), "no answer from the backend", "error", err.Error())
	code := http.StatusBadGateway
	if timeout := (interface{ Timeout() bool })(nil); errors.As(err, &timeout) && timeout.Timeout() {
		code = http.StatusGatewayTimeout
	}
	wire.WriteError(w, code, err.Error())
}

func (f *Frontend) ask(ctx context.Context, req wire.Request) (wire.Factors, error) {
	ctx, cancel := context.WithTimeout(ctx, cmp.Or(f.Timeout, Timeout))
	defer cancel()
	body, err := json.Marshal(req)
	if err != nil {
		return wire.Factors{}, fmt.Errorf("encoding the question to the backend: %w", err)
	}
	out, err := http.NewRequestWithContext(ctx, http.MethodPost, f.Backend+"/factors", bytes.NewReader(body))
	if err != nil {
		return wire.Factors{}, fmt.Errorf("asking the backend: %w", err)
	}
	out.Header.Set("Content-Type", "application/json")
	// Factors change nothing: tells the transport (and nobody else, for an empty value is
	// not sent) that it may ask again when a kept connection turns out to be closed.
	out.Header["Idempotency-Key"] = nil
	resp, err := f.Client.Do(out)
	if err != nil {
		return wire.Factors{}, fmt.Errorf("asking the backend: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	if err != nil {
		return wire.Factors{}, fmt.Errorf("reading the backend's answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		var said wire.Error
		if json.Unmarshal(raw, &said) != nil || said.Error == "" {
			said.Error = "no reason given"
		}
		return wire.Factors{}, fmt.Errorf("the backend answered %s: %s", resp.Status, said.Error)
	}
	var found wire.Factors
	if err := json.Unmarshal(raw, &found); err != nil {
		return wire.Factors{}, fmt.Errorf("reading the backend's answer: %w", err)
	}
	return found, nil
}
