package build_test

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/slipway-cd/slipway/internal/build"
	"github.com/slipway-cd/slipway/internal/config"
)

// program compiles one, with cgo or without.
func program(t *testing.T, says string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte("package main\n\nfunc main() { println(\""+says+"\") }\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("go", "build", "-o", "program", "main.go")
	cmd.Dir, cmd.Env = dir, append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=-trimpath")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return filepath.Join(dir, "program")
}

// guarded gives the project an environment that wants a guardian.
func (p *project) guarded() {
	p.config.Environments = map[string]config.Environment{"prod": {Namespace: "shop", Host: "shop.test", Strategy: config.Strategy{Canary: &config.Canary{}}}}
}

func TestTheProgramItselfIsBesideTheBundleAsItsGuardian(t *testing.T) {
	r := newRegistry(t)
	p := newProject(t, r.host)
	p.commit(t)
	p.guarded()
	file := program(t, "one")
	with := func(o *build.Options) { o.Program = file }
	first, seen := p.mustBuild(t, with)
	if w := seen.warnings(); len(w) > 0 {
		t.Errorf("warnings: %q", w)
	}
	g := first.Bundle.Guardian
	if g == nil || g.Arch == "" || g.Repository != r.host+"/team/slipway-guardian" || !slices.Contains(first.Pushed, "image of the guardian") {
		t.Fatalf("the bundle has the guardian %+v, pushed were %q", g, first.Pushed)
	}
	img := image(t, g.Reference())
	c, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if c.OS != "linux" || c.Architecture != g.Arch || c.Config.User != "65532:65532" || !slices.Equal(c.Config.Entrypoint, []string{"/slipway"}) {
		t.Errorf("the image is configured as %+v", c)
	}
	layers, err := img.Layers()
	if err != nil || len(layers) != 1 {
		t.Fatalf("%d layers, %v", len(layers), err)
	}
	content, err := layers[0].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	archive := tar.NewReader(content)
	head, err := archive.Next()
	if err != nil || head.Name != "slipway" || head.Mode != 0o755 {
		t.Fatalf("the layer begins with %+v, %v", head, err)
	}
	got, _ := io.ReadAll(archive)
	want, _ := os.ReadFile(file)
	if !bytes.Equal(got, want) {
		t.Error("the image has another program")
	}

	r.written()
	second, _ := p.mustBuild(t, with)
	if w := r.written(); len(w) > 0 || second.Digest != first.Digest {
		t.Errorf("the same program is pushed again (%q), or makes another bundle", w)
	}
	file = program(t, "two")
	third, _ := p.mustBuild(t, with)
	if third.Bundle.Guardian.Digest == g.Digest {
		t.Error("another program has the same image")
	}
}

func TestABuildThatCanMakeNoGuardianSaysSo(t *testing.T) {
	script := filepath.Join(t.TempDir(), "slipway")
	if err := os.WriteFile(script, []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	r := newRegistry(t)
	p := newProject(t, r.host)
	res, seen := p.mustBuild(t, func(o *build.Options) { o.Program = script })
	if w := seen.warnings(); len(w) > 0 && strings.Contains(strings.Join(w, " "), "guardian") || res.Bundle.Guardian != nil {
		t.Errorf("nobody wants a guardian, but: %q, %+v", w, res.Bundle.Guardian)
	}
	p.guarded()
	res, seen = p.mustBuild(t, func(o *build.Options) { o.Program = script })
	if w := strings.Join(seen.warnings(), " "); !strings.Contains(w, "releases of this bundle have no guardian") || res.Bundle.Guardian != nil {
		t.Errorf("warnings: %q, guardian %+v", w, res.Bundle.Guardian)
	}
}
