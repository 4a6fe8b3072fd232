package proxy

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestPodsAreAnsweredAsAtTheFirstAddress(t *testing.T) {
	served := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Slipway-Slot", "blue")
		fmt.Fprintf(w, "%s %s", r.Host, r.Header.Get("canary"))
	}))
	defer served.Close()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := free.Addr().String()
	_ = free.Close()
	if err := Forward(t.Context(), address, strings.TrimPrefix(served.URL, "http://")); err != nil {
		t.Fatal(err)
	}
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/ping", nil)
	req.Host = "calculator.test"
	req.Header.Set("canary", "always")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(resp.Body)
	if got := resp.Header.Get("Slipway-Slot") + " " + string(body); got != "blue calculator.test always" {
		t.Errorf("got %q", got)
	}
	if err := Forward(t.Context(), address, "127.0.0.1:1"); err == nil {
		t.Error("an address that is taken is accepted")
	}
}
