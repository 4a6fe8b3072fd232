package serve

import (
	"context"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slipway-cd/slipway/apps/calculator/internal/wire"
)

var id = wire.Identity{Host: "pod-1", Version: "v1", Slot: "blue"}

func get(t *testing.T, h http.Handler, path string) *http.Response {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil))
	return w.Result()
}

func TestEveryAnswerSaysWhoGaveIt(t *testing.T) {
	h := Handler(id, NewState(time.Now(), false), http.NotFoundHandler())
	for path, code := range map[string]int{"/ping": 200, "/healthz": 200, "/readyz": 200, "/nothing": 404} {
		r := get(t, h, path)
		if r.StatusCode != code || r.Header.Get("X-Host") != "pod-1" || r.Header.Get("X-Version") != "v1" || r.Header.Get("X-Slot") != "blue" {
			t.Errorf("GET %s: %d %v, want %d and who answered", path, r.StatusCode, r.Header, code)
		}
	}
}

func TestReadinessWaitsForTheStartDelayWhilePingAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := Handler(id, NewState(time.Now().Add(5*time.Second), false), http.NotFoundHandler())
		if r := get(t, h, "/readyz"); r.StatusCode != http.StatusServiceUnavailable {
			t.Errorf("before the delay: %d, want 503", r.StatusCode)
		}
		if r := get(t, h, "/ping"); r.StatusCode != http.StatusOK {
			t.Errorf("ping before the delay: %d, want 200", r.StatusCode)
		}
		time.Sleep(5 * time.Second) // on the bubble's clock
		if r := get(t, h, "/readyz"); r.StatusCode != http.StatusOK {
			t.Errorf("after the delay: %d, want 200", r.StatusCode)
		}
	})
}

func TestNeverReadyIsNeverReadyButAlive(t *testing.T) {
	h := Handler(id, NewState(time.Now(), true), http.NotFoundHandler())
	if r := get(t, h, "/readyz"); r.StatusCode != http.StatusServiceUnavailable {
		t.Errorf("readyz: %d, want 503", r.StatusCode)
	}
	if r := get(t, h, "/healthz"); r.StatusCode != http.StatusOK {
		t.Errorf("healthz: %d, want 200", r.StatusCode)
	}
}

func TestABadSettingIsRefusedByNameAtStart(t *testing.T) {
	for name, value := range map[string]string{
		"PORT": "99999", "DRAIN": "3", "VERSION": "v1 beta", "SLOT": "blue\nX-Evil: 1",
	} {
		_, err := FromEnv(func(k string) string { return map[string]string{name: value}[k] }, 8080)
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s=%q: got %v, want an error that names it", name, value, err)
		}
	}
	c, err := FromEnv(func(string) string { return "" }, 8080)
	if err != nil || c.Port != 8080 || c.Drain != DefaultDrain || c.Identity.Slot != "none" || c.Identity.Version != "dev" {
		t.Errorf("defaults: %+v, %v", c, err)
	}
}

// The whole way out, step by step: told to stop, unready, still serving new connections,
// then closed, and the request that was under way all the time is answered.
func TestDrainLosesNoRequest(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	base := "http://" + l.Addr().String()
	entered, release := make(chan struct{}), make(chan struct{})
	drainStarted, drainOver := make(chan time.Duration, 1), make(chan time.Time)
	state := NewState(time.Now(), false)
	server := &Server{
		State: state, Drain: 7 * time.Second, Log: slog.New(slog.DiscardHandler),
		After: func(d time.Duration) <-chan time.Time { drainStarted <- d; return drainOver },
		Handler: Handler(id, state, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/slow" {
				close(entered)
				<-release
			}
			_, _ = io.WriteString(w, "done")
		})),
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- server.Run(ctx, l) }()

	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	ask := func(path string) (int, bool, error) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, base+path, nil)
		if err != nil {
			return 0, false, err
		}
		resp, err := client.Do(req)
		if err != nil {
			return 0, false, err
		}
		defer func() { _ = resp.Body.Close() }()
		_, err = io.Copy(io.Discard, resp.Body)
		return resp.StatusCode, resp.Close, err
	}
	slow := make(chan error, 1)
	go func() {
		_, _, err := ask("/slow")
		slow <- err
	}()
	<-entered
	if code, closing, err := ask("/readyz"); code != 200 || closing || err != nil {
		t.Fatalf("before the stop: readyz %d, connection to close %t, %v", code, closing, err)
	}
	stop()
	if d := <-drainStarted; d != 7*time.Second {
		t.Errorf("drains for %s, want 7s", d)
	}
	if code, _, err := ask("/readyz"); code != http.StatusServiceUnavailable || err != nil {
		t.Errorf("while draining: readyz %d, %v; want 503", code, err)
	}
	for range 50 {
		if code, closing, err := ask("/"); code != 200 || !closing || err != nil {
			t.Fatalf("while draining: %d, connection to close %t, %v; want 200 and to close", code, closing, err)
		}
	}
	close(drainOver)
	close(release)
	if err := <-slow; err != nil {
		t.Errorf("the request under way was lost: %v", err)
	}
	if err := <-ended; err != nil {
		t.Errorf("Run: %v", err)
	}
	if _, _, err := ask("/"); err == nil {
		t.Error("the port is still open after the end")
	}
}
