// Package auth stands in for basic and digest authentication, which the sandbox's gateway does not offer.
// Every check denies: a route that asks for authentication is closed, never open.
package auth

import "net/http"

// BasicAuth denies every request.
type BasicAuth struct {
	Realm   string
	Secrets func(user, realm string) string
}

// RequireAuth answers 501: this build cannot authenticate anybody.
func (*BasicAuth) RequireAuth(w http.ResponseWriter, _ *http.Request) { deny(w) }

// DigestAuth denies every request.
type DigestAuth struct{}

// NewDigestAuthenticator returns an authenticator that denies every request.
func NewDigestAuthenticator(string, func(user, realm string) string) *DigestAuth {
	return &DigestAuth{}
}

// CheckAuth never finds a user.
func (*DigestAuth) CheckAuth(*http.Request) (string, *string) { return "", nil }

// RequireAuth answers 501.
func (*DigestAuth) RequireAuth(w http.ResponseWriter, _ *http.Request) { deny(w) }

// RequireAuthStale answers 501.
func (*DigestAuth) RequireAuthStale(w http.ResponseWriter, _ *http.Request) { deny(w) }

// CheckSecret never matches.
func CheckSecret(_, _ string) bool { return false }

// DigestAuthParams reads nothing.
func DigestAuthParams(string) map[string]string { return nil }

func deny(w http.ResponseWriter) {
	http.Error(w, "authentication middlewares are not part of the sandbox's gateway", http.StatusNotImplemented)
}
