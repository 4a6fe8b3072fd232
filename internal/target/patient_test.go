package target

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// busy is a registry that has too many requests for a while.
type busy struct {
	times      int // that it says so
	retryAfter string
	bodies     []string
}

func (b *busy) RoundTrip(r *http.Request) (*http.Response, error) {
	body := ""
	if r.Body != nil {
		raw, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		body = string(raw)
	}
	b.bodies = append(b.bodies, body)
	rec := httptest.NewRecorder()
	if len(b.bodies) <= b.times {
		if b.retryAfter != "" {
			rec.Header().Set("Retry-After", b.retryAfter)
		}
		rec.WriteHeader(http.StatusTooManyRequests)
	}
	return rec.Result(), nil
}

func TestARegistryWithTooManyRequestsIsLeftAloneForAsLongAsItSays(t *testing.T) {
	for name, c := range map[string]struct {
		busy   busy
		status int
		tries  int
		took   time.Duration
	}{
		"never":               {busy{}, 200, 1, 0},
		"twice":               {busy{times: 2, retryAfter: "7"}, 200, 3, 14 * time.Second},
		"without saying when": {busy{times: 2}, 200, 3, 6 * time.Second},
		"for ever":            {busy{times: 99, retryAfter: "1"}, 429, 4, 3 * time.Second},
		"for an hour":         {busy{times: 1, retryAfter: "3600"}, 429, 1, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://registry.example/oauth2/token", strings.NewReader("scope"))
				if err != nil {
					t.Fatal(err)
				}
				began := time.Now()
				resp, err := patient(&c.busy).RoundTrip(r)
				if err != nil {
					t.Fatal(err)
				}
				if took := time.Since(began); resp.StatusCode != c.status || len(c.busy.bodies) != c.tries || took != c.took {
					t.Errorf("answered %d after %d tries in %s, want %d, %d, %s", resp.StatusCode, len(c.busy.bodies), took, c.status, c.tries, c.took)
				}
				for _, body := range c.busy.bodies {
					if body != "scope" {
						t.Errorf("a try had the body %q", body)
					}
				}
			})
		})
	}
}

func TestWaitingForARegistryEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		r, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://registry.example/v2/", nil)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := patient(&busy{times: 1, retryAfter: "30"}).RoundTrip(r); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
}
