// Package acr logs in to Azure Container Registries with an Entra identity, without a password and without `az acr login`.
// Its tests are where the stand-in is, in sandbox/internal/azure/acr.
package acr

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/containers/azcontainerregistry"
	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/slipway-cd/slipway/internal/azure"
)

// User is the user name that goes with a refresh token where a user name is wanted.
const User = "00000000-0000-0000-0000-000000000000"

// renewBefore is how long before its end a refresh token is replaced, so that what begins with it can end with it.
const renewBefore = 10 * time.Minute

// Options of [NewKeychain].
type Options struct {
	Cloud azure.Cloud
	// Client is how Entra and the registries' token services are reached.
	Client     azcore.ClientOptions
	Credential azcore.TokenCredential
	// Hosts are registries that take Entra tokens besides those of the cloud's own domain, with their port. A token is
	// sent to no other host.
	Hosts []string
	// Now is the clock; default time.Now.
	Now func() time.Time
}

// Keychain gives credentials for Azure Container Registries: it changes an Entra token into a registry's refresh token
// (POST /oauth2/exchange), which registry clients change into access tokens (POST /oauth2/token). It is safe for
// concurrent use.
type Keychain struct {
	options Options

	mu     sync.Mutex
	tokens map[string]*entry
}

// entry is the refresh token of one registry; its lock lets one caller fetch while the others wait.
type entry struct {
	mu      sync.Mutex
	token   string
	expires time.Time
}

var _ authn.ContextKeychain = (*Keychain)(nil)

// NewKeychain makes a keychain. It asks nothing yet.
func NewKeychain(o Options) *Keychain {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Keychain{options: o, tokens: map[string]*entry{}}
}

// Has says whether a registry's host is one that takes Entra tokens.
func (k *Keychain) Has(host string) bool {
	return k.options.Cloud.IsRegistry(host) || slices.Contains(k.options.Hosts, host)
}

// Resolve implements authn.Keychain: [authn.Anonymous] for every registry that is not Azure's.
func (k *Keychain) Resolve(r authn.Resource) (authn.Authenticator, error) {
	return k.ResolveContext(context.Background(), r)
}

// ResolveContext implements authn.ContextKeychain.
func (k *Keychain) ResolveContext(ctx context.Context, r authn.Resource) (authn.Authenticator, error) {
	host := r.RegistryStr()
	if !k.Has(host) {
		return authn.Anonymous, nil
	}
	token, err := k.RefreshToken(ctx, host)
	if err != nil {
		return nil, err
	}
	return authn.FromConfig(authn.AuthConfig{IdentityToken: token}), nil
}

// RefreshToken gives a refresh token of a registry that is valid for ten minutes at the least. As a password it goes with
// [User]. Errors are *[Error] and those of the credential.
func (k *Keychain) RefreshToken(ctx context.Context, host string) (string, error) {
	if !k.Has(host) {
		return "", fmt.Errorf("%s is no Azure Container Registry, so it is given no Entra token", host)
	}
	k.mu.Lock()
	e := k.tokens[host]
	if e == nil {
		e = &entry{}
		k.tokens[host] = e
	}
	k.mu.Unlock()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.token != "" && k.options.Now().Add(renewBefore).Before(e.expires) {
		return e.token, nil
	}
	token, err := k.exchange(ctx, host)
	if err != nil {
		return "", err
	}
	expires, err := expiry(token)
	if err != nil {
		return "", fmt.Errorf("registry %s: %w", host, err)
	}
	e.token, e.expires = token, expires
	return token, nil
}

func (k *Keychain) exchange(ctx context.Context, host string) (string, error) {
	entra, err := k.options.Credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{azure.Scope(k.options.Cloud.RegistryAudience)}})
	if err != nil {
		return "", fmt.Errorf("logging in to registry %s: %w", host, err)
	}
	client, err := azcontainerregistry.NewAuthenticationClient("https://"+host, &azcontainerregistry.AuthenticationClientOptions{ClientOptions: k.options.Client})
	if err != nil {
		return "", fmt.Errorf("making a client of registry %s: %w", host, err)
	}
	answer, err := client.ExchangeAADAccessTokenForACRRefreshToken(ctx, azcontainerregistry.PostContentSchemaGrantTypeAccessToken, host,
		&azcontainerregistry.AuthenticationClientExchangeAADAccessTokenForACRRefreshTokenOptions{AccessToken: &entra.Token})
	if err != nil {
		return "", explain(ctx, host, err)
	}
	if answer.RefreshToken == nil || *answer.RefreshToken == "" {
		return "", &Error{Host: host, Message: "its answer has no refresh token; is it an Azure Container Registry?"}
	}
	return *answer.RefreshToken, nil
}

// expiry reads when a refresh token ends; it is not checked, because its issuer does that.
func expiry(token string) (time.Time, error) {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return time.Time{}, errors.New("its refresh token is no JSON Web Token")
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	var claims struct {
		Expires int64 `json:"exp"`
	}
	if err == nil {
		err = json.Unmarshal(raw, &claims)
	}
	if err != nil || claims.Expires == 0 {
		return time.Time{}, errors.New("its refresh token does not say when it ends")
	}
	return time.Unix(claims.Expires, 0), nil
}

// Error says that a registry did not let this identity in.
type Error struct {
	Host string
	// Status is the HTTP status, 0 when there was no answer.
	Status  int
	Message string
	Err     error
}

func (e *Error) Error() string {
	return fmt.Sprintf("logging in to registry %s with an Entra identity: %s", e.Host, e.Message)
}
func (e *Error) Unwrap() error { return e.Err }

func explain(ctx context.Context, host string, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("logging in to registry %s: %w", host, err)
	}
	e := &Error{Host: host, Err: err}
	var answer *azcore.ResponseError
	if !errors.As(err, &answer) {
		e.Message = fmt.Sprintf("it cannot be reached: %s; check its name and the network", strings.Join(strings.Fields(err.Error()), " "))
		return e
	}
	e.Status = answer.StatusCode
	said := said(answer)
	switch answer.StatusCode {
	case http.StatusUnauthorized:
		e.Message = fmt.Sprintf("it does not take the token: %s; assign the identity a role on the registry (AcrPull, AcrPush), and check the tenant", said)
	case http.StatusForbidden:
		e.Message = fmt.Sprintf("it does not let this machine in: %s; look at its firewall", said)
	case http.StatusNotFound:
		e.Message = "it has no token service, so it is no Azure Container Registry: correct its name in the configuration"
	case http.StatusTooManyRequests:
		e.Message = "it has had too many requests; wait a minute"
	default:
		e.Message = fmt.Sprintf("it answered %d (%s)", answer.StatusCode, said)
	}
	return e
}

// said is the registry's own sentence.
func said(answer *azcore.ResponseError) string {
	var wire struct {
		Errors []struct{ Message string }
	}
	if answer.RawResponse != nil {
		if body, err := runtime.Payload(answer.RawResponse); err == nil && json.Unmarshal(body, &wire) == nil && len(wire.Errors) > 0 {
			return wire.Errors[0].Message
		}
	}
	return http.StatusText(answer.StatusCode)
}
