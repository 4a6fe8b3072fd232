package entra

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/slipway-cd/slipway/sandbox/internal/azure/insights/fault"
)

// SetLifetime changes how long access tokens are valid that are issued from now on.
func (s *Server) SetLifetime(d time.Duration) { s.lifetime.Store(int64(d)) }

// Revoke ends every access token that was issued before this second, as when an account is disabled or a session is ended.
// Services that ask the [Verifier] refuse them from now on; new ones are issued as ever.
func (s *Server) Revoke() { s.revoked.Store(s.options.Now().Unix()) }

// Issued counts the access tokens that were issued.
func (s *Server) Issued() int { return int(s.issued.Load()) }

// Refused counts how often a service did not take an access token because it had expired or was revoked.
func (s *Server) Refused() int { return int(s.refused.Load()) }

// state is what the control shows and sets.
type state struct {
	// Lifetime of the access tokens that are issued.
	Lifetime fault.Duration `json:"lifetime"`
	// Issued counts them; Refused counts how often a service did not take one because it had expired or was revoked.
	Issued  int64 `json:"issued"`
	Refused int64 `json:"refused"`
}

// Control changes and shows how the stand-in behaves. It must not be reachable by others:
//
//	GET             /control/entra         lifetime of tokens, how many were issued and refused
//	PUT             /control/entra         {"lifetime":"20s"}, for tokens that are issued from now on
//	DELETE          /control/entra         the lifetime of before
//	POST            /control/entra/revoke  no service takes the tokens any more that were issued before this second
//	GET PUT DELETE  /control/entra/fault   what goes wrong at the token endpoint, see [fault.Rule]
func (s *Server) Control() http.Handler {
	mux := http.NewServeMux()
	show := func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, state{fault.Duration(s.lifetime.Load()), s.issued.Load(), s.refused.Load()})
	}
	mux.HandleFunc("GET /control/entra", show)
	mux.HandleFunc("PUT /control/entra", func(w http.ResponseWriter, r *http.Request) {
		var wanted struct {
			Lifetime fault.Duration `json:"lifetime"`
		}
		d := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16))
		d.DisallowUnknownFields()
		err := d.Decode(&wanted)
		if err == nil && wanted.Lifetime < fault.Duration(time.Second) {
			err = errors.New("tokens end with whole seconds, so they live for a second at the least")
		}
		if err != nil {
			http.Error(w, "the lifetime is not set: "+err.Error(), http.StatusBadRequest)
			return
		}
		s.SetLifetime(time.Duration(wanted.Lifetime))
		show(w, r)
	})
	mux.HandleFunc("DELETE /control/entra", func(w http.ResponseWriter, r *http.Request) {
		s.SetLifetime(s.options.Lifetime)
		show(w, r)
	})
	mux.HandleFunc("POST /control/entra/revoke", func(w http.ResponseWriter, r *http.Request) {
		s.Revoke()
		show(w, r)
	})
	mux.Handle("/control/entra/fault", &s.Faults)
	return mux
}

// fault says a fault on demand in Entra's words; 403 and 404 are those of a proxy on the way.
func (s *Server) fault(w http.ResponseWriter, status int) {
	var e refusal
	switch status {
	case http.StatusUnauthorized:
		e = refusal{700027, "invalid_client", "The certificate with identifier used to sign the client assertion is not registered on application (a fault on demand)."}
	case http.StatusForbidden, http.StatusNotFound:
		http.Error(w, fmt.Sprintf("<html><body>%s (a fault on demand)</body></html>", http.StatusText(status)), status)
		return
	case http.StatusTooManyRequests:
		e = refusal{90055, "temporarily_unavailable", "There are too many incoming requests (a fault on demand)."}
	case http.StatusServiceUnavailable:
		e = refusal{90033, "temporarily_unavailable", "A transient error has occurred. Please try again (a fault on demand)."}
	default:
		e = refusal{50000, "server_error", "There was an error issuing a token or an issue with our sign-in service (a fault on demand)."}
	}
	s.refuseWith(w, status, e)
}
