package cache

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"go.opentelemetry.io/otel/attribute"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
	"go.opentelemetry.io/otel/trace"

	"github.com/slipway-cd/slipway/apps/calculator/internal/wire"
)

var six = wire.Factors{Number: 6, Factors: []wire.Number{2, 3}, Backend: wire.Identity{Host: "b", Version: "v1", Slot: "blue"}}

// authority makes a certificate for 127.0.0.1 that is its own authority.
func authority(t *testing.T) (tls.Certificate, []byte) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// secret writes the files of a mounted Secret.
func secret(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func open(t *testing.T, dir, version string) *Redis {
	t.Helper()
	r, err := Open(dir, version, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return r
}

func start(t *testing.T, password string) (*miniredis.Miniredis, string) {
	t.Helper()
	cert, ca := authority(t)
	server := miniredis.NewMiniRedis()
	server.RequireAuth(password)
	if err := server.StartTLS(&tls.Config{Certificates: []tls.Certificate{cert}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	return server, secret(t, map[string]string{"host": "127.0.0.1\n", "port": server.Port(), "password": password + "\n", "ca.crt": string(ca)})
}

func TestAnswersAreKeptOverTLSWithAPasswordByVersion(t *testing.T) {
	server, dir := start(t, "s3cret")
	r := open(t, dir, "v1")
	if _, found, ok := r.Get(t.Context(), 6); found || !ok {
		t.Fatalf("empty cache: found %t, ok %t; want false, true", found, ok)
	}
	if !r.Put(t.Context(), six) {
		t.Fatal("Put failed")
	}
	got, found, ok := r.Get(t.Context(), 6)
	if !found || !ok || len(got.Factors) != 2 || got.Backend != six.Backend {
		t.Errorf("Get = %+v, %t, %t", got, found, ok)
	}
	if _, found, ok := open(t, dir, "v2").Get(t.Context(), 6); found || !ok {
		t.Errorf("another version: found %t, ok %t; want false, true", found, ok)
	}
	if ttl := server.TTL("calculator:v1:6"); ttl != Keep {
		t.Errorf("kept for %s, want %s", ttl, Keep)
	}
}

func TestARotatedPasswordIsReadForTheNextConnection(t *testing.T) {
	server, dir := start(t, "old")
	server.RequireAuth("new")
	if err := os.WriteFile(filepath.Join(dir, "password"), []byte("new"), 0o600); err != nil {
		t.Fatal(err)
	}
	if !open(t, dir, "v1").Put(t.Context(), six) {
		t.Error("Put failed with the new password")
	}
}

func TestAWrongPasswordOrAuthorityMeansNoCacheAndNoError(t *testing.T) {
	server, dir := start(t, "right")
	if err := os.WriteFile(filepath.Join(dir, "password"), []byte("wrong"), 0o600); err != nil {
		t.Fatal(err)
	}
	if open(t, dir, "v1").Put(t.Context(), six) {
		t.Error("Put succeeded with a wrong password")
	}
	_, other := authority(t)
	dir = secret(t, map[string]string{"host": "127.0.0.1", "port": server.Port(), "password": "right", "ca.crt": string(other)})
	if open(t, dir, "v1").Put(t.Context(), six) {
		t.Error("Put succeeded with a server that another authority vouches for")
	}
}

func TestAHangingRedisIsAskedOnceAndThenLeftAlone(t *testing.T) {
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0") // accepts, never answers
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	_, ca := authority(t)
	_, port, _ := net.SplitHostPort(l.Addr().String())
	r := open(t, secret(t, map[string]string{"host": "127.0.0.1", "port": port, "password": "x", "ca.crt": string(ca)}), "v1")
	begin := time.Now()
	for range 1000 {
		if _, found, ok := r.Get(t.Context(), 6); found || ok {
			t.Fatal("a hanging Redis answered")
		}
	}
	// One call waits for Timeout; the others must not, or this would take 150 s.
	if took := time.Since(begin); took > 10*Timeout {
		t.Errorf("1000 calls took %s", took)
	}
}

func TestTheCacheComesBackAfterAFailure(t *testing.T) {
	server, dir := start(t, "p")
	r := open(t, dir, "v1")
	server.SetError("LOADING")
	if r.Put(t.Context(), six) {
		t.Fatal("Put succeeded while Redis was loading")
	}
	server.SetError("")
	if r.Put(t.Context(), six) {
		t.Error("Redis was asked during the pause")
	}
	r.pausedUntil.Store(1) // the pause is over
	if !r.Put(t.Context(), six) || r.pausedUntil.Load() != 0 {
		t.Error("the cache did not come back")
	}
}

func TestEachCallIsASpanAndOnlyAFailureOfRedisIsAnError(t *testing.T) {
	server, dir := start(t, "p")
	kept := tracetest.NewSpanRecorder()
	tracer := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(kept)).Tracer("test")
	ctx, request := tracer.Start(t.Context(), "request")
	r := open(t, dir, "v1")
	r.Get(ctx, 6) // a miss
	r.Put(ctx, six)
	gone, cancel := context.WithCancel(ctx)
	cancel()
	r.Get(gone, 6)
	server.SetError("LOADING")
	r.Get(ctx, 6)
	request.End()
	var got []string
	for _, s := range kept.Ended()[:4] {
		got = append(got, fmt.Sprint(s.Name(), " ", s.Status().Code, " ", len(s.Events())))
		if s.Parent().SpanID() != request.SpanContext().SpanID() || s.SpanKind() != trace.SpanKindClient {
			t.Errorf("%s is a %s span under %s, want a client span under %s", s.Name(), s.SpanKind(), s.Parent().SpanID(), request.SpanContext().SpanID())
		}
	}
	if want := []string{"GET Unset 0", "SET Unset 0", "GET Unset 0", "GET Error 1"}; !slices.Equal(got, want) {
		t.Errorf("name, status and exceptions are %q, want %q", got, want)
	}
	attributes := attribute.NewSet(kept.Ended()[1].Attributes()...)
	for _, want := range []attribute.KeyValue{semconv.DBSystemNameRedis, semconv.DBOperationName("SET"), semconv.ServerAddress("127.0.0.1")} {
		if v, _ := attributes.Value(want.Key); v != want.Value {
			t.Errorf("%s is %v, want %v", want.Key, v.AsString(), want.Value.AsString())
		}
	}
}

func TestBadSettingsAreRefusedByName(t *testing.T) {
	for want, files := range map[string]map[string]string{
		"host":           {"password": "x"},
		"password":       {"host": "x"},
		"no PEM":         {"host": "x", "password": "x", "ca.crt": "nonsense"},
		"Redis settings": {},
	} {
		_, err := Open(secret(t, files), "v1", slog.New(slog.DiscardHandler))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: got %v, want an error with %q", files, err, want)
		}
	}
}
