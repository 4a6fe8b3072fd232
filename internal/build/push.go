package build

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"golang.org/x/sync/errgroup"

	"github.com/slipway-cd/slipway/internal/bundle"
)

// push sends what the registry does not have: images, SBOMs and chart side by side, then the bundle that names them.
func (r *run) push(ctx context.Context, p *plan, built *builtImages, version string) (*Result, error) {
	r.events.begin("build:push", "pushing to "+r.Config.Registry)
	l := newLedger(p)
	b := bundle.Bundle{
		Service: r.Config.Service, Version: version, Images: map[string]bundle.Image{},
		Chart:  bundle.Chart{Name: p.chart.name, Version: p.chart.version, Repository: p.chart.repo.Name()},
		Source: p.source, Builder: r.Builder,
	}
	b.Config.Digest, b.Chart.Layer = bundle.DigestOf(r.ConfigBytes), bundle.DigestOf(p.chart.tgz)
	pusher, err := remote.NewPusher(bundle.RemoteOptions(ctx, r.Remote...)...)
	if err != nil {
		return nil, fmt.Errorf("preparing to push to %s: %w", r.Config.Registry, err)
	}
	// A Dockerfile is built and pushed in one go; it goes first, while a failure still finds the registry untouched.
	if err := r.each(ctx, l, len(p.docker), func(ctx context.Context, i int) (string, error) {
		return "image " + p.docker[i].name, r.pushDocker(ctx, p.docker[i], version, l, &b)
	}); err != nil {
		return nil, err
	}
	parts := len(built.images) + 1
	if p.self != nil {
		parts++
	}
	if err := r.each(ctx, l, parts, func(ctx context.Context, i int) (string, error) {
		switch i {
		case len(built.images):
			return "chart " + p.chart.name, r.pushChart(ctx, pusher, p.chart, version, l, &b)
		case len(built.images) + 1:
			return guardianImage, r.pushSelf(ctx, p.self, pusher, l, &b)
		}
		return "image " + built.images[i].name, r.pushImage(ctx, pusher, built.images[i], version, l, &b)
	}); err != nil {
		return nil, err
	}
	digest, err := r.pushBundle(ctx, p, b, l)
	if err != nil {
		return nil, l.fail("the bundle", err)
	}
	return &Result{Bundle: b, Digest: digest, Reference: p.bundle.Name() + "@" + digest, Pushed: l.sent}, nil
}

// each runs n parts side by side. The first failure stops the others, and the error says what had been pushed by then.
func (r *run) each(ctx context.Context, l *ledger, n int, part func(context.Context, int) (string, error)) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(max(r.Jobs, 4)) // pushing waits more than it computes
	var mu sync.Mutex
	var what string
	var first error
	for i := range n {
		group.Go(func() error {
			w, err := part(ctx, i)
			mu.Lock()
			defer mu.Unlock()
			if err != nil && first == nil {
				what, first = w, err
			}
			return err
		})
	}
	if group.Wait() == nil {
		return nil
	}
	return l.fail(what, first)
}

// hello asks the registry whether it is there and lets us in, before time is spent on building.
func (r *run) hello(ctx context.Context, p *plan) error {
	_, err := r.tagged(ctx, p.bundle, "latest")
	if err == nil {
		who, resolveErr := authn.DefaultKeychain.Resolve(p.bundle.Registry)
		if resolveErr == nil && who == authn.Anonymous {
			// Nobody is logged in, so an answer that it is not allowed is final.
			_, err = r.head(ctx, p.bundle, "latest")
		}
	}
	if err != nil {
		return newLedger(p).fail("to "+p.bundle.RegistryStr(), err)
	}
	return nil
}

