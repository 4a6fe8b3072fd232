package bundle

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/google/go-containerregistry/pkg/authn"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/partial"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// titleAnnotation is the file name under which generic OCI clients store a layer.
const titleAnnotation = "org.opencontainers.image.title"

// RemoteOptions are how every part of Slipway talks to a registry: credentials of the Docker configuration and its
// helpers, retries on what passes by itself. Registries on loopback and private addresses are spoken to over plain HTTP.
func RemoteOptions(ctx context.Context, extra ...remote.Option) []remote.Option {
	return append([]remote.Option{
		remote.WithContext(ctx),
		remote.WithAuthFromKeychain(authn.DefaultKeychain),
		remote.WithUserAgent("slipway"),
	}, extra...)
}

// Push writes a bundle to a repository and tags it with its version, for people; the digest that it returns is what
// is released. b.Config.Digest and b.Chart.Layer are set from the contents. What the registry has already is not
// sent again. Pushing is not atomic, but the manifest goes last: a bundle that can be pulled is whole.
func Push(ctx context.Context, repository string, b Bundle, config, chartTGZ []byte, opts ...remote.Option) (string, error) {
	img, err := assemble(b, config, chartTGZ)
	if err != nil {
		return "", fmt.Errorf("making the bundle of %s: %w", b.Service, err)
	}
	repo, err := ParseRepository(repository)
	if err != nil {
		return "", err
	}
	digest, err := img.Digest()
	if err != nil {
		return "", fmt.Errorf("making the bundle of %s: %w", b.Service, err)
	}
	pusher, err := remote.NewPusher(RemoteOptions(ctx, opts...)...)
	if err != nil {
		return "", fmt.Errorf("preparing to push to %s: %w", repository, err)
	}
	tag := repo.Tag(b.Version)
	if _, err := ParseReference(tag.String()); err != nil {
		return "", err
	}
	if err := pusher.Push(ctx, tag, img); err != nil {
		return "", AsRegistryError(repo.RegistryStr(), err)
	}
	return digest.String(), nil
}

// Digest is the digest that [Push] would return.
func Digest(b Bundle, config, chartTGZ []byte) (string, error) {
	img, err := assemble(b, config, chartTGZ)
	if err != nil {
		return "", fmt.Errorf("making the bundle of %s: %w", b.Service, err)
	}
	digest, err := img.Digest()
	if err != nil {
		return "", fmt.Errorf("making the bundle of %s: %w", b.Service, err)
	}
	return digest.String(), nil
}

// assemble makes the artifact in memory.
func assemble(b Bundle, config, chartTGZ []byte) (v1.Image, error) {
	if len(chartTGZ) == 0 {
		return nil, errors.New("the chart's archive is empty")
	}
	b.Config.Digest, b.Chart.Layer = DigestOf(config), DigestOf(chartTGZ)
	b.Source.Time = b.Source.Time.UTC()
	if err := b.check(); err != nil {
		return nil, err
	}
	blob, err := json.Marshal(b)
	if err != nil {
		return nil, fmt.Errorf("encoding: %w", err)
	}
	core := &artifact{config: blob, layers: map[v1.Hash]*layer{}}
	manifest := v1.Manifest{
		SchemaVersion: 2,
		MediaType:     types.OCIManifestSchema1,
		ArtifactType:  ArtifactType,
		Config:        describe(&layer{blob, MediaType}),
	}
	for _, l := range []struct {
		content *layer
		title   string
	}{
		{&layer{config, ConfigMediaType}, "slipway.yaml"},
		{&layer{chartTGZ, ChartMediaType}, b.Chart.Name + "-" + b.Chart.Version + ".tgz"},
	} {
		d := describe(l.content)
		d.Annotations = map[string]string{titleAnnotation: l.title}
		manifest.Layers = append(manifest.Layers, d)
		core.layers[d.Digest] = l.content
	}
	if core.manifest, err = json.Marshal(manifest); err != nil {
		return nil, fmt.Errorf("encoding the manifest: %w", err)
	}
	return partial.CompressedToImage(core)
}

// artifact is what go-containerregistry needs to push: the raw manifest, the config and the layers.
type artifact struct {
	manifest, config []byte
	layers           map[v1.Hash]*layer
}

func (a *artifact) RawManifest() ([]byte, error)        { return a.manifest, nil }
func (a *artifact) RawConfigFile() ([]byte, error)      { return a.config, nil }
func (a *artifact) MediaType() (types.MediaType, error) { return types.OCIManifestSchema1, nil }
func (a *artifact) LayerByDigest(h v1.Hash) (partial.CompressedLayer, error) {
	if l, ok := a.layers[h]; ok {
		return l, nil
	}
	if h.String() == DigestOf(a.config) {
		return &layer{a.config, MediaType}, nil
	}
	return nil, fmt.Errorf("the bundle has no layer %s", h)
}

// layer is a blob in memory.
type layer struct {
	content   []byte
	mediaType types.MediaType
}

func (l *layer) Digest() (v1.Hash, error)            { return v1.NewHash(DigestOf(l.content)) }
func (l *layer) Size() (int64, error)                { return int64(len(l.content)), nil }
func (l *layer) MediaType() (types.MediaType, error) { return l.mediaType, nil }
func (l *layer) Compressed() (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(l.content)), nil
}

func describe(l *layer) v1.Descriptor {
	h, _, _ := v1.SHA256(bytes.NewReader(l.content)) // reading memory cannot fail
	return v1.Descriptor{MediaType: l.mediaType, Size: int64(len(l.content)), Digest: h}
}
