package aks

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/slipway-cd/slipway/internal/azure"
)

// bearer puts an Entra token on every request. The credential keeps it and renews it before its end; one that the API server
// does not take any more is replaced within the request, once.
type bearer struct {
	next  http.RoundTripper
	cred  azcore.TokenCredential
	scope string

	renewing sync.Mutex // many requests may be refused at once; one token is enough for all
}

// RoundTrip implements http.RoundTripper.
func (b *bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	token, err := b.token(r)
	if err != nil {
		if r.Body != nil {
			err = errors.Join(err, r.Body.Close()) // as the interface demands
		}
		return nil, fmt.Errorf("logging in to the cluster: %w", err)
	}
	resp, err := b.next.RoundTrip(with(token, r))
	if err != nil || resp.StatusCode != http.StatusUnauthorized || r.Body != nil && r.GetBody == nil {
		return resp, err
	}
	renewed, err := b.renew(r, token)
	if err != nil || renewed == token {
		return resp, nil // what the API server said is what there is to say
	}
	again := with(renewed, r)
	if r.GetBody != nil {
		if again.Body, err = r.GetBody(); err != nil {
			return resp, nil
		}
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, 1<<16)) // so that the connection can be used again
	_ = resp.Body.Close()
	return b.next.RoundTrip(again)
}

func (b *bearer) token(r *http.Request) (string, error) {
	token, err := b.cred.GetToken(r.Context(), policy.TokenRequestOptions{Scopes: []string{b.scope}})
	return token.Token, err
}

// renew gives another token than the one that was refused: what another request has brought meanwhile, or else a new one.
func (b *bearer) renew(r *http.Request, refused string) (string, error) {
	b.renewing.Lock()
	defer b.renewing.Unlock()
	if token, err := b.token(r); err != nil || token != refused {
		return token, err
	}
	token, err := azure.Renew(r.Context(), b.cred, b.scope)
	return token.Token, err
}

func with(token string, r *http.Request) *http.Request {
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+token)
	return r
}

// WrappedRoundTripper lets client-go find the transport below.
func (b *bearer) WrappedRoundTripper() http.RoundTripper { return b.next }