func (r *run) pushDocker(ctx context.Context, d dockerImage, version string, l *ledger, b *bundle.Bundle) error {
	phase := "build:" + d.name
	r.events.begin(phase, fmt.Sprintf("building image %s from %s with BuildKit", d.name, d.file))
	before, err := r.tagged(ctx, d.repo, version)
	if err != nil {
		return err
	}
	digest, err := r.buildDocker(ctx, d, version)
	if err != nil {
		return err
	}
	r.events.progress(phase, "built and pushed %s", bundle.ShortDigest(digest))
	l.done("image "+d.name, before != digest, func() {
		b.Images[d.name] = bundle.Image{Repository: d.repo.Name(), Digest: digest}
	})
	return nil
}

func (r *run) pushImage(ctx context.Context, pusher *remote.Pusher, img builtImage, version string, l *ledger, b *bundle.Bundle) error {
	host := img.repo.RegistryStr()
	// The SBOM goes first: an image that can be pulled has one.
	for _, s := range img.sboms {
		want, err := s.artifact.Digest()
		if err != nil {
			return fmt.Errorf("reading the SBOM: %w", err)
		}
		tag := sbomTag(s.subject)
		sent, err := r.pushTag(ctx, pusher, img.repo, tag, want.String(), s.artifact)
		if err != nil {
			return bundle.AsRegistryError(host, err)
		}
		l.done("SBOM of image "+img.name, sent, nil)
	}
	// An image without a tag is rubbish to a registry's clean-up; the version's tag keeps it. Nothing ever reads the tag.
	sent, err := r.pushTag(ctx, pusher, img.repo, version, img.digest, img.content)
	if err != nil {
		return bundle.AsRegistryError(host, err)
	}
	r.said("build:"+img.name, sent, img.repo.Name()+"@"+bundle.ShortDigest(img.digest))
	l.done("image "+img.name, sent, func() {
		b.Images[img.name] = bundle.Image{Repository: img.repo.Name(), Digest: img.digest}
	})
	return nil
}

// sbomTag is where cosign and ko keep the SBOM of an image: in its repository, under a tag made of its digest.
func sbomTag(subject v1.Hash) string { return subject.Algorithm + "-" + subject.Hex + ".sbom" }

// pushTag makes a tag name a manifest, and sends what is missing for it.
func (r *run) pushTag(ctx context.Context, pusher *remote.Pusher, repo name.Repository, tag, digest string, content remote.Taggable) (sent bool, err error) {
	now, err := r.tagged(ctx, repo, tag)
	if err != nil || now == digest {
		return false, err
	}
	return true, pusher.Push(ctx, repo.Tag(tag), content)
}

// tagged is the digest that a tag names, or nothing when there is no such tag. Some registries answer a question about
// a repository that does not exist yet with 401 or 403, also to someone who may push it into being; that is no such tag.
func (r *run) tagged(ctx context.Context, repo name.Repository, tag string) (string, error) {
	digest, err := r.head(ctx, repo, tag)
	if isUnauthorized(err) {
		return "", nil
	}
	return digest, err
}

func (r *run) head(ctx context.Context, repo name.Repository, tag string) (string, error) {
	desc, err := remote.Head(repo.Tag(tag), bundle.RemoteOptions(ctx, r.Remote...)...)
	if isNotFound(err) {
		return "", nil
	}
	if err != nil {
		return "", bundle.AsRegistryError(repo.RegistryStr(), err)
	}
	return desc.Digest.String(), nil
}

// pushChart pushes the chart as an ordinary Helm OCI chart under its own version. The bundle's version is a second
// tag, because a chart that changes without a new version takes the first tag away from the one before it.
func (r *run) pushChart(ctx context.Context, pusher *remote.Pusher, c chart, version string, l *ledger, b *bundle.Bundle) error {
	digest, err := r.pushedChart(ctx, c, version, b.Chart.Layer)
	if err != nil {
		return err
	}
	sent := digest == ""
	if sent {
		if digest, err = r.Charts.Push(ctx, c.repo.Name()+":"+chartTag(c.version), c.tgz); err != nil {
			return err
		}
		desc, err := remote.Get(c.repo.Digest(digest), bundle.RemoteOptions(ctx, r.Remote...)...)
		if err != nil {
			return bundle.AsRegistryError(c.repo.RegistryStr(), err)
		}
		if err := pusher.Push(ctx, c.repo.Tag(version), desc); err != nil {
			return bundle.AsRegistryError(c.repo.RegistryStr(), err)
		}
	}
	r.said("build:chart", sent, c.repo.Name()+"@"+bundle.ShortDigest(digest))
	l.done("chart "+c.name, sent, func() { b.Chart.Digest = digest })
	return nil
}

