package azure

import (
	"errors"
	"fmt"
	"net"
	"net/http"
)

// service is a handler at an address.
type service struct {
	addr    string
	tls     bool
	handler http.Handler
}

// listeners are open sockets by the address that they are found at.
type listeners map[string]net.Listener

// listen binds the addresses, and replaces port 0 by the real one.
func listen(l *Listen) (listeners, error) {
	all := listeners{}
	for _, addr := range []*string{&l.Ingest, &l.IngestTLS, &l.Query, &l.Entra, &l.Vault, &l.ARM, &l.Registry, &l.Control} {
		if *addr == "" {
			continue
		}
		ln, err := net.Listen("tcp", *addr)
		if err != nil {
			return all, fmt.Errorf("listen: %w", err)
		}
		*addr = ln.Addr().String()
		all[*addr] = ln
	}
	return all, nil
}

func (l listeners) close() error {
	var errs []error
	for _, ln := range l {
		if err := ln.Close(); err != nil && !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// serveTLS serves with the configured certificate.
func (a *Azure) serveTLS(s *http.Server) func(net.Listener) error {
	return func(ln net.Listener) error { return s.ServeTLS(ln, a.config.Certificate, a.config.Key) }
}
