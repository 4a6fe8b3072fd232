// Package tlsalpn01 stands in for the TLS challenge.
package tlsalpn01

import (
	"errors"
	"time"
)

// ACMETLS1Protocol is the protocol name that RFC 8737 registers.
const ACMETLS1Protocol = "acme-tls/1"

// Option does nothing.
type Option struct{}

// SetDelay does nothing.
func SetDelay(time.Duration) Option { return Option{} }

// ChallengeBlocks always fails.
func ChallengeBlocks(_, _ string) (cert, key []byte, err error) {
	return nil, nil, errors.ErrUnsupported
}
