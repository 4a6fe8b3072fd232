// Package pki makes the certificates and kubeconfigs of a sandbox. Everything
// is written once and kept; what is missing, unreadable or close to its end
// is made again.
package pki

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// Lifetime is how long certificates are valid; Renew is how long before their
// end Ensure replaces them.
const (
	Lifetime = 10 * 365 * 24 * time.Hour
	Renew    = 30 * 24 * time.Hour
)

// Cert describes one certificate signed by a CA of the same store.
type Cert struct {
	// Name is the file name without extension.
	Name string
	// CA names the authority that signs it.
	CA string
	// CN and Orgs are the subject: for Kubernetes, the user and its groups.
	CN   string
	Orgs []string
	// Hosts are DNS names and IP addresses; when there is one the
	// certificate also serves.
	Hosts []string
}

// Store is a directory of PEM files: <name>.crt and <name>.key (mode 0600).
type Store struct {
	Dir string
	// Now is the clock, for tests. nil means time.Now.
	Now func() time.Time
}

func (s Store) now() time.Time {
	if s.Now != nil {
		return s.Now()
	}
	return time.Now()
}

type pair struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// Ensure makes the authorities and certificates that are missing, broken,
// about to expire or signed by an authority that was made again. It returns
// the names of those it wrote.
func (s Store) Ensure(cas []string, certs []Cert) ([]string, error) {
	if err := os.MkdirAll(s.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the certificate directory: %w", err)
	}
	var made []string
	authorities := map[string]pair{}
	for _, name := range cas {
		p, err := s.load(name)
		if err != nil {
			if p, err = s.makeCA(name); err != nil {
				return made, fmt.Errorf("make the authority %s: %w", name, err)
			}
			made = append(made, name)
		}
		authorities[name] = p
	}
	for _, c := range certs {
		ca, ok := authorities[c.CA]
		if !ok {
			return made, fmt.Errorf("certificate %s: no authority named %q", c.Name, c.CA)
		}
		if p, err := s.load(c.Name); err == nil && p.cert.CheckSignatureFrom(ca.cert) == nil {
			continue
		}
		if err := s.makeCert(c, ca); err != nil {
			return made, fmt.Errorf("make the certificate %s: %w", c.Name, err)
		}
		made = append(made, c.Name)
	}
	return made, nil
}

// EnsureKey makes a bare signing key (<name>.key) and its public half
// (<name>.pub) when they are missing.
func (s Store) EnsureKey(name string) error {
	if _, err := os.Stat(s.file(name + ".pub")); err == nil {
		if _, err := readKey(s.file(name + ".key")); err == nil {
			return nil
		}
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return fmt.Errorf("make the key %s: %w", name, err)
	}
	pub, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return fmt.Errorf("encode the public key %s: %w", name, err)
	}
	if err := s.writeKey(name, key); err != nil {
		return err
	}
	return writeFile(s.file(name+".pub"), pemBytes("PUBLIC KEY", pub), 0o644)
}

func (s Store) file(name string) string { return filepath.Join(s.Dir, name) }

func (s Store) load(name string) (pair, error) {
	raw, err := os.ReadFile(s.file(name + ".crt"))
	if err != nil {
		return pair{}, err
	}
	block, _ := pem.Decode(raw)
	if block == nil {
		return pair{}, errors.New("no PEM block")
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return pair{}, err
	}
	if now := s.now(); now.Before(cert.NotBefore) || now.After(cert.NotAfter.Add(-Renew)) {
		return pair{}, errors.New("expired or about to")
	}
	key, err := readKey(s.file(name + ".key"))
	if err != nil {
		return pair{}, err
	}
	if !key.PublicKey.Equal(cert.PublicKey) {
		return pair{}, errors.New("key and certificate do not match")
	}
	return pair{cert, key}, nil
}

func (s Store) makeCA(name string) (pair, error) {
	t, err := s.template(name)
	if err != nil {
		return pair{}, err
	}
	t.IsCA = true
	t.BasicConstraintsValid = true
	t.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	return s.sign(name, t, nil)
}

func (s Store) makeCert(c Cert, ca pair) error {
	t, err := s.template(c.CN)
	if err != nil {
		return err
	}
	t.Subject.Organization = c.Orgs
	t.KeyUsage = x509.KeyUsageDigitalSignature
	t.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}
	for _, h := range c.Hosts {
		if ip := net.ParseIP(h); ip != nil {
			t.IPAddresses = append(t.IPAddresses, ip)
		} else {
			t.DNSNames = append(t.DNSNames, h)
		}
	}
	if len(c.Hosts) > 0 {
		t.ExtKeyUsage = append(t.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	_, err = s.sign(c.Name, t, &ca)
	return err
}

func (s Store) template(cn string) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return nil, err
	}
	return &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: cn},
		// An hour back, so that a clock set back a little does not matter.
		NotBefore: s.now().Add(-time.Hour),
		NotAfter:  s.now().Add(Lifetime),
	}, nil
}

// sign makes a key, signs t with ca (nil: with itself) and writes both.
func (s Store) sign(name string, t *x509.Certificate, ca *pair) (pair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return pair{}, err
	}
	parent, signer := t, key
	if ca != nil {
		parent, signer = ca.cert, ca.key
	}
	der, err := x509.CreateCertificate(rand.Reader, t, parent, &key.PublicKey, signer)
	if err != nil {
		return pair{}, err
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return pair{}, err
	}
	if err := s.writeKey(name, key); err != nil {
		return pair{}, err
	}
	return pair{cert, key}, writeFile(s.file(name+".crt"), pemBytes("CERTIFICATE", der), 0o644)
}

func (s Store) writeKey(name string, key *ecdsa.PrivateKey) error {
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return fmt.Errorf("encode the key %s: %w", name, err)
	}
	return writeFile(s.file(name+".key"), pemBytes("EC PRIVATE KEY", der), 0o600)
}

func readKey(path string) (*ecdsa.PrivateKey, error) {
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(raw)
	if block == nil {
		return nil, errors.New("no PEM block")
	}
	return x509.ParseECPrivateKey(block.Bytes)
}

func pemBytes(kind string, der []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

// writeFile replaces path in one step, so that a crash leaves the old or the new file.
func writeFile(path string, data []byte, mode os.FileMode) error {
	tmp := path + ".new"
	if err := os.WriteFile(tmp, data, mode); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(tmp, path); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	return nil
}
