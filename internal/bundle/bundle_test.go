package bundle_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/slipway-cd/slipway/internal/bundle"
)

var (
	configYAML = []byte("service: shop\n")
	chartTGZ   = []byte("not really an archive")
	quick      = remote.WithRetryBackoff(remote.Backoff{Duration: time.Millisecond, Steps: 2})
)

func example(host string) bundle.Bundle {
	return bundle.Bundle{
		Service: "shop", Version: "v1", Builder: "test",
		Images: map[string]bundle.Image{"web": {Repository: host + "/web", Digest: "sha256:" + strings.Repeat("1", 64)}},
		Chart:  bundle.Chart{Name: "shop", Version: "0.1.0", Repository: host + "/charts/shop", Digest: "sha256:" + strings.Repeat("2", 64)},
		Source: bundle.Source{Commit: strings.Repeat("3", 40), Time: time.Unix(1_700_000_000, 0).In(time.FixedZone("east", 3600))},
	}
}

// serve starts a registry in memory; change may answer a request itself.
func serve(t *testing.T, change func(http.ResponseWriter, *http.Request) bool) (host string) {
	t.Helper()
	handler := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if change == nil || !change(w, r) {
			handler.ServeHTTP(w, r)
		}
	}))
	t.Cleanup(server.Close)
	t.Setenv("DOCKER_CONFIG", t.TempDir())
	return strings.TrimPrefix(server.URL, "http://")
}

func TestWhatWasPushedIsPulled(t *testing.T) {
	host := serve(t, nil)
	repo := bundle.Repository(host, "shop")
	digest, err := bundle.Push(t.Context(), repo, example(host), configYAML, chartTGZ)
	if err != nil {
		t.Fatal(err)
	}
	for _, ref := range []string{repo + ":v1", repo + "@" + digest, repo + ":v1@" + digest} {
		p, err := bundle.Pull(t.Context(), ref)
		if err != nil {
			t.Fatal(err)
		}
		if p.Digest != digest || p.Reference() != repo+"@"+digest || !bytes.Equal(p.ConfigYAML, configYAML) || !bytes.Equal(p.ChartTGZ, chartTGZ) {
			t.Errorf("%s: pulled %+v", ref, p)
		}
		b := p.Bundle
		if b.Images["web"] != example(host).Images["web"] || b.Config.Digest != bundle.DigestOf(configYAML) || b.Chart.Layer != bundle.DigestOf(chartTGZ) || b.Source.Time.Unix() != 1_700_000_000 {
			t.Errorf("%s: bundle is %+v", ref, b)
		}
		if got, err := bundle.Resolve(t.Context(), ref); err != nil || got != digest {
			t.Errorf("%s resolves to %s, %v", ref, got, err)
		}
	}
}

func TestTheSameContentHasTheSameDigest(t *testing.T) {
	first, err := bundle.Digest(example("127.0.0.1:1"), configYAML, chartTGZ)
	if err != nil {
		t.Fatal(err)
	}
	other := example("127.0.0.1:1")
	other.Source.Time = other.Source.Time.UTC()
	second, _ := bundle.Digest(other, configYAML, chartTGZ)
	if first != second {
		t.Error("a time zone changed the digest")
	}
	host := serve(t, nil)
	pushed, err := bundle.Push(t.Context(), host+"/x", example("127.0.0.1:1"), configYAML, chartTGZ)
	if err != nil || pushed != first {
		t.Errorf("Push returned %s (%v), Digest %s", pushed, err, first)
	}
	third, _ := bundle.Digest(other, []byte("service: other\n"), chartTGZ)
	if third == first {
		t.Error("another configuration has the same digest")
	}
}

func TestTheManifestNamesTheArtifactType(t *testing.T) {
	host := serve(t, nil)
	if _, err := bundle.Push(t.Context(), host+"/x", example(host), configYAML, chartTGZ); err != nil {
		t.Fatal(err)
	}
	ref, _ := name.ParseReference(host + "/x:v1")
	desc, err := remote.Get(ref)
	if err != nil {
		t.Fatal(err)
	}
	var m v1.Manifest
	if err := json.Unmarshal(desc.Manifest, &m); err != nil {
		t.Fatal(err)
	}
	if m.ArtifactType != bundle.ArtifactType || m.Config.MediaType != bundle.MediaType || len(m.Layers) != 2 {
		t.Errorf("manifest is %s", desc.Manifest)
	}
}

func TestAMissingBundleIsNotFound(t *testing.T) {
	host := serve(t, nil)
	for _, ref := range []string{host + "/x:v1", host + "/x@sha256:" + strings.Repeat("0", 64)} {
		_, err := bundle.Pull(t.Context(), ref)
		if !errors.Is(err, bundle.ErrNotFound) || !strings.Contains(err.Error(), ref) {
			t.Errorf("Pull: %v", err)
		}
		if _, err := bundle.Resolve(t.Context(), ref); !errors.Is(err, bundle.ErrNotFound) {
			t.Errorf("Resolve: %v", err)
		}
	}
}

