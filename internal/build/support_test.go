package build_test

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"log"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/slipway-cd/slipway/internal/build"
	"github.com/slipway-cd/slipway/internal/bundle"
	"github.com/slipway-cd/slipway/internal/config"
	"github.com/slipway-cd/slipway/internal/event"
)

// TestMain keeps the tests' binaries out of the user's build cache.
func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "slipway-build-test-")
	if err != nil {
		log.Fatal(err)
	}
	os.Setenv("KOCACHE", dir)
	os.Setenv("DOCKER_CONFIG", dir) // no credentials of the machine's user
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// fakeRegistry is a registry in memory that counts what is written and refuses what it is told to.
type fakeRegistry struct {
	host string

	mu      sync.Mutex
	handler http.Handler
	writes  []string
	refuse  func(*http.Request) int
}

func newRegistry(t *testing.T) *fakeRegistry {
	t.Helper()
	r := &fakeRegistry{}
	r.reset()
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	r.host = strings.TrimPrefix(server.URL, "http://")
	return r
}

// reset forgets everything that was pushed.
func (r *fakeRegistry) reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.handler = registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	r.writes = nil
}

func (r *fakeRegistry) refuseWith(f func(*http.Request) int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.refuse = f
}

// written is what was written since the last call.
func (r *fakeRegistry) written() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	w := r.writes
	r.writes = nil
	return w
}

func (r *fakeRegistry) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	handler, refuse := r.handler, r.refuse
	r.mu.Unlock()
	status := 0
	if refuse != nil {
		status = refuse(req) // may panic, which cuts the connection
	}
	r.mu.Lock()
	if status == 0 && req.Method != http.MethodGet && req.Method != http.MethodHead {
		r.writes = append(r.writes, req.Method+" "+req.URL.Path)
	}
	r.mu.Unlock()
	if status != 0 {
		http.Error(w, "told to", status)
		return
	}
	handler.ServeHTTP(w, req)
}

// fakeCharts stands in for internal/chart: it packs a directory, and refuses a chart with a file called "broken".
type fakeCharts struct {
	remote []remote.Option
}

func (fakeCharts) Package(dir string) (string, string, []byte, error) {
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	archive := tar.NewWriter(zip)
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		if d.Name() == "broken" {
			return errors.New("templates/deployment.yaml:3: unclosed action")
		}
		content, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		rel, _ := filepath.Rel(dir, path)
		if err := archive.WriteHeader(&tar.Header{Name: rel, Mode: 0o644, Size: int64(len(content))}); err != nil {
			return err
		}
		_, err = archive.Write(content)
		return err
	})
	err = errors.Join(err, archive.Close(), zip.Close())
	return "shop", "0.1.0", out.Bytes(), err
}

func (c fakeCharts) Push(ctx context.Context, ref string, tgz []byte) (string, error) {
	tag, err := name.NewTag(ref)
	if err != nil {
		return "", err
	}
	img := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), "application/vnd.cncf.helm.config.v1+json")
	img, err = mutate.AppendLayers(img, static.NewLayer(tgz, "application/vnd.cncf.helm.chart.content.v1.tar+gzip"))
	if err != nil {
		return "", err
	}
	if err := remote.Write(tag, img, append([]remote.Option{remote.WithContext(ctx)}, c.remote...)...); err != nil {
		return "", bundle.AsRegistryError(tag.RegistryStr(), err)
	}
	h, err := img.Digest()
	return h.String(), err
}

// project is a service with two images in two Go modules and a chart.
type project struct {
	dir    string
	config *config.Config
}

func newProject(t *testing.T, registry string) *project {
	t.Helper()
	p := &project{dir: t.TempDir()}
	p.write(t, "go.mod", "module example.com/shop\n\ngo 1.24\n")
	p.write(t, "cmd/web/main.go", "package main\n\nfunc main() { println(\"web\") }\n")
	p.write(t, "lib/lib.go", "// Package lib is no program.\npackage lib\n")
	p.write(t, "nested/go.mod", "module example.com/nested\n\ngo 1.24\n")
	p.write(t, "nested/worker/main.go", "package main\n\nfunc main() { println(\"worker\") }\n")
	p.write(t, "chart/Chart.yaml", "apiVersion: v2\nname: shop\nversion: 0.1.0\n")
	p.write(t, "slipway.yaml", "apiVersion: slipway.dev/v1\nservice: shop\n")
	p.config = &config.Config{
		APIVersion: config.APIVersion, Service: "shop", Registry: registry + "/team", Dir: p.dir,
		Build: config.Build{Chart: "chart", Images: map[string]config.Image{
			"web":    {Go: "./cmd/web"},
			"worker": {Go: "nested/worker"},
		}},
	}
	return p
}

