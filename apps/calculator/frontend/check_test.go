package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func TestCheckWaitsForAGoodAnswer(t *testing.T) {
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if asked.Add(1) == 1 {
			w.WriteHeader(http.StatusServiceUnavailable)
			return
		}
		w.Header().Set("X-Version", "v1")
		if r.Method == http.MethodPost {
			_, _ = io.WriteString(w, `{"number":"5040","factors":["2","2","2","2","3","3","5","7"]}`)
		}
	}))
	defer server.Close()
	var out, problems bytes.Buffer
	if code := check(t.Context(), []string{server.URL + "/ping", server.URL + "/api/calculate"}, &out, &problems); code != 0 {
		t.Errorf("exit %d: %s", code, problems.String())
	}
	if strings.Count(out.String(), "version v1") != 2 {
		t.Errorf("output %q", out.String())
	}
}

func TestCheckFailsOnWrongFactorsAndBadCodes(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodGet {
			http.Error(w, "no such thing", http.StatusNotFound)
			return
		}
		_, _ = io.WriteString(w, `{"number":"5040","factors":["5040"]}`)
	}))
	defer server.Close()
	for path, want := range map[string]string{"/ping": "404 Not Found: no such thing", "/api/calculate": "factors of 5040"} {
		ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
		var problems bytes.Buffer
		code := check(ctx, []string{server.URL + path}, io.Discard, &problems)
		cancel()
		if code != 1 || !strings.Contains(problems.String(), want) {
			t.Errorf("%s: exit %d, %q; want 1 and %q", path, code, problems.String(), want)
		}
	}
	if code := check(t.Context(), nil, io.Discard, io.Discard); code != 2 {
		t.Errorf("without URLs: exit %d, want 2", code)
	}
}
