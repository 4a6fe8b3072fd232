// Package pause makes the image whose container holds a pod's namespaces, out
// of one static program and nothing else, and brings it into containerd.
package pause

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// Importer brings the image into one containerd.
type Importer struct {
	// Program is the static program.
	Program string
	// Socket is containerd's.
	Socket string
	// Scratch is a directory for the archive while it is imported.
	Scratch string
}

// Reference is the image's reference; it changes with the program.
func (i Importer) Reference() (string, error) {
	raw, err := os.ReadFile(i.Program)
	if err != nil {
		return "", fmt.Errorf("read the pause program: %w", err)
	}
	sum := sha256.Sum256(raw)
	return "sandbox.slipway.dev/pause:" + hex.EncodeToString(sum[:6]), nil
}

// Import makes the image and imports it.
func (i Importer) Import(ctx context.Context) error {
	ref, err := i.Reference()
	if err != nil {
		return err
	}
	raw, err := os.ReadFile(i.Program)
	if err != nil {
		return fmt.Errorf("read the pause program: %w", err)
	}
	img, err := Image(raw)
	if err != nil {
		return err
	}
	tag, err := name.NewTag(ref)
	if err != nil {
		return fmt.Errorf("name the pause image: %w", err)
	}
	archive := filepath.Join(i.Scratch, "pause.tar")
	if err := tarball.WriteToFile(archive, tag, img); err != nil {
		return fmt.Errorf("write the pause image: %w", err)
	}
	defer os.Remove(archive)
	if _, err := i.ctr(ctx, "images", "import", archive); err != nil {
		return fmt.Errorf("import the pause image: %w", err)
	}
	// The label keeps the kubelet's image collection away from it.
	if _, err := i.ctr(ctx, "images", "label", ref, "io.cri-containerd.pinned=pinned"); err != nil {
		return fmt.Errorf("pin the pause image: %w", err)
	}
	return nil
}

// Present says whether the image is in containerd.
func (i Importer) Present(ctx context.Context) error {
	ref, err := i.Reference()
	if err != nil {
		return err
	}
	out, err := i.ctr(ctx, "images", "ls", "-q", "name=="+ref)
	if err != nil {
		return fmt.Errorf("list images: %w", err)
	}
	if !strings.Contains(out, ref) {
		return errors.New("the pause image is not in containerd")
	}
	return nil
}

func (i Importer) ctr(ctx context.Context, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, "ctr", append([]string{"--address", i.Socket, "--namespace", "k8s.io"}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("ctr %s: %w: %s", args[0], err, bytes.TrimSpace(out))
	}
	return string(out), nil
}

// Image makes an image that holds program as /pause and runs it as nobody.
func Image(program []byte) (v1.Image, error) {
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	err := w.WriteHeader(&tar.Header{Name: "pause", Mode: 0o555, Size: int64(len(program)), Format: tar.FormatPAX})
	if err == nil {
		_, err = w.Write(program)
	}
	if err = errors.Join(err, w.Close()); err != nil {
		return nil, fmt.Errorf("pack the pause program: %w", err)
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(b.Bytes())), nil
	})
	if err != nil {
		return nil, fmt.Errorf("make the pause image's layer: %w", err)
	}
	img, err := mutate.AppendLayers(empty.Image, layer)
	if err != nil {
		return nil, fmt.Errorf("make the pause image: %w", err)
	}
	cfg, err := img.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("make the pause image: %w", err)
	}
	cfg = cfg.DeepCopy()
	cfg.OS, cfg.Architecture = "linux", runtime.GOARCH
	cfg.Config.Entrypoint = []string{"/pause"}
	cfg.Config.User = "65535:65535"
	img, err = mutate.ConfigFile(img, cfg)
	if err != nil {
		return nil, fmt.Errorf("make the pause image: %w", err)
	}
	return img, nil
}
