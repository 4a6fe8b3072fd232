package cluster

import (
	"net/http"
	"sync/atomic"

	"k8s.io/client-go/rest"
)

// Guard stands before the changes that a client makes under a [Lock]: once the Lock is lost, or cannot be proved any more, none is
// sent. It is for objects that cannot carry a fencing token, as those of a chart: what the token refuses at the API server for
// others is refused here for them, in the process itself.
//
// Not guaranteed: that a change which was sent before the loss arrives before the next holder's.
type Guard struct{ lock atomic.Pointer[Lock] }

// Under makes l the Lock that counts. Before the first one nothing is refused.
func (g *Guard) Under(l *Lock) { g.lock.Store(l) }

// Wrap returns a configuration whose clients are guarded.
func (g *Guard) Wrap(cfg *rest.Config) *rest.Config {
	cfg = rest.CopyConfig(cfg)
	cfg.Wrap(func(next http.RoundTripper) http.RoundTripper { return &guarded{guard: g, next: next} })
	return cfg
}

type guarded struct {
	guard *Guard
	next  http.RoundTripper
}

// RoundTrip implements [http.RoundTripper].
func (t *guarded) RoundTrip(r *http.Request) (*http.Response, error) {
	switch r.Method {
	case http.MethodGet, http.MethodHead, http.MethodOptions:
	default:
		if l := t.guard.lock.Load(); l != nil {
			if err := l.Held(); err != nil {
				if r.Body != nil {
					_ = r.Body.Close() // as the interface wants, also on an error
				}
				return nil, err
			}
		}
	}
	return t.next.RoundTrip(r)
}
