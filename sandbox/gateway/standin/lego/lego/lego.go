// Package lego stands in for the ACME client: it can be named, not made.
package lego

import (
	"crypto/x509"
	"errors"
	"net/http"
	"time"

	"github.com/go-acme/lego/v5/certificate"
	"github.com/go-acme/lego/v5/challenge"
	"github.com/go-acme/lego/v5/challenge/dns01"
	"github.com/go-acme/lego/v5/challenge/http01"
	"github.com/go-acme/lego/v5/challenge/tlsalpn01"
	"github.com/go-acme/lego/v5/registration"
)

// DirectoryURLLetsEncrypt is empty: there is no server to speak to.
const DirectoryURLLetsEncrypt = ""

// Config configures a Client.
type Config struct {
	CADirURL, UserAgent string
	HTTPClient          *http.Client
	Certificate         struct{ Timeout time.Duration }
}

// Client is never made.
type Client struct {
	Challenge    *Solvers
	Certificate  *certificate.Certifier
	Registration *registration.Registrar
}

// Solvers refuses every challenge.
type Solvers struct{}

// NewConfig returns a configuration that no client takes.
func NewConfig(any) *Config { return &Config{} }

// NewClient always fails.
func NewClient(*Config) (*Client, error) { return nil, errors.ErrUnsupported }

// CreateCertPool always fails.
func CreateCertPool([]string, bool) (*x509.CertPool, error) { return nil, errors.ErrUnsupported }

// SetDNS01Provider always fails.
func (*Solvers) SetDNS01Provider(challenge.Provider, ...dns01.ChallengeOption) error {
	return errors.ErrUnsupported
}

// SetHTTP01Provider always fails.
func (*Solvers) SetHTTP01Provider(challenge.Provider, ...http01.Option) error {
	return errors.ErrUnsupported
}

// SetTLSALPN01Provider always fails.
func (*Solvers) SetTLSALPN01Provider(challenge.Provider, ...tlsalpn01.Option) error {
	return errors.ErrUnsupported
}
