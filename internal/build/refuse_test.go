package build_test

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/slipway-cd/slipway/internal/build"
	"github.com/slipway-cd/slipway/internal/bundle"
	"github.com/slipway-cd/slipway/internal/config"
	"github.com/slipway-cd/slipway/internal/event"
)

// images sets the images of a project.
func images(list map[string]config.Image) func(*testing.T, *project) {
	return func(_ *testing.T, p *project) { p.config.Build.Images = list }
}

func TestBadInputIsRefusedBeforeAnythingIsPushed(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*testing.T, *project)
		want   string
	}{
		"no images":           {images(nil), "build.images names no image"},
		"neither kind":        {images(map[string]config.Image{"web": {}}), "image web has neither `go`"},
		"both kinds":          {images(map[string]config.Image{"web": {Go: "cmd/web", Dockerfile: "Dockerfile"}}), "image web has both"},
		"no such directory":   {images(map[string]config.Image{"web": {Go: "cmd/nowhere"}}), "image web: there is no directory"},
		"not a main package":  {images(map[string]config.Image{"web": {Go: "lib"}}), "is package lib, not a main package"},
		"no Go files":         {images(map[string]config.Image{"web": {Go: "chart"}}), "is not a Go package that can be built: "},
		"bad platform":        {images(map[string]config.Image{"web": {Go: "cmd/web", Platforms: []string{"linux"}}}), `"linux" is no platform`},
		"bad base":            {images(map[string]config.Image{"web": {Go: "cmd/web", Base: "UPPER"}}), `the base "UPPER" is not a valid reference`},
		"name is no name":     {images(map[string]config.Image{"We b": {Go: "cmd/web"}}), `image We b: "`},
		"upper case":          {images(map[string]config.Image{"Web": {Go: "cmd/web"}}), "is not a valid reference"},
		"one repository":      {images(map[string]config.Image{"web": {Go: "cmd/web"}, "x/../web": {Go: "cmd/web"}}), "image web and image x/../web come to one repository"},
		"case is no matter":   {images(map[string]config.Image{"web": {Go: "cmd/web"}, "WEB": {Go: "cmd/web"}}), "image WEB and image web come to one repository"},
		"the bundle's name":   {images(map[string]config.Image{"bundles/shop": {Go: "cmd/web"}}), "bundle and image bundles/shop come to one repository"},
		"the chart's name":    {images(map[string]config.Image{"charts/shop": {Go: "cmd/web"}}), "image charts/shop and chart shop come to one repository"},
		"no Dockerfile":       {images(map[string]config.Image{"web": {Dockerfile: "Dockerfile"}}), "there is no Dockerfile"},
		"no chart":            {func(_ *testing.T, p *project) { p.config.Build.Chart = "" }, "build.chart is empty"},
		"missing chart":       {func(_ *testing.T, p *project) { p.config.Build.Chart = "lib" }, "it has no Chart.yaml"},
		"broken chart":        {func(t *testing.T, p *project) { p.write(t, "chart/broken", "") }, "is broken: templates/deployment.yaml:3"},
		"no registry":         {func(_ *testing.T, p *project) { p.config.Registry = "" }, "`registry` is empty"},
		"registry is no host": {func(_ *testing.T, p *project) { p.config.Registry = "team" }, "does not begin with a registry's host"},
		"does not compile": {func(t *testing.T, p *project) {
			p.write(t, "cmd/web/main.go", "package main\n\nfunc main() { undefined() }\n")
		}, "image web does not compile for linux/amd64:\n    # example.com/shop/cmd/web\n    cmd/web/main.go:3:15: undefined: undefined"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRegistry(t)
			p := newProject(t, r.host)
			c.change(t, p)
			_, _, err := p.build(t)
			var usage *build.UsageError
			if !errors.As(err, &usage) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %T %v\nwant a UsageError with %q", err, err, c.want)
			}
			if w := r.written(); len(w) > 0 {
				t.Errorf("the registry was written to: %q", w)
			}
		})
	}
}

