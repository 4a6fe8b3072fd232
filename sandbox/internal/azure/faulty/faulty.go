// Package faulty puts faults on demand in front of a service's handler.
package faulty

import (
	"net/http"
	"strconv"
	"time"

	"github.com/slipway-cd/slipway/sandbox/internal/azure/insights/fault"
)

// StatusCut as a rule's status cuts the connection without an answer, as nginx
// names it.
const StatusCut = 444

// Handler applies the injector's rule to what next serves. refuse writes the
// service's own words for a status; Retry-After is set already.
func Handler(i *fault.Injector, refuse func(w http.ResponseWriter, status int), next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		rule, met := i.Next()
		if !met {
			next.ServeHTTP(w, r)
			return
		}
		if delay := time.Duration(rule.Delay); delay > 0 {
			select {
			case <-time.After(delay):
			case <-r.Context().Done():
				return
			}
		}
		switch rule.Status {
		case 0:
			next.ServeHTTP(w, r)
		case StatusCut:
			panic(http.ErrAbortHandler) // net/http's own way to cut a connection
		default:
			if after := time.Duration(rule.RetryAfter); after > 0 {
				w.Header().Set("Retry-After", strconv.Itoa(int(after.Seconds())))
			}
			refuse(w, rule.Status)
		}
	})
}
