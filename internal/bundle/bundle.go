// Package bundle reads and writes the bundle: the immutable OCI artifact that one build makes and that every
// environment is promoted with.
//
// A bundle names everything by digest: the images, the chart and the release configuration. The chart archive and
// the configuration are layers of the artifact itself, so one pull has all that a release needs. The same content
// always gives the same digest: nothing in a bundle comes from a wall clock, a host name or a path.
package bundle

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Media types of the artifact.
const (
	// ArtifactType tells a bundle from every other OCI artifact.
	ArtifactType = "application/vnd.slipway.bundle.v1"
	// MediaType is that of the config blob: the JSON form of [Bundle].
	MediaType types.MediaType = "application/vnd.slipway.bundle.v1+json"
	// ConfigMediaType is that of the layer with the release configuration (slipway.yaml, byte for byte).
	ConfigMediaType types.MediaType = "application/vnd.slipway.config.v1+yaml"
	// ChartMediaType is that of the layer with the chart archive. It is Helm's own, so the registry stores the
	// archive once for the bundle and for the chart.
	ChartMediaType types.MediaType = "application/vnd.cncf.helm.chart.content.v1.tar+gzip"
)

// Bundle is what a build made. Digests are in the form "sha256:" and 64 hex digits.
type Bundle struct {
	// Service is the service that is released with it.
	Service string `json:"service"`
	// Version is for people; the bundle's digest is what is released.
	Version string `json:"version"`
	// Images by the name they have in slipway.yaml.
	Images map[string]Image `json:"images,omitempty"`
	Chart  Chart            `json:"chart"`
	// Guardian is Slipway itself, which finishes a release whose runner has died; nil if the build could make none.
	Guardian *Guardian `json:"guardian,omitempty"`
	Config   Config    `json:"config"`
	Source   Source    `json:"source"`
	// Builder is the program that made the bundle, with its version.
	Builder string `json:"builder"`
}

// Image is one image, or one index of images for several platforms.
type Image struct {
	// Repository with the registry's host, without tag and digest.
	Repository string `json:"repository"`
	Digest     string `json:"digest"`
}

// Reference is the image by digest, as a pod may name it.
func (i Image) Reference() string { return i.Repository + "@" + i.Digest }

// Guardian is an image of Slipway, for Linux on one kind of processor (amd64, arm64).
type Guardian struct {
	Image
	Arch string `json:"arch"`
}

// Chart is the Helm chart.
type Chart struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	// Repository is where the chart was pushed as an ordinary Helm OCI chart, without "oci://", tag and digest.
	Repository string `json:"repository"`
	// Digest is that of the pushed Helm chart's manifest.
	Digest string `json:"digest"`
	// Layer is that of the archive (.tgz), which is also a layer of the bundle.
	Layer string `json:"layer"`
}

// Config is the release configuration.
type Config struct {
	Digest string `json:"digest"`
}

// Source is what was built. A branch is left out on purpose: a pipeline builds a detached commit, a laptop a branch,
// and both must come to the same digest.
type Source struct {
	// Commit is the full commit id; empty without git.
	Commit string `json:"commit,omitempty"`
	// Dirty says that there were uncommitted changes.
	Dirty bool `json:"dirty,omitempty"`
	// Content is a hash of what the commit does not name: the uncommitted changes, or without git what was built.
	Content string `json:"content,omitempty"`
	// Time is the commit's time (UTC); zero without git.
	Time time.Time `json:"time,omitzero"`
}

// DigestOf is the digest of content.
func DigestOf(content []byte) string {
	sum := sha256.Sum256(content)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// ShortDigest is the one way in which digests are shortened for people: "sha256:" and the first 12 hex digits.
// What is not a digest is returned as it is.
func ShortDigest(digest string) string {
	algorithm, hexDigits, ok := strings.Cut(digest, ":")
	if !ok || len(hexDigits) <= 12 {
		return digest
	}
	return algorithm + ":" + hexDigits[:12]
}

// Repository is where the bundles of a service are kept below a registry prefix ("acme.azurecr.io",
// "127.0.0.1:5080/demo"). It is not the service's bare name, because an image is often called that.
func Repository(registry, service string) string {
	return strings.TrimSuffix(registry, "/") + "/bundles/" + service
}

// ParseRepository checks a repository's name. Unlike Docker it wants the registry's host: a name without one is
// a mistake here, not Docker Hub.
func ParseRepository(repository string) (name.Repository, error) {
	if err := wantHost(repository); err != nil {
		return name.Repository{}, err
	}
	r, err := name.NewRepository(repository)
	if err != nil {
		return name.Repository{}, &ReferenceError{Reference: repository, Reason: err.Error()}
	}
	return r, nil
}

// ParseReference checks a reference to a bundle: REPOSITORY:TAG or REPOSITORY@sha256:….
func ParseReference(ref string) (name.Reference, error) {
	if err := wantHost(ref); err != nil {
		return nil, err
	}
	last := ref[strings.LastIndex(ref, "/")+1:]
	if !strings.ContainsAny(last, ":@") {
		return nil, &ReferenceError{Reference: ref, Reason: "it has neither a tag nor a digest; add :VERSION or @sha256:…"}
	}
	r, err := name.ParseReference(ref)
	if err != nil {
		return nil, &ReferenceError{Reference: ref, Reason: err.Error()}
	}
	return r, nil
}

func wantHost(ref string) error {
	host, rest, ok := strings.Cut(ref, "/")
	if !ok || rest == "" || !strings.ContainsAny(host, ".:") && host != "localhost" {
		return &ReferenceError{Reference: ref, Reason: "it does not begin with a registry's host, as in registry.example.com/" + strings.TrimPrefix(ref, "/")}
	}
	return nil
}

// check refuses a bundle that could not be released.
func (b Bundle) check() error {
	if b.Service == "" || b.Version == "" {
		return errors.New("a bundle needs a service and a version")
	}
	if b.Chart.Name == "" {
		return errors.New("a bundle needs a chart")
	}
	for _, n := range slices.Sorted(maps.Keys(b.Images)) {
		if err := b.Images[n].check(); err != nil {
			return fmt.Errorf("image %s: %w", n, err)
		}
	}
	if b.Guardian != nil {
		if err := b.Guardian.check(); err != nil {
			return fmt.Errorf("the guardian's image: %w", err)
		}
	}
	return nil
}

func (i Image) check() error {
	if _, err := v1.NewHash(i.Digest); err != nil {
		return err
	}
	_, err := ParseRepository(i.Repository)
	return err
}
