package bundle

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// ErrNotFound is what a [NotFoundError] is.
var ErrNotFound = errors.New("bundle not found")

// NotFoundError says that a registry answered and has nothing under a reference.
type NotFoundError struct {
	Reference string
}

func (e *NotFoundError) Error() string {
	return fmt.Sprintf("there is no bundle %s: the registry answered, and has no such tag or digest; `slipway build` makes and pushes one", e.Reference)
}

// Is makes errors.Is(err, ErrNotFound) true.
func (e *NotFoundError) Is(target error) bool { return target == ErrNotFound }

// NotABundleError says that a reference exists and is something else, or a damaged bundle.
type NotABundleError struct {
	Reference string
	// Reason says what it is instead.
	Reason string
}

func (e *NotABundleError) Error() string {
	return fmt.Sprintf("%s is not a bundle: %s; give the reference that `slipway build` printed", e.Reference, e.Reason)
}

// ReferenceError says that a name is no valid reference. Nothing was contacted.
type ReferenceError struct {
	Reference string
	Reason    string
}

func (e *ReferenceError) Error() string {
	return fmt.Sprintf("%q is not a valid reference: %s", e.Reference, e.Reason)
}

// Trouble is why a registry did not do what it was asked.
type Trouble string

// The three troubles; each has its own remedy.
const (
	Unreachable  Trouble = "unreachable"  // no answer: name, network, TLS or the registry is down
	Unauthorized Trouble = "unauthorized" // it answered that we may not (401, 403)
	Refused      Trouble = "refused"      // it answered with another error
)

// RegistryError says that a registry did not do what it was asked.
type RegistryError struct {
	// Host of the registry, with its port.
	Host    string
	Trouble Trouble
	// Status is the HTTP status, 0 when there was no answer.
	Status int
	Err    error
}

func (e *RegistryError) Error() string {
	switch e.Trouble {
	case Unauthorized:
		return fmt.Sprintf("registry %s does not let us in: %v; log in (`docker login %s`, `az acr login`) with an account that may do this", e.Host, e.Err, e.Host)
	case Refused:
		return fmt.Sprintf("registry %s refused: %v", e.Host, e.Err)
	default:
		return fmt.Sprintf("registry %s cannot be reached: %v; check its name and that it runs", e.Host, e.Err)
	}
}

func (e *RegistryError) Unwrap() error { return e.Err }

// AsRegistryError makes a [RegistryError] of what a registry's client returned: of an HTTP answer and of a failed
// connection. Every other error, also one that is a RegistryError or a context's already, stays as it is; nil stays nil.
func AsRegistryError(host string, err error) error {
	var done *RegistryError
	if err == nil || errors.As(err, &done) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	var answer *transport.Error
	if errors.As(err, &answer) {
		trouble := Refused
		if answer.StatusCode == http.StatusUnauthorized || answer.StatusCode == http.StatusForbidden {
			trouble = Unauthorized
		}
		return &RegistryError{Host: host, Trouble: trouble, Status: answer.StatusCode, Err: err}
	}
	var call *url.Error
	var network net.Error
	if errors.As(err, &call) || errors.As(err, &network) || errors.Is(err, io.ErrUnexpectedEOF) {
		return &RegistryError{Host: host, Trouble: Unreachable, Err: err}
	}
	return err
}

func isNotFound(err error) bool {
	var answer *transport.Error
	return errors.As(err, &answer) && answer.StatusCode == http.StatusNotFound
}
