// Package keyvault stands in for one Azure Key Vault: the part of its secrets
// API that reads, lists, sets and deletes, with its challenge, its roles and
// its errors. It is as strict as the service where a client could be wrong.
//
// Sources: the Key Vault REST reference (learn.microsoft.com/rest/api/keyvault/secrets),
// its general error codes, and answers of the service that its users report.
// Not there: recovering, purging, backups, certificates and keys; these are
// answered with 501.
package keyvault

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/slipway-cd/slipway/sandbox/internal/azure/entra"
	"github.com/slipway-cd/slipway/sandbox/internal/azure/faulty"
	"github.com/slipway-cd/slipway/sandbox/internal/azure/insights/fault"
)

// Role is a built-in role that is assigned on the vault.
type Role string

// The roles that have to do with secrets.
const (
	Reader  Role = "Key Vault Reader"          // names and attributes
	User    Role = "Key Vault Secrets User"    // and values
	Officer Role = "Key Vault Secrets Officer" // and changes
)

// Limits of the service.
const (
	MaxValue = 25 * 1024 // bytes of a value
	MaxPage  = 25        // secrets in one page of a list
)

// Options of [New].
type Options struct {
	// Name of the vault, for messages.
	Name string
	// URL is where it is reached, https, without a path; ids begin with it.
	URL string
	// Authority and Tenant are named in the challenge: a client logs in there.
	Authority, Tenant string
	// Verifier checks access tokens; Audience is for whom they must be, default [entra.VaultAudience].
	Verifier *entra.Verifier
	Audience string
	// Roles by the object id that has them.
	Roles map[string]Role
	// Dir keeps the secrets, in the clear and readable by their owner only.
	Dir string
	// Now is the clock; default time.Now.
	Now func() time.Time
}

// Vault is the stand-in.
type Vault struct {
	options Options
	// Faults go wrong on demand; its ServeHTTP is the control.
	Faults fault.Injector

	mu      sync.Mutex
	secrets map[string]*stored // by the name in lower case: the service does not tell cases apart
}

// New opens the vault in o.Dir, or makes an empty one there.
func New(o Options) (*Vault, error) {
	if o.URL == "" || o.Authority == "" || o.Tenant == "" || o.Verifier == nil || o.Dir == "" {
		return nil, errors.New("the Key Vault stand-in needs a URL, an authority, a tenant, a verifier and a directory")
	}
	o.URL, o.Authority = strings.TrimSuffix(o.URL, "/"), strings.TrimSuffix(o.Authority, "/")
	if o.Audience == "" {
		o.Audience = entra.VaultAudience
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	v := &Vault{options: o}
	return v, v.load()
}

// apiVersions that the service knows, and clients ask for.
var apiVersions = []string{"7.0", "7.1", "7.2", "7.3", "7.4", "7.5", "7.6", "2025-07-01", "2026-04-01"}

var secretName = regexp.MustCompile(`^[0-9a-zA-Z-]{1,127}$`)

// Handler serves the vault:
//
//	GET    /secrets                            names and attributes, in pages
//	GET    /secrets/<name>/[<version>]         one value
//	GET    /secrets/<name>/versions
//	PUT    /secrets/<name>
//	DELETE /secrets/<name>                     soft delete
//	GET    /deletedsecrets/<name>
func (v *Vault) Handler() http.Handler {
	mux := http.NewServeMux()
	handle := func(pattern, action string, f func(http.ResponseWriter, *http.Request)) {
		h := v.allowed(action, f)
		mux.HandleFunc(pattern, h)
		mux.HandleFunc(pattern+"/{$}", h)
	}
	handle("GET /secrets", readMetadata, v.list)
	handle("GET /secrets/{name}", getSecret, v.get)
	handle("GET /secrets/{name}/{version}", getSecret, v.get)
	handle("GET /secrets/{name}/versions", readMetadata, v.versions)
	handle("PUT /secrets/{name}", setSecret, v.set)
	handle("DELETE /secrets/{name}", deleteSecret, v.delete)
	handle("GET /deletedsecrets/{name}", readMetadata, v.getDeleted)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, http.StatusNotImplemented, "NotImplemented", "", fmt.Sprintf("The stand-in does not do %s %s.", r.Method, r.URL.Path))
	})
	return faulty.Handler(&v.Faults, v.fault, v.authenticated(mux))
}

