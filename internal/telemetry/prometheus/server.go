package prometheus

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/api"
	v1 "github.com/prometheus/client_golang/api/prometheus/v1"
	"github.com/prometheus/common/model"
)

// Server asks a Prometheus server, or whatever speaks its HTTP API.
type Server struct {
	api v1.API
	now func() time.Time
}

// NewServer makes a client of the server at a URL. It asks nothing yet.
func NewServer(url string, transport http.RoundTripper, now func() time.Time) (*Server, error) {
	c, err := api.NewClient(api.Config{Address: url, RoundTripper: transport})
	if err != nil {
		return nil, fmt.Errorf("making a client of Prometheus at %s: %w", url, err)
	}
	return &Server{api: v1.NewAPI(c), now: now}, nil
}

// Read implements [Reader].
func (s *Server) Read(ctx context.Context, queries []string) (time.Time, []model.Vector, error) {
	at := s.now()
	found := make([]model.Vector, len(queries))
	for i, q := range queries {
		value, _, err := s.api.Query(ctx, q, at)
		if err != nil {
			return time.Time{}, nil, fmt.Errorf("asking Prometheus %s: %w", q, detailed(err))
		}
		vector, ok := value.(model.Vector)
		if !ok {
			return time.Time{}, nil, fmt.Errorf("asking Prometheus %s: it gives a %s, but must give counters: an instant vector", q, value.Type())
		}
		found[i] = vector
	}
	return at, found, nil
}

// detailed adds what the server said beside its status.
func detailed(err error) error {
	var e *v1.Error
	if errors.As(err, &e) && e.Detail != "" && e.Type != v1.ErrBadData && e.Type != v1.ErrExec {
		return fmt.Errorf("%w: %.200s", err, e.Detail)
	}
	return err
}
