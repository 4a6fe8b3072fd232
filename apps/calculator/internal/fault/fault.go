package fault

import (
	"context"
	"fmt"
	"log/slog"
	"math"
	"math/rand/v2"
	"net/http"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/trace"

	"github.com/slipway-cd/slipway/apps/calculator/internal/wire"
)

// Calls a second at which memory is leaked: often enough to grow smoothly.
const leakTicks = 10

// golden is 2⁶⁴ divided by the golden ratio. Its multiples, modulo 2⁶⁴, spread more evenly
// than chance: among any n calls in a row the share of failures is within a few calls
// of the rate, so that a test need not wait for luck.
const golden = 0x9E3779B97F4A7C15

// Injector shows the configured faults to the requests that pass it.
type Injector struct {
	config Config
	calls  atomic.Uint64
}

// NewInjector returns an Injector for c.
func NewInjector(c Config) *Injector { return &Injector{config: c} }

// Wrap puts the faults in front of an API handler: first the latency, then the failure.
// Wrap only API handlers with it; /ping and /healthz are to stay true.
func (i *Injector) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		point := i.calls.Add(1) * golden
		if i.config.Random {
			point = rand.Uint64()
		}
		if err := wait(r.Context(), i.config.latency(point)); err != nil {
			w.WriteHeader(wire.StatusCallerGone)
			return
		}
		if i.config.fails(point) {
			err := fmt.Errorf("injected failure: this release is configured to fail %g of its calls", i.config.FailureRate)
			trace.SpanFromContext(r.Context()).RecordError(err)
			wire.WriteError(w, http.StatusInternalServerError, err.Error())
			return
		}
		next.ServeHTTP(w, r)
	})
}

// fails decides from an evenly spread point of [0, 2⁶⁴).
func (c Config) fails(point uint64) bool {
	if c.FailureRate >= 1 {
		return true
	}
	return point < uint64(math.Ldexp(c.FailureRate, 64))
}

// latency maps the point to AddedLatency plus a part of LatencySpread. The bits are
// swapped round so that slowness does not go hand in hand with failure.
func (c Config) latency(point uint64) time.Duration {
	if c.LatencySpread == 0 {
		return c.AddedLatency
	}
	part := math.Ldexp(float64(point*golden), -64)
	return c.AddedLatency + time.Duration(part*float64(c.LatencySpread))
}

func wait(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Run shows the faults that need no request: it crashes, by calling exit(1), and leaks
// memory. It returns when ctx is done, at once if there is nothing to show, or after
// exit returns.
func Run(ctx context.Context, c Config, log *slog.Logger, exit func(code int)) {
	if c != (Config{}) {
		log.WarnContext(ctx, "this release is configured to misbehave", "failureRate", c.FailureRate,
			"addedLatency", c.AddedLatency.String(), "latencySpread", c.LatencySpread.String(),
			"crashAfter", c.CrashAfter.String(), "memoryLeak", c.MemoryLeak,
			"startDelay", c.StartDelay.String(), "neverReady", c.NeverReady)
	}
	if c.CrashAfter == 0 && c.MemoryLeak == 0 {
		return
	}
	var crash <-chan time.Time // nil: never
	if c.CrashAfter > 0 {
		t := time.NewTimer(c.CrashAfter)
		defer t.Stop()
		crash = t.C
	}
	var leak <-chan time.Time
	if c.MemoryLeak > 0 {
		t := time.NewTicker(time.Second / leakTicks)
		defer t.Stop()
		leak = t.C
	}
	var kept [][]byte
	for {
		select {
		case <-ctx.Done():
			log.DebugContext(ctx, "faults end", "leakedChunks", len(kept))
			return
		case <-crash:
			log.ErrorContext(ctx, "crashing, as configured", "crashAfter", c.CrashAfter.String())
			exit(1)
			return
		case <-leak:
			kept = append(kept, touched(c.MemoryLeak/leakTicks))
		}
	}
}

// touched returns n bytes that are really resident: an untouched page costs nothing.
func touched(n int64) []byte {
	chunk := make([]byte, n)
	for i := 0; i < len(chunk); i += 4096 {
		chunk[i] = 1
	}
	return chunk
}
