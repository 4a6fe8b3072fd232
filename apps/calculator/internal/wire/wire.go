// Package wire holds the JSON that frontend and backend speak.
package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
)

// MaxBody is the largest request body, in bytes, that either service reads.
const MaxBody = 1 << 10

// StatusCallerGone is the status of a request whose caller has not waited for the answer. Nobody
// reads it but logs and telemetry; nginx made the number usual.
const StatusCallerGone = 499

// Number is a positive whole number up to 18446744073709551615 (2⁶⁴−1). In JSON it is
// written as a string, because a browser's numbers are exact only up to 2⁵³; a bare
// JSON integer is accepted as well.
type Number uint64

// ParseNumber reads a decimal number from 1 to 2⁶⁴−1. Its errors are fit to show to the
// person who typed the number.
func ParseNumber(s string) (Number, error) {
	n, err := strconv.ParseUint(s, 10, 64)
	switch {
	case errors.Is(err, strconv.ErrRange):
		return 0, fmt.Errorf("number is larger than 18446744073709551615 (2^64-1)")
	case err != nil:
		return 0, fmt.Errorf("number must be a whole number from 1 to 18446744073709551615, written in digits")
	case n == 0:
		return 0, fmt.Errorf("number must be at least 1: 0 has no prime factors")
	}
	return Number(n), nil
}

// String writes the number in decimal.
func (n Number) String() string { return strconv.FormatUint(uint64(n), 10) }

// MarshalJSON writes the number as a JSON string.
func (n Number) MarshalJSON() ([]byte, error) { return []byte(`"` + n.String() + `"`), nil }

// UnmarshalJSON reads a JSON string or a bare JSON integer.
func (n *Number) UnmarshalJSON(b []byte) error {
	text := string(b)
	if len(b) > 0 && b[0] == '"' {
		if err := json.Unmarshal(b, &text); err != nil {
			return fmt.Errorf("reading number: %w", err)
		}
	}
	parsed, err := ParseNumber(text)
	if err != nil {
		return err
	}
	*n = parsed
	return nil
}

// Identity says who answered.
type Identity struct {
	Host    string `json:"host"`    // the pod's name
	Version string `json:"version"` // the version that was released
	Slot    string `json:"slot"`    // blue, green, or none
}

// Request asks for the prime factors of a number.
type Request struct {
	Number Number `json:"number"`
}

// Factors is the backend's answer: the prime factors in ascending order, each as often
// as it divides the number. 1 has none.
type Factors struct {
	Number  Number   `json:"number"`
	Factors []Number `json:"factors"`
	Backend Identity `json:"backend"`
}

// States of the cache, as Answer tells them.
const (
	CacheOff  = "off"         // no Redis is configured
	CacheOK   = "ok"          // Redis answered
	CacheDown = "unavailable" // Redis is configured but did not answer in time
)

// Answer is what the frontend gives to its caller.
type Answer struct {
	Number       Number   `json:"number"`
	Factors      []Number `json:"factors"`
	Frontend     Identity `json:"frontend"`
	Backend      Identity `json:"backend"` // who calculated it; when cached, who did so then
	Cached       bool     `json:"cached"`
	Cache        string   `json:"cache"`        // CacheOff, CacheOK or CacheDown
	Milliseconds float64  `json:"milliseconds"` // time spent in the frontend, the backend included
}

// Error is the body of every answer that is not 2xx.
type Error struct {
	Error string `json:"error"`
}

// ReadRequest reads a Request from r's body. Its errors are fit to show to the caller.
func ReadRequest(w http.ResponseWriter, r *http.Request) (Request, error) {
	var req Request
	dec := json.NewDecoder(http.MaxBytesReader(w, r.Body, MaxBody))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&req); err != nil {
		return Request{}, fmt.Errorf(`the body must be JSON like {"number":"5040"}: %w`, err)
	}
	if req.Number == 0 { // the key was absent
		return Request{}, fmt.Errorf(`the body must be JSON like {"number":"5040"}: number is missing`)
	}
	return req, nil
}

// WriteJSON answers with a status code and v as JSON. An error of writing is dropped:
// the caller has gone, and the status has been sent.
func WriteJSON(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v)
}

// WriteError answers with a status code and an Error body.
func WriteError(w http.ResponseWriter, code int, message string) {
	WriteJSON(w, code, Error{Error: message})
}
