package insights

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/slipway-cd/slipway/sandbox/internal/azure/insights/envelope"
)

// trackAnswer is the body of every answer of the ingestion endpoint.
type trackAnswer struct {
	Received int                `json:"itemsReceived"`
	Accepted int                `json:"itemsAccepted"`
	Errors   []envelope.Problem `json:"errors"`
}

// Ingestion serves POST /v2.1/track and /v2/track.
func (s *Server) Ingestion() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v2.1/track", s.track)
	mux.HandleFunc("POST /v2/track", s.track)
	return mux
}

func (s *Server) track(w http.ResponseWriter, r *http.Request) {
	rule, met := s.ingestFault.Next()
	if met && !sleep(r, time.Duration(rule.Delay)) {
		return
	}
	body, status, err := readBody(w, r, s.o.Limits.Body)
	if err != nil {
		track(w, status, trackAnswer{Errors: []envelope.Problem{{StatusCode: status, Message: err.Error()}}})
		return
	}
	if met && rule.Status != 0 {
		retryAfter(w, time.Duration(rule.RetryAfter))
		n := s.parser.Parse(body).Received
		answer := trackAnswer{Received: n}
		for i := range n {
			answer.Errors = append(answer.Errors, envelope.Problem{Index: i, StatusCode: rule.Status, Message: http.StatusText(rule.Status)})
		}
		track(w, rule.Status, answer)
		return
	}
	res := s.parser.Parse(body)
	answer := trackAnswer{res.Received, res.Accepted, res.Problems}
	if err := s.o.Store.Append(res.Rows, s.lag.of); err != nil {
		s.o.Log.Error("telemetry was refused because it could not be kept", "error", err)
		track(w, http.StatusInternalServerError, trackAnswer{Received: res.Received, Errors: []envelope.Problem{
			{StatusCode: http.StatusInternalServerError, Message: "Internal error: " + err.Error()}}})
		return
	}
	switch {
	case res.Accepted == 0:
		track(w, http.StatusBadRequest, answer)
	case res.Accepted < res.Received:
		track(w, http.StatusPartialContent, answer)
	default:
		track(w, http.StatusOK, answer)
	}
}

func track(w http.ResponseWriter, status int, a trackAnswer) {
	if a.Errors == nil {
		a.Errors = []envelope.Problem{}
	}
	writeJSON(w, status, a)
}

var unzippers sync.Pool

// readBody reads and decodes a request body of at most limit bytes, both as
// sent and decoded. An error comes with the status to answer.
func readBody(w http.ResponseWriter, r *http.Request, limit int64) ([]byte, int, error) {
	var from io.Reader = http.MaxBytesReader(w, r.Body, limit)
	switch encoding := r.Header.Get("Content-Encoding"); encoding {
	case "", "identity":
	case "gzip":
		z, ok := unzippers.Get().(*gzip.Reader)
		if !ok {
			z = new(gzip.Reader)
		}
		defer unzippers.Put(z)
		if err := z.Reset(from); err != nil {
			return nil, http.StatusBadRequest, fmt.Errorf("the body is not gzip: %w", err)
		}
		from = z
	default:
		return nil, http.StatusUnsupportedMediaType, fmt.Errorf("Content-Encoding %q is not supported: use gzip or none", encoding)
	}
	body, err := io.ReadAll(io.LimitReader(from, limit+1))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge) || int64(len(body)) > limit:
		return nil, http.StatusRequestEntityTooLarge, fmt.Errorf("the body has more than %d bytes", limit)
	case err != nil:
		return nil, http.StatusBadRequest, fmt.Errorf("read the body: %w", err)
	}
	return body, 0, nil
}
