package entra

import (
	"context"
	"fmt"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// SubjectLifetime is how long a federated subject token is valid, as those of
// Kubernetes service accounts are by default.
const SubjectLifetime = time.Hour

// SubjectToken mints the federated token that a platform would give an app:
// what Kubernetes projects into a pod and what a pipeline's OIDC endpoint
// answers. It matches the app's first credential of the stand-in's own issuer.
func (s *Server) SubjectToken(clientID string) (string, error) {
	app, ok := s.app(clientID)
	if !ok {
		return "", fmt.Errorf("the tenant has no app with the client id %s", clientID)
	}
	for _, f := range app.Federated {
		if f = s.withDefaults(f); f.Issuer == s.Issuer() {
			return s.SignSubject(jwt.RegisteredClaims{
				Issuer: f.Issuer, Subject: f.Subject, Audience: jwt.ClaimStrings{f.Audience},
				ExpiresAt: jwt.NewNumericDate(s.options.Now().Add(SubjectLifetime)),
			})
		}
	}
	return "", fmt.Errorf("app %s has no federated credential of the issuer %s", clientID, s.Issuer())
}

// SignSubject signs any claims as the stand-in's own issuer, for tests of what is refused.
// Issued-at and not-before default to now.
func (s *Server) SignSubject(claims jwt.RegisteredClaims) (string, error) {
	now := jwt.NewNumericDate(s.options.Now())
	if claims.IssuedAt == nil {
		claims.IssuedAt = now
	}
	if claims.NotBefore == nil {
		claims.NotBefore = now
	}
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, claims)
	token.Header["kid"] = keyID(&s.subjects.PublicKey)
	signed, err := token.SignedString(s.subjects)
	if err != nil {
		return "", fmt.Errorf("signing a subject token: %w", err)
	}
	return signed, nil
}

// WriteSubjectToken writes [Server.SubjectToken] to a file, in one step and
// readable by its owner only: what AZURE_FEDERATED_TOKEN_FILE names.
func (s *Server) WriteSubjectToken(path, clientID string) error {
	token, err := s.SubjectToken(clientID)
	if err != nil {
		return err
	}
	return replaceFile(path, []byte(token))
}

// KeepSubjectToken writes the file at once and again at half of each token's
// life, as a kubelet does, until ctx ends; then it returns nil.
func (s *Server) KeepSubjectToken(ctx context.Context, path, clientID string) error {
	renew := time.NewTicker(SubjectLifetime / 2)
	defer renew.Stop()
	for {
		if err := s.WriteSubjectToken(path, clientID); err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-renew.C:
		}
	}
}
