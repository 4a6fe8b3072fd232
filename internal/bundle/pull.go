package bundle

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// maxBlob bounds what one blob of a bundle may weigh, in bytes: a chart is at most a few MiB.
const maxBlob = 64 << 20

// Pulled is a bundle as it was read.
type Pulled struct {
	Bundle Bundle
	// Repository without tag and digest; Repository@Digest names the bundle for ever.
	Repository string
	Digest     string
	// ConfigYAML is slipway.yaml, byte for byte as it was built.
	ConfigYAML []byte
	// ChartTGZ is the chart's archive.
	ChartTGZ []byte
}

// Reference is the bundle by digest.
func (p *Pulled) Reference() string { return p.Repository + "@" + p.Digest }

// Pull reads the bundle that ref names (REPOSITORY:TAG or REPOSITORY@sha256:…). Every byte is checked against its
// digest, from the manifest down. Errors are [*ReferenceError], [*NotFoundError], [*NotABundleError] and [*RegistryError].
func Pull(ctx context.Context, ref string, opts ...remote.Option) (*Pulled, error) {
	r, err := ParseReference(ref)
	if err != nil {
		return nil, err
	}
	options := RemoteOptions(ctx, opts...)
	desc, err := remote.Get(r, options...)
	if err != nil {
		return nil, readError(r, err)
	}
	m, err := parseManifest(ref, desc)
	if err != nil {
		return nil, err
	}
	p := &Pulled{Repository: r.Context().Name(), Digest: desc.Digest.String()}
	blob, err := read(r, m.Config, options)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(blob, &p.Bundle); err != nil {
		return nil, &NotABundleError{Reference: ref, Reason: "its description cannot be read: " + err.Error()}
	}
	for _, l := range m.Layers {
		switch {
		case l.MediaType == ConfigMediaType && l.Digest.String() == p.Bundle.Config.Digest:
			p.ConfigYAML, err = read(r, l, options)
		case l.MediaType == ChartMediaType && l.Digest.String() == p.Bundle.Chart.Layer:
			p.ChartTGZ, err = read(r, l, options)
		}
		if err != nil {
			return nil, err
		}
	}
	if p.ConfigYAML == nil || p.ChartTGZ == nil {
		return nil, &NotABundleError{Reference: ref, Reason: "its layers are not the configuration and the chart that its description names"}
	}
	if err := p.Bundle.check(); err != nil {
		return nil, &NotABundleError{Reference: ref, Reason: err.Error()}
	}
	return p, nil
}

// Resolve returns the digest that ref names now. A reference by digest is looked up too, so a nil error
// always means that the registry has it. That it is a bundle is not checked; [Pull] does.
func Resolve(ctx context.Context, ref string, opts ...remote.Option) (string, error) {
	r, err := ParseReference(ref)
	if err != nil {
		return "", err
	}
	desc, err := remote.Head(r, RemoteOptions(ctx, opts...)...)
	if err != nil {
		return "", readError(r, err)
	}
	return desc.Digest.String(), nil
}

func parseManifest(ref string, desc *remote.Descriptor) (*v1.Manifest, error) {
	if desc.MediaType != types.OCIManifestSchema1 {
		return nil, &NotABundleError{Reference: ref, Reason: fmt.Sprintf("it is of type %s", desc.MediaType)}
	}
	var m v1.Manifest
	if err := json.Unmarshal(desc.Manifest, &m); err != nil {
		return nil, &NotABundleError{Reference: ref, Reason: "its manifest cannot be read: " + err.Error()}
	}
	if m.Config.MediaType != MediaType {
		what := string(m.Config.MediaType)
		switch m.Config.MediaType {
		case types.OCIConfigJSON, types.DockerConfigJSON:
			what = "a container image"
		case "application/vnd.cncf.helm.config.v1+json":
			what = "a Helm chart"
		}
		return nil, &NotABundleError{Reference: ref, Reason: "it is " + what}
	}
	return &m, nil
}

// read fetches one blob; the client checks its digest and size.
func read(r name.Reference, d v1.Descriptor, options []remote.Option) ([]byte, error) {
	if d.Size > maxBlob {
		return nil, &NotABundleError{Reference: r.Name(), Reason: fmt.Sprintf("blob %s has %d bytes, more than the %d that a bundle's may have", ShortDigest(d.Digest.String()), d.Size, maxBlob)}
	}
	l, err := remote.Layer(r.Context().Digest(d.Digest.String()), options...)
	if err != nil {
		return nil, readError(r, err)
	}
	body, err := l.Compressed()
	if err != nil {
		return nil, readError(r, err)
	}
	defer body.Close()
	content, err := io.ReadAll(io.LimitReader(body, maxBlob+1))
	if err != nil {
		return nil, fmt.Errorf("reading blob %s of %s: %w", ShortDigest(d.Digest.String()), r.Name(), err)
	}
	// The client checks as it reads; checking here as well keeps the promise whatever the client does.
	if DigestOf(content) != d.Digest.String() {
		return nil, &NotABundleError{Reference: r.Name(), Reason: fmt.Sprintf("blob %s has other content than its digest says", ShortDigest(d.Digest.String()))}
	}
	return content, nil
}

func readError(r name.Reference, err error) error {
	if isNotFound(err) {
		return &NotFoundError{Reference: r.Name()}
	}
	return AsRegistryError(r.Context().RegistryStr(), err)
}
