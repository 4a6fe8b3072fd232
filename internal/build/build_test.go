package build_test

import (
	"archive/tar"
	"errors"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"github.com/slipway-cd/slipway/internal/build"
	"github.com/slipway-cd/slipway/internal/bundle"
	"github.com/slipway-cd/slipway/internal/config"
	"github.com/slipway-cd/slipway/internal/event"
)

func TestABuildPushesWhatItsBundleNames(t *testing.T) {
	r := newRegistry(t)
	p := newProject(t, r.host)
	p.commit(t)
	result, seen := p.mustBuild(t)

	pulled, err := bundle.Pull(t.Context(), result.Reference)
	if err != nil {
		t.Fatal(err)
	}
	b := pulled.Bundle
	if b.Service != "shop" || b.Builder != "slipway test" || len(b.Source.Commit) != 40 || b.Version != b.Source.Commit[:12] || b.Source.Dirty {
		t.Errorf("bundle is %+v", b)
	}
	if string(pulled.ConfigYAML) != "apiVersion: slipway.dev/v1\nservice: shop\n" {
		t.Errorf("configuration is %q", pulled.ConfigYAML)
	}
	for name, app := range map[string]string{"web": "/ko-app/web", "worker": "/ko-app/worker"} {
		img := image(t, b.Images[name].Reference())
		cfg, err := img.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		if cfg.Config.User != "65532:65532" || cfg.OS != "linux" || cfg.Architecture != "amd64" || cfg.Created.Unix() != 0 || !slices.Equal(cfg.Config.Entrypoint, []string{app}) {
			t.Errorf("image %s: user %s, platform %s/%s, created %s, entrypoint %v", name, cfg.Config.User, cfg.OS, cfg.Architecture, cfg.Created, cfg.Config.Entrypoint)
		}
		if out := runBinary(t, b.Images[name].Reference(), app); strings.TrimSpace(out) != name {
			t.Errorf("the binary in image %s printed %q", name, out)
		}
	}
	image(t, b.Chart.Repository+"@"+b.Chart.Digest)
	image(t, b.Chart.Repository+":0.1.0")
	if w := seen.warnings(); len(w) > 0 {
		t.Errorf("warnings: %q", w)
	}
	last := seen.list[len(seen.list)-1]
	if last.Kind != event.Progress || last.Took <= 0 || len(last.Fields) == 0 || last.Fields[0].Value != result.Reference {
		t.Errorf("the last event is %+v", last)
	}
}

// runBinary takes the program out of an image and runs it.
func runBinary(t *testing.T, ref, path string) string {
	t.Helper()
	files := mutate.Extract(image(t, ref))
	defer files.Close()
	for archive := tar.NewReader(files); ; {
		h, err := archive.Next()
		if err != nil {
			t.Fatalf("no %s in %s: %v", path, ref, err)
		}
		if "/"+strings.TrimPrefix(h.Name, "/") != path {
			continue
		}
		file := t.TempDir() + "/app"
		content, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, content, 0o755); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command(file).CombinedOutput()
		if err != nil {
			t.Fatal(err)
		}
		return string(out)
	}
}

func TestTheSameSourceGivesTheSameDigests(t *testing.T) {
	r := newRegistry(t)
	here := newProject(t, r.host)
	here.commit(t)
	first, _ := here.mustBuild(t)

	// Another directory, another cache, an empty registry, and variables that would change what go makes.
	there := &project{dir: t.TempDir() + "/elsewhere", config: here.config}
	git(t, here.dir, "clone", "--quiet", here.dir, there.dir)
	r.reset()
	t.Setenv("KOCACHE", t.TempDir())
	t.Setenv("GOFLAGS", "-tags=extra")
	t.Setenv("GOAMD64", "v2")
	t.Setenv("GOOS", "darwin")
	second, _ := there.mustBuild(t)
	if first.Digest != second.Digest {
		t.Errorf("two checkouts of one commit gave %s and %s:\n%+v\n%+v", first.Digest, second.Digest, first.Bundle, second.Bundle)
	}
	if len(second.Pushed) == 0 {
		t.Error("the second build pushed nothing to an empty registry, so it proves nothing")
	}
}

func TestASecondBuildPushesNothing(t *testing.T) {
	r := newRegistry(t)
	p := newProject(t, r.host)
	p.commit(t)
	first, _ := p.mustBuild(t)
	if r.written(); len(first.Pushed) != 6 {
		t.Errorf("the first build pushed %q", first.Pushed)
	}
	second, _ := p.mustBuild(t)
	if w := r.written(); len(w) > 0 || len(second.Pushed) > 0 {
		t.Errorf("the second build wrote %q and reported %q", w, second.Pushed)
	}
	if first.Digest != second.Digest {
		t.Errorf("digests %s and %s", first.Digest, second.Digest)
	}
	t.Logf("first %s, second %s", first.Took, second.Took)
}

func TestTwoBuildsAtOnceComeToTheSame(t *testing.T) {
	r := newRegistry(t)
	p := newProject(t, r.host)
	results := make(chan string, 2)
	for range 2 {
		go func() {
			result, _, err := p.build(t)
			if err != nil {
				results <- err.Error()
				return
			}
			results <- result.Digest
		}()
	}
	if a, b := <-results, <-results; a != b || !strings.HasPrefix(a, "sha256:") {
		t.Errorf("one came to %s, the other to %s", a, b)
	}
}

