// Package entra stands in for Microsoft Entra ID: the part of it that a
// program without a password needs. It changes a federated client assertion
// (a token of a Kubernetes service account or of a pipeline) into an access
// token, as strictly as Entra does and with Entra's error numbers.
//
// Sources: the OAuth 2.0 client credentials flow of the Microsoft identity
// platform (learn.microsoft.com/entra/identity-platform/v2-oauth2-client-creds-grant-flow),
// workload identity federation, and the list of AADSTS error codes. Not
// there: users, consent, certificates of applications, on-behalf-of.
package entra

import (
	"crypto"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/slipway-cd/slipway/sandbox/internal/azure/faulty"
	"github.com/slipway-cd/slipway/sandbox/internal/azure/insights/fault"
)

// ExchangeAudience is the audience that a federated assertion must have.
const ExchangeAudience = "api://AzureADTokenExchange"

// The audiences of the services that have a stand-in. An access token for one
// is refused by the others.
const (
	VaultAudience    = "https://vault.azure.net"
	ARMAudience      = "https://management.azure.com"
	CoreARMAudience  = "https://management.core.windows.net"
	LogsAudience     = "https://api.loganalytics.io"
	RegistryAudience = "https://containerregistry.azure.net"
	// AKSAudience is the server application of AKS, the same in every tenant.
	AKSAudience = "6dae42f8-4368-4678-94ff-3960e28e3630"
)

// DefaultLifetime is how long an access token is valid; Entra's is 60 to 90 minutes.
const DefaultLifetime = time.Hour

// App is an application or a user-assigned managed identity of the tenant.
type App struct {
	// ClientID is what it logs in as.
	ClientID string
	// ObjectID is its service principal: what roles are assigned to, and the
	// oid of its tokens.
	ObjectID string
	// Federated are the assertions that stand for it. An assertion must match
	// one of them in issuer, subject and audience, letter by letter.
	Federated []Federated
	// Secret lets it log in with a password too; empty: it cannot.
	Secret string
}

// Federated is a federated identity credential of an [App].
type Federated struct {
	// Issuer defaults to the stand-in's own, [Server.Issuer].
	Issuer string
	// Subject is, for example, system:serviceaccount:NAMESPACE:NAME.
	Subject string
	// Audience defaults to [ExchangeAudience].
	Audience string
}

// Options of [New].
type Options struct {
	// Tenant is its id, in GUID form.
	Tenant string
	// URL is where the stand-in is reached, https, without a path; the
	// answers name it.
	URL string
	// Dir keeps the signing keys, so that tokens outlive a restart.
	Dir string
	// Apps of the tenant.
	Apps []App
	// Issuers are foreign issuers of assertions, by URL, with their public key
	// (*rsa.PublicKey or *ecdsa.PublicKey), such as the sandbox's cluster.
	Issuers map[string]crypto.PublicKey
	// Resources are the audiences known in the tenant; default: those above.
	Resources []string
	// Lifetime of access tokens; default [DefaultLifetime].
	Lifetime time.Duration
	// Now is the clock; default time.Now.
	Now func() time.Time
}

// Server is the stand-in.
type Server struct {
	options  Options
	signing  *rsa.PrivateKey // of access tokens
	subjects *rsa.PrivateKey // of the stand-in's own federated assertions
	lifetime atomic.Int64
	revoked  atomic.Int64 // Unix time of the last revocation
	issued   atomic.Int64 // access tokens
	refused  atomic.Int64 // how often a service did not take one, expired or revoked
	// Faults go wrong on demand, at the token endpoint.
	Faults fault.Injector
}

// New makes the stand-in. Keys that are missing in o.Dir are made there.
func New(o Options) (*Server, error) {
	if o.Tenant == "" || o.URL == "" || o.Dir == "" {
		return nil, errors.New("the Entra stand-in needs a tenant, a URL and a directory for its keys")
	}
	o.URL = strings.TrimSuffix(o.URL, "/")
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Lifetime == 0 {
		o.Lifetime = DefaultLifetime
	}
	if o.Resources == nil {
		o.Resources = []string{VaultAudience, ARMAudience, CoreARMAudience, LogsAudience, RegistryAudience, AKSAudience}
	}
	s := &Server{options: o}
	s.lifetime.Store(int64(o.Lifetime))
	var err error
	if s.signing, err = ensureKey(filepath.Join(o.Dir, "entra-signing.key")); err != nil {
		return nil, err
	}
	if s.subjects, err = ensureKey(filepath.Join(o.Dir, "entra-subjects.key")); err != nil {
		return nil, err
	}
	return s, nil
}

// Issuer is the stand-in's own issuer of federated assertions, see [Server.SubjectToken].
func (s *Server) Issuer() string { return s.options.URL + "/federation" }

// Handler serves the tenant:
//
//	GET  /<tenant>/v2.0/.well-known/openid-configuration
//	GET  /<tenant>/discovery/v2.0/keys
//	POST /<tenant>/oauth2/v2.0/token
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{tenant}/v2.0/.well-known/openid-configuration", s.inTenant(s.configuration))
	mux.HandleFunc("GET /{tenant}/discovery/v2.0/keys", s.inTenant(s.keys))
	mux.Handle("POST /{tenant}/oauth2/v2.0/token", faulty.Handler(&s.Faults, s.fault, s.inTenant(s.token)))
	return mux
}

// inTenant refuses what is asked of another tenant.
func (s *Server) inTenant(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if tenant := r.PathValue("tenant"); !strings.EqualFold(tenant, s.options.Tenant) {
			s.refuse(w, refusal{90002, "invalid_request", fmt.Sprintf("Tenant '%s' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud. Check with your subscription administrator, this may happen if there are no active subscriptions for the tenant.", tenant)})
			return
		}
		next(w, r)
	}
}

func (s *Server) configuration(w http.ResponseWriter, _ *http.Request) {
	base := s.options.URL + "/" + s.options.Tenant
	writeJSON(w, http.StatusOK, map[string]any{
		"issuer":                                base + "/v2.0",
		"authorization_endpoint":                base + "/oauth2/v2.0/authorize",
		"token_endpoint":                        base + "/oauth2/v2.0/token",
		"jwks_uri":                              base + "/discovery/v2.0/keys",
		"token_endpoint_auth_methods_supported": []string{"client_secret_post", "private_key_jwt"},
		"response_types_supported":              []string{"code", "id_token", "token"},
		"response_modes_supported":              []string{"query", "fragment", "form_post"},
		"subject_types_supported":               []string{"pairwise"},
		"id_token_signing_alg_values_supported": []string{"RS256"},
		"scopes_supported":                      []string{"openid", "profile", "email", "offline_access"},
		"tenant_region_scope":                   nil,
	})
}

func (s *Server) keys(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, map[string]any{"keys": []any{jwk(&s.signing.PublicKey)}})
}

func (s *Server) app(clientID string) (App, bool) {
	i := slices.IndexFunc(s.options.Apps, func(a App) bool { return strings.EqualFold(a.ClientID, clientID) })
	if i < 0 {
		return App{}, false
	}
	return s.options.Apps[i], true
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	h := w.Header()
	h.Set("Content-Type", "application/json; charset=utf-8")
	h.Set("Cache-Control", "no-store, no-cache")
	w.WriteHeader(status)
	// An error here means that the client has gone.
	_ = json.NewEncoder(w).Encode(v)
}
