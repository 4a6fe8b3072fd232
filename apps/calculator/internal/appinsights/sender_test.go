package appinsights

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/slipway-cd/slipway/apps/calculator/internal/appinsights/appinsightstest"
)

// sending runs a test on a clock of its own, with a tracer whose spans go to a Service that answers as
// the script says. logged tells the lines of the log.
func sending(t *testing.T, script []appinsightstest.Answer, test func(t *testing.T, s *appinsightstest.Service, e *Exporter, span func(name string), logged func() string)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		var lines bytes.Buffer
		log := slog.New(slog.NewTextHandler(locked{&mu, &lines}, nil))
		s := appinsightstest.New(t, script...)
		e := exporter(t, s, 100, log)
		tracer := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(e.Spans())).Tracer("test")
		span := func(name string) {
			_, one := tracer.Start(t.Context(), name, trace.WithSpanKind(trace.SpanKindServer))
			one.End()
		}
		test(t, s, e, span, func() string { mu.Lock(); defer mu.Unlock(); return lines.String() })
		_ = e.Shutdown(context.Background()) // tests that are about it call it themselves
	})
}

type locked struct {
	mu *sync.Mutex
	w  *bytes.Buffer
}

func (l locked) Write(b []byte) (int, error) { l.mu.Lock(); defer l.mu.Unlock(); return l.w.Write(b) }

func names(items []appinsightstest.Item) string {
	var names []string
	for _, i := range items {
		names = append(names, fmt.Sprint(i.Base["name"]))
	}
	return strings.Join(names, " ")
}

func TestABatchWaitsASecondForMore(t *testing.T) {
	sending(t, nil, func(t *testing.T, s *appinsightstest.Service, _ *Exporter, span func(string), _ func() string) {
		span("a")
		time.Sleep(900 * time.Millisecond) // on the bubble's clock, as all sleeps here
		span("b")
		synctest.Wait()
		if n := len(s.Posts()); n != 0 {
			t.Errorf("%d posts before the second was over, want none", n)
		}
		time.Sleep(200 * time.Millisecond)
		synctest.Wait()
		if n, got := len(s.Posts()), names(s.Items("RequestData")); n != 1 || got != "a b" {
			t.Errorf("%d posts of %q, want one of both", n, got)
		}
	})
}

func TestABigBatchDoesNotWait(t *testing.T) {
	sending(t, nil, func(t *testing.T, s *appinsightstest.Service, _ *Exporter, span func(string), _ func() string) {
		for range maxBatch / 300 { // an item is longer than that
			span("a")
			synctest.Wait()
		}
		if n := len(s.Posts()); n == 0 {
			t.Error("nothing was sent before the second was over")
		}
	})
}

func TestWhatIsNotAcceptedForNowIsSentAgainInOrder(t *testing.T) {
	busy := appinsightstest.Answer{Status: http.StatusTooManyRequests, Header: http.Header{"Retry-After": {"7"}}}
	script := []appinsightstest.Answer{busy, {Err: errors.New("connection reset")}, {Status: 503}, {Status: 500}, {Status: 439}}
	sending(t, script, func(t *testing.T, s *appinsightstest.Service, e *Exporter, span func(string), logged func() string) {
		span("a")
		time.Sleep(3 * time.Second)
		span("b") // must wait behind a
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		posts := s.Posts()
		if got := names(s.Items("RequestData")); len(posts) != 7 || got != "a b" {
			t.Fatalf("%d posts, accepted %q; want 7 and both, in order", len(posts), got)
		}
		if wait := posts[1].Sub(posts[0]); wait != 7*time.Second {
			t.Errorf("waited %s, want the 7s of Retry-After", wait)
		}
		for i, most := range []time.Duration{1, 2, 4, 8} {
			most *= time.Second
			if wait := posts[i+2].Sub(posts[i+1]); wait < most/2 || wait > most {
				t.Errorf("wait %d is %s, want %s to %s", i+1, wait, most/2, most)
			}
		}
		if l := e.Losses(); l != (Losses{}) {
			t.Errorf("losses %+v, want none", l)
		}
		if log := logged(); strings.Count(log, "telemetry is not accepted") != 1 || !strings.Contains(log, "429 Too Many Requests") || strings.Count(log, "accepted again") != 1 {
			t.Errorf("the log should tell once that it fails, why, and once that it works: %s", log)
		}
	})
}

