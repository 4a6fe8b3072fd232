package chart

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"
	"time"
)

const (
	// requestTimeout bounds one request that is not a watch, its answer included.
	requestTimeout = 30 * time.Second
	// closingTimeout bounds one request that records the end of an operation that was cut off.
	closingTimeout = 5 * time.Second
	// recordPrefix is how the Secrets are named in which Helm keeps releases.
	recordPrefix = "sh.helm.release.v1."
)

// fence ties every request of an operation to the operation's context, which the Helm SDK itself does not do: most
// of its requests are made with context.Background. Once the context has ended only requests for Helm's own release
// records pass, so that the revision can be marked failed.
type fence struct {
	next http.RoundTripper
	op   context.Context
}

func fenced(op context.Context) func(http.RoundTripper) http.RoundTripper {
	return func(next http.RoundTripper) http.RoundTripper { return &fence{next: next, op: op} }
}

// RoundTrip implements http.RoundTripper.
func (f *fence) RoundTrip(req *http.Request) (*http.Response, error) {
	record := isRecord(req)
	timeout := requestTimeout
	if f.op.Err() != nil {
		if !record {
			if req.Body != nil {
				_ = req.Body.Close() // a RoundTripper must, and there is nothing to do about an error
			}
			return nil, context.Cause(f.op)
		}
		timeout = closingTimeout
	}
	var (
		ctx    = req.Context()
		cancel context.CancelFunc
	)
	if q := req.URL.Query(); q.Get("watch") != "" || q.Get("follow") != "" {
		ctx, cancel = context.WithCancel(ctx)
	} else {
		ctx, cancel = context.WithTimeout(ctx, timeout)
	}
	// A record being written when the operation ends is let through: it is short, and says what happened.
	release := cancel
	if !record {
		stop := context.AfterFunc(f.op, cancel)
		release = func() { stop(); cancel() }
	}
	resp, err := f.next.RoundTrip(req.WithContext(ctx))
	if err != nil {
		defer release()
		switch {
		case f.op.Err() != nil && !record:
			err = context.Cause(f.op)
		case errors.Is(ctx.Err(), context.DeadlineExceeded) && req.Context().Err() == nil:
			err = fmt.Errorf("no answer within %v: %w", timeout, err)
		}
		return nil, err
	}
	resp.Body = &releasingBody{ReadCloser: resp.Body, release: release}
	return resp, nil
}

// isRecord tells whether a request is about the Secrets in which Helm keeps releases.
func isRecord(req *http.Request) bool {
	dir, name := path.Split(req.URL.Path)
	if strings.HasSuffix(dir, "/secrets/") {
		return strings.HasPrefix(name, recordPrefix)
	}
	return name == "secrets" && req.Method == http.MethodGet &&
		strings.Contains(req.URL.Query().Get("labelSelector"), "owner=helm")
}

type releasingBody struct {
	io.ReadCloser
	release func()
}

// Close implements io.Closer.
func (b *releasingBody) Close() error {
	defer b.release()
	return b.ReadCloser.Close()
}
