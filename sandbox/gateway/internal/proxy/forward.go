package proxy

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"time"
)

// Forward answers at one address what is served at another, until ctx ends; from "" it does nothing. Traefik serves a listener of a
// Gateway at one address only, and pods cannot reach that of the loopback. The host that a request is for stays as it is.
func Forward(ctx context.Context, from, to string) error {
	if from == "" {
		return nil
	}
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", from)
	if err != nil {
		return fmt.Errorf("cannot listen on --pods %s: %w (nothing was started)", from, err)
	}
	server := &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(&url.URL{Scheme: "http", Host: to})
		r.Out.Host = r.In.Host
	}}}
	go func() { _ = server.Serve(l) }()
	context.AfterFunc(ctx, func() { _ = server.Close() })
	return nil
}
