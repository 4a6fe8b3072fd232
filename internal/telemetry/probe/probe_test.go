package probe

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

func serve(t *testing.T, h http.HandlerFunc) (*Prober, *httptest.Server) {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	p, err := New(s.URL, "shop.example")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Close)
	return p, s
}

func TestEachReasonOfFailureIsToldApart(t *testing.T) {
	release := make(chan struct{})
	p, _ := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/ok":
			_, _ = io.WriteString(w, "version v2")
		case "/error":
			w.WriteHeader(http.StatusServiceUnavailable)
		case "/moved":
			http.Redirect(w, r, "/ok", http.StatusFound)
		case "/never":
			<-release
		case "/broken":
			panic(http.ErrAbortHandler)
		}
	})
	t.Cleanup(func() { close(release) }) // before the server closes, which waits for its handlers
	for name, c := range map[string]struct {
		req  Request
		want Reason
	}{
		"any 2xx":               {Request{Path: "/ok"}, ""},
		"the status":            {Request{Path: "/ok", WantStatus: 200}, ""},
		"a wanted redirect":     {Request{Path: "/moved", WantStatus: 302}, ""},
		"an unwanted redirect":  {Request{Path: "/moved"}, Status},
		"another status":        {Request{Path: "/ok", WantStatus: 204}, Status},
		"a server error":        {Request{Path: "/error"}, Status},
		"the body":              {Request{Path: "/ok", WantBody: regexp.MustCompile(`v\d`)}, ""},
		"another body":          {Request{Path: "/ok", WantBody: regexp.MustCompile(`^v3`)}, Body},
		"slower than the bound": {Request{Path: "/ok", Within: 1}, Slow},
		"within the bound":      {Request{Path: "/ok", Within: time.Minute}, ""},
		"no answer in time":     {Request{Path: "/never", Timeout: 50 * time.Millisecond}, Timeout},
		"a broken connection":   {Request{Path: "/broken"}, Transport},
		"a path without slash":  {Request{Path: "ok"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := p.Run(t.Context(), c.req)
			if err != nil || r.Sent != 1 {
				t.Fatalf("%+v, %v", r, err)
			}
			if c.want == "" && (r.Passed != 1 || r.First != "") || c.want != "" && (r.Failures[c.want] != 1 || r.Failed != 1 || r.First == "") {
				t.Errorf("%+v", r)
			}
		})
	}
}

func TestWhatNobodyAnswersIsNoFailureOfTheCandidate(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	p, err := New("http://"+addr, "")
	if err != nil {
		t.Fatal(err)
	}
	r, err := p.Run(t.Context(), Request{Path: "/", Count: 10})
	if err != nil || r.Unreached != 1 || r.Failed != 0 || r.Sent != 1 || !strings.Contains(r.First, addr) {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestALookEndsAsSoonAsMoreFailedThanAllowed(t *testing.T) {
	var n atomic.Int64
	p, _ := serve(t, func(w http.ResponseWriter, _ *http.Request) {
		if n.Add(1)%2 == 0 {
			w.WriteHeader(http.StatusInternalServerError)
		}
	})
	r, err := p.Run(t.Context(), Request{Path: "/", Count: 100, AllowedFailures: 2})
	if err != nil || r.Failed != 3 || r.Passed != 3 || r.Sent != 6 || n.Load() != 6 {
		t.Errorf("%+v, %v after %d requests", r, err, n.Load())
	}
}

func TestRequestsCarryHostHeadersMethodAndBodyOverOneConnection(t *testing.T) {
	var conns atomic.Int64
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		if r.Method != http.MethodPost || r.Host != "shop.example" || r.Header.Get("canary") != "always" || string(b) != `{"n":12}` || r.URL.RawQuery != "x=1" {
			w.WriteHeader(http.StatusBadRequest)
		}
	}))
	s.Config.ConnState = func(_ net.Conn, st http.ConnState) {
		if st == http.StateNew {
			conns.Add(1)
		}
	}
	s.Start()
	t.Cleanup(s.Close)
	p, err := New(s.URL+"/base", "shop.example")
	if err != nil {
		t.Fatal(err)
	}
	req := Request{Method: "POST", Path: "/calc?x=1", Body: `{"n":12}`, Headers: map[string]string{"canary": "always"}, Count: 5}
	for range 2 {
		if r, err := p.Run(t.Context(), req); err != nil || r.Passed != 5 || r.P50 <= 0 || r.P50 > r.P95 || r.P95 > r.Max {
			t.Errorf("%+v, %v", r, err)
		}
	}
	if conns.Load() != 1 {
		t.Errorf("%d connections", conns.Load())
	}
}

func TestTheTLSServerNameIsTheHost(t *testing.T) {
	var name atomic.Value
	s := httptest.NewTLSServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { name.Store(r.TLS.ServerName) }))
	t.Cleanup(s.Close)
	p, err := New(s.URL, "example.com:443") // the name in httptest's certificate
	if err != nil {
		t.Fatal(err)
	}
	tr := p.client.Transport.(*http.Transport)
	tr.TLSClientConfig.RootCAs = s.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	if r, err := p.Run(t.Context(), Request{Path: "/"}); err != nil || r.Passed != 1 || name.Load() != "example.com" {
		t.Errorf("%+v, %v, server name %v", r, err, name.Load())
	}
}

func TestALoopbackEndpointNeedsNoProxy(t *testing.T) {
	for endpoint, proxied := range map[string]bool{"http://127.0.0.1:1": false, "http://localhost:1": false, "http://[::1]:1": false, "https://shop.example": true} {
		p, err := New(endpoint, "")
		if err != nil {
			t.Fatal(err)
		}
		if got := p.client.Transport.(*http.Transport).Proxy != nil; got != proxied {
			t.Errorf("%s: proxy asked for: %v", endpoint, got)
		}
	}
}

func TestEndingTheContextEndsTheLook(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	p, _ := serve(t, func(_ http.ResponseWriter, r *http.Request) { cancel(); <-r.Context().Done() })
	if _, err := p.Run(ctx, Request{Path: "/", Count: 3}); !errors.Is(err, context.Canceled) {
		t.Errorf("err = %v", err)
	}
}

func TestAnEndpointThatIsNoURLIsRefused(t *testing.T) {
	for _, e := range []string{"", "shop.example", "ftp://x", "http://", "http://%zz"} {
		if _, err := New(e, ""); err == nil {
			t.Errorf("%q was accepted", e)
		}
	}
}

func TestQuantilesAreNearestRank(t *testing.T) {
	var d []time.Duration
	for i := 20; i >= 1; i-- {
		d = append(d, time.Duration(i))
	}
	if p50, p95, most := quantiles(d); p50 != 10 || p95 != 19 || most != 20 {
		t.Errorf("%d %d %d", p50, p95, most)
	}
	if p50, p95, most := quantiles(d[:1]); p50 != 20 || p95 != 20 || most != 20 {
		t.Errorf("%d %d %d", p50, p95, most)
	}
}
