package fault

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"math"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slipway-cd/slipway/apps/calculator/internal/wire"
)

func env(m map[string]string) func(string) string { return func(k string) string { return m[k] } }

func TestEverySettingIsRead(t *testing.T) {
	got, err := FromEnv(env(map[string]string{
		"FAULT_FAILURE_RATE": "0.2", "FAULT_ADDED_LATENCY": "150ms", "FAULT_LATENCY_SPREAD": "1s",
		"FAULT_CRASH_AFTER": "1m", "FAULT_MEMORY_LEAK": "1048576", "FAULT_START_DELAY": "5s", "FAULT_NEVER_READY": "true", "FAULT_RANDOM": "true",
	}))
	want := Config{FailureRate: .2, AddedLatency: 150 * time.Millisecond, LatencySpread: time.Second,
		CrashAfter: time.Minute, MemoryLeak: 1 << 20, StartDelay: 5 * time.Second, NeverReady: true, Random: true}
	if err != nil || got != want {
		t.Fatalf("FromEnv = %+v, %v; want %+v", got, err, want)
	}
	if got, err := FromEnv(env(nil)); err != nil || got != (Config{}) {
		t.Fatalf("FromEnv without variables = %+v, %v; want no faults", got, err)
	}
}

func TestABadSettingIsRefusedByName(t *testing.T) {
	for _, bad := range []struct{ name, value string }{
		{"FAULT_FAILURE_RATE", "1.5"}, {"FAULT_FAILURE_RATE", "-0.1"}, {"FAULT_FAILURE_RATE", "NaN"}, {"FAULT_FAILURE_RATE", "20%"},
		{"FAULT_ADDED_LATENCY", "fast"}, {"FAULT_ADDED_LATENCY", "-1s"}, {"FAULT_ADDED_LATENCY", "31s"},
		{"FAULT_LATENCY_SPREAD", "5"}, {"FAULT_LATENCY_SPREAD", "2000000h"}, {"FAULT_CRASH_AFTER", "soon"}, {"FAULT_START_DELAY", "-1s"},
		{"FAULT_MEMORY_LEAK", "10Mi"}, {"FAULT_MEMORY_LEAK", "-1"}, {"FAULT_NEVER_READY", "maybe"},
	} {
		if _, err := FromEnv(env(map[string]string{bad.name: bad.value})); err == nil || !strings.Contains(err.Error(), bad.name) {
			t.Errorf("%s=%s: got %v, want an error that names it", bad.name, bad.value, err)
		}
	}
	_, err := FromEnv(env(map[string]string{"FAULT_NEVER_READY": "maybe", "FAULT_MEMORY_LEAK": "x"}))
	if err == nil || !strings.Contains(err.Error(), "NEVER_READY") || !strings.Contains(err.Error(), "MEMORY_LEAK") {
		t.Errorf("two bad settings: got %v, want both named", err)
	}
}

var answering = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "fine") })

func call(t *testing.T, h http.Handler) int {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil))
	return w.Code
}

func TestFailuresAreSpreadEvenlyAtTheirRate(t *testing.T) {
	for _, rate := range []float64{0, .01, .05, .2, .5, .999, 1} {
		h := NewInjector(Config{FailureRate: rate}).Wrap(answering)
		failed := 0
		for n := 1; n <= 2000; n++ {
			if call(t, h) == http.StatusInternalServerError {
				failed++
			}
			if off := math.Abs(float64(failed) - rate*float64(n)); off > 3 {
				t.Fatalf("rate %g: %d of the first %d calls failed, %.1f off", rate, failed, n, off)
			}
		}
		if (rate == 0 && failed != 0) || (rate == 1 && failed != 2000) {
			t.Errorf("rate %g: %d of 2000 failed", rate, failed)
		}
	}
}

func TestFailuresThatAreChanceComeAtTheirRateButNotEvenly(t *testing.T) {
	handler := NewInjector(Config{FailureRate: 0.25, Random: true}).Wrap(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	const blocks, calls = 200, 100
	total, uneven := 0, 0
	for range blocks {
		failed := 0
		for range calls {
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/", nil))
			if w.Code != http.StatusOK {
				failed++
			}
		}
		total += failed
		if failed < 22 || failed > 28 {
			uneven++
		}
	}
	if share := float64(total) / (blocks * calls); share < 0.23 || share > 0.27 { // 6.5 standard deviations
		t.Errorf("%.3f of the calls failed", share)
	}
	if uneven < blocks/10 { // half of the blocks are, by chance
		t.Errorf("only %d of %d blocks have clearly more or fewer failures than the rate", uneven, blocks)
	}
}

func TestLatencyStaysInItsBoundsAndCoversThem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := NewInjector(Config{AddedLatency: 100 * time.Millisecond, LatencySpread: 50 * time.Millisecond}).Wrap(answering)
		low, high := time.Hour, time.Duration(0)
		for range 200 {
			start := time.Now()
			if code := call(t, h); code != http.StatusOK {
				t.Fatalf("code %d", code)
			}
			took := time.Since(start)
			low, high = min(low, took), max(high, took)
		}
		if low < 100*time.Millisecond || low > 102*time.Millisecond || high >= 150*time.Millisecond || high < 148*time.Millisecond {
			t.Errorf("latencies from %s to %s, want from 100ms to just under 150ms", low, high)
		}
	})
}

func TestACallerThatHasGoneIsNotWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		h := NewInjector(Config{AddedLatency: 20 * time.Second}).Wrap(
			http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the handler was called") }))
		start := time.Now()
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodPost, "/", nil))
		if took := time.Since(start); took != time.Second || w.Code != wire.StatusCallerGone {
			t.Errorf("returned %d after %s, want %d after 1s", w.Code, took, wire.StatusCallerGone)
		}
	})
}

func TestACrashComesAtItsTimeWithCode1(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start, codes := time.Now(), []int{}
		var log bytes.Buffer
		Run(t.Context(), Config{CrashAfter: 90 * time.Second, MemoryLeak: 100}, slog.New(slog.NewJSONHandler(&log, nil)),
			func(code int) { codes = append(codes, code) })
		if took := time.Since(start); took != 90*time.Second || len(codes) != 1 || codes[0] != 1 {
			t.Errorf("after %s exit codes %v, want [1] after 1m30s", took, codes)
		}
		if !strings.Contains(log.String(), "crashing, as configured") {
			t.Errorf("the log does not say why: %s", log.String())
		}
	})
}

func TestFaultsEndWithTheirContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		start := time.Now()
		Run(ctx, Config{MemoryLeak: 4 << 20}, slog.New(slog.DiscardHandler), func(int) { t.Error("exit was called") })
		if took := time.Since(start); took != 3*time.Second {
			t.Errorf("ended after %s, want 3s", took)
		}
		Run(ctx, Config{}, slog.New(slog.DiscardHandler), func(int) { t.Error("exit was called") })
	})
}
