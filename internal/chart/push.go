package chart

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// The media types of a chart in an OCI registry, as Helm defines them.
const (
	ConfigMediaType types.MediaType = "application/vnd.cncf.helm.config.v1+json"
	LayerMediaType  types.MediaType = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
)

// PushOptions of [Push]; the zero value is right for almost everyone.
type PushOptions struct {
	// Keychain finds credentials; default: Docker's configuration file and its helpers.
	Keychain authn.Keychain
	// Transport carries the requests; default: the registry library's own.
	Transport http.RoundTripper
}

// RegistryError says that a registry did not take the chart.
type RegistryError struct {
	Registry string // host:port
	Ref      string
	// Unreachable: no answer at all. Refused: it answered, and does not let us in or does not let us write.
	Unreachable, Refused bool
	Err                  error
}

func (e *RegistryError) Error() string {
	what, next := "did not take the chart", "nothing was tagged; try again"
	switch {
	case e.Unreachable:
		what, next = "cannot be reached", "nothing was pushed; check the address and the network"
	case e.Refused:
		what, next = "refused the chart", "nothing was tagged; log in to the registry (docker login "+e.Registry+") with an account that may push"
	}
	return fmt.Sprintf("registry %s %s (%s): %v; %s", e.Registry, what, e.Ref, e.Err, next)
}

// Unwrap gives the registry library's error.
func (e *RegistryError) Unwrap() error { return e.Err }

// Push writes a packaged chart to an OCI registry, where `helm pull oci://…` finds it, and returns the digest of its
// manifest ("sha256:…"). The manifest depends on the chart's bytes alone: pushing the same package twice gives the
// same digest and changes nothing.
//
// ref is host/path/NAME with an optional tag, where NAME should be the chart's name, as Helm expects; without a tag
// it is the chart's version, "+" written as "_". Loopback registries are spoken to over plain HTTP.
// The error is a [*RegistryError] when the registry is at fault.
func Push(ctx context.Context, ref string, tgz []byte, opts PushOptions) (digest string, err error) {
	ch, err := Open(tgz)
	if err != nil {
		return "", fmt.Errorf("pushing %s: %w", ref, err)
	}
	tag, err := name.NewTag(ref, name.WithDefaultTag(strings.ReplaceAll(ch.Version(), "+", "_")))
	if err != nil {
		return "", fmt.Errorf("pushing chart %s: %q is no valid reference: %w", ch.Name(), ref, err)
	}
	remoteOptions := []remote.Option{remote.WithContext(ctx), remote.WithAuthFromKeychain(authn.DefaultKeychain)}
	if opts.Keychain != nil {
		remoteOptions[1] = remote.WithAuthFromKeychain(opts.Keychain)
	}
	if opts.Transport != nil {
		remoteOptions = append(remoteOptions, remote.WithTransport(opts.Transport))
	}

	config, err := json.Marshal(ch.meta)
	if err != nil {
		return "", fmt.Errorf("pushing %s: encoding Chart.yaml: %w", ref, err)
	}
	manifest := v1.Manifest{SchemaVersion: 2, MediaType: types.OCIManifestSchema1, Annotations: map[string]string{
		"org.opencontainers.image.title":   ch.Name(),
		"org.opencontainers.image.version": ch.Version(),
	}}
	if ch.meta.Description != "" {
		manifest.Annotations["org.opencontainers.image.description"] = ch.meta.Description
	}
	for _, blob := range []v1.Layer{static.NewLayer(config, ConfigMediaType), static.NewLayer(tgz, LayerMediaType)} {
		if err := remote.WriteLayer(tag.Context(), blob, remoteOptions...); err != nil {
			return "", registryError(tag, err)
		}
		described, err := describe(blob)
		if err != nil {
			return "", fmt.Errorf("pushing %s: %w", ref, err)
		}
		if described.MediaType == ConfigMediaType {
			manifest.Config = described
		} else {
			manifest.Layers = append(manifest.Layers, described)
		}
	}
	raw, err := json.Marshal(manifest)
	if err != nil {
		return "", fmt.Errorf("pushing %s: encoding the manifest: %w", ref, err)
	}
	if err := remote.Put(tag, rawManifest(raw), remoteOptions...); err != nil {
		return "", registryError(tag, err)
	}
	// A static layer's digest is that of its bytes, and it cannot fail.
	sum, err := static.NewLayer(raw, types.OCIManifestSchema1).Digest()
	if err != nil {
		return "", fmt.Errorf("pushing %s: %w", ref, err)
	}
	return sum.String(), nil
}

func describe(blob v1.Layer) (v1.Descriptor, error) {
	digest, err := blob.Digest()
	if err != nil {
		return v1.Descriptor{}, err
	}
	size, err := blob.Size()
	if err != nil {
		return v1.Descriptor{}, err
	}
	media, err := blob.MediaType()
	return v1.Descriptor{MediaType: media, Size: size, Digest: digest}, err
}

// rawManifest is a manifest as it goes over the wire.
type rawManifest []byte

func (m rawManifest) RawManifest() ([]byte, error)        { return m, nil }
func (m rawManifest) MediaType() (types.MediaType, error) { return types.OCIManifestSchema1, nil }

func registryError(tag name.Tag, err error) error {
	if errors.Is(err, context.Canceled) {
		return fmt.Errorf("pushing %s: %w", tag, err)
	}
	e := &RegistryError{Registry: tag.RegistryStr(), Ref: tag.String(), Err: err}
	var answered *transport.Error
	if errors.As(err, &answered) {
		e.Refused = answered.StatusCode == http.StatusUnauthorized || answered.StatusCode == http.StatusForbidden
	} else {
		e.Unreachable = true
	}
	return e
}
