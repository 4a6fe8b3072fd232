package insights

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The time a query may take: by default, and at most.
const (
	defaultWait = 3 * time.Minute
	maxWait     = 10 * time.Minute
)

// maxQuery is the size of a request of the query API in bytes.
const maxQuery = 1 << 20

// Query serves POST and GET /v1/workspaces/<id>/query.
func (s *Server) Query() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/v1/workspaces/{id}/query", func(w http.ResponseWriter, r *http.Request) {
		if f := s.answerQuery(w, r); f != nil {
			f.write(w)
		}
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { notFound().write(w) })
	return mux
}

func notFound() *failure {
	return fail(http.StatusNotFound, "PathNotFoundError", "The requested path does not exist")
}

// queryRequest is the body of a query.
type queryRequest struct {
	Query      string   `json:"query"`
	Timespan   string   `json:"timespan"`
	Workspaces []string `json:"workspaces"`
}

// answerQuery answers, or says why not.
func (s *Server) answerQuery(w http.ResponseWriter, r *http.Request) *failure {
	if r.Method != http.MethodPost && r.Method != http.MethodGet {
		return notFound()
	}
	user, f := s.authenticate(r, s.o.Verify)
	if f != nil {
		return f
	}
	if !strings.EqualFold(r.PathValue("id"), s.o.Workspace) {
		return notFound()
	}
	done, wait := s.throttle.begin(user)
	if wait > 0 {
		retryAfter(w, wait)
		return throttled(fmt.Sprintf("Rate limit of %d per %s, %d at once, is exceeded", s.o.Limits.Queries, s.o.Limits.Window, s.o.Limits.Concurrent))
	}
	defer done()
	rule, met := s.queryFault.Next()
	if met && !sleep(r, time.Duration(rule.Delay)) {
		return nil
	}
	if met && rule.Status != 0 {
		retryAfter(w, time.Duration(rule.RetryAfter))
		return demanded(rule.Status)
	}
	req, f := readQuery(w, r)
	if f != nil {
		return f
	}
	p, err := readPreferences(r.Header.Values("Prefer"))
	if err != nil {
		return invalidProperty("The Prefer header is invalid: %v", err)
	}
	for _, other := range req.Workspaces {
		if !strings.EqualFold(other, s.o.Workspace) {
			return invalidProperty("The workspace %s could not be found", other)
		}
	}
	now := s.o.Now()
	from, to, err := timespan(req.Timespan, now)
	if err != nil {
		return invalidProperty("The timespan is invalid: %v", err)
	}
	ctx, cancel := context.WithTimeout(r.Context(), p.wait)
	defer cancel()
	result, f := s.run(ctx, req.Query, from, to, now)
	if f != nil {
		if errors.Is(r.Context().Err(), context.Canceled) {
			return nil // the client is gone
		}
		return f
	}
	answer := s.answer(result, p)
	if met && rule.Partial {
		answer.halve()
	}
	writeJSON(w, http.StatusOK, answer)
	return nil
}

// authenticate checks the bearer token of a request.
func (s *Server) authenticate(r *http.Request, verify func(string) (string, error)) (user string, f *failure) {
	header := r.Header.Get("Authorization")
	if header == "" {
		return "", fail(http.StatusUnauthorized, "AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing.")
	}
	scheme, token, ok := strings.Cut(header, " ")
	if !ok || !strings.EqualFold(scheme, "Bearer") || token == "" {
		return "", fail(http.StatusUnauthorized, "AuthenticationFailed", "Authentication failed. The 'Authorization' header is provided in an invalid format.")
	}
	user, err := verify(token)
	if err != nil {
		s.o.Log.Warn("a token was refused", "path", r.URL.Path, "reason", err)
		return "", unauthorized(err)
	}
	return user, nil
}

func readQuery(w http.ResponseWriter, r *http.Request) (queryRequest, *failure) {
	var req queryRequest
	if r.Method == http.MethodGet {
		q := r.URL.Query()
		req = queryRequest{Query: q.Get("query"), Timespan: q.Get("timespan")}
	} else {
		if kind, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || kind != "application/json" {
			return req, fail(http.StatusUnsupportedMediaType, "UnsupportedMediaType", "The content media type is not supported. Only application/json is.")
		}
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxQuery))
		var tooLarge *http.MaxBytesError
		switch {
		case errors.As(err, &tooLarge):
			return req, fail(http.StatusRequestEntityTooLarge, "RequestTooLarge", fmt.Sprintf("The request has more than %d bytes", maxQuery))
		case err != nil:
			return req, invalidProperty("The body could not be read: %v", err)
		}
		if err := json.Unmarshal(body, &req); err != nil {
			return req, invalidProperty("The body is not a query in JSON: %v", err)
		}
	}
	if strings.TrimSpace(req.Query) == "" {
		return req, invalidProperty("The query is missing")
	}
	return req, nil
}

// preferences are what a client asks for in the Prefer header.
type preferences struct {
	wait               time.Duration
	statistics, render bool
}

// readPreferences reads Prefer; what it does not know it ignores, as RFC 7240 says.
func readPreferences(headers []string) (preferences, error) {
	p := preferences{wait: defaultWait}
	for item := range strings.SplitSeq(strings.Join(headers, ","), ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(item), "=")
		switch strings.ToLower(name) {
		case "wait":
			n, err := strconv.Atoi(value)
			if err != nil || n <= 0 {
				return p, fmt.Errorf("wait=%s is not a number of seconds", value)
			}
			p.wait = min(time.Duration(n)*time.Second, maxWait)
		case "include-statistics":
			p.statistics = value == "true"
		case "include-render":
			p.render = value == "true"
		}
	}
	return p, nil
}
