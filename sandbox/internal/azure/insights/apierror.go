package insights

import (
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
)

// Why a token is not accepted, besides being no token of ours at all.
var (
	ErrExpired  = errors.New("the token has expired")
	ErrAudience = errors.New("the token is for another audience")
)

// apiError is the error of an answer of the query API, nested as the service
// nests it. Line and Pos are of the query: lines count from 1, positions in
// them from 0.
type apiError struct {
	Message       string     `json:"message"`
	Code          string     `json:"code"`
	CorrelationID string     `json:"correlationId,omitempty"`
	Details       []apiError `json:"details,omitempty"`
	Inner         *apiError  `json:"innererror,omitempty"`
	Line          int        `json:"line,omitempty"`
	Pos           *int       `json:"pos,omitempty"`
	Token         string     `json:"token,omitempty"`
	Severity      int        `json:"severity,omitempty"`
	SeverityName  string     `json:"severityName,omitempty"`
}

// failure is an error with its HTTP status.
type failure struct {
	status int
	apiError
}

func fail(status int, code, message string) *failure {
	return &failure{status, apiError{Code: code, Message: message}}
}

// badArgument is the answer to a request that is wrong in itself.
func badArgument(inner apiError) *failure {
	f := fail(http.StatusBadRequest, "BadArgumentError", "The request had some invalid properties")
	f.Inner = &inner
	return f
}

func invalidProperty(format string, args ...any) *failure {
	return badArgument(apiError{Code: "ValidationError", Message: fmt.Sprintf(format, args...)})
}

// unauthorized words the refusal of a token.
func unauthorized(err error) *failure {
	switch {
	case errors.Is(err, ErrExpired):
		return fail(http.StatusUnauthorized, "ExpiredAuthenticationToken", "The access token expiry UTC time is earlier than current UTC time.")
	case errors.Is(err, ErrAudience):
		return fail(http.StatusForbidden, "InvalidAuthenticationTokenAudience", "The access token has been obtained for wrong audience or resource.")
	}
	return fail(http.StatusForbidden, "InvalidAuthenticationToken", "The access token is invalid.")
}

// demanded is the answer to a request that was to fail with a status.
func demanded(status int) *failure {
	switch status {
	case http.StatusForbidden:
		f := fail(status, "InsufficientAccessError", "The provided credentials have insufficient access to perform the requested operation")
		f.Inner = &apiError{Code: "UnauthorizedClient", Message: "The service principal does not have sufficient permissions to access this resource"}
		return f
	case http.StatusTooManyRequests:
		return throttled("the stand-in was told to")
	case http.StatusGatewayTimeout:
		return gatewayTimeout()
	case http.StatusServiceUnavailable:
		return fail(status, "ServiceUnavailable", "The service is temporarily unavailable")
	}
	return fail(status, "InternalServerError", http.StatusText(status))
}

func throttled(why string) *failure {
	f := fail(http.StatusTooManyRequests, "ThrottledError", "Rate limit is exceeded")
	f.Inner = &apiError{Code: "ThrottledError", Message: why}
	return f
}

func gatewayTimeout() *failure {
	f := fail(http.StatusGatewayTimeout, "GatewayTimeout", "Gateway timeout")
	f.Inner = &apiError{Code: "GatewayTimeout", Message: "The query took longer than it was allowed to"}
	return f
}

// partialError is what comes beside a result that is not all of it.
func partialError(inner apiError) *apiError {
	inner.Severity, inner.SeverityName = 2, "Error"
	return &apiError{
		Code: "PartialError", Message: "There were some errors when processing your query.",
		Details: []apiError{{Code: "EngineError", Message: "Something went wrong processing your query on the server.", Inner: &inner}},
	}
}

func (f *failure) write(w http.ResponseWriter) {
	f.CorrelationID = uuid()
	if f.status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", "Bearer")
	}
	writeJSON(w, f.status, map[string]any{"error": f.apiError})
}

// uuid makes a random UUID.
func uuid() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
