package azure

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// tryTimeout bounds one try of a request, so that a service which has accepted a connection and says nothing is not waited
// for without end.
const tryTimeout = 30 * time.Second

// loginTimeout is that of a try at Entra: MSAL gives all tries together 30 s.
const loginTimeout = 8 * time.Second

// impatient bounds one try. It stands below the log-in, which has tries of its own; the SDK's own bound is for both together.
type impatient struct{ timeout time.Duration }

// Do implements policy.Policy. The bound includes a body that the caller reads as a stream.
func (p impatient) Do(r *policy.Request) (*http.Response, error) {
	ctx, cancel := context.WithTimeout(r.Raw().Context(), p.timeout)
	resp, err := r.Clone(ctx).Next()
	if err != nil || resp.Body == nil {
		cancel()
		return resp, err
	}
	resp.Body = bounded{resp.Body, cancel}
	return resp, nil
}

// bounded is a body that may be read as long as its context lasts; closing it frees the context.
type bounded struct {
	io.ReadCloser
	cancel context.CancelFunc
}

// Close implements io.Closer.
func (b bounded) Close() error {
	defer b.cancel()
	return b.ReadCloser.Close()
}

// Patient are options as [Cloud.ClientOptions] gives them for a service that takes longer over its answers: up to d a try.
func Patient(o azcore.ClientOptions, d time.Duration) azcore.ClientOptions {
	o.PerRetryPolicies = slices.Clone(o.PerRetryPolicies)
	for i, p := range o.PerRetryPolicies {
		if _, ok := p.(impatient); ok {
			o.PerRetryPolicies[i] = impatient{d}
		}
	}
	return o
}

// renewal is a claims request that every new token satisfies (learn.microsoft.com/entra/identity-platform/claims-challenge).
// The SDK keeps tokens until they are about to end; only when claims are asked for does it not answer from what it keeps.
const renewal = `{"access_token":{"nbf":{"essential":true,"value":"0"}}}`

// Renew gets a new token in place of one that a service does not take any more. An identity that keeps its tokens elsewhere
// (the Azure CLI, a managed identity's host) may give the same again.
func Renew(ctx context.Context, cred azcore.TokenCredential, scope string) (azcore.AccessToken, error) {
	return cred.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{scope}, Claims: renewal})
}

// renewing has a token replaced within the request when a service does not take it: revoked, or expired by a clock other than
// ours. A service with continuous access evaluation says so by a claims challenge, which the SDK answers by itself, once;
// the plain 401 of the others is made one here.
type renewing struct{}

// Do implements policy.Policy. It stands below the SDK's own log-in. The 401 to a request without a token, by which Key Vault
// tells where to get one, stays as it is.
func (renewing) Do(r *policy.Request) (*http.Response, error) {
	resp, err := r.Next()
	if err != nil || resp.StatusCode != http.StatusUnauthorized || r.Raw().Header.Get("Authorization") == "" {
		return resp, err
	}
	const header = "WWW-Authenticate"
	if strings.Contains(strings.Join(resp.Header.Values(header), ","), `claims="`) {
		return resp, nil
	}
	resp.Header.Add(header, fmt.Sprintf(`Bearer error="insufficient_claims", claims="%s"`, base64.StdEncoding.EncodeToString([]byte(renewal))))
	return resp, nil
}
