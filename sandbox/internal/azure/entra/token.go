package entra

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/subtle"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// assertionType is RFC 7523's name for a JWT that stands for a client.
const assertionType = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"

// skew is what Entra allows between its clock and an issuer's.
const skew = 5 * time.Minute

// maxBody bounds a token request; an assertion has a few KB.
const maxBody = 64 << 10

// token is the token endpoint: the client credentials grant.
func (s *Server) token(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	if err := r.ParseForm(); err != nil {
		s.refuse(w, refusal{900144, "invalid_request", "The request body must contain the following parameter: 'grant_type'."})
		return
	}
	app, resource, bad := s.authenticate(r.PostForm)
	if bad != nil {
		s.refuse(w, *bad)
		return
	}
	lifetime := time.Duration(s.lifetime.Load())
	token, err := s.accessToken(app, resource, lifetime)
	if err != nil {
		s.refuse(w, refusal{50000, "server_error", "There was an error issuing a token: " + err.Error() + "."})
		return
	}
	s.issued.Add(1)
	seconds := int(lifetime.Seconds())
	writeJSON(w, http.StatusOK, map[string]any{
		"token_type": "Bearer", "expires_in": seconds, "ext_expires_in": seconds, "access_token": token,
	})
}

// authenticate checks a token request from its form to the identity.
func (s *Server) authenticate(form url.Values) (App, string, *refusal) {
	if bad := parameter(form, "grant_type"); bad != nil {
		return App{}, "", bad
	}
	if grant := form.Get("grant_type"); grant != "client_credentials" {
		return App{}, "", &refusal{70003, "unsupported_grant_type", fmt.Sprintf("The app requested an unsupported grant type '%s'.", grant)}
	}
	for _, name := range []string{"client_id", "scope"} {
		if bad := parameter(form, name); bad != nil {
			return App{}, "", bad
		}
	}
	app, ok := s.app(form.Get("client_id"))
	if !ok {
		return App{}, "", &refusal{700016, "unauthorized_client", fmt.Sprintf("Application with identifier '%s' was not found in the directory '%s'. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You may have sent your authentication request to the wrong tenant.", form.Get("client_id"), s.options.Tenant)}
	}
	resource, bad := s.resource(form.Get("scope"))
	if bad != nil {
		return App{}, "", bad
	}
	if claims := form.Get("claims"); claims != "" && json.Unmarshal([]byte(claims), &struct{}{}) != nil {
		return App{}, "", &refusal{90100, "invalid_request", "claims parameter is empty or not valid."}
	}
	switch {
	case form.Has("client_assertion"):
		bad = s.checkAssertion(app, form.Get("client_assertion_type"), form.Get("client_assertion"))
	case form.Has("client_secret"):
		bad = checkSecret(app, form.Get("client_secret"))
	default:
		bad = &refusal{7000216, "invalid_request", "'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' grant type."}
	}
	return app, resource, bad
}

func parameter(form url.Values, name string) *refusal {
	if form.Get(name) != "" {
		return nil
	}
	return &refusal{900144, "invalid_request", fmt.Sprintf("The request body must contain the following parameter: '%s'.", name)}
}

// resource is the audience that a scope asks for. What stands before
// "/.default" becomes the audience as it is, with a closing slash if it has
// one: https://management.azure.com//.default.
func (s *Server) resource(scope string) (string, *refusal) {
	var asked []string
	for _, part := range strings.Fields(scope) {
		switch part {
		case "openid", "offline_access", "profile", "email": // client libraries add these; they mean nothing without a user
		default:
			asked = append(asked, part)
		}
	}
	if len(asked) != 1 || !strings.HasSuffix(asked[0], "/.default") {
		return "", &refusal{1002012, "invalid_scope", fmt.Sprintf("The provided value for scope %s is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI).", scope)}
	}
	resource := strings.TrimSuffix(asked[0], "/.default")
	known := slices.ContainsFunc(s.options.Resources, func(k string) bool { return sameAudience(k, resource) })
	if !known {
		return "", &refusal{500011, "invalid_resource", fmt.Sprintf("The resource principal named %s was not found in the tenant named %s. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You might have sent your authentication request to the wrong tenant.", resource, s.options.Tenant)}
	}
	return resource, nil
}

func checkSecret(app App, secret string) *refusal {
	if app.Secret != "" && subtle.ConstantTimeCompare([]byte(app.Secret), []byte(secret)) == 1 {
		return nil
	}
	return &refusal{7000215, "invalid_client", fmt.Sprintf("Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '%s'.", app.ClientID)}
}

