package target

import (
	"net/http"
	"strconv"
	"time"

	"oras.land/oras-go/v2/registry/remote/retry"
)

// headerTimeout is how long a registry may take to begin its answer: it may have taken in a large layer before.
const headerTimeout = time.Minute

// patientWait is how long a registry may want to be left alone.
const patientWait = time.Minute

// patient waits when a registry says that it has had too many requests (429), as long as it says, and asks four times in all.
// After other answers that pass go-containerregistry tries again by itself, but not after this one.
func patient(next http.RoundTripper) http.RoundTripper {
	policy := &retry.GenericPolicy{
		Retryable: func(resp *http.Response, err error) (bool, error) {
			if err != nil || resp.StatusCode != http.StatusTooManyRequests {
				return false, nil
			}
			seconds, err := strconv.Atoi(resp.Header.Get("Retry-After"))
			return err != nil || time.Duration(seconds)*time.Second <= patientWait, nil
		},
		Backoff:  retry.ExponentialBackoff(2*time.Second, 2, 0),
		MaxWait:  patientWait,
		MaxRetry: 3,
	}
	return &retry.Transport{Base: next, Policy: func() retry.Policy { return policy }}
}
