// Package dns01 stands in for the DNS challenge; only UnFqdn does anything.
package dns01

import (
	"strings"
	"time"
)

// Options configure a Client.
type Options struct{ RecursiveNameservers []string }

// Client does nothing.
type Client struct{}

// ChallengeOption does nothing.
type ChallengeOption struct{}

// NewClient returns a client that does nothing.
func NewClient(*Options) *Client { return nil }

// SetDefaultClient does nothing.
func SetDefaultClient(*Client) {}

// CondOptions does nothing.
func CondOptions(bool, ...ChallengeOption) ChallengeOption { return ChallengeOption{} }

// DisableAuthoritativeNssPropagationRequirement does nothing.
func DisableAuthoritativeNssPropagationRequirement() ChallengeOption { return ChallengeOption{} }

// DisableRecursiveNSsPropagationRequirement does nothing.
func DisableRecursiveNSsPropagationRequirement() ChallengeOption { return ChallengeOption{} }

// PropagationWait does nothing.
func PropagationWait(time.Duration, bool) ChallengeOption { return ChallengeOption{} }

// UnFqdn removes the dot at the end of a domain name, if there is one. Traefik uses it for every TLS host name.
func UnFqdn(name string) string { return strings.TrimSuffix(name, ".") }