// Actions, as role definitions name them.
const (
	readMetadata = "Microsoft.KeyVault/vaults/secrets/readMetadata/action"
	getSecret    = "Microsoft.KeyVault/vaults/secrets/getSecret/action"
	setSecret    = "Microsoft.KeyVault/vaults/secrets/setSecret/action"
	deleteSecret = "Microsoft.KeyVault/vaults/secrets/delete"
)

func (r Role) may(action string) bool {
	switch r {
	case Officer:
		return true
	case User:
		return action == readMetadata || action == getSecret
	case Reader:
		return action == readMetadata
	}
	return false
}

type callerKey struct{}

// allowed checks the caller's role, then what every operation checks.
func (v *Vault) allowed(action string, next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		caller, _ := r.Context().Value(callerKey{}).(entra.Claims)
		if !v.options.Roles[caller.ObjectID].may(action) {
			refuse(w, http.StatusForbidden, "Forbidden", "ForbiddenByRbac", fmt.Sprintf(
				"Caller is not authorized to perform action on resource.\r\nIf role assignments, deny assignments or role definitions were changed recently, please observe propagation time.\r\nCaller: appid=%s;oid=%s;iss=%s\r\nAction: '%s'\r\nResource: '%s'\r\nAssignment: (not found)\r\nDenyAssignmentId: null\r\nDecisionReason: 'DeniedWithNoValidRBAC' \r\nVault: %s;location=sandbox\r\n",
				caller.ClientID, caller.ObjectID, caller.Issuer, action, r.URL.Path, v.options.Name))
			return
		}
		version := r.URL.Query().Get("api-version")
		if version == "" {
			refuse(w, http.StatusBadRequest, "BadParameter", "", "api-version must be specified")
			return
		}
		if !slices.Contains(apiVersions, version) {
			refuse(w, http.StatusBadRequest, "BadParameter", "", fmt.Sprintf("The specified version (%s) is not recognized. Consider using the latest supported version (%s).", version, apiVersions[len(apiVersions)-1]))
			return
		}
		if name := r.PathValue("name"); name != "" && !secretName.MatchString(name) {
			refuse(w, http.StatusBadRequest, "BadParameter", "", "The request URI contains an invalid name: "+name)
			return
		}
		next(w, r)
	}
}

// wireError is how the service writes errors.
type wireError struct {
	Error struct {
		Code    string `json:"code"`
		Message string `json:"message"`
		Inner   *inner `json:"innererror,omitempty"`
	} `json:"error"`
}

type inner struct {
	Code string `json:"code"`
}

func refuse(w http.ResponseWriter, status int, code, innerCode, message string) {
	var e wireError
	e.Error.Code, e.Error.Message = code, message
	if innerCode != "" {
		e.Error.Inner = &inner{innerCode}
	}
	write(w, status, e)
}

func write(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-cache")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client has gone
}

// fault says a fault on demand in the service's words.
func (v *Vault) fault(w http.ResponseWriter, status int) {
	switch status {
	case http.StatusUnauthorized:
		v.challenge(w, "AKV10000: Request is missing a Bearer or PoP token.")
	case http.StatusForbidden:
		refuse(w, status, "Forbidden", "ForbiddenByFirewall", "Client address is not authorized and caller is not a trusted service.")
	case http.StatusNotFound:
		refuse(w, status, "SecretNotFound", "", "A secret was not found in this key vault (a fault on demand).")
	case http.StatusTooManyRequests:
		refuse(w, status, "Throttled", "VaultRequestTypeLimitReached", "Request was not processed because too many requests were received. Reason: VaultRequestTypeLimitReached")
	default:
		refuse(w, status, "InternalServerError", "", "The service had an internal error (a fault on demand).")
	}
}
