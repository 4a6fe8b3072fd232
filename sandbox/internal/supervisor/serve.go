package supervisor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"time"
)

// Report is what the supervisor answers.
type Report struct {
	PID int `json:"pid"`
	// Hash tells how the supervisor was started, to see when it is outdated.
	Hash    string    `json:"hash"`
	Started time.Time `json:"started"`
	Units   []Status  `json:"units"`
}

// AllReady says whether every unit is ready.
func (r Report) AllReady() bool {
	for _, u := range r.Units {
		if u.State != Ready {
			return false
		}
	}
	return len(r.Units) > 0
}

// Serve answers GET /status (what is known) and GET /probe (asks each unit
// first) on a unix socket that only its owner can open, until ctx ends.
func (s *Supervisor) Serve(ctx context.Context, socket, hash string) error {
	if err := os.Remove(socket); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove the old socket: %w", err)
	}
	ln, err := net.Listen("unix", socket)
	if err != nil {
		return fmt.Errorf("listen for status requests: %w", err)
	}
	if err := os.Chmod(socket, 0o600); err != nil {
		return fmt.Errorf("close the socket to others: %w", err)
	}
	base := Report{PID: os.Getpid(), Hash: hash, Started: time.Now()}
	answer := func(w http.ResponseWriter, units []Status) {
		r := base
		r.Units = units
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(r) // the client is gone: nothing to do
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /status", func(w http.ResponseWriter, _ *http.Request) { answer(w, s.Status()) })
	mux.HandleFunc("GET /probe", func(w http.ResponseWriter, r *http.Request) { answer(w, s.Probe(r.Context())) })
	srv := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	stop := context.AfterFunc(ctx, func() { _ = srv.Close() })
	defer stop()
	if err := srv.Serve(ln); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("answer status requests: %w", err)
	}
	return nil
}

// Client asks a supervisor.
type Client struct{ http http.Client }

// NewClient asks the supervisor that listens at socket.
func NewClient(socket string) *Client {
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		var d net.Dialer
		return d.DialContext(ctx, "unix", socket)
	}
	return &Client{http.Client{Transport: &http.Transport{DialContext: dial}, Timeout: 10 * time.Second}}
}

// Status returns what the supervisor knows, without asking the units.
func (c *Client) Status(ctx context.Context) (Report, error) { return c.get(ctx, "/status") }

// Probe makes the supervisor ask each unit, and do again what is undone.
func (c *Client) Probe(ctx context.Context) (Report, error) { return c.get(ctx, "/probe") }

func (c *Client) get(ctx context.Context, path string) (Report, error) {
	var r Report
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://supervisor"+path, nil)
	if err != nil {
		return r, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return r, fmt.Errorf("ask the supervisor: %w", err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&r); err != nil {
		return r, fmt.Errorf("read the supervisor's answer: %w", err)
	}
	return r, nil
}
