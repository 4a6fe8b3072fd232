package entra

import (
	"crypto/rsa"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Why a token is refused. Each refusal of a [Verifier] is one of these.
var (
	ErrMalformed   = errors.New("the token is malformed")
	ErrSignature   = errors.New("the token's signature is wrong")
	ErrExpired     = errors.New("the token has expired")
	ErrNotYetValid = errors.New("the token is not valid yet")
	ErrAudience    = errors.New("the token is for another audience")
	ErrTenant      = errors.New("the token is of another tenant")
	ErrRevoked     = errors.New("the token was revoked")
)

// Claims are what a service reads in an access token.
type Claims struct {
	jwt.RegisteredClaims
	// ObjectID is the service principal that roles are assigned to.
	ObjectID string `json:"oid"`
	Tenant   string `json:"tid"`
	// ClientID is the app.
	ClientID string `json:"appid"`
}

// Verifier checks access tokens, as a service behind Entra does.
type Verifier struct {
	key     *rsa.PublicKey
	tenant  string
	now     func() time.Time
	revoked *atomic.Int64
	refused *atomic.Int64
}

// Verifier checks the tokens of this stand-in.
func (s *Server) Verifier() *Verifier {
	return &Verifier{key: &s.signing.PublicKey, tenant: s.options.Tenant, now: s.options.Now, revoked: &s.revoked, refused: &s.refused}
}

// Verify says whether token is valid for audience now. There is no allowance
// for skewed clocks: services and stand-in share one.
func (v *Verifier) Verify(token, audience string) error {
	_, err := v.Read(token, audience)
	return err
}

// Read is Verify, and gives what the token says.
func (v *Verifier) Read(token, audience string) (Claims, error) {
	claims, err := v.read(token, audience)
	if errors.Is(err, ErrExpired) || errors.Is(err, ErrRevoked) {
		v.refused.Add(1)
	}
	return claims, err
}

func (v *Verifier) read(token, audience string) (Claims, error) {
	var claims Claims
	parser := jwt.NewParser(jwt.WithValidMethods([]string{"RS256"}), jwt.WithTimeFunc(v.now), jwt.WithExpirationRequired())
	_, err := parser.ParseWithClaims(token, &claims, func(*jwt.Token) (any, error) { return v.key, nil })
	switch {
	case errors.Is(err, jwt.ErrTokenMalformed), errors.Is(err, jwt.ErrTokenRequiredClaimMissing):
		return Claims{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	case errors.Is(err, jwt.ErrTokenSignatureInvalid), errors.Is(err, jwt.ErrTokenUnverifiable):
		return Claims{}, fmt.Errorf("%w: %w", ErrSignature, err)
	case errors.Is(err, jwt.ErrTokenExpired):
		return Claims{}, fmt.Errorf("%w at %s", ErrExpired, date(claims.ExpiresAt))
	case errors.Is(err, jwt.ErrTokenNotValidYet), errors.Is(err, jwt.ErrTokenUsedBeforeIssued):
		return Claims{}, fmt.Errorf("%w, but from %s", ErrNotYetValid, date(claims.NotBefore))
	case err != nil:
		return Claims{}, fmt.Errorf("%w: %w", ErrMalformed, err)
	}
	if !slices.ContainsFunc(claims.Audience, func(a string) bool { return sameAudience(a, audience) }) {
		return Claims{}, fmt.Errorf("%w: it is for %s, not for %s", ErrAudience, strings.Join(claims.Audience, ", "), audience)
	}
	if !strings.EqualFold(claims.Tenant, v.tenant) {
		return Claims{}, fmt.Errorf("%w: it is of %q, not of %s", ErrTenant, claims.Tenant, v.tenant)
	}
	if revoked := v.revoked.Load(); claims.IssuedAt == nil || claims.IssuedAt.Unix() < revoked {
		return Claims{}, fmt.Errorf("%w at %s", ErrRevoked, stamp(time.Unix(revoked, 0)))
	}
	return claims, nil
}

// sameAudience compares two audiences; services take theirs with and without a closing slash.
func sameAudience(a, b string) bool {
	return strings.EqualFold(strings.TrimSuffix(a, "/"), strings.TrimSuffix(b, "/"))
}
