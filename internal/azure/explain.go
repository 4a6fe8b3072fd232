package azure

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/runtime"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
)

// IdentityError says that an identity got no token.
type IdentityError struct {
	Source Source
	// Code is Entra's number, such as AADSTS700213, or "" when Entra did not answer.
	Code string
	// Message is one sentence.
	Message string
	// Advice says what to do; empty when nothing better is known than what Message says.
	Advice string
	Err    error
}

func (e *IdentityError) Error() string {
	s := fmt.Sprintf("no token for the %s: %s", e.Source, e.Message)
	if e.Advice != "" {
		s += "; " + e.Advice
	}
	return s
}

// Unwrap keeps the SDK's error, by which it knows that trying again is of no use.
func (e *IdentityError) Unwrap() error { return e.Err }

// NonRetriable tells the SDK not to ask again: it would get the same answer.
func (e *IdentityError) NonRetriable() {}

// advice by Entra's number (learn.microsoft.com/entra/identity-platform/reference-error-codes).
func advice(code string) string {
	switch code {
	case "AADSTS90002", "AADSTS900023":
		return "correct the tenant (azure.tenant, AZURE_TENANT_ID), and check that azure.cloud is the right one"
	case "AADSTS700016":
		return "correct the client id (azure.clientID, AZURE_CLIENT_ID), or the tenant: this one does not have that application"
	case "AADSTS700211", "AADSTS700212", "AADSTS700213", "AADSTS70021":
		return "add a federated credential with exactly this issuer, subject and audience to the identity, or use the identity that has it"
	case "AADSTS700024":
		return "the federated token is too old or from a clock that is wrong: check the token's file and this machine's time"
	case "AADSTS50013", "AADSTS700027":
		return "the token was not signed by the issuer it names: check where the federated token comes from"
	case "AADSTS7000215", "AADSTS7000222":
		return "renew AZURE_CLIENT_SECRET, or better use workload identity federation, which needs none"
	case "AADSTS500011":
		return "the tenant does not know that service: check azure.cloud"
	}
	return ""
}

var entraCode = regexp.MustCompile(`^(AADSTS\d+): (.*)`)

// failedCall is what Go's HTTP client says, without what the layers above it put before.
var failedCall = regexp.MustCompile(`(Get|Post) "https?://.*`)

// explain makes an IdentityError of what azidentity returned.
func explain(err error, source Source) error {
	e := &IdentityError{Source: source, Err: err}
	var failed *azidentity.AuthenticationFailedError
	if errors.As(err, &failed) && failed.RawResponse != nil {
		e.Message = fmt.Sprintf("Entra answered %s", failed.RawResponse.Status)
		if body, readErr := runtime.Payload(failed.RawResponse); readErr == nil {
			var answer struct {
				Description string `json:"error_description"`
			}
			if json.Unmarshal(body, &answer) == nil && answer.Description != "" {
				e.Message = sentence(answer.Description)
			}
		}
		if m := entraCode.FindStringSubmatch(e.Message); m != nil {
			e.Code, e.Advice = m[1], advice(m[1])
		}
		return e
	}
	e.Message = sentence(err.Error())
	if call := failedCall.FindString(e.Message); call != "" {
		e.Message = call
	}
	switch {
	case strings.Contains(e.Message, "x509:"):
		e.Advice = "name the private authority's certificates with azure.caFile"
	case containsAny(e.Message, "dial tcp", "no such host", "i/o timeout", "connection refused", "connection reset", "EOF", "deadline exceeded", "stream error"):
		e.Advice = "Entra cannot be reached from here: check the network, the proxy (HTTPS_PROXY) and azure.endpoints.authority"
	case strings.Contains(e.Message, "az login"):
		e.Advice = "log in: az login"
	}
	return e
}

func containsAny(s string, parts ...string) bool {
	for _, p := range parts {
		if strings.Contains(s, p) {
			return true
		}
	}
	return false
}

// sentence is a message on one line, without the parts that help only Microsoft's support.
func sentence(s string) string {
	for _, tail := range []string{" Trace ID:", "To troubleshoot, visit"} {
		s, _, _ = strings.Cut(s, tail)
	}
	return strings.TrimRight(strings.Join(strings.Fields(s), " "), ". ")
}
