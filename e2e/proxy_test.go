//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"

	"github.com/slipway-cd/slipway/internal/release"
)

// proxy stands between one slipway and the API server, and does to requests what a test says.
type proxy struct {
	kubeconfig string

	mu sync.Mutex
	// cut: no request gets through, and none that is under way gets an answer.
	cut  bool
	ends []func()
	// before sees each request that would change something, with its body; what it returns is whether the request is forwarded.
	before func(r *http.Request, body []byte) bool
	// after sees each of them once the API server has answered.
	after func(r *http.Request, body []byte)
}

// newProxy starts one, with a kubeconfig that leads to it.
func newProxy(t *testing.T) *proxy {
	t.Helper()
	p := &proxy{kubeconfig: filepath.Join(t.TempDir(), "kubeconfig")}
	transport, err := rest.TransportFor(suite.rest)
	if err != nil {
		t.Fatal(err)
	}
	target, err := url.Parse(suite.rest.Host)
	if err != nil {
		t.Fatal(err)
	}
	forward := &httputil.ReverseProxy{Transport: transport, FlushInterval: -1, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx, end := context.WithCancel(r.Context())
		defer end()
		p.mu.Lock()
		cut := p.cut
		p.ends = append(p.ends, end)
		p.mu.Unlock()
		if cut {
			panic(http.ErrAbortHandler)
		}
		r = r.WithContext(ctx)
		if r.Method == http.MethodGet {
			forward.ServeHTTP(w, r)
			return
		}
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		p.mu.Lock()
		before, after := p.before, p.after
		p.mu.Unlock()
		if before != nil && !before(r, body) {
			panic(http.ErrAbortHandler) // no answer at all
		}
		forward.ServeHTTP(w, r)
		if after != nil {
			after(r, body)
		}
	}))
	t.Cleanup(server.Close)
	config := fmt.Sprintf(`{"apiVersion":"v1","kind":"Config","current-context":"proxy","clusters":[{"name":"proxy","cluster":{"server":%q}}],`+
		`"contexts":[{"name":"proxy","context":{"cluster":"proxy","user":""}}]}`, server.URL)
	if err := os.WriteFile(p.kubeconfig, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return p
}

// cutOff keeps the API server away, or lets it come back.
func (p *proxy) cutOff(cut bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = cut
	for _, end := range p.ends {
		end()
	}
	p.ends = nil
}

// journal is the open release in a request that writes the record, nil if the request is another.
func journal(r *http.Request, body []byte) *release.Journal {
	if !strings.Contains(r.URL.Path, "/configmaps") {
		return nil
	}
	object, _, err := scheme.Codecs.UniversalDeserializer().Decode(body, nil, nil) // JSON or protobuf
	cm, ok := object.(*corev1.ConfigMap)
	if err != nil || !ok || cm.Data["record.json"] == "" {
		return nil
	}
	var rec release.Record
	if json.Unmarshal([]byte(cm.Data["record.json"]), &rec) != nil {
		return nil
	}
	return rec.Open
}