// pushedChart is the digest of the chart that the bundle's version names, if it holds this very archive.
func (r *run) pushedChart(ctx context.Context, c chart, version, layer string) (string, error) {
	if digest, err := r.tagged(ctx, c.repo, version); digest == "" || err != nil {
		return "", err
	}
	desc, err := remote.Get(c.repo.Tag(version), bundle.RemoteOptions(ctx, r.Remote...)...)
	if err != nil {
		return "", bundle.AsRegistryError(c.repo.RegistryStr(), err)
	}
	var m v1.Manifest
	if json.Unmarshal(desc.Manifest, &m) != nil {
		return "", nil // something else has the tag; pushing replaces it
	}
	if !slices.ContainsFunc(m.Layers, func(d v1.Descriptor) bool { return d.Digest.String() == layer }) {
		return "", nil
	}
	return desc.Digest.String(), nil
}

func (r *run) pushBundle(ctx context.Context, p *plan, b bundle.Bundle, l *ledger) (string, error) {
	digest, err := bundle.Digest(b, r.ConfigBytes, p.chart.tgz)
	if err != nil {
		return "", err
	}
	now, err := r.tagged(ctx, p.bundle, b.Version)
	if err != nil {
		return "", err
	}
	if now != digest {
		if digest, err = bundle.Push(ctx, p.bundle.Name(), b, r.ConfigBytes, p.chart.tgz, r.Remote...); err != nil {
			return "", err
		}
	}
	r.said("build:push", now != digest, p.bundle.Name()+"@"+bundle.ShortDigest(digest))
	l.done("bundle", now != digest, nil)
	return digest, nil
}

func (r *run) said(phase string, sent bool, what string) {
	if sent {
		r.events.progress(phase, "pushed %s", what)
		return
	}
	r.events.progress(phase, "the registry has %s already", what)
}

func isNotFound(err error) bool {
	var answer *transport.Error
	return errors.As(err, &answer) && answer.StatusCode == http.StatusNotFound
}

func isUnauthorized(err error) bool {
	var refusal *bundle.RegistryError
	return errors.As(err, &refusal) && refusal.Trouble == bundle.Unauthorized
}

// ledger keeps what has been pushed and what has not, for the error that may have to say so.
type ledger struct {
	mu   sync.Mutex
	open []string
	// present is what the registry has now, sent the part of it that this build sent.
	present, sent []string
}

func newLedger(p *plan) *ledger {
	l := &ledger{sent: []string{}}
	for _, d := range p.docker {
		l.open = append(l.open, "image "+d.name)
	}
	for _, img := range p.golang {
		l.open = append(l.open, "SBOM of image "+img.name, "image "+img.name)
	}
	if p.self != nil {
		l.open = append(l.open, guardianImage)
	}
	l.open = append(l.open, "chart "+p.chart.name, "bundle")
	return l
}

// done notes that the registry has something, and runs then (if any) while no one else does.
func (l *ledger) done(what string, sent bool, then func()) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.open = slices.DeleteFunc(l.open, func(s string) bool { return s == what })
	if !slices.Contains(l.present, what) {
		l.present = append(l.present, what)
	}
	if sent && !slices.Contains(l.sent, what) {
		l.sent = append(l.sent, what)
	}
	if then != nil {
		then()
	}
}

func (l *ledger) fail(what string, err error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return &PushError{What: what, Pushed: slices.Clone(l.present), NotPushed: slices.Clone(l.open), Err: err}
}

// chartTag is a chart's version as Helm writes it into a tag, which may not hold a plus sign.
func chartTag(version string) string { return strings.ReplaceAll(version, "+", "_") }
