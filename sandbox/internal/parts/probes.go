package parts

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/slipway-cd/slipway/sandbox/internal/layout"
)

// RealProbes asks the parts over the network, as their users do.
func RealProbes(l layout.Layout, redisPassword string) Probes {
	return Probes{
		TLS: func(addr, path, cert, ca string) func(context.Context) error {
			return func(ctx context.Context) error { return askTLS(ctx, l, addr, path, cert, ca) }
		},
		HTTP: func(addr, path string) func(context.Context) error {
			return func(ctx context.Context) error {
				return ask(ctx, &http.Transport{DisableKeepAlives: true}, "http://"+addr+path)
			}
		},
		Redis: func(ctx context.Context) error { return askRedis(ctx, l, redisPassword) },
		Socket: func(path string) func(context.Context) error {
			return func(ctx context.Context) error {
				var d net.Dialer
				conn, err := d.DialContext(ctx, "unix", path)
				if err != nil {
					return fmt.Errorf("connect: %w", err)
				}
				return conn.Close()
			}
		},
		DNS: askDNS,
	}
}

func ask(ctx context.Context, via *http.Transport, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := via.RoundTrip(req)
	if err != nil {
		return fmt.Errorf("ask %s: %w", url, err)
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 500 {
		body, _ := io.ReadAll(io.LimitReader(resp.Body, 500))
		return fmt.Errorf("%s answers %s: %s", url, resp.Status, strings.TrimSpace(string(body)))
	}
	return nil
}

func askTLS(ctx context.Context, l layout.Layout, addr, path, cert, ca string) error {
	pair, err := tls.LoadX509KeyPair(l.PKI(cert+".crt"), l.PKI(cert+".key"))
	if err != nil {
		return fmt.Errorf("read the client certificate: %w", err)
	}
	pool, err := loadCA(l, ca)
	if err != nil {
		return err
	}
	return ask(ctx, &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{pair}},
	}, "https://"+addr+path)
}

func loadCA(l layout.Layout, name string) (*x509.CertPool, error) {
	raw, err := os.ReadFile(l.PKI(name + ".crt"))
	if err != nil {
		return nil, fmt.Errorf("read the authority's certificate: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(raw) {
		return nil, errors.New("the authority's certificate is broken")
	}
	return pool, nil
}

func askRedis(ctx context.Context, l layout.Layout, password string) error {
	pool, err := loadCA(l, "ca")
	if err != nil {
		return err
	}
	d := tls.Dialer{Config: &tls.Config{RootCAs: pool}}
	conn, err := d.DialContext(ctx, "tcp", layout.Redis)
	if err != nil {
		return fmt.Errorf("connect to Redis: %w", err)
	}
	defer conn.Close()
	if t, ok := ctx.Deadline(); ok {
		if err := conn.SetDeadline(t); err != nil {
			return fmt.Errorf("set a deadline: %w", err)
		}
	}
	if _, err := fmt.Fprintf(conn, "AUTH %s\r\nPING\r\n", password); err != nil {
		return fmt.Errorf("ask Redis: %w", err)
	}
	r := bufio.NewReader(conn)
	for _, want := range []string{"+OK\r\n", "+PONG\r\n"} {
		got, err := r.ReadString('\n')
		if err != nil {
			return fmt.Errorf("read Redis's answer: %w", err)
		}
		if got != want {
			return fmt.Errorf("redis answers %q instead of %q", got, want)
		}
	}
	return nil
}

func askDNS(ctx context.Context) error {
	r := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, network, layout.DNS)
	}}
	const name = "kubernetes.default.svc.cluster.local."
	got, err := r.LookupHost(ctx, name)
	if err != nil {
		return fmt.Errorf("look up %s: %w", name, err)
	}
	if !slices.Contains(got, layout.APIServiceIP) {
		return fmt.Errorf("%s is %v instead of %s", name, got, layout.APIServiceIP)
	}
	return nil
}
