package build

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/slipway-cd/slipway/internal/config"
)

// dockerImage is an image that BuildKit builds from a Dockerfile.
type dockerImage struct {
	name          string
	repo          name.Repository
	file, context string
	platforms     []v1.Platform
}

// planDocker checks what can be checked without the daemon.
func planDocker(root, n string, img config.Image, repo name.Repository, wrong *problems) *dockerImage {
	d := &dockerImage{name: n, repo: repo, file: absolute(root, img.Dockerfile), platforms: platformsOf(n, img, wrong)}
	if info, err := os.Stat(d.file); err != nil || !info.Mode().IsRegular() {
		wrong.add("image %s: there is no Dockerfile %s (build.images.%s.dockerfile)", n, d.file, n)
		return nil
	}
	d.context = filepath.Dir(d.file)
	if img.Context != "" {
		d.context = absolute(root, img.Context)
	}
	if info, err := os.Stat(d.context); err != nil || !info.IsDir() {
		wrong.add("image %s: there is no directory %s (build.images.%s.context)", n, d.context, n)
		return nil
	}
	if img.Base != "" {
		wrong.add("image %s: `base` is for Go images; a Dockerfile names its base in FROM", n)
	}
	return d
}

// checkDocker says what is missing to build a Dockerfile; empty when nothing is.
func checkDocker(ctx context.Context) string {
	if _, err := exec.LookPath("docker"); err != nil {
		return "there is no `docker` in PATH"
	}
	for _, args := range [][]string{{"version", "--format", "{{.Server.Version}}"}, {"buildx", "version"}} {
		out, err := exec.CommandContext(ctx, "docker", args...).CombinedOutput()
		if err != nil {
			return fmt.Sprintf("`docker %s` failed: %s", strings.Join(args, " "), lastLine(out, err))
		}
	}
	return ""
}

// dockerArgs is the command line that builds and pushes one image.
func dockerArgs(d dockerImage, reference, metadata string) []string {
	var platforms []string
	for _, p := range d.platforms {
		platforms = append(platforms, p.String())
	}
	return []string{"buildx", "build",
		"--platform", strings.Join(platforms, ","),
		"--file", d.file,
		"--tag", reference,
		// Provenance holds the time of the build; with it no two builds of one source would have one digest.
		"--provenance=false",
		// Files get the time of SOURCE_DATE_EPOCH (set for the command), for the same reason.
		"--output", "type=image,push=true,rewrite-timestamp=true",
		"--metadata-file", metadata,
		"--progress", "plain",
		d.context,
	}
}

// buildDocker builds and pushes one image and returns its digest.
func (r *run) buildDocker(ctx context.Context, d dockerImage, version string) (string, error) {
	dir, err := os.MkdirTemp("", "slipway-build-")
	if err != nil {
		return "", fmt.Errorf("making a directory for BuildKit's answer: %w", err)
	}
	defer os.RemoveAll(dir)
	metadata := filepath.Join(dir, "metadata.json")
	cmd := exec.CommandContext(ctx, "docker", dockerArgs(d, d.repo.Tag(version).Name(), metadata)...)
	cmd.Env = append(os.Environ(), "SOURCE_DATE_EPOCH=0")
	defer r.events.alive("build:"+d.name, "still building "+d.name)()
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return "", ctx.Err()
		}
		return "", fmt.Errorf("docker buildx build %s: %w\n%s", d.file, err, tail(output.String()))
	}
	content, err := os.ReadFile(metadata)
	if err != nil {
		return "", fmt.Errorf("reading BuildKit's answer about image %s: %w", d.name, err)
	}
	var answer struct {
		Digest string `json:"containerimage.digest"`
	}
	if err := json.Unmarshal(content, &answer); err != nil {
		return "", fmt.Errorf("reading BuildKit's answer about image %s: %w", d.name, err)
	}
	if _, err := v1.NewHash(answer.Digest); err != nil {
		return "", fmt.Errorf("BuildKit did not say which digest image %s has (containerimage.digest is %q)", d.name, answer.Digest)
	}
	return answer.Digest, nil
}

// tail is the end of a build's output, where the error is.
func tail(output string) string {
	const most = 15
	lines := strings.Split(strings.TrimSpace(output), "\n")
	if len(lines) > most {
		lines = lines[len(lines)-most:]
	}
	return "    " + strings.Join(lines, "\n    ")
}

func lastLine(out []byte, err error) string {
	lines := strings.Split(strings.TrimSpace(string(out)), "\n")
	if last := lines[len(lines)-1]; last != "" {
		return last
	}
	return err.Error()
}
