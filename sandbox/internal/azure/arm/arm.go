// Package arm stands in for the calls of Azure Resource Manager that Slipway
// makes to find its way into a cluster: the credentials of an AKS cluster's
// user. Source: the REST reference of Microsoft.ContainerService and the
// common error codes of Azure Resource Manager.
package arm

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/slipway-cd/slipway/sandbox/internal/azure/entra"
	"github.com/slipway-cd/slipway/sandbox/internal/azure/faulty"
	"github.com/slipway-cd/slipway/sandbox/internal/azure/insights/fault"
)

// Cluster is an AKS cluster.
type Cluster struct {
	Group, Name string
	// Kubeconfig is what its users get, without credentials of their own.
	Kubeconfig []byte
	// Users are the object ids that have the role "Azure Kubernetes Service Cluster User Role".
	Users []string
}

// Options of [New].
type Options struct {
	// Subscription that everything is in.
	Subscription string
	Verifier     *entra.Verifier
	Clusters     []Cluster
}

// Server is the stand-in.
type Server struct {
	options Options
	// Faults go wrong on demand; its ServeHTTP is the control.
	Faults fault.Injector
}

// New makes the stand-in.
func New(o Options) (*Server, error) {
	if o.Subscription == "" || o.Verifier == nil {
		return nil, errors.New("the stand-in for Azure Resource Manager needs a subscription and a verifier")
	}
	return &Server{options: o}, nil
}

// Path is the pattern of the one call that is served.
const Path = "POST /subscriptions/{subscription}/{groups}/{group}/providers/Microsoft.ContainerService/managedClusters/{name}/listClusterUserCredential"

// Handler serves [Path], and refuses everything else as not found.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc(Path, s.credentials)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		refuse(w, http.StatusNotFound, "InvalidResourceType", fmt.Sprintf("The stand-in does not do %s %s.", r.Method, r.URL.Path))
	})
	return faulty.Handler(&s.Faults, fail, mux)
}

var apiVersion = regexp.MustCompile(`^20[0-9]{2}-[0-9]{2}-[0-9]{2}(-preview)?$`)

func (s *Server) credentials(w http.ResponseWriter, r *http.Request) {
	token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		refuse(w, http.StatusUnauthorized, "AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing.")
		return
	}
	caller, err := s.caller(token)
	if err != nil {
		unauthorized(w, err, time.Now())
		return
	}
	subscription, group, name := r.PathValue("subscription"), r.PathValue("group"), r.PathValue("name")
	switch version := r.URL.Query().Get("api-version"); {
	case !strings.EqualFold(r.PathValue("groups"), "resourceGroups"):
		refuse(w, http.StatusNotFound, "InvalidResourceType", "The path must name a resource group.")
		return
	case version == "":
		refuse(w, http.StatusBadRequest, "MissingApiVersionParameter", "The api-version query parameter (?api-version=) is required for all requests.")
		return
	case !apiVersion.MatchString(version):
		refuse(w, http.StatusBadRequest, "InvalidApiVersionParameter", fmt.Sprintf("The api-version '%s' is invalid.", version))
		return
	case !strings.EqualFold(subscription, s.options.Subscription):
		refuse(w, http.StatusNotFound, "SubscriptionNotFound", fmt.Sprintf("The subscription '%s' could not be found.", subscription))
		return
	case !slices.ContainsFunc(s.options.Clusters, func(c Cluster) bool { return strings.EqualFold(c.Group, group) }):
		refuse(w, http.StatusNotFound, "ResourceGroupNotFound", fmt.Sprintf("Resource group '%s' could not be found.", group))
		return
	}
	i := slices.IndexFunc(s.options.Clusters, func(c Cluster) bool { return strings.EqualFold(c.Group, group) && strings.EqualFold(c.Name, name) })
	if i < 0 {
		refuse(w, http.StatusNotFound, "ResourceNotFound", fmt.Sprintf("The Resource 'Microsoft.ContainerService/managedClusters/%s' under resource group '%s' was not found. For more details please go to https://aka.ms/ARMResourceNotFoundFix", name, group))
		return
	}
	c := s.options.Clusters[i]
	if !slices.Contains(c.Users, caller.ObjectID) {
		refuse(w, http.StatusForbidden, "AuthorizationFailed", fmt.Sprintf("The client '%s' with object id '%s' does not have authorization to perform action 'Microsoft.ContainerService/managedClusters/listClusterUserCredential/action' over scope '%s' or the scope is invalid. If access was recently granted, please refresh your credentials.", caller.ClientID, caller.ObjectID, strings.TrimSuffix(r.URL.Path, "/listClusterUserCredential")))
		return
	}
	// encoding/json writes bytes in base64, as the service does.
	write(w, http.StatusOK, map[string]any{"kubeconfigs": []map[string]any{{"name": "clusterUser", "value": c.Kubeconfig}}})
}

// caller reads a token for either of the audiences that Azure Resource Manager has.
func (s *Server) caller(token string) (entra.Claims, error) {
	claims, err := s.options.Verifier.Read(token, entra.ARMAudience)
	if errors.Is(err, entra.ErrAudience) {
		return s.options.Verifier.Read(token, entra.CoreARMAudience)
	}
	return claims, err
}

func unauthorized(w http.ResponseWriter, err error, now time.Time) {
	code, message := "InvalidAuthenticationToken", "The access token is invalid."
	switch {
	case errors.Is(err, entra.ErrExpired):
		code, message = "ExpiredAuthenticationToken", "The access token expiry UTC time is in the past."
	case errors.Is(err, entra.ErrAudience):
		code, message = "InvalidAuthenticationTokenAudience", "The access token has been obtained for wrong audience or resource. It should exactly match with one of the allowed audiences 'https://management.core.windows.net/','https://management.core.windows.net','https://management.azure.com/','https://management.azure.com'."
	case errors.Is(err, entra.ErrTenant):
		code, message = "InvalidAuthenticationTokenTenant", "The access token is from the wrong issuer. It must match the tenant associated with this subscription."
	}
	challenge := fmt.Sprintf(`Bearer error="invalid_token", error_description="%s"`, message)
	if errors.Is(err, entra.ErrRevoked) { // continuous access evaluation
		claims := fmt.Sprintf(`{"access_token":{"nbf":{"essential":true,"value":"%d"}}}`, now.Unix())
		challenge = fmt.Sprintf(`Bearer authorization_uri="https://login.windows.net/", error="insufficient_claims", claims="%s"`, base64.StdEncoding.EncodeToString([]byte(claims)))
	}
	w.Header().Set("WWW-Authenticate", challenge)
	refuse(w, http.StatusUnauthorized, code, message)
}

func refuse(w http.ResponseWriter, status int, code, message string) {
	write(w, status, map[string]any{"error": map[string]string{"code": code, "message": message}})
}

func write(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client has gone
}

// fail says a fault on demand in Azure Resource Manager's words.
func fail(w http.ResponseWriter, status int) {
	code := map[int]string{http.StatusUnauthorized: "InvalidAuthenticationToken", http.StatusForbidden: "AuthorizationFailed", http.StatusNotFound: "ResourceNotFound", http.StatusTooManyRequests: "TooManyRequests"}[status]
	if code == "" {
		code = "InternalServerError"
	}
	refuse(w, status, code, "A fault on demand.")
}
