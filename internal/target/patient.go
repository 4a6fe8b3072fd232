package target

import (
	"context"
	"io"
	"net/http"
	"strconv"
	"time"
)

// How often a registry that has too many requests is asked, and how long it may want to be left alone.
const (
	patientTries = 4
	patientWait  = time.Minute
)

// headerTimeout is how long a registry may take to begin its answer: it may have taken in a large layer before.
const headerTimeout = time.Minute

// patient waits when a registry says that it has had too many requests (429), as long as it says. The registry library tries
// again by itself after other answers that pass, but not after this one.
type patient struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (p patient) RoundTrip(r *http.Request) (*http.Response, error) {
	for try := 1; ; try++ {
		resp, err := p.next.RoundTrip(r)
		if err != nil || resp.StatusCode != http.StatusTooManyRequests || try == patientTries || r.Body != nil && r.GetBody == nil {
			return resp, err
		}
		wait := time.Second << try
		if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil && seconds >= 0 {
			wait = time.Duration(seconds) * time.Second
		}
		if wait > patientWait {
			return resp, nil
		}
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<16)) // so that the connection can be used again
		_ = resp.Body.Close()
		if err := sleep(r.Context(), wait); err != nil {
			return nil, err
		}
		if r.GetBody != nil {
			r = r.Clone(r.Context())
			if r.Body, err = r.GetBody(); err != nil {
				return nil, err
			}
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
