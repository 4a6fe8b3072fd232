// Package mounted reads the files of a Secret that is mounted into the pod.
package mounted

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	// Public certificate authorities: the images have no /etc/ssl. Used only where no file gives others.
	_ "golang.org/x/crypto/x509roots/fallback"
)

// Secret is the directory where a Secret is mounted.
type Secret string

// Read returns what the file holds, without white space around it.
func (s Secret) Read(name string) (string, error) {
	b, err := os.ReadFile(filepath.Join(string(s), name))
	return strings.TrimSpace(string(b)), err
}

// ReadOr is Read, but returns absent if there is no such file.
func (s Secret) ReadOr(name, absent string) (string, error) {
	v, err := s.Read(name)
	if errors.Is(err, fs.ErrNotExist) {
		return absent, nil
	}
	return v, err
}

// Authorities reads PEM certificates. It returns nil, which in a tls.Config means the public ones, if
// there is no such file.
func (s Secret) Authorities(name string) (*x509.CertPool, error) {
	pem, err := s.Read(name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(pem)) {
		return nil, fmt.Errorf("%s holds no PEM certificate", filepath.Join(string(s), name))
	}
	return pool, nil
}
