package build

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
	kobuild "github.com/google/ko/pkg/build"
	"github.com/sigstore/cosign/v3/pkg/oci"
	"golang.org/x/sync/errgroup"

	"github.com/slipway-cd/slipway/internal/bundle"
	"github.com/slipway-cd/slipway/internal/config"
)

// user is who the service runs as: "nonroot", as the images of distroless and Chainguard have it.
const user = "65532:65532"

// created is the time in every image. It is fixed, because a commit that does not change an image must not change
// its digest.
var created = v1.Time{Time: time.Unix(0, 0).UTC()}

// goImage is one Go main package that becomes an image.
type goImage struct {
	name string
	repo name.Repository
	// module is the directory of the package's own Go module, which may lie below the project's.
	module     string
	importPath string
	// base is nil for the empty base.
	base      name.Reference
	platforms []v1.Platform
}

// builtImage is an image that has been built and not yet pushed.
type builtImage struct {
	name   string
	repo   name.Repository
	digest string
	// content is a v1.Image, or a v1.ImageIndex when there is more than one platform.
	content remote.Taggable
	sboms   []sbom
}

// sbom is the bill of materials of one image, as the artifact that is pushed beside it.
type sbom struct {
	subject  v1.Hash
	artifact v1.Image
}

// builtImages are in the order of their names. release must be called when they have been pushed.
type builtImages struct {
	images  []builtImage
	release func()
}

// planGo checks that there is a main package, with the Go toolchain of this machine.
func planGo(ctx context.Context, root, n string, img config.Image, repo name.Repository, wrong *problems) (*goImage, error) {
	out := &goImage{name: n, repo: repo, platforms: platformsOf(n, img, wrong)}
	if img.Base != "" {
		base, err := name.ParseReference(img.Base)
		if err != nil {
			wrong.add("image %s: the base %q is not a valid reference: %v", n, img.Base, err)
			return nil, nil
		}
		out.base = base
	}
	dir := absolute(root, img.Go)
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		wrong.add("image %s: there is no directory %s (build.images.%s.go)", n, dir, n)
		return nil, nil
	}
	cmd := exec.CommandContext(ctx, "go", "list", "-f", "{{.Name}}\n{{.ImportPath}}\n{{with .Module}}{{.Dir}}{{end}}", ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), goEnv(out.platforms...)...)
	answer, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case errors.Is(err, exec.ErrNotFound):
			wrong.add("image %s: the Go toolchain is not in PATH; install it from https://go.dev/dl", n)
		case errors.As(err, &exit):
			wrong.add("image %s: %s is not a Go package that can be built: %s", n, dir, strings.TrimSpace(string(exit.Stderr)))
		default:
			return nil, fmt.Errorf("running go list in %s: %w", dir, err)
		}
		return nil, nil
	}
	lines := strings.Split(string(answer), "\n")
	if len(lines) < 3 || lines[2] == "" {
		wrong.add("image %s: %s is in no Go module; run `go mod init` at the top of the source", n, dir)
		return nil, nil
	}
	if lines[0] != "main" {
		wrong.add("image %s: %s is package %s, not a main package; name the directory of a program", n, dir, lines[0])
		return nil, nil
	}
	out.importPath, out.module = lines[1], lines[2]
	return out, nil
}

// goEnv is the part of go's environment that decides what comes out, so that a variable that happens to be set does
// not make another image. ko's own settings come before the environment, these come after it.
func goEnv(platforms ...v1.Platform) []string {
	// An empty GOFLAGS would let `go env -w GOFLAGS=…` through.
	env := []string{"CGO_ENABLED=0", "GOFLAGS=-trimpath"}
	if len(platforms) == 0 {
		return env
	}
	p := platforms[0]
	env = append(env, "GOOS="+p.OS, "GOARCH="+p.Architecture)
	variant := p.Variant
	switch p.Architecture {
	case "amd64":
		if variant == "" {
			variant = "v1"
		}
		env = append(env, "GOAMD64="+variant)
	case "arm":
		if variant == "" {
			variant = "v7"
		}
		env = append(env, "GOARM="+strings.TrimPrefix(variant, "v"))
	}
	return env
}