func TestSomethingElseIsNotABundle(t *testing.T) {
	host := serve(t, nil)
	img, err := random.Image(10, 1)
	if err != nil {
		t.Fatal(err)
	}
	write := func(ref string, f func(name.Reference) error) string {
		t.Helper()
		r, err := name.ParseReference(host + "/" + ref)
		if err != nil {
			t.Fatal(err)
		}
		if err := f(r); err != nil {
			t.Fatal(err)
		}
		return r.Name()
	}
	for _, ref := range []string{
		write("image:1", func(r name.Reference) error { return remote.Write(r, img) }),
		write("index:1", func(r name.Reference) error { return remote.WriteIndex(r, empty.Index) }),
	} {
		_, err := bundle.Pull(t.Context(), ref)
		var not *bundle.NotABundleError
		if !errors.As(err, &not) {
			t.Errorf("%s: got %T %v", ref, err, err)
		}
	}
}

func TestAChangedBlobIsNotBelieved(t *testing.T) {
	damaged := bundle.DigestOf(chartTGZ)
	host := serve(t, func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodGet && strings.HasSuffix(r.URL.Path, "/blobs/"+damaged) {
			_, _ = w.Write([]byte("really not an archive"))
			return true
		}
		return false
	})
	if _, err := bundle.Push(t.Context(), host+"/x", example(host), configYAML, chartTGZ); err != nil {
		t.Fatal(err)
	}
	if p, err := bundle.Pull(t.Context(), host+"/x:v1"); err == nil {
		t.Errorf("pulled %+v", p)
	}
}

func TestRegistryTroublesAreToldApart(t *testing.T) {
	for status, want := range map[int]bundle.Trouble{401: bundle.Unauthorized, 403: bundle.Unauthorized, 500: bundle.Refused, 418: bundle.Refused} {
		host := serve(t, func(w http.ResponseWriter, _ *http.Request) bool {
			w.WriteHeader(status)
			return true
		})
		_, pull := bundle.Pull(t.Context(), host+"/x:v1", quick)
		_, resolve := bundle.Resolve(t.Context(), host+"/x:v1", quick)
		_, push := bundle.Push(t.Context(), host+"/x", example(host), configYAML, chartTGZ, quick)
		for what, err := range map[string]error{"pull": pull, "resolve": resolve, "push": push} {
			var trouble *bundle.RegistryError
			if !errors.As(err, &trouble) || trouble.Trouble != want || trouble.Host != host || trouble.Status != status {
				t.Errorf("%s with status %d: %T %v", what, status, err, err)
			}
		}
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host := listener.Addr().String()
	listener.Close()
	_, err = bundle.Pull(t.Context(), host+"/x:v1", quick)
	var trouble *bundle.RegistryError
	if !errors.As(err, &trouble) || trouble.Trouble != bundle.Unreachable || trouble.Host != host {
		t.Errorf("nothing listens: %T %v", err, err)
	}
}

func TestAnEndedContextIsNoRegistryTrouble(t *testing.T) {
	host := serve(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := bundle.Pull(ctx, host+"/x:v1")
	var trouble *bundle.RegistryError
	if !errors.Is(err, context.Canceled) || errors.As(err, &trouble) {
		t.Errorf("got %T %v", err, err)
	}
}

func TestBadReferencesContactNoOne(t *testing.T) {
	for _, ref := range []string{"", "shop", "shop:v1", "team/shop:v1", "127.0.0.1:1/shop", "127.0.0.1:1/Shop:v1", "127.0.0.1:1/shop@sha256:12", "127.0.0.1:1/shop:v 1", "127.0.0.1:1/"} {
		_, err := bundle.Pull(t.Context(), ref)
		var bad *bundle.ReferenceError
		if !errors.As(err, &bad) {
			t.Errorf("%q: %T %v", ref, err, err)
		}
	}
}

func TestAnIncompleteBundleIsNotPushed(t *testing.T) {
	host := serve(t, func(_ http.ResponseWriter, r *http.Request) bool {
		t.Errorf("%s %s", r.Method, r.URL)
		return false
	})
	for what, change := range map[string]func(*bundle.Bundle){
		"no service":       func(b *bundle.Bundle) { b.Service = "" },
		"no chart":         func(b *bundle.Bundle) { b.Chart.Name = "" },
		"tag for a digest": func(b *bundle.Bundle) { b.Images["web"] = bundle.Image{Repository: host + "/web", Digest: "latest"} },
		"no host": func(b *bundle.Bundle) {
			b.Images["web"] = bundle.Image{Repository: "web", Digest: b.Images["web"].Digest}
		},
		"version no tag": func(b *bundle.Bundle) { b.Version = "v 1" },
	} {
		b := example(host)
		change(&b)
		if _, err := bundle.Push(t.Context(), host+"/x", b, configYAML, chartTGZ); err == nil {
			t.Errorf("%s was pushed", what)
		}
	}
}

func TestShortDigest(t *testing.T) {
	for in, want := range map[string]string{
		"sha256:0123456789abcdef0123": "sha256:0123456789ab",
		"sha256:01":                   "sha256:01",
		"latest":                      "latest",
		"":                            "",
	} {
		if got := bundle.ShortDigest(in); got != want {
			t.Errorf("ShortDigest(%q) is %q, want %q", in, got, want)
		}
	}
}
