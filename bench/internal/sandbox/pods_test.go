package sandbox

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// api serves a list and then a watch of pods; the watch stays open after its events, and told is closed when they are out.
func api(t *testing.T, list string, events ...string) (*Proxy, <-chan struct{}) {
	t.Helper()
	told := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("watch") == "" {
			_, _ = fmt.Fprintf(w, `{"metadata":{"resourceVersion":"7"},"items":[%s]}`, list)
			return
		}
		if v := r.URL.Query().Get("resourceVersion"); v != "7" {
			t.Errorf("the watch begins at %q, want where the list ended", v)
		}
		for _, e := range events {
			_, _ = fmt.Fprintln(w, e)
		}
		w.(http.Flusher).Flush()
		close(told)
		<-r.Context().Done()
	}))
	t.Cleanup(server.Close)
	return &Proxy{URL: server.URL, client: server.Client()}, told
}

func podJSON(uid string, ready bool) string {
	return fmt.Sprintf(`{"metadata":{"uid":%q},"status":{"conditions":[{"type":"Ready","status":%q}]}}`, uid, map[bool]string{true: "True", false: "False"}[ready])
}

func change(kind, pod string) string { return fmt.Sprintf(`{"type":%q,"object":%s}`, kind, pod) }

// read waits until the watch has noted so many new pods, and none is pending or some are, as wanted.
func read(t *testing.T, w *PodWatch, count, pending int) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); ; {
		w.mu.Lock()
		done := w.seen.New == count && len(w.pending) == pending
		w.mu.Unlock()
		if done {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("the watch has noted %+v, want %d new pods of which %d are not ready", w.seen, count, pending)
		}
	}
}

func TestReadinessIsThatOfNewPodsOnly(t *testing.T) {
	px, told := api(t, podJSON("old", true),
		change("MODIFIED", podJSON("old", false)), change("ADDED", podJSON("a", false)), change("ADDED", podJSON("b", false)),
		change("MODIFIED", podJSON("a", true)), change("MODIFIED", podJSON("b", true)), change("DELETED", podJSON("old", false)))
	w, err := px.WatchPods(t.Context(), "n")
	if err != nil {
		t.Fatal(err)
	}
	<-told
	read(t, w, 2, 0)
	seen, err := w.Stop()
	if err != nil || seen.New != 2 || seen.Readiness() <= 0 {
		t.Errorf("%+v, readiness %s, %v; want two new pods that took some time", seen, seen.Readiness(), err)
	}
}

func TestARolloutThatWasNotSeenToEndIsAnError(t *testing.T) {
	px, told := api(t, "", change("ADDED", podJSON("a", false)))
	w, err := px.WatchPods(t.Context(), "n")
	if err != nil {
		t.Fatal(err)
	}
	<-told
	read(t, w, 1, 1)
	if _, err := w.Stop(); err == nil || !strings.Contains(err.Error(), "1 of 1 new pods") {
		t.Errorf("got %v", err)
	}
	px, _ = api(t, podJSON("old", true))
	if w, err = px.WatchPods(t.Context(), "n"); err != nil {
		t.Fatal(err)
	}
	if _, err := w.Stop(); err == nil || !strings.Contains(err.Error(), "no new pods") {
		t.Errorf("got %v", err)
	}
}

func TestAMergePatchIsTimedAndARefusalIsAnError(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body map[string]any
		if err := json.NewDecoder(r.Body).Decode(&body); err != nil || r.Method != http.MethodPatch || r.Header.Get("Content-Type") != "application/merge-patch+json" {
			t.Errorf("%s %v %v", r.Method, r.Header, err)
		}
		if r.URL.Path == "/no" {
			http.Error(w, "conflict", http.StatusConflict)
		}
	}))
	defer server.Close()
	px := &Proxy{URL: server.URL, client: server.Client()}
	sent, answered, err := px.MergePatch(t.Context(), "/yes", `{"a":1}`)
	if err != nil || !answered.After(sent) {
		t.Errorf("sent %s, answered %s, %v", sent, answered, err)
	}
	if _, _, err := px.MergePatch(t.Context(), "/no", `{"a":1}`); err == nil || !strings.Contains(err.Error(), "conflict") {
		t.Errorf("got %v, want what the server said", err)
	}
}