// buildGoImages builds every Go image, at most Jobs at once. Nothing is pushed.
func (r *run) buildGoImages(ctx context.Context, p *plan) (*builtImages, error) {
	built := &builtImages{images: make([]builtImage, len(p.golang)), release: func() {}}
	if len(p.golang) == 0 {
		return built, nil
	}
	unlock, err := r.openCache(ctx, p.golang)
	if err != nil {
		return nil, err
	}
	built.release = unlock
	// Two images of one main package share a binary in the cache, so they are built one after the other.
	same := map[string]*sync.Mutex{}
	for _, g := range p.golang {
		same[g.importPath] = &sync.Mutex{}
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(r.Jobs)
	for i, g := range p.golang {
		group.Go(func() (err error) {
			same[g.importPath].Lock()
			defer same[g.importPath].Unlock()
			built.images[i], err = r.buildGo(ctx, g)
			return err
		})
	}
	if err := group.Wait(); err != nil {
		unlock()
		return nil, err
	}
	return built, nil
}

func (r *run) buildGo(ctx context.Context, g goImage) (builtImage, error) {
	start := time.Now()
	phase := "build:" + g.name
	r.events.begin(phase, fmt.Sprintf("building image %s from %s", g.name, g.importPath))
	defer r.events.alive(phase, "still building "+g.name)()
	out := builtImage{name: g.name, repo: g.repo}
	var adds []mutate.IndexAddendum
	for _, platform := range g.platforms {
		img, err := r.buildPlatform(ctx, g, platform)
		if err != nil {
			return out, goError(ctx, g, platform, err)
		}
		digest, err := img.Digest()
		if err != nil {
			return out, fmt.Errorf("image %s for %s: %w", g.name, platform, err)
		}
		file, err := img.Attachment("sbom")
		if err != nil {
			return out, fmt.Errorf("reading the SBOM of image %s for %s: %w", g.name, platform, err)
		}
		out.sboms = append(out.sboms, sbom{subject: digest, artifact: file})
		out.content, out.digest = img, digest.String()
		adds = append(adds, mutate.IndexAddendum{Add: img, Descriptor: v1.Descriptor{Platform: &platform}})
	}
	if len(adds) > 1 {
		index := mutate.AppendManifests(mutate.IndexMediaType(empty.Index, types.OCIImageIndex), adds...)
		digest, err := index.Digest()
		if err != nil {
			return out, fmt.Errorf("the index of image %s: %w", g.name, err)
		}
		out.content, out.digest = index, digest.String()
	}
	r.events.progress(phase, "built %s in %s", bundle.ShortDigest(out.digest), time.Since(start).Round(time.Millisecond))
	return out, nil
}

// buildPlatform builds the image for one platform with ko.
func (r *run) buildPlatform(ctx context.Context, g goImage, platform v1.Platform) (oci.SignedImage, error) {
	ko, err := kobuild.NewGo(ctx, g.module,
		kobuild.WithBaseImages(func(ctx context.Context, _ string) (name.Reference, kobuild.Result, error) {
			return r.base(ctx, g, platform)
		}),
		// ko compares with what the base says, which may leave the variant out.
		kobuild.WithPlatforms(platform.OS+"/"+platform.Architecture),
		kobuild.WithDefaultEnv(goEnv(platform)),
		kobuild.WithDefaultFlags([]string{"-trimpath", "-buildvcs=false"}),
		kobuild.WithDefaultLdflags([]string{"-s", "-w"}),
		kobuild.WithCreationTime(created),
		kobuild.WithKoDataCreationTime(created),
		kobuild.WithUser(user),
		kobuild.WithSPDX(koVersion()),
	)
	if err != nil {
		return nil, fmt.Errorf("preparing ko: %w", err)
	}
	result, err := ko.Build(ctx, kobuild.StrictScheme+g.importPath)
	if err != nil {
		return nil, err
	}
	img, ok := result.(oci.SignedImage)
	if !ok {
		return nil, fmt.Errorf("ko made a %T, not an image", result)
	}
	return img, nil
}

// base is the image that the binary is put on.
func (r *run) base(ctx context.Context, g goImage, platform v1.Platform) (name.Reference, kobuild.Result, error) {
	if g.base != nil {
		img, err := remote.Image(g.base, bundle.RemoteOptions(ctx, append([]remote.Option{remote.WithPlatform(platform)}, r.Remote...)...)...)
		if err != nil {
			return nil, nil, &baseError{g.base, bundle.AsRegistryError(g.base.Context().RegistryStr(), err)}
		}
		return g.base, img, nil
	}
	img, err := mutate.ConfigFile(mutate.MediaType(empty.Image, types.OCIManifestSchema1), &v1.ConfigFile{
		OS: platform.OS, Architecture: platform.Architecture, Variant: platform.Variant,
		RootFS: v1.RootFS{Type: "layers", DiffIDs: []v1.Hash{}},
	})
	if err != nil {
		return nil, nil, fmt.Errorf("making the empty base: %w", err)
	}
	// "scratch" is the name by which container tools know the empty image.
	scratch, err := name.NewTag("scratch")
	return scratch, mutate.ConfigMediaType(img, types.OCIConfigJSON), err
}

type baseError struct {
	ref name.Reference
	err error
}

func (e *baseError) Error() string { return fmt.Sprintf("reading the base image %s: %v", e.ref, e.err) }
func (e *baseError) Unwrap() error { return e.err }

// goError tells a source that does not compile, which is the user's to mend, from everything else.
func goError(ctx context.Context, g goImage, platform v1.Platform, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var exit *exec.ExitError
	var base *baseError
	switch {
	case errors.As(err, &base):
		return fmt.Errorf("building image %s: %w; nothing was pushed", g.name, err)
	case errors.As(err, &exit):
		_, output, _ := strings.Cut(err.Error(), exit.Error()+": ")
		return &UsageError{Problems: []string{fmt.Sprintf("image %s does not compile for %s:\n%s", g.name, platform, compilerOutput(output))}}
	}
	return fmt.Errorf("building image %s for %s: %w; nothing was pushed", g.name, platform, err)
}

// compilerOutput keeps the first errors: the later ones mostly follow from them.
func compilerOutput(output string) string {
	const most = 12
	lines := strings.Split(strings.TrimSpace(output), "\n")
	if len(lines) > most {
		lines = append(lines[:most], fmt.Sprintf("… and %d more lines", len(lines)-most))
	}
	return "    " + strings.Join(lines, "\n    ")
}

// koVersion is the version of ko in this program; the SBOM names it as its maker.
func koVersion() string {
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, dep := range info.Deps {
			if dep.Path == "github.com/google/ko" {
				return dep.Version
			}
		}
	}
	return "(devel)"
}
