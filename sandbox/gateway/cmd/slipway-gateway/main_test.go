package main

import (
	"bytes"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const kubeconfig = `apiVersion: v1
kind: Config
clusters: [{name: c, cluster: {server: "https://127.0.0.1:1"}}]
contexts: [{name: c, context: {cluster: c}}]
current-context: c
`

func TestWrongUsageExitsWith2AndOneLine(t *testing.T) {
	for _, args := range [][]string{{}, {"--bogus"}, {"--kubeconfig", "/nowhere/at/all"}} {
		t.Setenv("KUBECONFIG", "")
		var out, errs bytes.Buffer
		if code := run(args, &out, &errs); code != 2 {
			t.Errorf("%q: exit code %d, want 2", args, code)
		}
		if got := errs.String(); strings.Count(got, "\n") != 1 || !strings.HasPrefix(got, "slipway-gateway: ") || out.Len() > 0 {
			t.Errorf("%q: wrote %q and %q", args, got, out.String())
		}
	}
}

func TestATakenPortIsSaidAtOnceWithItsFlag(t *testing.T) {
	t.Setenv("KUBECONFIG", "")
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := os.WriteFile(path, []byte(kubeconfig), 0o600); err != nil {
		t.Fatal(err)
	}
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	free.Close()

	for _, c := range []struct{ flag, http, metrics string }{
		{"--http", taken.Addr().String(), free.Addr().String()},
		{"--metrics", free.Addr().String(), taken.Addr().String()},
	} {
		var out, errs bytes.Buffer
		code := run([]string{"--kubeconfig", path, "--http", c.http, "--metrics", c.metrics}, &out, &errs)
		if code != 2 {
			t.Errorf("%s taken: exit code %d, want 2", c.flag, code)
		}
		if got := errs.String(); !strings.Contains(got, taken.Addr().String()+" is already in use") || !strings.Contains(got, c.flag) {
			t.Errorf("%s taken: said %q", c.flag, got)
		}
	}
}

func TestHelpAndVersionExitWith0(t *testing.T) {
	for _, arg := range []string{"--help", "--version"} {
		var out, errs bytes.Buffer
		if code := run([]string{arg}, &out, &errs); code != 0 || out.Len() == 0 || errs.Len() > 0 {
			t.Errorf("%s: exit code %d, wrote %q and %q", arg, code, out.String(), errs.String())
		}
	}
}
