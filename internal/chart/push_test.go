package chart

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

func testRegistry(t *testing.T, wrap func(http.Handler) http.Handler) string {
	t.Helper()
	handler := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	if wrap != nil {
		handler = wrap(handler)
	}
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

func TestPushIsReproducibleAndReadableAsAHelmChart(t *testing.T) {
	tgz := packed(t, "testdata/plain")
	var digests []string
	var host string
	for range 2 {
		host = testRegistry(t, nil)
		digest, err := Push(t.Context(), host+"/team/charts/plain", tgz, PushOptions{})
		if err != nil {
			t.Fatal(err)
		}
		digests = append(digests, digest)
	}
	if digests[0] != digests[1] {
		t.Errorf("two registries gave %v", digests)
	}
	// The tag is the version, whose plus sign no tag may have.
	ref, err := name.ParseReference(host + "/team/charts/plain:1.2.3_build.4")
	if err != nil {
		t.Fatal(err)
	}
	got, err := remote.Get(ref)
	if err != nil {
		t.Fatal(err)
	}
	if got.Digest.String() != digests[1] {
		t.Errorf("the registry says %s, Push said %s", got.Digest, digests[1])
	}
	var manifest v1.Manifest
	if err := json.Unmarshal(got.Manifest, &manifest); err != nil {
		t.Fatal(err)
	}
	if manifest.Config.MediaType != ConfigMediaType || len(manifest.Layers) != 1 || manifest.Layers[0].MediaType != LayerMediaType {
		t.Errorf("the manifest is %s", got.Manifest)
	}
	for key := range manifest.Annotations {
		if strings.Contains(key, "created") {
			t.Errorf("the manifest tells the time: %s", key)
		}
	}
	if again, err := Push(t.Context(), host+"/team/charts/plain:1.2.3_build.4", tgz, PushOptions{}); err != nil || again != digests[1] {
		t.Errorf("pushing again gave %s, %v", again, err)
	}
}

func TestPushErrorsTellUnreachableFromRefused(t *testing.T) {
	tgz := packed(t, "testdata/plain")
	refusing := func(status int, code string) func(http.Handler) http.Handler {
		return func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path == "/v2/" {
					next.ServeHTTP(w, r)
					return
				}
				w.Header().Set("Content-Type", "application/json")
				w.WriteHeader(status)
				fmt.Fprintf(w, `{"errors":[{"code":%q,"message":"so it is"}]}`, code)
			})
		}
	}
	for _, test := range []struct {
		name                 string
		host                 string
		unreachable, refused bool
		says                 string
	}{
		{"nobody there", "127.0.0.1:1", true, false, "cannot be reached"},
		{"not logged in", testRegistry(t, refusing(http.StatusUnauthorized, "UNAUTHORIZED")), false, true, "docker login"},
		{"may not push", testRegistry(t, refusing(http.StatusForbidden, "DENIED")), false, true, "docker login"},
		{"does not want it", testRegistry(t, refusing(http.StatusBadRequest, "MANIFEST_INVALID")), false, false, "did not take"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Push(t.Context(), test.host+"/plain:1", tgz, PushOptions{})
			var failed *RegistryError
			if !errors.As(err, &failed) || failed.Unreachable != test.unreachable || failed.Refused != test.refused || failed.Registry != test.host {
				t.Fatalf("got %#v", err)
			}
			if !strings.Contains(err.Error(), test.says) {
				t.Errorf("%q does not say %q", err, test.says)
			}
		})
	}
	if _, err := Push(t.Context(), "No Such Ref", tgz, PushOptions{}); err == nil || !strings.Contains(err.Error(), "no valid reference") {
		t.Errorf("got %v", err)
	}
	if _, err := Push(t.Context(), "127.0.0.1:1/x", []byte("junk"), PushOptions{}); err == nil {
		t.Error("junk was pushed")
	}
}