func TestAllProblemsAreToldAtOnce(t *testing.T) {
	r := newRegistry(t)
	p := newProject(t, r.host)
	p.config.Build.Chart = "nowhere"
	p.config.Build.Images = map[string]config.Image{"web": {Go: "nowhere"}, "worker": {Go: "lib"}}
	_, _, err := p.build(t)
	var usage *build.UsageError
	if !errors.As(err, &usage) || len(usage.Problems) != 3 {
		t.Errorf("got %v", err)
	}
}

func TestNoGoToolchainIsSaid(t *testing.T) {
	r := newRegistry(t)
	p := newProject(t, r.host)
	t.Setenv("PATH", t.TempDir())
	_, _, err := p.build(t)
	if err == nil || !strings.Contains(err.Error(), "the Go toolchain is not in PATH") {
		t.Errorf("got %v", err)
	}
}

func TestARegistryThatIsDownIsSaidBeforeAnythingIsPushed(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host := listener.Addr().String()
	listener.Close() // nothing listens there now
	_, _, err = newProject(t, host).build(t)
	wantPushError(t, err, bundle.Unreachable, host, "pushed: nothing")
}

func TestARegistryThatRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		refuse  func(*http.Request) int
		trouble bundle.Trouble
		want    string
	}{
		"not logged in": {func(*http.Request) int { return http.StatusUnauthorized }, bundle.Unauthorized, "pushed: nothing"},
		"gone while pushing": {func(r *http.Request) int {
			if r.Method != http.MethodGet && r.Method != http.MethodHead {
				panic(http.ErrAbortHandler) // cuts the connection
			}
			return 0
		}, bundle.Unreachable, "pushed: nothing"},
		"may not push": {func(r *http.Request) int {
			if r.Method == http.MethodPost {
				return http.StatusForbidden
			}
			return 0
		}, bundle.Unauthorized, "pushed: nothing"},
		"broken": {func(r *http.Request) int {
			if r.Method == http.MethodPost {
				return http.StatusInternalServerError
			}
			return 0
		}, bundle.Refused, "pushed: nothing"},
		"refuses the bundle": {func(r *http.Request) int {
			if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/bundles/shop/manifests/") {
				return http.StatusBadRequest
			}
			return 0
		}, bundle.Refused, "not pushed: bundle\n"},
		"refuses one image": {func(r *http.Request) int {
			if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/web/manifests/") && !strings.HasSuffix(r.URL.Path, ".sbom") {
				return http.StatusBadRequest
			}
			return 0
		}, bundle.Refused, "pushing image web: "},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRegistry(t)
			p := newProject(t, r.host)
			r.refuseWith(c.refuse)
			_, _, err := p.build(t)
			wantPushError(t, err, c.trouble, r.host, c.want)
			if name == "broken" || name == "not logged in" {
				return
			}
			r.refuseWith(nil)
			if _, _, err := p.build(t); err != nil {
				t.Errorf("a second build does not mend it: %v", err)
			}
		})
	}
}

func wantPushError(t *testing.T, err error, trouble bundle.Trouble, host, want string) {
	t.Helper()
	var push *build.PushError
	var registry *bundle.RegistryError
	if !errors.As(err, &push) || !errors.As(err, &registry) {
		t.Fatalf("got %T %v", err, err)
	}
	if registry.Trouble != trouble || registry.Host != host || !strings.Contains(err.Error(), want) {
		t.Errorf("got %s of %s: %v\nwant %s with %q", registry.Trouble, registry.Host, err, trouble, want)
	}
	for _, what := range push.Pushed {
		for _, not := range push.NotPushed {
			if what == not {
				t.Errorf("%s is both pushed and not pushed", what)
			}
		}
	}
}

