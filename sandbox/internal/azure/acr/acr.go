// Package acr stands in for the door of an Azure Container Registry: the
// token exchange in front of a registry. Behind it any registry will do.
//
// A client that has no token is told where to get one (401). It changes an
// Entra token into a refresh token (POST /oauth2/exchange), that into an
// access token for a scope (POST or GET /oauth2/token), and tries again.
// Source: "ACR authentication" in the documentation of Azure/acr on GitHub
// (docs/AAD-OAuth.md). Not there: admin users, repository tokens, anonymous pull.
package acr

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/slipway-cd/slipway/sandbox/internal/azure/entra"
	"github.com/slipway-cd/slipway/sandbox/internal/azure/faulty"
	"github.com/slipway-cd/slipway/sandbox/internal/azure/insights/fault"
)

// Role is a built-in role that is assigned on the registry.
type Role string

// The roles.
const (
	Pull   Role = "AcrPull"
	Push   Role = "AcrPush" // and pull
	Delete Role = "AcrDelete"
)

// How long the registry's tokens are valid, as the service has it.
const (
	RefreshLifetime = 3 * time.Hour
	AccessLifetime  = 75 * time.Minute
)

// Options of [New].
type Options struct {
	// Host is the registry's name with its port, as clients write it.
	Host string
	// Verifier checks Entra tokens; Audiences are for whom they may be, default
	// [entra.RegistryAudience] and Azure Resource Manager's.
	Verifier  *entra.Verifier
	Audiences []string
	// Roles by the object id that has them.
	Roles map[string][]Role
	// Registry serves what gets through the door: a handler in this process, or [Behind].
	Registry http.Handler
	// Dir keeps the key that signs tokens, so that they outlive a restart.
	Dir string
	// Now is the clock; default time.Now.
	Now func() time.Time
}

// Server is the stand-in.
type Server struct {
	options Options
	key     []byte
	// Faults go wrong on demand, at the registry and at its token service; its ServeHTTP is the control.
	Faults fault.Injector
}

// New makes the stand-in.
func New(o Options) (*Server, error) {
	if o.Host == "" || o.Verifier == nil || o.Registry == nil || o.Dir == "" {
		return nil, errors.New("the stand-in for ACR needs a host, a verifier, a registry and a directory")
	}
	if o.Audiences == nil {
		o.Audiences = []string{entra.RegistryAudience, entra.ARMAudience, entra.CoreARMAudience}
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	key, err := ensureKey(filepath.Join(o.Dir, "acr-signing.key"))
	if err != nil {
		return nil, err
	}
	return &Server{options: o, key: key}, nil
}

// ensureKey reads the signing key at path, or makes one there.
func ensureKey(path string) ([]byte, error) {
	key, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		key = []byte(rand.Text() + rand.Text())
		if err = os.MkdirAll(filepath.Dir(path), 0o700); err == nil {
			err = os.WriteFile(path, key, 0o600)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("the signing key of the stand-in for ACR: %w", err)
	}
	if len(key) < 32 {
		return nil, fmt.Errorf("the signing key %s is too short; remove it and another is made", path)
	}
	return key, nil
}

// Behind forwards to a registry at a URL. Clients keep talking to the stand-in's own host.
func Behind(target *url.URL) http.Handler {
	return &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.SetXForwarded()
			r.Out.Host = r.In.Host
		},
		FlushInterval: -1, // layers are streamed
	}
}

// Handler serves the token service and what is behind the door.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /oauth2/exchange", s.exchange)
	mux.HandleFunc("POST /oauth2/token", s.postToken)
	mux.HandleFunc("GET /oauth2/token", s.getToken)
	mux.HandleFunc("/v2/", s.door)
	mux.HandleFunc("/acr/v1/", s.door)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { http.NotFound(w, r) })
	return faulty.Handler(&s.Faults, fail, mux)
}

var (
	repository = regexp.MustCompile(`^/(?:v2|acr/v1)/(.+)/(?:manifests|blobs|tags|referrers|_tags|_manifests)(?:/|$)`)
	catalog    = regexp.MustCompile(`^/(?:v2/_catalog|acr/v1/_catalog)$`)
)

// scope of a request: what a token must allow. It is empty for /v2/ itself, which asks for any token at all.
func scope(r *http.Request) (access, bool) {
	if catalog.MatchString(r.URL.Path) {
		return access{Type: "registry", Name: "catalog", Actions: []string{"*"}}, true
	}
	m := repository.FindStringSubmatch(r.URL.Path)
	if m == nil {
		return access{}, false
	}
	a := access{Type: "repository", Name: m[1]}
	switch {
	case strings.HasPrefix(r.URL.Path, "/acr/"):
		a.Actions = []string{"metadata_read"}
		if r.Method == http.MethodDelete {
			a.Actions = []string{"delete"}
		}
	case r.Method == http.MethodGet || r.Method == http.MethodHead:
		a.Actions = []string{"pull"}
	case r.Method == http.MethodDelete:
		a.Actions = []string{"delete"}
	default:
		a.Actions = []string{"pull", "push"}
	}
	return a, true
}

// door lets through who has an access token for what is asked.
func (s *Server) door(w http.ResponseWriter, r *http.Request) {
	wanted, scoped := scope(r)
	header, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		s.challenge(w, wanted, scoped, "")
		return
	}
	token, err := s.read(header, accessToken)
	if err != nil {
		s.challenge(w, wanted, scoped, "invalid_token")
		return
	}
	if scoped && !token.allows(wanted) {
		s.challenge(w, wanted, scoped, "insufficient_scope")
		return
	}
	r = r.Clone(r.Context())
	r.Header.Del("Authorization") // the registry behind has no log-in
	s.options.Registry.ServeHTTP(w, r)
}

func (s *Server) challenge(w http.ResponseWriter, wanted access, scoped bool, problem string) {
	h := fmt.Sprintf(`Bearer realm="https://%s/oauth2/token",service="%s"`, s.options.Host, s.options.Host)
	if scoped {
		h += fmt.Sprintf(`,scope="%s"`, wanted)
	}
	if problem != "" {
		h += fmt.Sprintf(`,error="%s"`, problem)
	}
	w.Header().Set("WWW-Authenticate", h)
	w.Header().Set("Docker-Distribution-Api-Version", "registry/2.0")
	refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication required, visit https://aka.ms/acr/authorization for more information.")
}

// actions that an object id's roles allow on repositories.
func (s *Server) actions(objectID string) []string {
	var all []string
	for _, role := range s.options.Roles[objectID] {
		switch role {
		case Pull:
			all = append(all, "pull", "metadata_read")
		case Push:
			all = append(all, "pull", "push", "metadata_read")
		case Delete:
			all = append(all, "delete")
		}
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// refuse writes an error as registries write it.
func refuse(w http.ResponseWriter, status int, code, message string) {
	write(w, status, map[string]any{"errors": []map[string]any{{"code": code, "message": message, "detail": nil}}})
}

func write(w http.ResponseWriter, status int, body any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(body) // the client has gone
}

// fail says a fault on demand in a registry's words.
func fail(w http.ResponseWriter, status int) {
	code := map[int]string{http.StatusUnauthorized: "UNAUTHORIZED", http.StatusForbidden: "DENIED", http.StatusNotFound: "NAME_UNKNOWN", http.StatusTooManyRequests: "TOOMANYREQUESTS"}[status]
	if code == "" {
		code = "UNKNOWN"
	}
	refuse(w, status, code, "a fault on demand")
}