func (p *project) write(t *testing.T, path, content string) {
	t.Helper()
	full := filepath.Join(p.dir, path)
	if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(content), 0o644); err != nil {
		t.Fatal(err)
	}
}

// commit makes a git repository with one commit at a fixed time.
func (p *project) commit(t *testing.T) {
	t.Helper()
	git(t, p.dir, "init", "--quiet")
	git(t, p.dir, "add", "--all")
	git(t, p.dir, "commit", "--quiet", "--message", "one")
}

func git(t *testing.T, dir string, args ...string) {
	t.Helper()
	cmd := exec.Command("git", append([]string{"-C", dir, "-c", "user.name=Test", "-c", "user.email=test@example.com"}, args...)...)
	cmd.Env = append(os.Environ(), "GIT_AUTHOR_DATE=2024-05-06T07:08:09Z", "GIT_COMMITTER_DATE=2024-05-06T07:08:09Z", "GIT_CONFIG_GLOBAL=/dev/null")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("git %v: %v\n%s", args, err, out)
	}
}

// events keeps what a build emitted.
type events struct {
	mu   sync.Mutex
	list []event.Event
}

func (e *events) Emit(ev event.Event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.list = append(e.list, ev)
}

func (e *events) warnings() (messages []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, ev := range e.list {
		if ev.Kind == event.Warning {
			messages = append(messages, ev.Message)
		}
	}
	return messages
}

// quick makes retries quick, so that a registry that refuses does not make the test wait.
var quick = remote.WithRetryBackoff(remote.Backoff{Duration: time.Millisecond, Steps: 2})

func (p *project) build(t *testing.T, change ...func(*build.Options)) (*build.Result, *events, error) {
	t.Helper()
	seen := &events{}
	content, err := os.ReadFile(filepath.Join(p.dir, "slipway.yaml"))
	if err != nil {
		return nil, nil, err
	}
	o := build.Options{
		Config: p.config, ConfigBytes: content, Dir: p.dir, Builder: "slipway test",
		Charts: fakeCharts{[]remote.Option{quick}}, Sink: seen, Remote: []remote.Option{quick},
	}
	for _, c := range change {
		c(&o)
	}
	result, err := build.Run(t.Context(), o)
	return result, seen, err
}

func (p *project) mustBuild(t *testing.T, change ...func(*build.Options)) (*build.Result, *events) {
	t.Helper()
	result, seen, err := p.build(t, change...)
	if err != nil {
		t.Fatal(err)
	}
	return result, seen
}

// image reads an image back from the registry.
func image(t *testing.T, ref string) v1.Image {
	t.Helper()
	r, err := name.ParseReference(ref)
	if err != nil {
		t.Fatal(err)
	}
	img, err := remote.Image(r)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

func decode[T any](t *testing.T, content []byte) (v T) {
	t.Helper()
	if err := json.Unmarshal(content, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// platforms are those of an index.
func platforms(t *testing.T, ref string) (list []string) {
	t.Helper()
	r, err := name.ParseReference(ref)
	if err != nil {
		t.Fatal(err)
	}
	index, err := remote.Index(r)
	if err != nil {
		t.Fatal(err)
	}
	m, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range m.Manifests {
		list = append(list, d.Platform.String())
	}
	return list
}

// pushBase pushes an image to build upon and returns its digest.
func pushBase(t *testing.T, ref string) string {
	t.Helper()
	img, err := mutate.ConfigFile(mutate.MediaType(empty.Image, types.OCIManifestSchema1), &v1.ConfigFile{
		OS: "linux", Architecture: "amd64", Config: v1.Config{Env: []string{"FROM_BASE=yes"}}, RootFS: v1.RootFS{Type: "layers"},
	})
	if err != nil {
		t.Fatal(err)
	}
	tag, err := name.NewTag(ref)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(tag, img); err != nil {
		t.Fatal(err)
	}
	h, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return h.String()
}
