package loganalytics

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/monitor/query/azlogs"

	"github.com/slipway-cd/slipway/internal/azure"
)

// Kind says what a person can do about a query's failure.
type Kind string

// The kinds.
const (
	Wrong       Kind = "wrong query"    // the query itself is at fault; asking again cannot help
	NoWorkspace Kind = "no workspace"   // there is no workspace of that id
	Forbidden   Kind = "no permission"  // the identity may not read the workspace
	NoToken     Kind = "no token"       // the identity got no token
	Throttled   Kind = "throttled"      // too many queries
	Partial     Kind = "partial result" // the service left something out
	Unavailable Kind = "unavailable"    // it did not answer, or not in time
)

// QueryError is a query that was not answered in full.
type QueryError struct {
	Kind Kind
	// Status is the HTTP status, 0 where there was no answer.
	Status int
	// Message is the service's innermost reason; Line and Column say where in the query, from 1, where it is known.
	Message      string
	Line, Column int
	Err          error
}

func (e *QueryError) Error() string {
	s := "Log Analytics: " + string(e.Kind)
	if e.Status != 0 && e.Status != http.StatusOK {
		s += fmt.Sprintf(" (HTTP %d)", e.Status)
	}
	if e.Line > 0 {
		s += fmt.Sprintf(", line %d, column %d", e.Line, e.Column)
	}
	return s + ": " + e.Message
}

// Unwrap gives the SDK's error.
func (e *QueryError) Unwrap() error { return e.Err }

// Final says that asking again cannot succeed before a person has changed something.
func (e *QueryError) Final() bool {
	return e.Kind == Wrong || e.Kind == NoWorkspace || e.Kind == Forbidden
}

// Next says what a person may do.
func (e *QueryError) Next() []string {
	switch e.Kind {
	case Wrong:
		return []string{"slipway gate explain shows the query of a gate"}
	case NoWorkspace:
		return []string{"telemetry.applicationInsights.workspace is the workspace's id: az monitor log-analytics workspace show --query customerId"}
	case Forbidden:
		return []string{"give the identity the role Log Analytics Reader (or Monitoring Reader) on the workspace; a new role takes some minutes to work"}
	}
	return nil
}

// body is the service's error, nested: the innermost one says what it is about.
type body struct {
	Error *inner `json:"error"`
}

type inner struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Line    int    `json:"line"`
	Pos     int    `json:"pos"`
	Inner   *inner `json:"innererror"`
}

// deepest is the innermost error that says something, with the place of whichever names one.
func (i *inner) deepest() inner {
	out := *i
	for n := i; n != nil; n = n.Inner {
		if n.Message != "" {
			out.Code, out.Message = n.Code, n.Message
		}
		if n.Line > 0 {
			out.Line, out.Pos = n.Line, n.Pos
		}
	}
	return out
}

func explain(err error, workspace string) error {
	var resp *azcore.ResponseError
	if !errors.As(err, &resp) {
		e := &QueryError{Kind: Unavailable, Message: firstLine(err.Error()), Err: err}
		var identity *azure.IdentityError
		switch {
		case errors.As(err, &identity):
			e.Kind, e.Message = NoToken, identity.Error()
		case errors.Is(err, context.DeadlineExceeded):
			e.Message = "no answer in time"
		}
		return e
	}
	e := &QueryError{Status: resp.StatusCode, Message: resp.ErrorCode, Err: err}
	if resp.RawResponse != nil && resp.RawResponse.Body != nil {
		var b body
		raw, readErr := io.ReadAll(io.LimitReader(resp.RawResponse.Body, 1<<20))
		if readErr == nil && json.Unmarshal(raw, &b) == nil && b.Error != nil {
			d := b.Error.deepest()
			e.Message = d.Message
			if d.Line > 0 {
				e.Line, e.Column = d.Line, d.Pos+1 // the service counts characters from 0
				e.Message = strings.TrimSuffix(d.Message, fmt.Sprintf(", at line [%d,%d]", d.Line, d.Pos))
			}
		}
	}
	if e.Message == "" {
		e.Message = http.StatusText(resp.StatusCode)
	}
	switch {
	case resp.StatusCode == http.StatusBadRequest:
		e.Kind = Wrong
	case resp.StatusCode == http.StatusNotFound:
		e.Kind = NoWorkspace
		e.Message = "there is no workspace " + workspace + " that this identity can see"
	case resp.StatusCode == http.StatusForbidden:
		e.Kind = Forbidden
	case resp.StatusCode == http.StatusUnauthorized:
		e.Kind = NoToken
	case resp.StatusCode == http.StatusTooManyRequests:
		e.Kind = Throttled
	default:
		e.Kind = Unavailable
	}
	return e
}

func partial(info *azlogs.ErrorInfo) error {
	return &QueryError{Kind: Partial, Status: http.StatusOK, Message: firstLine(info.Error()), Err: info}
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s
}
