// Package secret keeps secret values from getting where they do not belong: a type whose value shows only where a program
// asks for it by name, and a masker for everything that is written.
//
// It guards against accidents, not against this process itself: whoever can read its memory can read its secrets.
package secret

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// Redacted is what stands where a secret would have been.
const Redacted = "[secret]"

// ErrMarshal is the error of every attempt to encode a [Secret].
var ErrMarshal = errors.New("a secret is not encoded: reveal it where it belongs, and nowhere else")

// Secret is a value that is not printed, encoded, logged or compared by accident: every verb of fmt gives [Redacted], every
// encoder an error, == does not compile, and reflection finds a function. The zero value is an empty secret.
type Secret struct {
	// A closure hides the value even from printers that follow pointers, and a function cannot be compared.
	reveal func() string
}

// New makes a secret.
func New(value string) Secret {
	return Secret{func() string { return value }}
}

// Reveal gives the value. Each call of it is a place to look at in a review.
func (s Secret) Reveal() string {
	if s.reveal == nil {
		return ""
	}
	return s.reveal()
}

// Len is the value's length in bytes.
func (s Secret) Len() int { return len(s.Reveal()) }

// Equal compares two secrets in a time that depends only on their lengths.
func (s Secret) Equal(other Secret) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(other.Reveal())) == 1
}

// Format implements fmt.Formatter for every verb.
func (Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, Redacted) }

// String implements fmt.Stringer, for those who call it themselves.
func (Secret) String() string { return Redacted }

// GoString implements fmt.GoStringer.
func (Secret) GoString() string { return Redacted }

// LogValue implements slog.LogValuer.
func (Secret) LogValue() slog.Value { return slog.StringValue(Redacted) }

// MarshalText fails with [ErrMarshal]; JSON, YAML and XML use it.
func (Secret) MarshalText() ([]byte, error) { return nil, ErrMarshal }

// MarshalBinary fails with [ErrMarshal]; gob uses it.
func (Secret) MarshalBinary() ([]byte, error) { return nil, ErrMarshal }
