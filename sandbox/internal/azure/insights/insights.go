// Package insights stands in for workspace-based Application Insights: the
// ingestion endpoint, the Log Analytics query API and release annotations.
//
// It speaks what Microsoft's SDKs speak and is as strict as the service. What
// it knows of the service's behaviour comes from its documentation and from
// answers that were seen; where neither says, a comment does.
//
// Rows become visible late, and each API can be made to fail: see [Server.Control].
package insights

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/slipway-cd/slipway/sandbox/internal/azure/insights/envelope"
	"github.com/slipway-cd/slipway/sandbox/internal/azure/insights/fault"
	"github.com/slipway-cd/slipway/sandbox/internal/azure/insights/store"
)

// Limits of the service. A zero field stands for the documented limit.
type Limits struct {
	// Body is the size of an ingestion request in bytes, decoded: 4 MiB. The
	// service's own is not documented.
	Body int64
	// Queries are how many one user may start in Window: 200 in 30 s.
	Queries int
	Window  time.Duration
	// Concurrent queries of one user: 5.
	Concurrent int
	// Rows and Bytes of an answer: 500,000 and 100 MiB. More are cut off.
	Rows  int
	Bytes int
}

func (l *Limits) defaults() {
	l.Body = orDefault(l.Body, 4<<20)
	l.Queries = orDefault(l.Queries, 200)
	l.Window = orDefault(l.Window, 30*time.Second)
	l.Concurrent = orDefault(l.Concurrent, 5)
	l.Rows = orDefault(l.Rows, 500_000)
	l.Bytes = orDefault(l.Bytes, 100<<20)
}

func orDefault[T comparable](v, d T) T {
	var zero T
	if v == zero {
		return d
	}
	return v
}

// Options are what a Server needs.
type Options struct {
	// InstrumentationKey is the only one that is known.
	InstrumentationKey string
	// Component is the resource id of the Application Insights component.
	Component string
	// Workspace is the id (a GUID) of the Log Analytics workspace.
	Workspace string
	// Store keeps the telemetry.
	Store *store.Store
	// Verify checks a query's bearer token and says whose it is. An error is
	// ErrExpired or ErrAudience, or the token is simply wrong.
	Verify func(token string) (user string, err error)
	// VerifyARM does the same for annotations.
	VerifyARM func(token string) (user string, err error)
	// Now is the clock; nil means time.Now.
	Now    func() time.Time
	Limits Limits
	Log    *slog.Logger
}

// Server is the stand-in. Its handlers serve the different hosts of the service.
type Server struct {
	o           Options
	parser      *envelope.Parser
	lag         *lag
	throttle    *throttle
	ingestFault fault.Injector
	queryFault  fault.Injector
	annotations annotations
}

// New makes a stand-in with a delay of [DefaultDelay] and no faults.
func New(o Options) *Server {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Limits.defaults()
	return &Server{
		o:        o,
		parser:   &envelope.Parser{Keys: map[string]string{strings.ToLower(o.InstrumentationKey): o.Component}, Now: o.Now},
		lag:      newLag(Delay{Default: fault.Duration(DefaultDelay)}),
		throttle: newThrottle(o.Limits, o.Now),
	}
}

// Control changes and shows how the stand-in behaves. It is for tests and
// demonstrations, and must not be reachable by others:
//
//	GET             /control/             all of it, and how many rows there are
//	GET PUT DELETE  /control/delay        when rows become visible, see [Delay]
//	GET PUT DELETE  /control/query/fault  what goes wrong with queries, see [fault.Rule]
//	GET PUT DELETE  /control/ingest/fault what goes wrong with ingestion
//	GET             /control/annotations  the release annotations, oldest first
func (s *Server) Control() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /control/{$}", func(w http.ResponseWriter, _ *http.Request) {
		rows, err := s.o.Store.Stats()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		writeJSON(w, http.StatusOK, map[string]any{
			"rows": rows, "delay": s.lag.get(), "query": s.queryFault.State(), "ingest": s.ingestFault.State(),
			"annotations": len(s.annotations.list()),
		})
	})
	mux.Handle("/control/delay", s.lag)
	mux.Handle("/control/query/fault", &s.queryFault)
	mux.Handle("/control/ingest/fault", &s.ingestFault)
	mux.HandleFunc("GET /control/annotations", func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, s.annotations.list())
	})
	return mux
}

// sleep waits unless the client goes away first.
func sleep(r *http.Request, d time.Duration) bool {
	if d <= 0 {
		return true
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-r.Context().Done():
		return false
	}
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	_ = e.Encode(v) // the client is gone
}

// retryAfter sets the header in whole seconds, at least one.
func retryAfter(w http.ResponseWriter, d time.Duration) {
	if d > 0 {
		w.Header().Set("Retry-After", fmt.Sprint(max(1, int((d+time.Second-1)/time.Second))))
	}
}
