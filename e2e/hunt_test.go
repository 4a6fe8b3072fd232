//go:build e2e

package e2e

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"html"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
)

// hunt looks for marked values in everything it is shown, in every spelling that it knows.
type hunt struct {
	t       *testing.T
	needles map[string]string // by what they are

	mu          sync.Mutex
	things      int
	bytes       int
	processes   int
	told        map[string]bool
	secretsSeen map[string]bool
}

func newHunt(t *testing.T, marks map[string]string) *hunt {
	h := &hunt{t: t, needles: map[string]string{}, told: map[string]bool{}, secretsSeen: map[string]bool{}}
	for name, mark := range marks {
		for i, line := range append([]string{mark}, strings.Split(mark, "\n")...) {
			if !strings.Contains(line, "Leak") {
				continue
			}
			asJSON, err := json.Marshal(line)
			if err != nil {
				t.Fatal(err)
			}
			twice, _ := json.Marshal(string(asJSON[1 : len(asJSON)-1]))
			for form, text := range map[string]string{
				"raw": line, "URL query": url.QueryEscape(line), "URL path": url.PathEscape(line), "JSON": string(asJSON[1 : len(asJSON)-1]),
				"JSON in JSON": string(twice[1 : len(twice)-1]), "Go": strings.Trim(strconv.Quote(line), `"`), "HTML": html.EscapeString(line),
				"base64": base64.RawStdEncoding.EncodeToString([]byte(line)), "base64 for URLs": base64.RawURLEncoding.EncodeToString([]byte(line)),
				"base64 at 1": shifted(line, 1), "base64 at 2": shifted(line, 2),
			} {
				h.needles[name+" line "+strconv.Itoa(i)+" as "+form] = text
			}
		}
	}
	return h
}

// shifted is the middle of the base64 of something that the text is a part of.
func shifted(text string, offset int) string {
	all := base64.RawStdEncoding.EncodeToString(append(make([]byte, offset), text...))
	return all[4 : len(all)-4]
}

// holds says which mark is in the data, "" for none.
func (h *hunt) holds(data []byte) string {
	for what, needle := range h.needles {
		if bytes.Contains(data, []byte(needle)) {
			return what
		}
	}
	return ""
}

func (h *hunt) look(where string, data []byte) {
	found := h.holds(data)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.things++
	h.bytes += len(data)
	if found != "" && !h.told[where] {
		h.told[where] = true
		h.t.Errorf("A SECRET LEAKED: %s holds the secret %s", where, found)
	}
}

// sampleProcesses looks at argv and environ of all processes, again and again, until stop is called.
func (h *hunt) sampleProcesses() (stop func()) {
	done, ended := make(chan struct{}), make(chan struct{})
	seen := map[string]int{} // how often, by pid and argv: the environ of a young process may not be there yet
	go func() {
		defer close(ended)
		for {
			entries, err := os.ReadDir("/proc")
			if err != nil {
				return
			}
			for _, e := range entries {
				if _, err := strconv.Atoi(e.Name()); err != nil {
					continue
				}
				argv, err := os.ReadFile("/proc/" + e.Name() + "/cmdline")
				if err != nil || seen[e.Name()+string(argv)] >= 3 {
					continue
				}
				if seen[e.Name()+string(argv)]++; seen[e.Name()+string(argv)] == 1 {
					h.processes++
				}
				environ, _ := os.ReadFile("/proc/" + e.Name() + "/environ") // it may have ended
				name, _, _ := strings.Cut(string(argv), "\x00")
				h.look("argv of "+name, argv)
				h.look("environ of "+name, environ)
			}
			select {
			case <-done:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}()
	var once sync.Once
	return func() { once.Do(func() { close(done); <-ended }) }
}

// lookAtFiles looks through every file of a directory.
func (h *hunt) lookAtFiles(dir string) {
	h.t.Helper()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		raw, err := os.ReadFile(path)
		h.look("the file "+path, raw)
		return err
	})
	if err != nil {
		h.t.Fatal(err)
	}
}

// lookAtCluster looks through every object of every kind in the namespace and outside of any, and into Helm's records. Of the
// Secrets that are made of the vault it leaves out the data alone.
func (l *leakSite) lookAtCluster() {
	l.t.Helper()
	client := discovery.NewDiscoveryClientForConfigOrDie(suite.rest)
	lists, err := client.ServerPreferredResources()
	if err != nil {
		l.t.Fatal(err)
	}
	for _, list := range lists {
		gv, err := schema.ParseGroupVersion(list.GroupVersion)
		if err != nil {
			l.t.Fatal(err)
		}
		for _, r := range list.APIResources {
			if !strings.Contains(" "+strings.Join(r.Verbs, " ")+" ", " list ") {
				continue
			}
			namespace := ""
			if r.Namespaced {
				namespace = l.namespace
			}
			objects, err := suite.dynamic.Resource(gv.WithResource(r.Name)).Namespace(namespace).List(l.t.Context(), metav1.ListOptions{})
			if err != nil {
				l.t.Logf("listing %s: %v", r.Name, err)
				continue
			}
			for _, o := range objects.Items {
				l.lookAtObject(o)
			}
		}
	}
}

func (l *leakSite) lookAtObject(o unstructured.Unstructured) {
	l.t.Helper()
	where := o.GetKind() + "/" + o.GetName()
	if o.GetKind() == "Secret" && o.GetLabels()["slipway.dev/secret"] != "" {
		data, _, _ := unstructured.NestedStringMap(o.Object, "data")
		raw, err := base64.StdEncoding.DecodeString(data["second"])
		if err == nil && l.hunt.holds(raw) != "" {
			l.hunt.secretsSeen[o.GetName()] = true
		}
		delete(o.Object, "data")
	}
	if kind, _, _ := unstructured.NestedString(o.Object, "type"); kind == "helm.sh/release.v1" {
		data, _, _ := unstructured.NestedStringMap(o.Object, "data")
		outer, err := base64.StdEncoding.DecodeString(data["release"])
		if err != nil {
			l.t.Fatal(err)
		}
		inner, err := base64.StdEncoding.DecodeString(string(outer))
		if err != nil {
			l.t.Fatal(err)
		}
		l.hunt.look("Helm's record "+o.GetName(), gunzip(l.t, inner))
	}
	raw, err := json.Marshal(o.Object)
	if err != nil {
		l.t.Fatal(err)
	}
	l.hunt.look(where, raw)
}

func gunzip(t *testing.T, raw []byte) []byte {
	t.Helper()
	r, err := gzip.NewReader(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
