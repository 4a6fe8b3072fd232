package build

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/slipway-cd/slipway/internal/bundle"
	"github.com/slipway-cd/slipway/internal/config"
)

// defaultPlatform is what an image is built for when the configuration does not say.
const defaultPlatform = "linux/amd64"

// plan is a build that has been checked.
type plan struct {
	source bundle.Source
	golang []goImage
	docker []dockerImage
	chart  chart
	// bundle is where the bundle goes.
	bundle name.Repository
	// self is nil where no guardian is wanted, or where this program cannot be one.
	self *self
	// configDigest stands for slipway.yaml in a version without a commit.
	configDigest string
}

// chart is the packaged chart and where it goes.
type chart struct {
	name, version string
	tgz           []byte
	repo          name.Repository
}

// problems collects what is wrong, so that a person sees all of it at once.
type problems struct {
	mu   sync.Mutex
	list []string
}

func (p *problems) add(format string, args ...any) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.list = append(p.list, fmt.Sprintf(format, args...))
}

// plan checks everything that can be checked without building. It writes nothing anywhere.
func (r *run) plan(ctx context.Context) (*plan, error) {
	r.events.begin("build:plan", "checking the configuration, the source and this machine")
	p := &plan{configDigest: bundle.DigestOf(r.ConfigBytes)}
	var wrong problems
	repos := r.repositories(&wrong)
	if len(r.Config.Build.Images) == 0 {
		wrong.add("build.images names no image; add one, for example `build: {images: {%s: {go: ./cmd/%[1]s}}}`", r.Config.Service)
	}
	p.bundle = repos.found["bundle"]
	if r.Version != "" {
		if err := checkTag(r.Version); err != nil {
			wrong.add("%v", err)
		}
	}

	group, groupCtx := errgroup.WithContext(ctx)
	group.SetLimit(max(r.Jobs, 2))
	var warning string
	group.Go(func() (err error) {
		p.source, warning, err = readSource(groupCtx, r.Dir)
		return err
	})
	group.Go(func() error { return r.planChart(p, &wrong) })
	names := sortedKeys(r.Config.Build.Images)
	golang, docker := make([]*goImage, len(names)), make([]*dockerImage, len(names))
	for i, n := range names {
		img, repo := r.Config.Build.Images[n], repos.found["image "+n]
		group.Go(func() (err error) {
			switch {
			case img.Go != "" && img.Dockerfile != "":
				wrong.add("image %s has both `go` and `dockerfile`; keep one of them", n)
			case img.Go != "":
				golang[i], err = planGo(groupCtx, r.Dir, n, img, repo, &wrong)
			case img.Dockerfile != "":
				docker[i] = planDocker(r.Dir, n, img, repo, &wrong)
			default:
				wrong.add("image %s has neither `go` (a directory with a main package) nor `dockerfile`", n)
			}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	if repos.prefix != "" && p.chart.name != "" {
		repos.add("chart "+p.chart.name, repos.prefix+"/charts/"+p.chart.name)
		p.chart.repo = repos.found["chart "+p.chart.name]
	}
	for i := range names {
		if golang[i] != nil {
			p.golang = append(p.golang, *golang[i])
		}
		if docker[i] != nil {
			p.docker = append(p.docker, *docker[i])
		}
	}
	if len(p.docker) > 0 {
		if problem := checkDocker(ctx); problem != "" {
			wrong.add("image %s comes from a Dockerfile, which needs a Docker daemon: %s; start Docker, or build it with `go:` in place of `dockerfile:`, which needs none", p.docker[0].name, problem)
		}
	}
	if r.Program != "" && repos.prefix != "" && wantsGuardian(r.Config) {
		repos.add("guardian", repos.prefix+"/slipway-guardian")
		var err error
		if p.self, err = planSelf(r.Program, repos.found["guardian"]); err != nil {
			r.events.warn("releases of this bundle have no guardian: "+err.Error(), "guardian.image names an image of slipway for every bundle")
		}
	}
	if len(wrong.list) > 0 {
		return nil, &UsageError{Problems: wrong.list}
	}
	if warning != "" {
		r.events.warn(warning)
	}
	for _, d := range p.docker {
		r.events.warn(fmt.Sprintf("image %s comes from a Dockerfile; no SBOM is attached to it", d.name))
	}
	return p, nil
}

// repositories are the names that will be pushed to, by what is pushed there.
type repositories struct {
	prefix  string
	found   map[string]name.Repository
	takenBy map[string]string
	wrong   *problems
}

// repositories names where the bundle and the images go.
func (r *run) repositories(wrong *problems) *repositories {
	repos := &repositories{prefix: strings.TrimSuffix(r.Config.Registry, "/"), found: map[string]name.Repository{}, takenBy: map[string]string{}, wrong: wrong}
	if repos.prefix == "" {
		wrong.add("`registry` is empty; name the registry that images, chart and bundle are pushed to, for example registry.example.com/team")
		return repos
	}
	repos.add("bundle", bundle.Repository(repos.prefix, r.Config.Service))
	for _, n := range sortedKeys(r.Config.Build.Images) {
		repos.add("image "+n, repos.prefix+"/"+n)
	}
	return repos
}

// add checks that the name is valid and that nothing else has it.
func (r *repositories) add(what, repository string) {
	// Registries only know lower case, so App and app would be one repository.
	key := strings.ToLower(path.Clean(repository))
	if other, taken := r.takenBy[key]; taken {
		r.wrong.add("%s and %s come to one repository, %s; rename one of them", other, what, key)
		return
	}
	r.takenBy[key] = what
	repo, err := bundle.ParseRepository(repository)
	if err != nil {
		r.wrong.add("%s: %v", what, err)
		return
	}
	r.found[what] = repo
}

// planChart packages the chart, which checks it.
func (r *run) planChart(p *plan, wrong *problems) error {
	if r.Config.Build.Chart == "" {
		wrong.add("build.chart is empty; name the directory of the Helm chart")
		return nil
	}
	dir := absolute(r.Dir, r.Config.Build.Chart)
	if _, err := os.Stat(filepath.Join(dir, "Chart.yaml")); err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			wrong.add("there is no chart in %s (build.chart): it has no Chart.yaml", dir)
			return nil
		}
		wrong.add("the chart in %s cannot be read: %v", dir, err)
		return nil
	}
	var err error
	c := &p.chart
	c.name, c.version, c.tgz, err = r.Charts.Package(dir)
	if err != nil {
		wrong.add("the chart in %s is broken: %v", dir, err)
		return nil
	}
	return nil
}

// version is what the build is called. It is made of what was built and of nothing else.
func (p *plan) version(override string, built *builtImages) (string, error) {
	switch {
	case override != "":
		return override, nil
	case p.source.Commit == "":
		// There is no commit to name it after, so it is named after its content.
		hash := sha256.New()
		fmt.Fprintf(hash, "config %s\nchart %s\n", p.configDigest, bundle.DigestOf(p.chart.tgz))
		for _, b := range built.images {
			fmt.Fprintf(hash, "image %q %s\n", b.name, b.digest)
		}
		for _, d := range p.docker {
			fmt.Fprintf(hash, "dockerfile %q\n", d.name)
			if err := errors.Join(hashPath(hash, filepath.Dir(d.file), filepath.Base(d.file)), hashTree(hash, d.context)); err != nil {
				return "", fmt.Errorf("reading the build context of image %s: %w; nothing was pushed", d.name, err)
			}
		}
		p.source.Content = fmt.Sprintf("sha256:%x", hash.Sum(nil))
		return "nogit-" + p.source.Content[len("sha256:"):][:12], nil
	case p.source.Dirty:
		return p.source.Commit[:12] + "-dirty-" + p.source.Content[len("sha256:"):][:8], nil
	default:
		return p.source.Commit[:12], nil
	}
}

// checkTag says whether a version can be the tag of an image.
func checkTag(version string) error {
	if _, err := name.NewTag("registry.invalid/x:" + version); err != nil {
		return fmt.Errorf("version %q cannot be an image's tag; use letters, digits, dots, dashes and underscores, at most 128, beginning with a letter or a digit", version)
	}
	return nil
}

// platformsOf reads the platforms of an image.
func platformsOf(n string, img config.Image, wrong *problems) []v1.Platform {
	names := img.Platforms
	if len(names) == 0 {
		names = []string{defaultPlatform}
	}
	var platforms []v1.Platform
	seen := map[string]bool{}
	for _, s := range names {
		platform, err := v1.ParsePlatform(s)
		if err != nil || platform.OS == "" || platform.Architecture == "" {
			wrong.add("image %s: %q is no platform; write os/architecture, for example linux/arm64", n, s)
			continue
		}
		if !seen[platform.String()] {
			seen[platform.String()] = true
			platforms = append(platforms, *platform)
		}
	}
	return platforms
}

// absolute makes a path of the configuration absolute.
func absolute(dir, p string) string {
	p = filepath.FromSlash(p)
	if filepath.IsAbs(p) {
		return filepath.Clean(p)
	}
	return filepath.Join(dir, p)
}
