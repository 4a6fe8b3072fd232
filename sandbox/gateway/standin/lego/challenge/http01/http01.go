// Package http01 stands in for the HTTP challenge.
package http01

import "time"

// PathPrefix is where RFC 8555 puts HTTP challenges.
const PathPrefix = "/.well-known/acme-challenge/"

// Option does nothing.
type Option struct{}

// SetDelay does nothing.
func SetDelay(time.Duration) Option { return Option{} }
