// Package challenge stands in for what answers an ACME challenge.
package challenge

import "context"

// Provider answers a challenge and cleans up after it.
type Provider interface {
	Present(ctx context.Context, domain, token, keyAuth string) error
	CleanUp(ctx context.Context, domain, token, keyAuth string) error
}
