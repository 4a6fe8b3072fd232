// Package wire carries requests to handlers without a network, so that tests of clients and stand-ins can have a time of
// their own (testing/synctest).
package wire

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"sync"
	"syscall"
	"time"
)

// Wire is an http.RoundTripper, and a transport of the Azure SDK. Hosts that it does not know refuse connections.
type Wire struct {
	// Latency of each request; set it before the first one.
	Latency time.Duration
	// Asked are the requests so far.
	Asked

	mu       sync.Mutex
	handlers map[string]http.Handler
	now, max int // requests under way
}

// Handle lets a handler answer for a host.
func (w *Wire) Handle(host string, h http.Handler) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.handlers == nil {
		w.handlers = map[string]http.Handler{}
	}
	w.handlers[host] = h
}

// Max is how many requests were under way at once, at most.
func (w *Wire) Max() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.max
}

// RoundTrip implements http.RoundTripper.
func (w *Wire) RoundTrip(r *http.Request) (*http.Response, error) { return w.Do(r) }

// Do implements policy.Transporter. A handler that panics with http.ErrAbortHandler cuts the connection.
func (w *Wire) Do(r *http.Request) (resp *http.Response, err error) {
	if r.Body != nil {
		defer r.Body.Close()
	}
	handler := w.begin(r)
	defer func() {
		w.mu.Lock()
		w.now--
		w.mu.Unlock()
		if p := recover(); p == http.ErrAbortHandler {
			resp, err = nil, io.ErrUnexpectedEOF
		} else if p != nil {
			panic(p)
		}
	}()
	if handler == nil {
		return nil, os.NewSyscallError("connect", syscall.ECONNREFUSED)
	}
	time.Sleep(w.Latency)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	in := r.Clone(r.Context())
	in.RequestURI = r.URL.RequestURI()
	if in.Body == nil {
		in.Body = http.NoBody
	}
	rec := httptest.NewRecorder()
	handler.ServeHTTP(rec, in)
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	resp = rec.Result()
	resp.Request = r
	return resp, nil
}

func (w *Wire) begin(r *http.Request) http.Handler {
	w.Add(r)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.now++
	w.max = max(w.max, w.now)
	return w.handlers[r.URL.Host]
}
