package azure

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/slipway-cd/slipway/sandbox/internal/layout"
	"github.com/slipway-cd/slipway/sandbox/internal/pki"
)

// config is one on free ports, with certificates in a directory of the test.
func config(t testing.TB) Config {
	t.Helper()
	dir := t.TempDir()
	_, err := pki.Store{Dir: filepath.Join(dir, "pki")}.Ensure([]string{"ca"},
		[]pki.Cert{{Name: "azure", CA: "ca", CN: "azure", Hosts: []string{"127.0.0.1"}}})
	if err != nil {
		t.Fatal(err)
	}
	const free = "127.0.0.1:0"
	return Config{
		Dir:         filepath.Join(dir, "azure"),
		Certificate: filepath.Join(dir, "pki", "azure.crt"), Key: filepath.Join(dir, "pki", "azure.key"), CA: filepath.Join(dir, "pki", "ca.crt"),
		Tenant: layout.AzureTenant, ClientID: layout.AzureClientID, ObjectID: layout.AzureObjectID,
		Workspace: layout.AzureWorkspace, InstrumentationKey: layout.AzureInstrumentationKey, Component: layout.AzureComponent,
		Listen: Listen{Ingest: free, IngestTLS: free, Query: free, Entra: free, Vault: free, ARM: free, Control: free},
	}
}

// start serves until the test ends, or until stop is called.
func start(t *testing.T, c Config) (a *Azure, stop func()) {
	t.Helper()
	a, err := Listening(c, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Serve(ctx) }()
	// The sockets are open already, so that the first request waits for what follows.
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("serving ended with %v", err)
		}
	}
	t.Cleanup(stop)
	control(t, a, http.MethodPut, "delay", `{"default":"0s"}`)
	return a, stop
}

// control calls the control interface and gives its answer.
func control(t *testing.T, a *Azure, method, path, body string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, a.Client().Control+"/control/"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	raw, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %s %s %v", method, path, resp.Status, raw, err)
	}
	return string(raw)
}

func TestClientFilesSayWhatClientsNeed(t *testing.T) {
	c := config(t)
	a, _ := start(t, c)
	var client Client
	raw, err := os.ReadFile(filepath.Join(c.Dir, "azure.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &client); err != nil {
		t.Fatal(err)
	}
	if client != a.Client() {
		t.Errorf("azure.json is %s", raw)
	}
	text, err := os.ReadFile(filepath.Join(c.Dir, "connection-string"))
	if want := "InstrumentationKey=" + layout.AzureInstrumentationKey + ";IngestionEndpoint=http://" + a.Addresses().Ingest + "/"; err != nil || string(text) != want {
		t.Errorf("connection-string is %q (%v), want %q", text, err, want)
	}
	for _, file := range []string{client.CA, client.TokenFile} {
		if data, err := os.ReadFile(file); err != nil || len(bytes.TrimSpace(data)) == 0 {
			t.Errorf("%s: %q %v", file, data, err)
		}
	}
}

func TestConfigurationsThatCannotBeServed(t *testing.T) {
	good := config(t)
	for name, c := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"fields missing":    {func(c *Config) { c.Tenant, c.CA = "", "" }, "missing: ca, tenant"},
		"control reachable": {func(c *Config) { c.Listen.Control = "10.123.0.1:5099" }, "must be a loopback address"},
		"control by name":   {func(c *Config) { c.Listen.Control = ":5099" }, "must be a loopback address"},
	} {
		bad := good
		c.change(&bad)
		raw, err := json.Marshal(bad)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "azure.json")
		if err := os.WriteFile(file, raw, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := LoadConfig(file); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: %v", name, err)
		}
	}
	file := filepath.Join(t.TempDir(), "azure.json")
	if err := os.WriteFile(file, []byte(`{"tenent":""}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadConfig(file); err == nil || !strings.Contains(err.Error(), `unknown field "tenent"`) {
		t.Errorf("an unknown field: %v", err)
	}
}

func TestTelemetrySurvivesTheProcess(t *testing.T) {
	c := config(t)
	a, stop := start(t, c)
	body := strings.ReplaceAll(`{"name":"n","time":"TIME","iKey":"`+c.InstrumentationKey+`","data":{"baseType":"EventData","baseData":{"name":"e"}}}`,
		"TIME", time.Now().UTC().Format(time.RFC3339Nano))
	resp, err := http.Post("http://"+a.Addresses().Ingest+"/v2.1/track", "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		t.Fatalf("ingestion answers %s", resp.Status)
	}
	stop()
	b, _ := start(t, c)
	if got := control(t, b, http.MethodGet, "", ""); !strings.Contains(got, `"visible":{"AppEvents":1}`) {
		t.Errorf("after a restart: %s", got)
	}
}

func TestATakenAddressIsNamed(t *testing.T) {
	c := config(t)
	a, _ := start(t, c)
	again := config(t)
	again.Listen.Query = a.Addresses().Query
	if _, err := Listening(again, slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), again.Listen.Query) {
		t.Errorf("the error is %v", err)
	}
}
