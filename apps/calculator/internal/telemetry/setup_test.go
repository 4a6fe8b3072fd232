package telemetry_test

import (
	"bytes"
	"encoding/pem"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/slipway-cd/slipway/apps/calculator/internal/appinsights/appinsightstest"
	"github.com/slipway-cd/slipway/apps/calculator/internal/telemetry"
	"github.com/slipway-cd/slipway/apps/calculator/internal/wire"
)

func TestWithoutSettingsItIsOffAndSaysSoOnce(t *testing.T) {
	var log bytes.Buffer
	tel, err := telemetry.Start(t.Context(), telemetry.Config{}, "calculator-frontend", wire.Identity{}, slog.New(slog.NewTextHandler(&log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	next := http.NotFoundHandler()
	tel.Handler(next).ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	if got := tel.Transport(http.DefaultTransport); got != http.DefaultTransport {
		t.Errorf("calls go through %T, want nothing in between", got)
	}
	if err := tel.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	if strings.Count(log.String(), "\n") != 1 || !strings.Contains(log.String(), "telemetry is off") || !strings.Contains(log.String(), "TELEMETRY_DIR") {
		t.Errorf("the log should say it in one line, and why: %s", log.String())
	}
}

func TestAWrongSecretIsRefusedByItsFile(t *testing.T) {
	good := appinsightstest.ConnectionString("https://x.com")
	for want, files := range map[string]map[string]string{
		"connection-string: no such file":         {},
		"/connection-string: connection string":   {"connection-string": "InstrumentationKey=hunter2"},
		"it is empty":                             {"connection-string": " \n"},
		"ca.crt holds no PEM certificate":         {"connection-string": good, "ca.crt": "nonsense"},
		"reading where telemetry goes: open /non": nil,
	} {
		dir := "/nonexistent"
		if files != nil {
			dir = secret(t, files)
		}
		_, err := telemetry.Start(t.Context(), telemetry.Config{Dir: dir}, "x", wire.Identity{}, slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%v: got %v, want an error with %q and without the key", files, err, want)
		}
	}
}

func TestTLSNeedsTheAuthorityOfTheSecret(t *testing.T) {
	s := appinsightstest.New(t)
	server := httptest.NewUnstartedServer(s)
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	server.StartTLS()
	defer server.Close()
	ca := string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}))
	connection := appinsightstest.ConnectionString(server.URL)
	for name, files := range map[string]map[string]string{
		"with":    {"connection-string": connection, "ca.crt": ca},
		"without": {"connection-string": connection},
	} {
		tel, err := telemetry.Start(t.Context(), telemetry.Config{Dir: secret(t, files)}, name, wire.Identity{}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		tel.Handler(http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
		if err := tel.Shutdown(t.Context()); (err == nil) != (name == "with") {
			t.Errorf("%s the authority: %v", name, err)
		}
	}
	only(t, s, "with", "RequestData")
}

func TestOTLPIsASwitchBesideApplicationInsights(t *testing.T) {
	var mu sync.Mutex
	got := map[string]string{}
	collector := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		got[r.URL.Path+" "+r.Header.Get("Content-Type")] += string(body)
	}))
	defer collector.Close()
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", collector.URL)
	services, s := recorded(t, setup{config: telemetry.Config{OTLP: true}})
	services.ask("POST", "/api/calculate")
	services.flush()
	only(t, s, "calculator-frontend", "RequestData")
	mu.Lock()
	defer mu.Unlock()
	for call, wants := range map[string][]string{
		"/v1/traces application/x-protobuf":  {"calculator-frontend", "calculator-backend", "POST /api/calculate", "green"},
		"/v1/metrics application/x-protobuf": {"calculator-frontend", "calculations", "green"},
	} {
		for _, want := range wants {
			if !strings.Contains(got[call], want) {
				t.Errorf("%s does not tell of %s", call, want)
			}
		}
	}
}

func TestSettingsAreReadAndBadOnesRefusedByName(t *testing.T) {
	from := func(env map[string]string) (telemetry.Config, error) {
		return telemetry.FromEnv(func(k string) string { return env[k] })
	}
	for ratio, every := range map[string]int{"": 1, "1": 1, "0.5": 2, "0.333": 3, "0.33": 3, ".25": 4, "0.1": 10, "0.05": 20, "0.001": 1000} {
		c, err := from(map[string]string{"TELEMETRY_DIR": "/etc/x", "TELEMETRY_SAMPLING_RATIO": ratio, "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4318"})
		if want := (telemetry.Config{Dir: "/etc/x", Every: every, OTLP: true}); err != nil || c != want {
			t.Errorf("ratio %q: %+v, %v; want %+v", ratio, c, err, want)
		}
	}
	if c, err := from(nil); err != nil || c != (telemetry.Config{Every: 1}) {
		t.Errorf("nothing set: %+v, %v", c, err)
	}
	for _, bad := range []struct{ name, value string }{
		{"TELEMETRY_SAMPLING_RATIO", "0"}, {"TELEMETRY_SAMPLING_RATIO", "-0.5"}, {"TELEMETRY_SAMPLING_RATIO", "2"}, {"TELEMETRY_SAMPLING_RATIO", "0.7"},
		{"TELEMETRY_SAMPLING_RATIO", "0.0001"}, {"TELEMETRY_SAMPLING_RATIO", "5%"}, {"TELEMETRY_SAMPLING_RATIO", "NaN"}, {"TELEMETRY_SAMPLING_RATIO", "Inf"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4318"}, {"OTEL_EXPORTER_OTLP_ENDPOINT", "grpc://collector:4317"},
	} {
		if _, err := from(map[string]string{bad.name: bad.value}); err == nil || !strings.Contains(err.Error(), bad.name) {
			t.Errorf("%s=%s: got %v, want an error that names it", bad.name, bad.value, err)
		}
	}
}