func TestOfAPartialAnswerOnlyWhatIsWorthItIsSentAgain(t *testing.T) {
	script := []appinsightstest.Answer{{Errors: map[int]int{0: 400, 2: 500, 3: 429}}, {Errors: map[int]int{1: 503}}}
	sending(t, script, func(t *testing.T, s *appinsightstest.Service, e *Exporter, span func(string), _ func() string) {
		for _, name := range []string{"bad", "b", "c", "d"} {
			span(name)
		}
		time.Sleep(10 * time.Second)
		synctest.Wait()
		if got := names(s.Items("RequestData")); got != "b c d" || len(s.Posts()) != 3 {
			t.Errorf("accepted %q in %d posts, want b, c and d once each in 3", got, len(s.Posts()))
		}
		if l := e.Losses(); l != (Losses{Refused: 1}) {
			t.Errorf("losses %+v, want one refused", l)
		}
	})
}

func TestWhatIsRefusedForGoodIsCountedAndNotSentAgain(t *testing.T) {
	for _, a := range []appinsightstest.Answer{{Status: 400}, {Status: 402}, {Status: 404}, {Status: 413},
		{Status: 206, Body: "<html>"}, {Errors: map[int]int{0: 400, 1: 402}}} {
		sending(t, []appinsightstest.Answer{a}, func(t *testing.T, s *appinsightstest.Service, e *Exporter, span func(string), _ func() string) {
			span("a")
			span("b")
			time.Sleep(time.Minute)
			synctest.Wait()
			if l := e.Losses(); l != (Losses{Refused: 2}) || len(s.Posts()) != 1 {
				t.Errorf("%+v: losses %+v after %d posts, want 2 refused after one", a, l, len(s.Posts()))
			}
		})
	}
}

func TestAnAnswerOf200CountsWhateverItSays(t *testing.T) {
	for _, body := range []string{"", "<html>", `{"itemsReceived":1,"itemsAccepted":1,"errors":[{"index":17,"statusCode":500}]}`} {
		sending(t, []appinsightstest.Answer{{Status: 200, Body: body}}, func(t *testing.T, s *appinsightstest.Service, e *Exporter, span func(string), _ func() string) {
			span("a")
			time.Sleep(time.Minute)
			synctest.Wait()
			if l := e.Losses(); l != (Losses{}) || len(s.Posts()) != 1 {
				t.Errorf("%q: losses %+v after %d posts, want none after one", body, l, len(s.Posts()))
			}
		})
	}
}

func TestAfterTenMinutesABatchIsLateAndTheNextOneHasItsTurn(t *testing.T) {
	var script []appinsightstest.Answer
	for range 3 {
		script = append(script, appinsightstest.Answer{Status: 503, Header: http.Header{"Retry-After": {"301"}}})
	}
	sending(t, script, func(t *testing.T, s *appinsightstest.Service, e *Exporter, span func(string), _ func() string) {
		span("a")
		time.Sleep(2 * time.Second)
		span("b")
		time.Sleep(20 * time.Minute)
		synctest.Wait()
		if got := names(s.Items("RequestData")); got != "b" || e.Losses() != (Losses{Late: 1}) {
			t.Errorf("accepted %q, losses %+v; want b, and one late", got, e.Losses())
		}
	})
}

func TestRetryAfterMayBeADateButNotForEver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for v, want := range map[string]time.Duration{
			"": 0, "soon": 0, "-3": 0, "0": 0, "12": 12 * time.Second, " 12 ": 12 * time.Second, "999999": patience, "99999999999999999999": 0,
			time.Now().Add(90 * time.Second).UTC().Format(http.TimeFormat): 90 * time.Second,
			time.Now().Add(-time.Hour).UTC().Format(http.TimeFormat):       0,
			time.Now().Add(48 * time.Hour).UTC().Format(http.TimeFormat):   patience,
		} {
			if got := retryAfter(http.Header{"Retry-After": {v}}); got != want {
				t.Errorf("%q: %s, want %s", v, got, want)
			}
		}
	})
}

func TestAFullBacklogDropsAndCountsAndDoesNotWait(t *testing.T) {
	lost := &losses{}
	s := newSender("http://ingestion.example", nil, nil, lost, nil) // nobody sends
	for range 5 {
		s.offer(packed{body: make([]byte, maxBacklog/4), items: 10})
	}
	if n := len(s.batches); n != 4 || lost.now() != (Losses{Full: 10}) {
		t.Errorf("%d batches kept, losses %+v; want 4, and 10 items lost", n, lost.now())
	}
}

