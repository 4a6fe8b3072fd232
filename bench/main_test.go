package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestWrongFlagsExit2AndSayWhatIsWanted(t *testing.T) {
	for want, args := range map[string][]string{
		"fewer than 5":   {"--runs", "4"},
		"text or json":   {"-o", "yaml"},
		"no part":        {"--only", "start,nonsense"},
		"unexpected":     {"now"},
		"not defined":    {"--speed", "1"},
		"make bench":     {"--root", t.TempDir()},
		"is not built (": {"--root", t.TempDir(), "--only", "start"},
	} {
		var out, messages bytes.Buffer
		if code := run(t.Context(), args, &out, &messages); code != exitUsage || !strings.Contains(messages.String(), want) {
			t.Errorf("%v: exit %d, %q; want 2 and %q", args, code, messages.String(), want)
		}
	}
}

func TestPartsAreChosenByName(t *testing.T) {
	root := t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"slipway", "slipway-sandbox", "slipway-cluster", "slipway-gateway", "helm4", "loadgen"} {
		if err := os.WriteFile(filepath.Join(root, "bin", name), nil, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	o, err := parse([]string{"--root", root, "--only", "start,whole"}, &bytes.Buffer{})
	if err != nil {
		t.Fatal(err)
	}
	if !o.wants("start") || !o.wants("whole") || o.wants("back") {
		t.Errorf("%+v wants other parts than start and whole", o)
	}
}