func TestACommitThatChangesNothingKeepsTheImages(t *testing.T) {
	r := newRegistry(t)
	p := newProject(t, r.host)
	p.commit(t)
	first, _ := p.mustBuild(t)
	p.write(t, "README.md", "hello\n")
	git(t, p.dir, "add", "--all")
	git(t, p.dir, "commit", "--quiet", "--message", "two")
	second, _ := p.mustBuild(t)
	if first.Bundle.Images["web"] != second.Bundle.Images["web"] || first.Bundle.Chart != second.Bundle.Chart {
		t.Errorf("a README changed the images or the chart:\n%+v\n%+v", first.Bundle, second.Bundle)
	}
	if first.Digest == second.Digest {
		t.Error("two commits gave one bundle")
	}
}

func TestEveryImageHasAnSPDXDocument(t *testing.T) {
	r := newRegistry(t)
	p := newProject(t, r.host)
	result, _ := p.mustBuild(t)
	for name, img := range result.Bundle.Images {
		manifest := image(t, img.Repository+":"+strings.Replace(img.Digest, ":", "-", 1)+".sbom")
		layers, err := manifest.Layers()
		if err != nil || len(layers) != 1 {
			t.Fatalf("%d layers, %v", len(layers), err)
		}
		if mt, _ := layers[0].MediaType(); mt != "text/spdx+json" {
			t.Errorf("SBOM of %s is %s", name, mt)
		}
		blob, err := layers[0].Uncompressed()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(blob)
		if err != nil {
			t.Fatal(err)
		}
		doc := decode[struct {
			Version  string `json:"spdxVersion"`
			Packages []struct{ Name string }
		}](t, content)
		var names []string
		for _, pkg := range doc.Packages {
			names = append(names, pkg.Name)
		}
		if !strings.HasPrefix(doc.Version, "SPDX-2") || !slices.Contains(names, img.Digest) {
			t.Errorf("SBOM of %s: %s names %q", name, doc.Version, names)
		}
	}
}

func TestSeveralPlatformsMakeAnIndex(t *testing.T) {
	r := newRegistry(t)
	p := newProject(t, r.host)
	p.config.Build.Images = map[string]config.Image{"web": {Go: "cmd/web", Platforms: []string{"linux/amd64", "linux/arm64", "linux/arm/v7"}}}
	result, _ := p.mustBuild(t)
	if got := platforms(t, result.Bundle.Images["web"].Reference()); !slices.Equal(got, []string{"linux/amd64", "linux/arm64", "linux/arm/v7"}) {
		t.Errorf("platforms are %v", got)
	}
}

func TestABaseImageIsBuiltUpon(t *testing.T) {
	r := newRegistry(t)
	p := newProject(t, r.host)
	base := pushBase(t, r.host+"/base:1")
	p.config.Build.Images = map[string]config.Image{"web": {Go: "cmd/web", Base: r.host + "/base:1"}}
	result, _ := p.mustBuild(t)
	img := image(t, result.Bundle.Images["web"].Reference())
	m, err := img.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if m.Annotations["org.opencontainers.image.base.digest"] != base || !slices.Contains(cfg.Config.Env, "FROM_BASE=yes") {
		t.Errorf("annotations %v, environment %v", m.Annotations, cfg.Config.Env)
	}
}

func TestUncommittedChangesAreRecorded(t *testing.T) {
	r := newRegistry(t)
	p := newProject(t, r.host)
	p.commit(t)
	clean, _ := p.mustBuild(t)

	p.write(t, "notes.txt", "one\n")
	dirty, seen := p.mustBuild(t)
	if w := seen.warnings(); len(w) != 1 || !strings.Contains(w[0], "1 uncommitted change in the git repository (notes.txt)") {
		t.Errorf("warnings are %q", w)
	}
	if s := dirty.Bundle.Source; !s.Dirty || s.Content == "" || s.Commit != clean.Bundle.Source.Commit {
		t.Errorf("source is %+v", s)
	}
	if !strings.HasPrefix(dirty.Bundle.Version, clean.Bundle.Version+"-dirty-") {
		t.Errorf("version is %s", dirty.Bundle.Version)
	}
	again, _ := p.mustBuild(t)
	if again.Digest != dirty.Digest {
		t.Error("the same uncommitted change gave another digest")
	}
	p.write(t, "notes.txt", "two\n")
	if other, _ := p.mustBuild(t); other.Bundle.Version == dirty.Bundle.Version {
		t.Errorf("another uncommitted change has the same version, %s", other.Bundle.Version)
	}
}

func TestWithoutGitTheContentNamesTheVersion(t *testing.T) {
	r := newRegistry(t)
	p := newProject(t, r.host)
	first, seen := p.mustBuild(t)
	if w := seen.warnings(); len(w) != 1 || !strings.Contains(w[0], "cannot record the commit") {
		t.Errorf("warnings are %q", w)
	}
	if !strings.HasPrefix(first.Bundle.Version, "nogit-") || first.Bundle.Source.Commit != "" {
		t.Errorf("bundle is %+v", first.Bundle)
	}
	p.write(t, "cmd/web/main.go", "package main\n\nfunc main() { println(\"other\") }\n")
	if second, _ := p.mustBuild(t); second.Bundle.Version == first.Bundle.Version {
		t.Error("another source has the same version")
	}
}

func TestAVersionCanBeGiven(t *testing.T) {
	r := newRegistry(t)
	p := newProject(t, r.host)
	result, _ := p.mustBuild(t, func(o *build.Options) { o.Version = "v1.2.3" })
	digest, err := bundle.Resolve(t.Context(), bundle.Repository(p.config.Registry, "shop")+":v1.2.3")
	if err != nil || digest != result.Digest {
		t.Errorf("the tag names %s (%v), the bundle is %s", digest, err, result.Digest)
	}
	_, _, err = p.build(t, func(o *build.Options) { o.Version = "no tag" })
	var usage *build.UsageError
	if !errors.As(err, &usage) {
		t.Errorf("a version that is no tag: %v", err)
	}
}
