package vault

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
)

// refusal is an error in Key Vault's words. The SDK gives only the code; what tells the reasons apart is the inner one.
type refusal struct {
	status               int
	code, inner, message string
}

func asRefusal(err error) (refusal, bool) {
	var answer *azcore.ResponseError
	if !errors.As(err, &answer) {
		return refusal{}, false
	}
	r := refusal{status: answer.StatusCode, code: answer.ErrorCode, message: http.StatusText(answer.StatusCode)}
	if answer.RawResponse == nil {
		return r, true
	}
	body, readErr := runtime.Payload(answer.RawResponse)
	var wire struct {
		Error struct {
			Message string `json:"message"`
			Inner   struct {
				Code string `json:"code"`
			} `json:"innererror"`
		} `json:"error"`
	}
	if readErr == nil && json.Unmarshal(body, &wire) == nil && wire.Error.Message != "" {
		first, _, _ := strings.Cut(wire.Error.Message, "\n")
		r.message, r.inner = strings.TrimRight(strings.TrimSpace(first), "."), wire.Error.Inner.Code
	}
	return r, true
}

// classify tells what an error is about: this one variable, or the vault.
func (k *KeyVault) classify(ctx context.Context, ref Ref, err error) (*Problem, error) {
	if err == nil {
		return nil, nil
	}
	var told *problemError
	if errors.As(err, &told) {
		return &told.Problem, nil
	}
	var early *notYet
	if errors.As(err, &early) {
		return &Problem{Ref: ref, Reason: NotYetValid, Detail: fmt.Sprintf("%s is %s: wait, or set another value", ref, early)}, nil
	}
	r, ok := asRefusal(err)
	switch {
	case !ok:
	case r.status == http.StatusNotFound:
		return &Problem{Ref: ref, Reason: Missing}, nil
	case r.inner == "SecretDisabled":
		problem := disabled(ref)
		return &problem, nil
	case r.inner == "ForbiddenByRbac":
		return &Problem{Ref: ref, Reason: Forbidden, Detail: fmt.Sprintf(`%s may not be read by this identity (slipway doctor says which it is): assign it the role "Key Vault Secrets User" on the vault; a new role takes some minutes`, ref)}, nil
	case r.inner == "ForbiddenByPolicy" || r.inner == "AccessDenied":
		return &Problem{Ref: ref, Reason: Forbidden, Detail: fmt.Sprintf("%s may not be read by this identity (slipway doctor says which it is): give it the permission Get on secrets in the vault's access policies", ref)}, nil
	case r.status == http.StatusBadRequest:
		return &Problem{Ref: ref, Reason: Refused, Detail: fmt.Sprintf("%s: Key Vault says: %s", ref, r.message)}, nil
	}
	return nil, k.fatal(ctx, err)
}

// fatal is an error of the vault as a whole. What the credential said, and an end that was asked for, stay as they are.
func (k *KeyVault) fatal(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return fmt.Errorf("reading the vault %s: %w", k.url, err)
	}
	e := &StoreError{Store: "the vault " + k.url, Err: err}
	r, ok := asRefusal(err)
	switch {
	case !ok:
		var unbelieved *tls.CertificateVerificationError
		var told interface{ NonRetriable() } // the credential's errors, which say what to do
		switch {
		case errors.As(err, &unbelieved):
			e.Trouble, e.Message = Unreachable, fmt.Sprintf("shows a certificate that is not believed: %s; name a private authority's certificates with azure.caFile", oneLine(unbelieved))
		case errors.As(err, &told):
			return fmt.Errorf("reading the vault %s: %w", k.url, err)
		case errors.Is(err, context.DeadlineExceeded): // of each try
			e.Trouble, e.Message = Unreachable, "takes connections, but has not answered in time, however often it was asked; check the network and the proxy on the way to it"
		default:
			e.Trouble, e.Message = Unreachable, fmt.Sprintf("cannot be reached: %s; check its name, the network, and that the vault lets this network in", oneLine(err))
		}
	case r.status == http.StatusUnauthorized:
		e.Trouble, e.Message = Unauthorized, fmt.Sprintf("does not take this identity's token: %s; check that tenant and cloud are the vault's (slipway doctor)", r.message)
	case r.inner == "ForbiddenByFirewall" || r.inner == "ForbiddenByConnection":
		e.Trouble, e.Message = Unreachable, fmt.Sprintf("does not let this machine in: %s; add its address to the vault's firewall, or run in a network that has a private endpoint", r.message)
	case r.status == http.StatusForbidden:
		e.Trouble, e.Message = Denied, fmt.Sprintf("does not allow this: %s; reading and listing need the role \"Key Vault Secrets User\", setting \"Key Vault Secrets Officer\"", r.message)
	case r.status == http.StatusTooManyRequests:
		e.Trouble, e.Message = Throttled, "has had too many requests and still says so after all that were tried again; wait a minute"
	case r.status == http.StatusConflict:
		e.Trouble, e.Message = Failed, r.message
	default:
		e.Trouble, e.Message = Failed, fmt.Sprintf("answered %d (%s)", r.status, r.message)
	}
	return e
}

func oneLine(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }
