package pki

import (
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

var certs = []Cert{
	{Name: "server", CA: "ca", CN: "server", Hosts: []string{"10.0.0.1", "server.local"}},
	{Name: "client", CA: "ca", CN: "jane", Orgs: []string{"admins"}},
}

func ensure(t *testing.T, s Store) []string {
	t.Helper()
	made, err := s.Ensure([]string{"ca"}, certs)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func read(t *testing.T, path string) *x509.Certificate {
	t.Helper()
	raw, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	block, _ := pem.Decode(raw)
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

func TestCertificatesServeTheirHostsAndNameTheirUsers(t *testing.T) {
	s := Store{Dir: t.TempDir()}
	ensure(t, s)
	pool := x509.NewCertPool()
	pool.AddCert(read(t, filepath.Join(s.Dir, "ca.crt")))
	server := read(t, filepath.Join(s.Dir, "server.crt"))
	for _, host := range []string{"10.0.0.1", "server.local"} {
		if _, err := server.Verify(x509.VerifyOptions{Roots: pool, DNSName: host}); err != nil {
			t.Errorf("%s: %v", host, err)
		}
	}
	client := read(t, filepath.Join(s.Dir, "client.crt"))
	if client.Subject.CommonName != "jane" || !slices.Equal(client.Subject.Organization, []string{"admins"}) {
		t.Errorf("the client is %v", client.Subject)
	}
	if _, err := client.Verify(x509.VerifyOptions{Roots: pool, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}); err == nil {
		t.Error("a client certificate can serve")
	}
	info, err := os.Stat(filepath.Join(s.Dir, "ca.key"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the key's mode is %v, %v", info.Mode(), err)
	}
}

func TestWhatIsGoodIsKeptAndWhatIsNotIsMadeAgain(t *testing.T) {
	s := Store{Dir: t.TempDir()}
	ensure(t, s)
	if made := ensure(t, s); len(made) > 0 {
		t.Errorf("made again for no reason: %v", made)
	}
	file := func(name string) string { return filepath.Join(s.Dir, name) }
	for _, c := range []struct {
		what  string
		spoil func() error
		want  []string
	}{
		{"a certificate is missing", func() error { return os.Remove(file("client.crt")) }, []string{"client"}},
		{"a certificate is cut short", func() error { return os.Truncate(file("server.crt"), 20) }, []string{"server"}},
		{"a key is another's", func() error { return os.Rename(file("client.key"), file("server.key")) }, []string{"server", "client"}},
		{"the authority is missing", func() error { return os.Remove(file("ca.key")) }, []string{"ca", "server", "client"}},
	} {
		if err := c.spoil(); err != nil {
			t.Fatal(err)
		}
		if made := ensure(t, s); !slices.Equal(made, c.want) {
			t.Errorf("%s: made %v, want %v", c.what, made, c.want)
		}
	}
	s.Now = func() time.Time { return time.Now().Add(Lifetime - Renew/2) }
	if made := ensure(t, s); len(made) != 3 {
		t.Errorf("close to the end: made only %v", made)
	}
}

func TestASigningKeyIsMadeOnce(t *testing.T) {
	s := Store{Dir: t.TempDir()}
	var seen []string
	for range 2 {
		if err := s.EnsureKey("sa"); err != nil {
			t.Fatal(err)
		}
		raw, err := os.ReadFile(filepath.Join(s.Dir, "sa.pub"))
		if err != nil {
			t.Fatal(err)
		}
		seen = append(seen, string(raw))
	}
	if seen[0] != seen[1] {
		t.Error("the key changed")
	}
}
