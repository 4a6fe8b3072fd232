package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"github.com/slipway-cd/slipway/apps/calculator/internal/load"
)

func TestFailOverDecidesTheExitCode(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	args := []string{"--url", server.URL, "--rate", "200", "--duration", "50ms", "--output", "json", "--record", filepath.Join(t.TempDir(), "r")}
	for allowed, want := range map[string]int{"-1": exitOK, "0": exitInternal, "1000": exitOK} {
		var out, messages bytes.Buffer
		if code := run(t.Context(), append(args, "--fail-over", allowed), &out, &messages); code != want {
			t.Errorf("--fail-over %s: exit %d, want %d (%s)", allowed, code, want, messages.String())
		}
		var r load.Report
		if err := json.Unmarshal(out.Bytes(), &r); err != nil || r.Total.Failures == 0 {
			t.Errorf("--fail-over %s: report %s, %v", allowed, out.String(), err)
		}
	}
}

func TestWrongFlagsExit2AndSayWhatIsWanted(t *testing.T) {
	for want, args := range map[string][]string{
		"--rate 0":          {"--rate", "0"},
		"--url":             {"--url", "localhost:80"},
		"unexpected":        {"now"},
		"--output":          {"--output", "yaml"},
		"Name: value":       {"--header", "x"},
		"not defined":       {"--speed", "1"},
		"want 0 or more":    {"--duration", "-1s"},
		"want more than 0":  {"--workers", "0"},
		"invalid value \"x": {"--duration", "x"},
	} {
		var messages bytes.Buffer
		if code := run(t.Context(), args, &bytes.Buffer{}, &messages); code != exitUsage || !strings.Contains(messages.String(), want) {
			t.Errorf("%v: exit %d, %q; want 2 and %q", args, code, messages.String(), want)
		}
	}
}
