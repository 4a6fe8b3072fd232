package entra

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"net/http"
)

// refusal is an error of the token endpoint: Entra's number for it, OAuth's
// word and the sentence.
type refusal struct {
	code    int
	oauth   string
	message string
}

// status of the answer: OAuth wants 401 when the client could not be
// authenticated, and 400 otherwise.
func (e refusal) status() int {
	if e.oauth == "invalid_client" {
		return http.StatusUnauthorized
	}
	return http.StatusBadRequest
}

func (s *Server) refuse(w http.ResponseWriter, e refusal) { s.refuseWith(w, e.status(), e) }

func (s *Server) refuseWith(w http.ResponseWriter, status int, e refusal) {
	trace, correlation, now := guid(), guid(), s.options.Now().UTC().Format("2006-01-02 15:04:05Z")
	writeJSON(w, status, map[string]any{
		"error": e.oauth,
		"error_description": fmt.Sprintf("AADSTS%d: %s Trace ID: %s Correlation ID: %s Timestamp: %s",
			e.code, e.message, trace, correlation, now),
		"error_codes":    []int{e.code},
		"timestamp":      now,
		"trace_id":       trace,
		"correlation_id": correlation,
		"error_uri":      fmt.Sprintf("%s/error?code=%d", s.options.URL, e.code),
	})
}

// guid is a random (version 4) GUID.
func guid() string {
	var b [16]byte
	rand.Read(b[:]) // never fails: it ends the program instead
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
