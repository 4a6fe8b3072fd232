package parts

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/slipway-cd/slipway/sandbox/internal/layout"
	"github.com/slipway-cd/slipway/sandbox/internal/pki"
	"github.com/slipway-cd/slipway/sandbox/internal/supervisor"
)

var update = flag.Bool("update", false, "write the golden files")

var (
	lay     = layout.Layout{Dir: "/data", Bin: "/bin/slipway"}
	machine = Machine{
		Containerd: "/usr/bin/containerd", Redis: "/usr/bin/redis-server", CNIBin: "/usr/lib/cni",
		Snapshotter: "overlayfs", PauseImage: "sandbox.slipway.dev/pause:0123", RedisPassword: "secret",
	}
)

func golden(t *testing.T, name, got string) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll("testdata", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s differs; run with -update and look at the difference\ngot:\n%s", path, got)
	}
}

func TestConfigurationFilesAreAsReviewed(t *testing.T) {
	files, err := Configs(lay, machine)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, f := range files {
		fmt.Fprintf(&b, "=== %s %o\n%s\n", f.Path, f.Mode, f.Data)
	}
	golden(t, "configs.golden", b.String())
}

func units() []supervisor.Unit {
	no := func(context.Context) error { return nil }
	p := Probes{
		TLS:    func(string, string, string, string) func(context.Context) error { return no },
		HTTP:   func(string, string) func(context.Context) error { return no },
		Socket: func(string) func(context.Context) error { return no },
		Redis:  no, DNS: no,
	}
	return Units(lay, machine, Tasks{Pause: no, PauseReady: no, Base: no, BaseReady: no, NodeReady: no, RoutesReady: no}, p)
}

func TestCommandLinesAreAsReviewed(t *testing.T) {
	var b strings.Builder
	for _, u := range units() {
		fmt.Fprintf(&b, "%s after %v\n", u.Name, u.After)
		if !u.Task() {
			fmt.Fprintf(&b, "  %s %s\n    %s\n", u.Env, u.Path, strings.Join(u.Args, "\n    "))
		}
	}
	golden(t, "units.golden", b.String())
}

func TestUnitsCanBeStartedInTheirOrder(t *testing.T) {
	if _, err := supervisor.New(nil, units(), slog.New(slog.DiscardHandler)); err != nil {
		t.Error(err)
	}
}

func TestNoSecretIsOnACommandLine(t *testing.T) {
	for _, u := range units() {
		if strings.Contains(fmt.Sprint(u.Args, u.Env), machine.RedisPassword) {
			t.Errorf("%s has the password in its arguments or environment", u.Name)
		}
	}
}

func TestEveryKubeconfigHasItsCertificate(t *testing.T) {
	l := layout.Layout{Dir: t.TempDir()}
	cas, certs := Certificates()
	if _, err := (pki.Store{Dir: l.Path("pki")}).Ensure(cas, certs); err != nil {
		t.Fatal(err)
	}
	files, err := Kubeconfigs(l)
	if err != nil {
		t.Fatal(err)
	}
	if err := Write(files); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(l.Kubeconfig())
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the kubeconfig: %v %v", info, err)
	}
	// Writing the same again must leave the file alone: parts restart when it changes.
	if err := Write(files); err != nil {
		t.Fatal(err)
	}
	if again, err := os.Stat(l.Kubeconfig()); err != nil || !os.SameFile(info, again) {
		t.Error("an unchanged file was written again")
	}
}