// checkAssertion is the federated log-in: the assertion must be one of a
// credential of the app, signed by its issuer and valid now.
func (s *Server) checkAssertion(app App, kind, assertion string) *refusal {
	if kind != assertionType {
		return &refusal{900144, "invalid_request", "The request body must contain the following parameter: 'client_assertion_type'."}
	}
	var claims jwt.RegisteredClaims
	unverified, _, err := jwt.NewParser().ParseUnverified(assertion, &claims)
	if err != nil {
		return &refusal{50027, "invalid_client", "JWT token is invalid or malformed."}
	}
	sameIssuer := slices.DeleteFunc(slices.Clone(app.Federated), func(f Federated) bool { return s.withDefaults(f).Issuer != claims.Issuer })
	key, known := s.issuerKey(claims.Issuer)
	if len(sameIssuer) == 0 || !known {
		return noRecord(700211, "issuer", claims.Issuer)
	}
	method := "RS256"
	if _, ok := key.(*ecdsa.PublicKey); ok {
		method = "ES256" // Entra takes RSA alone; the sandbox's own cluster signs with an elliptic curve
	}
	parser := jwt.NewParser(jwt.WithValidMethods([]string{method}), jwt.WithTimeFunc(s.options.Now), jwt.WithLeeway(skew), jwt.WithExpirationRequired())
	if _, err := parser.ParseWithClaims(assertion, &claims, func(*jwt.Token) (any, error) { return key, nil }); err != nil {
		if errors.Is(err, jwt.ErrTokenExpired) || errors.Is(err, jwt.ErrTokenNotValidYet) || errors.Is(err, jwt.ErrTokenUsedBeforeIssued) {
			return &refusal{700024, "invalid_client", fmt.Sprintf("Client assertion is not within its valid time range. Current time: %s, assertion valid from %s, expiry time of assertion %s.",
				stamp(s.options.Now()), date(claims.NotBefore), date(claims.ExpiresAt))}
		}
		if errors.Is(err, jwt.ErrTokenRequiredClaimMissing) {
			return &refusal{50027, "invalid_client", "JWT token is invalid or malformed: it has no expiry time."}
		}
		return &refusal{50013, "invalid_client", fmt.Sprintf("Assertion failed signature validation. [Reason - The provided signature value did not match the expected signature value., Thumbprint of key used by client: '%v']", unverified.Header["kid"])}
	}
	sameSubject := slices.DeleteFunc(sameIssuer, func(f Federated) bool { return f.Subject != claims.Subject })
	if len(sameSubject) == 0 {
		return noRecord(700213, "subject", claims.Subject)
	}
	sameAudience := slices.ContainsFunc(sameSubject, func(f Federated) bool { return slices.Contains(claims.Audience, s.withDefaults(f).Audience) })
	if !sameAudience {
		return noRecord(700212, "audience", strings.Join(claims.Audience, ","))
	}
	return nil
}

func noRecord(code int, what, value string) *refusal {
	return &refusal{code, "invalid_client", fmt.Sprintf("No matching federated identity record found for presented assertion %s '%s'. Please note that the matching is done using a case-sensitive comparison. Check your federated identity credential Subject, Audience and Issuer against the presented assertion. https://learn.microsoft.com/entra/workload-id/workload-identity-federation", what, value)}
}

func (s *Server) withDefaults(f Federated) Federated {
	if f.Issuer == "" {
		f.Issuer = s.Issuer()
	}
	if f.Audience == "" {
		f.Audience = ExchangeAudience
	}
	return f
}

func (s *Server) issuerKey(issuer string) (crypto.PublicKey, bool) {
	if issuer == s.Issuer() {
		return &s.subjects.PublicKey, true
	}
	key, ok := s.options.Issuers[issuer]
	return key, ok
}

func date(d *jwt.NumericDate) string {
	if d == nil {
		return "(none)"
	}
	return stamp(d.Time)
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.0000000Z") }

// accessToken is an app-only token in the form of version 1.0, which the
// services of Azure ask for.
func (s *Server) accessToken(app App, audience string, lifetime time.Duration) (string, error) {
	now := s.options.Now()
	token := jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims{
		"aud": audience, "iss": s.tokenIssuer(),
		"iat": now.Unix(), "nbf": now.Unix(), "exp": now.Add(lifetime).Unix(),
		"appid": app.ClientID, "appidacr": "2", "idp": s.tokenIssuer(), "idtyp": "app",
		"oid": app.ObjectID, "sub": app.ObjectID, "tid": s.options.Tenant, "uti": guid(), "ver": "1.0",
	})
	token.Header["kid"] = keyID(&s.signing.PublicKey)
	signed, err := token.SignedString(s.signing)
	if err != nil {
		return "", fmt.Errorf("signing an access token: %w", err)
	}
	return signed, nil
}

func (s *Server) tokenIssuer() string { return s.options.URL + "/" + s.options.Tenant + "/" }