func TestAFullQueueDropsAndCountsAndDoesNotWait(t *testing.T) {
	e := &Exporter{queue: make(chan item, 2), losses: &losses{}} // nobody encodes
	tracer := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(e.Spans())).Tracer("test")
	for range 5 {
		_, span := tracer.Start(t.Context(), "a")
		span.End()
	}
	if len(e.queue) != 2 || e.Losses() != (Losses{Full: 3}) {
		t.Errorf("%d kept, losses %+v; want 2, and 3 lost", len(e.queue), e.Losses())
	}
}

func TestLossesAreToldToTheLogOnceAMinute(t *testing.T) {
	sending(t, []appinsightstest.Answer{{Status: 400}, {Status: 400}}, func(t *testing.T, _ *appinsightstest.Service, _ *Exporter, span func(string), logged func() string) {
		span("a")
		span("b")
		time.Sleep(10 * time.Second)
		span("c")
		time.Sleep(3 * time.Minute)
		synctest.Wait()
		if log := logged(); strings.Count(log, "telemetry was lost") != 1 || !strings.Contains(log, "full=0 refused=3 late=0") {
			t.Errorf("the log should tell once of 3: %s", log)
		}
	})
}

func TestShutdownSendsWhatIsLeft(t *testing.T) {
	sending(t, nil, func(t *testing.T, s *appinsightstest.Service, e *Exporter, span func(string), _ func() string) {
		start := time.Now()
		for range 1000 {
			span("a")
			synctest.Wait()
		}
		if err := e.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if n, took := len(s.Items("RequestData")), time.Since(start); n != 1000 || took != 0 {
			t.Errorf("%d items sent, after %s; want 1000 at once", n, took)
		}
		span("b")
		if err := e.Flush(t.Context()); err == nil || e.Losses() != (Losses{Late: 1}) {
			t.Errorf("after the end: Flush gives %v, losses %+v; want an error, and one late", err, e.Losses())
		}
	})
}

func TestShutdownTriesOnceMoreAndTellsWhatWasNotSent(t *testing.T) {
	script := []appinsightstest.Answer{{Status: 503}, {Status: 503}, {Status: 503}}
	sending(t, script, func(t *testing.T, s *appinsightstest.Service, e *Exporter, span func(string), logged func() string) {
		span("a")
		time.Sleep(1100 * time.Millisecond) // a is refused, and waits to be sent again
		span("b")
		start := time.Now()
		err := e.Shutdown(t.Context())
		if err == nil || !strings.Contains(err.Error(), "2 items were not sent") || time.Since(start) != 0 || len(s.Posts()) != 3 {
			t.Errorf("after %s and %d posts: %v; want 2 items not sent, at once, after 3", time.Since(start), len(s.Posts()), err)
		}
		if !strings.Contains(logged(), "late=2") {
			t.Errorf("the log does not tell of the losses: %s", logged())
		}
	})
}

// hanging never answers.
type hanging struct{}

func (hanging) RoundTrip(r *http.Request) (*http.Response, error) {
	<-r.Context().Done()
	return nil, r.Context().Err()
}

func TestShutdownEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := exporter(t, hanging{}, 100, slog.New(slog.DiscardHandler))
		tracer := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(e.Spans())).Tracer("test")
		for range 3 {
			_, span := tracer.Start(t.Context(), "a")
			span.End()
			time.Sleep(batchEvery)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		start := time.Now()
		err := e.Shutdown(ctx)
		if took := time.Since(start); took != 3*time.Second || err == nil || !strings.Contains(err.Error(), "3 items were not sent") {
			t.Errorf("after %s: %v; want 3 items not sent, after 3s", took, err)
		}
	})
}

func TestFlushEndsWithItsContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := exporter(t, hanging{}, 100, slog.New(slog.DiscardHandler))
		defer func() { _ = e.Shutdown(context.Background()) }()
		_, span := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(e.Spans())).Tracer("test").Start(t.Context(), "a")
		span.End()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := e.Flush(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v, want the deadline", err)
		}
	})
}

func TestABatchHoldsNoItemTwiceAndLosesNone(t *testing.T) {
	b := newBatch()
	for i := range 10 {
		b.add(envelope{Name: fmt.Sprint(i)})
	}
	p, err := b.pack().only(func(i int) bool { return i%3 == 0 })
	if err != nil || p.items != 4 {
		t.Fatalf("%d items, %v; want 4", p.items, err)
	}
	if p, err = p.only(func(i int) bool { return i == 3 }); err != nil || p.items != 1 {
		t.Fatalf("%d items, %v; want the last", p.items, err)
	}
	if b.items != 0 || b.lines.Len() != 0 {
		t.Errorf("the batch does not begin anew: %d items", b.items)
	}
}
