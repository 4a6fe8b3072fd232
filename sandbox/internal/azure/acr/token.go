package acr

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// nobody is the user name that goes with a refresh token as a password.
const nobody = "00000000-0000-0000-0000-000000000000"

// Kinds of the registry's tokens.
const (
	refreshToken = "refresh_token"
	accessToken  = "access_token"
)

// maxForm bounds a request to the token service.
const maxForm = 64 << 10

// access is one thing that a token allows.
type access struct {
	Type    string   `json:"type"`
	Name    string   `json:"name"`
	Actions []string `json:"actions"`
}

func (a access) String() string { return a.Type + ":" + a.Name + ":" + strings.Join(a.Actions, ",") }

// claims of the registry's tokens.
type claims struct {
	jwt.RegisteredClaims
	Kind   string   `json:"grant_type"`
	Access []access `json:"access,omitempty"`
}

// allows says whether the token covers all actions of what is wanted.
func (c claims) allows(wanted access) bool {
	return slices.ContainsFunc(c.Access, func(a access) bool {
		return a.Type == wanted.Type && a.Name == wanted.Name && !slices.ContainsFunc(wanted.Actions, func(action string) bool { return !slices.Contains(a.Actions, action) })
	})
}

func (s *Server) sign(kind, subject string, lifetime time.Duration, what []access) (string, error) {
	now := s.options.Now()
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: "Azure Container Registry", Subject: subject, Audience: jwt.ClaimStrings{s.options.Host},
			IssuedAt: jwt.NewNumericDate(now), NotBefore: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(lifetime)),
		},
		Kind: kind, Access: what,
	}).SignedString(s.key)
	if err != nil {
		return "", fmt.Errorf("signing a registry token: %w", err)
	}
	return token, nil
}

// read checks a token of the registry's own.
func (s *Server) read(token, kind string) (claims, error) {
	var c claims
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"HS256"}), jwt.WithTimeFunc(s.options.Now), jwt.WithExpirationRequired(), jwt.WithAudience(s.options.Host))
	if _, err := parser.ParseWithClaims(token, &c, func(*jwt.Token) (any, error) { return s.key, nil }); err != nil {
		return claims{}, err
	}
	if c.Kind != kind {
		return claims{}, fmt.Errorf("it is of the kind %q, not %q", c.Kind, kind)
	}
	return c, nil
}

// form reads a request's form, and checks that it is for this registry.
func (s *Server) form(w http.ResponseWriter, r *http.Request, want ...string) (url.Values, bool) {
	r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	if err := r.ParseForm(); err != nil {
		refuse(w, http.StatusBadRequest, "BADREQUEST", "the form cannot be read: "+err.Error())
		return nil, false
	}
	f := r.PostForm
	if r.Method == http.MethodGet {
		f = r.Form
	}
	for _, name := range append([]string{"service"}, want...) {
		if f.Get(name) == "" {
			refuse(w, http.StatusBadRequest, "BADREQUEST", "the parameter "+name+" is missing")
			return nil, false
		}
	}
	if f.Get("service") != s.options.Host {
		refuse(w, http.StatusBadRequest, "BADREQUEST", fmt.Sprintf("the service is %s, not %s", s.options.Host, f.Get("service")))
		return nil, false
	}
	return f, true
}

// exchange changes an Entra token into a refresh token.
func (s *Server) exchange(w http.ResponseWriter, r *http.Request) {
	f, ok := s.form(w, r, "grant_type", "access_token")
	if !ok {
		return
	}
	if grant := f.Get("grant_type"); grant != "access_token" {
		refuse(w, http.StatusBadRequest, "BADREQUEST", fmt.Sprintf("the stand-in exchanges grant_type access_token only, not %q", grant))
		return
	}
	var err error
	for _, audience := range s.options.Audiences {
		caller, readErr := s.options.Verifier.Read(f.Get("access_token"), audience)
		if err = readErr; err != nil {
			continue
		}
		if len(s.actions(caller.ObjectID)) == 0 {
			break
		}
		token, err := s.sign(refreshToken, caller.ObjectID, RefreshLifetime, nil)
		if err != nil {
			refuse(w, http.StatusInternalServerError, "UNKNOWN", err.Error())
			return
		}
		write(w, http.StatusOK, map[string]string{"refresh_token": token})
		return
	}
	message := "authentication required, visit https://aka.ms/acr/authorization for more information."
	if err != nil {
		message = err.Error()
	}
	refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", message)
}

// postToken is the OAuth form of the token service.
func (s *Server) postToken(w http.ResponseWriter, r *http.Request) {
	f, ok := s.form(w, r, "grant_type")
	if !ok {
		return
	}
	token := f.Get("refresh_token")
	switch grant := f.Get("grant_type"); grant {
	case "refresh_token":
	case "password":
		token = f.Get("password")
		if f.Get("username") != nobody {
			token = ""
		}
	default:
		refuse(w, http.StatusBadRequest, "BADREQUEST", fmt.Sprintf("the grant_type %q is not known", grant))
		return
	}
	s.answer(w, token, f["scope"])
}

// getToken is the older form, which Docker uses.
func (s *Server) getToken(w http.ResponseWriter, r *http.Request) {
	f, ok := s.form(w, r)
	if !ok {
		return
	}
	user, password, _ := r.BasicAuth()
	if user != nobody {
		password = ""
	}
	s.answer(w, password, f["scope"])
}

// answer gives an access token for that part of each scope that the roles
// allow. A scope of which nothing is allowed refuses the whole, so that a
// client hears of it here and not at its next request.
func (s *Server) answer(w http.ResponseWriter, refresh string, scopes []string) {
	c, err := s.read(refresh, refreshToken)
	if err != nil {
		refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication required, visit https://aka.ms/acr/authorization for more information.")
		return
	}
	allowed := s.actions(c.Subject)
	var granted []access
	for _, text := range strings.Fields(strings.Join(scopes, " ")) {
		a, ok := parseScope(text)
		if !ok {
			refuse(w, http.StatusBadRequest, "BADREQUEST", fmt.Sprintf("the scope %q cannot be read", text))
			return
		}
		if a.Type == "registry" {
			if !slices.Contains(allowed, "pull") {
				a.Actions = nil
			}
		} else {
			a.Actions = slices.DeleteFunc(a.Actions, func(action string) bool { return !slices.Contains(allowed, action) })
		}
		if len(a.Actions) == 0 {
			refuse(w, http.StatusUnauthorized, "UNAUTHORIZED", "authentication required, visit https://aka.ms/acr/authorization for more information.")
			return
		}
		granted = append(granted, a)
	}
	token, err := s.sign(accessToken, c.Subject, AccessLifetime, granted)
	if err != nil {
		refuse(w, http.StatusInternalServerError, "UNKNOWN", err.Error())
		return
	}
	write(w, http.StatusOK, map[string]any{"access_token": token, "token": token, "expires_in": int(AccessLifetime.Seconds())})
}

// parseScope reads TYPE:NAME:ACTION,ACTION. A name may hold a colon (a host with a port), so the last one counts.
func parseScope(text string) (access, bool) {
	kind, rest, ok := strings.Cut(text, ":")
	i := strings.LastIndex(rest, ":")
	if !ok || i <= 0 || i == len(rest)-1 || kind != "repository" && kind != "registry" {
		return access{}, false
	}
	a := access{Type: kind, Name: rest[:i], Actions: strings.Split(rest[i+1:], ",")}
	if kind == "repository" && slices.Equal(a.Actions, []string{"*"}) {
		a.Actions = []string{"delete", "metadata_read", "pull", "push"}
	}
	return a, true
}