func TestABuildThatIsStoppedMakesNoBundle(t *testing.T) {
	r := newRegistry(t)
	p := newProject(t, r.host)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	_, err := build.Run(ctx, build.Options{
		Config: p.config, Charts: fakeCharts{}, Sink: event.SinkFunc(func(e event.Event) {
			if e.Phase == "build:push" {
				cancel()
			}
		}),
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	for _, w := range r.written() {
		if strings.Contains(w, "/bundles/") {
			t.Errorf("a bundle was written: %s", w)
		}
	}
}

// fakeDocker is a docker that only takes the command line that is meant, and pushes nothing.
const fakeDocker = `#!/bin/sh
echo "$*" >> "$DOCKER_LOG"
case "$1 $2" in
"version --format") [ -z "$DOCKER_DOWN" ] || { echo "Cannot connect to the Docker daemon" >&2; exit 1; }; echo 29.0.0; exit 0;;
"buildx version") echo v0.30.0; exit 0;;
"buildx build") shift 2;;
*) echo "unexpected: $*" >&2; exit 64;;
esac
[ "$SOURCE_DATE_EPOCH" = 0 ] || { echo "SOURCE_DATE_EPOCH is not set" >&2; exit 64; }
while [ $# -gt 1 ]; do
  case "$1" in
  --platform) [ "$2" = linux/amd64,linux/arm64 ] || { echo "platform $2" >&2; exit 64; }; shift 2;;
  --file) [ -f "$2" ] || { echo "no file $2" >&2; exit 64; }; shift 2;;
  --tag) tag=$2; shift 2;;
  --metadata-file) metadata=$2; shift 2;;
  --output) [ "$2" = type=image,push=true,rewrite-timestamp=true ] || { echo "output $2" >&2; exit 64; }; shift 2;;
  --progress) shift 2;;
  --provenance=false) shift;;
  *) echo "unexpected argument $1" >&2; exit 64;;
  esac
done
[ -d "$1" ] && [ -n "$tag" ] || { echo "no context or no tag" >&2; exit 64; }
grep -q FAIL "$1/Dockerfile" && { echo "Dockerfile:1: unknown instruction: FAIL" >&2; exit 1; }
echo '{"containerimage.digest": "sha256:1111111111111111111111111111111111111111111111111111111111111111"}' > "$metadata"
`

func withDocker(t *testing.T) (log string) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "docker"), []byte(fakeDocker), 0o755); err != nil {
		t.Fatal(err)
	}
	log = filepath.Join(dir, "log")
	t.Setenv("DOCKER_LOG", log)
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	return log
}

func dockerProject(t *testing.T, r *fakeRegistry, dockerfile string) *project {
	t.Helper()
	p := newProject(t, r.host)
	p.write(t, "legacy/Dockerfile", dockerfile)
	p.config.Build.Images["legacy"] = config.Image{Dockerfile: "legacy/Dockerfile", Platforms: []string{"linux/amd64", "linux/arm64"}}
	return p
}

func TestADockerfileIsBuiltByBuildKit(t *testing.T) {
	log := withDocker(t)
	r := newRegistry(t)
	p := dockerProject(t, r, "FROM scratch\n")
	result, _ := p.mustBuild(t)
	if got := result.Bundle.Images["legacy"].Digest; got != "sha256:"+strings.Repeat("1", 64) {
		t.Errorf("digest is %s", got)
	}
	content, err := os.ReadFile(log)
	if err != nil {
		t.Fatal(err)
	}
	if want := "--tag " + p.config.Registry + "/legacy:" + result.Bundle.Version + " "; !strings.Contains(string(content), want) {
		t.Errorf("docker was called with\n%s\nwant %q", content, want)
	}
}

func TestADockerfileThatDoesNotBuildLeavesTheRegistryUntouched(t *testing.T) {
	withDocker(t)
	r := newRegistry(t)
	_, _, err := dockerProject(t, r, "FAIL\n").build(t)
	var push *build.PushError
	if !errors.As(err, &push) || len(push.Pushed) > 0 || !strings.Contains(err.Error(), "unknown instruction: FAIL") {
		t.Errorf("got %v", err)
	}
	if w := r.written(); len(w) > 0 {
		t.Errorf("the registry was written to: %q", w)
	}
}

func TestADockerfileWithoutADaemonIsRefused(t *testing.T) {
	withDocker(t)
	t.Setenv("DOCKER_DOWN", "1")
	r := newRegistry(t)
	_, _, err := dockerProject(t, r, "FROM scratch\n").build(t)
	var usage *build.UsageError
	if !errors.As(err, &usage) || !strings.Contains(err.Error(), "needs a Docker daemon: `docker version --format {{.Server.Version}}` failed: Cannot connect") {
		t.Errorf("got %v", err)
	}
}
