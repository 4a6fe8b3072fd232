package chart

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestFenceLetsOnlyReleaseRecordsPassOnceTheOperationIsOver(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") }))
	defer server.Close()
	why := errors.New("the lease was lost")
	op, cancel := context.WithCancelCause(t.Context())
	client := &http.Client{Transport: fenced(op)(http.DefaultTransport)}
	send := func(method, path string) error {
		req, err := http.NewRequestWithContext(context.Background(), method, server.URL+path, strings.NewReader("{}"))
		if err != nil {
			t.Fatal(err)
		}
		resp, err := client.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		_, err = io.ReadAll(resp.Body)
		return err
	}
	requests := []struct {
		method, path string
		after        bool
	}{
		{"PATCH", "/apis/apps/v1/namespaces/shop/deployments/web", false},
		{"DELETE", "/apis/apps/v1/namespaces/shop/deployments/web", false},
		{"PATCH", "/api/v1/namespaces/shop/secrets/redis", false},
		{"POST", "/api/v1/namespaces/shop/secrets", false}, // a new revision would begin something
		{"GET", "/api/v1/namespaces/shop/secrets", false},
		{"GET", "/api/v1/namespaces/shop/secrets?labelSelector=name%3Dweb%2Cowner%3Dhelm", true},
		{"PUT", "/api/v1/namespaces/shop/secrets/sh.helm.release.v1.web.v2", true},
	}
	for _, r := range requests {
		if err := send(r.method, r.path); err != nil {
			t.Errorf("before the end, %s %s: %v", r.method, r.path, err)
		}
	}
	cancel(why)
	for _, r := range requests {
		switch err := send(r.method, r.path); {
		case r.after && err != nil:
			t.Errorf("%s %s did not pass: %v", r.method, r.path, err)
		case !r.after && !errors.Is(err, why):
			t.Errorf("%s %s passed: %v", r.method, r.path, err)
		}
	}
}

func TestFenceCutsOffARequestUnderWay(t *testing.T) {
	entered := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(entered)
		<-r.Context().Done()
	}))
	defer server.Close()
	why := errors.New("enough")
	op, cancel := context.WithCancelCause(t.Context())
	go func() {
		<-entered
		cancel(why)
	}()
	resp, err := (&http.Client{Transport: fenced(op)(http.DefaultTransport)}).Get(server.URL + "/apis/apps/v1/namespaces/shop/deployments?watch=1")
	if err == nil {
		resp.Body.Close()
	}
	if !errors.Is(err, why) {
		t.Errorf("got %v", err)
	}
}
