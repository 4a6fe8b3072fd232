package load

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"
)

func options(url string) Options {
	return Options{URL: url, Path: "/api/calculate", Method: http.MethodPost, Rate: 500, Duration: 200 * time.Millisecond,
		Timeout: 5 * time.Second, Workers: 100}
}

func TestALoadIsSentCountedAndRecorded(t *testing.T) {
	var mu sync.Mutex
	seen, hosts, bodies := 0, map[string]bool{}, map[string]bool{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		seen++
		hosts[r.Host], bodies[string(body)] = true, true
		w.Header().Set("X-Version", "v1")
		w.Header().Set("X-Slot", "blue")
		switch seen % 10 {
		case 1:
			w.WriteHeader(http.StatusServiceUnavailable)
		case 2:
			http.Redirect(w, r, "/elsewhere", http.StatusFound)
		}
	}))
	defer server.Close()
	var lines bytes.Buffer
	o := options(server.URL)
	o.Host, o.Record = "calculator.example", &lines
	c, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	r := c.Report(500)
	if r.Total.Requests != seen || seen < 90 || seen > 110 {
		t.Errorf("%d requests reported, %d served, want the same and about 100", r.Total.Requests, seen)
	}
	if r.Codes["503"] == 0 || r.Codes["302"] == 0 || r.Total.Failures != r.Codes["503"]+r.Codes["302"] {
		t.Errorf("codes %v and %d failures: want 503s and 302s to be failures, unfollowed", r.Codes, r.Total.Failures)
	}
	if len(r.Groups) != 1 || r.Groups[0].Version != "v1" || r.Groups[0].Slot != "blue" {
		t.Errorf("groups %+v", r.Groups)
	}
	if len(hosts) != 1 || !hosts["calculator.example"] || len(bodies) != seen {
		t.Errorf("hosts %v, %d different bodies of %d", hosts, len(bodies), seen)
	}
	recorded := 0
	for s := bufio.NewScanner(&lines); s.Scan(); recorded++ {
		var l Line
		if err := json.Unmarshal(s.Bytes(), &l); err != nil || l.Version != "v1" || l.Code == 0 || l.Time.IsZero() || (l.Code != 200) != (l.Error != "") {
			t.Fatalf("line %s: %v", s.Bytes(), err)
		}
	}
	if recorded != seen {
		t.Errorf("%d lines recorded of %d requests", recorded, seen)
	}
}

func TestWhenStoppedTheRequestsUnderWayAreAnswered(t *testing.T) {
	ctx, stop := context.WithCancel(t.Context())
	entered, release := make(chan struct{}, 1000), make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		entered <- struct{}{}
		<-release
	}))
	defer server.Close()
	go func() {
		for range 5 { // an open loop: they come although none is answered
			<-entered
		}
		stop()
		close(release)
	}()
	o := options(server.URL)
	o.Duration = 0
	c, err := Run(ctx, o)
	if r := c.Report(500); err != nil || r.Total.Requests < 5 || r.Total.Failures != 0 {
		t.Errorf("%d requests, %d failed, %v; want at least 5 and no failure", r.Total.Requests, r.Total.Failures, err)
	}
}

func TestNoAnswerIsAFailureWithoutAVersion(t *testing.T) {
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	c, err := Run(t.Context(), options(gone.URL))
	r := c.Report(500)
	if err != nil || r.Total.Requests == 0 || r.Total.Failures != r.Total.Requests || r.Groups[0].Version != "" || r.FirstFailure == nil ||
		r.Codes["error"] != r.Total.Requests {
		t.Errorf("%+v, %v", r, err)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("disk full") }

func TestARecordThatCannotBeWrittenEndsTheLoad(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	o := options(server.URL)
	o.Duration, o.Record = 0, full{}
	if _, err := Run(t.Context(), o); err == nil || err.Error() != "recording a request: disk full" {
		t.Errorf("got %v", err)
	}
}

func TestNumbersVaryTheSameWayEachTime(t *testing.T) {
	different := map[uint64]bool{}
	for i := range uint64(10_000) {
		n := varied(i)
		if n < 2 || n > 1e12 || n != varied(i+10_000) {
			t.Fatalf("varied(%d) = %d, varied(%d) = %d", i, n, i+10_000, varied(i+10_000))
		}
		different[n] = true
	}
	if len(different) < 9_990 {
		t.Errorf("only %d different numbers of 10000", len(different))
	}
}
