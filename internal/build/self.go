package build

import (
	"archive/tar"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/slipway-cd/slipway/internal/bundle"
	"github.com/slipway-cd/slipway/internal/config"
)

// selfLayout changes the tag of Slipway's own image when what is in it beside the program changes.
const selfLayout = "v1"

// self is this program as an image: nothing but the program, on the empty base. The guardian of a release runs it.
type self struct {
	path string
	repo name.Repository
	// tag is made of the program's content, so that the registry is asked whether it has it, without making the image.
	tag string
}

// wantsGuardian says whether a release of the bundle can want this program as its guardian.
func wantsGuardian(c *config.Config) bool {
	for n := range c.Environments {
		if env, err := c.Environment(n); err == nil && env.Guardian.OnLoss != config.OnLossNone && env.Guardian.Image == "" {
			return true
		}
	}
	return false
}

// planSelf finds out whether the program at path can be a guardian, and says why not where it cannot.
func planSelf(path string, repo name.Repository) (*self, error) {
	if runtime.GOOS != "linux" {
		return nil, fmt.Errorf("this slipway is for %s, and a guardian runs on Linux", runtime.GOOS)
	}
	program, err := elf.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	defer program.Close()
	for _, p := range program.Progs {
		if p.Type == elf.PT_INTERP {
			return nil, errors.New("this slipway was built with cgo, so that it does not run without the libraries of its machine")
		}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return &self{path: path, repo: repo, tag: selfLayout + "-" + hex.EncodeToString(h.Sum(nil))[:40]}, nil
}

// pushSelf sees to it that the registry has the program.
func (r *run) pushSelf(ctx context.Context, s *self, pusher *remote.Pusher, l *ledger, b *bundle.Bundle) error {
	digest, err := r.tagged(ctx, s.repo, s.tag)
	if err != nil {
		return err
	}
	sent := digest == ""
	if sent {
		img, err := s.image()
		if err != nil {
			return fmt.Errorf("making an image of this program: %w", err)
		}
		if err := pusher.Push(ctx, s.repo.Tag(s.tag), img); err != nil {
			return bundle.AsRegistryError(s.repo.RegistryStr(), err)
		}
		hash, err := img.Digest()
		if err != nil {
			return err
		}
		digest = hash.String()
	}
	r.said("build:guardian", sent, s.repo.Name()+"@"+bundle.ShortDigest(digest))
	l.done(guardianImage, sent, func() {
		b.Guardian = &bundle.Guardian{Image: bundle.Image{Repository: s.repo.Name(), Digest: digest}, Arch: runtime.GOARCH}
	})
	return nil
}

// guardianImage is what the ledger calls it.
const guardianImage = "image of the guardian"

// image makes it; the same program gives the same digest.
func (s *self) image() (v1.Image, error) {
	layer, err := tarball.LayerFromOpener(s.tar, tarball.WithMediaType(types.OCILayer), tarball.WithCompressionLevel(gzip.BestSpeed), tarball.WithCompressedCaching)
	if err != nil {
		return nil, err
	}
	base := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	img, err := mutate.Append(base, mutate.Addendum{Layer: layer, History: v1.History{CreatedBy: "slipway", Created: created}})
	if err != nil {
		return nil, err
	}
	config, err := img.ConfigFile()
	if err != nil {
		return nil, err
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Created = "linux", runtime.GOARCH, created
	config.Config.Entrypoint, config.Config.User = []string{"/slipway"}, user
	return mutate.ConfigFile(img, config)
}

// tar is the one layer, not compressed.
func (s *self) tar() (io.ReadCloser, error) {
	f, err := os.Open(s.path)
	if err != nil {
		return nil, err
	}
	info, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return nil, err
	}
	out, in := io.Pipe()
	go func() {
		defer f.Close()
		w := tar.NewWriter(in)
		err := w.WriteHeader(&tar.Header{Name: "slipway", Mode: 0o755, Size: info.Size(), ModTime: created.Time, Format: tar.FormatPAX})
		if err == nil {
			_, err = io.Copy(w, f)
		}
		in.CloseWithError(errors.Join(err, w.Close()))
	}()
	return out, nil
}
