package keyvault

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/slipway-cd/slipway/sandbox/internal/azure/entra"
)

// authenticated lets pass who has a token; everybody else is told where to get one.
func (v *Vault) authenticated(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		if !ok || token == "" {
			v.challenge(w, "AKV10000: Request is missing a Bearer or PoP token.")
			return
		}
		claims, err := v.options.Verifier.Read(token, v.options.Audience)
		if err != nil {
			v.challenge(w, v.unauthorized(err))
			return
		}
		next.ServeHTTP(w, r.WithContext(context.WithValue(r.Context(), callerKey{}, claims)))
	})
}

// unauthorized is why a token is not taken, in the service's words.
func (v *Vault) unauthorized(err error) string {
	switch {
	case errors.Is(err, entra.ErrAudience):
		return fmt.Sprintf("AKV10022: Invalid audience. Expected %s, found: another (%v).", v.options.Audience, err)
	case errors.Is(err, entra.ErrTenant):
		return fmt.Sprintf("AKV10032: Invalid issuer. Expected one of %s/%s/ (%v).", v.options.Authority, v.options.Tenant, err)
	case errors.Is(err, entra.ErrExpired), errors.Is(err, entra.ErrNotYetValid):
		return fmt.Sprintf("Error validating token: IDX10223: Lifetime validation failed (%v).", err)
	case errors.Is(err, entra.ErrRevoked):
		return fmt.Sprintf("Error validating token: %v.", err)
	case errors.Is(err, entra.ErrSignature):
		return "Error validating token: IDX10511: Signature validation failed."
	}
	return "Error validating token: IDX12741: JWT must have three segments (JWS) or five segments (JWE)."
}

// challenge tells a client its tenant and audience.
func (v *Vault) challenge(w http.ResponseWriter, message string) {
	w.Header().Set("WWW-Authenticate", fmt.Sprintf(`Bearer authorization="%s/%s", resource="%s"`, v.options.Authority, v.options.Tenant, v.options.Audience))
	refuse(w, http.StatusUnauthorized, "Unauthorized", "", message)
}
