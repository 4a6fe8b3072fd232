// Package vault reads the variables of an environment from the place where they are kept: an Azure Key Vault, an encrypted
// file for development, and the process's environment for what a pipeline overrides. Values are [secret.Secret]s, whether
// they are secret or not, until somebody asks for them.
package vault

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/slipway-cd/slipway/internal/secret"
)

// MaxValue is the longest value in bytes that Key Vault takes, and so every store here.
const MaxValue = 25 * 1024

// Reader reads variables. All stores of this package are one.
type Reader interface {
	// Read gives all of the variables or an error that names every one that is missing: a [*ReadError], or a [*StoreError]
	// when the store itself did not answer. A variable that is asked for twice is read once.
	Read(ctx context.Context, refs []Ref) (Values, error)
}

// Ref names a variable.
type Ref struct {
	Name string `json:"name"`
	// Version pins it; "" is the newest.
	Version string `json:"version,omitempty"`
}

func (r Ref) String() string {
	if r.Version == "" {
		return r.Name
	}
	return r.Name + "@" + r.Version
}

var (
	validName    = regexp.MustCompile(`^[0-9A-Za-z-]{1,127}$`)
	validVersion = regexp.MustCompile(`^[0-9A-Za-z]{1,64}$`)
)

// ParseRef reads NAME or NAME@VERSION, as it stands in ${vault:NAME}. The error says what a name may be.
func ParseRef(text string) (Ref, error) {
	name, version, pinned := strings.Cut(text, "@")
	if err := CheckName(name); err != nil {
		return Ref{}, err
	}
	if pinned && !validVersion.MatchString(version) {
		return Ref{}, fmt.Errorf("%q pins %s to a version that cannot be one: write NAME@VERSION with the version that `slipway vault list` shows", text, name)
	}
	return Ref{name, version}, nil
}

// CheckName refuses what Key Vault does not take as a name.
func CheckName(name string) error {
	switch {
	case validName.MatchString(name):
		return nil
	case name == "":
		return errors.New("a variable needs a name")
	case len(name) > 127:
		return fmt.Errorf("the variable's name %.20q… is %d characters long, but Key Vault takes at most 127", name, len(name))
	}
	advice := ""
	if better := strings.Map(dash, name); validName.MatchString(better) {
		advice = fmt.Sprintf("; write %q", better)
	}
	return fmt.Errorf("%q is no name for a variable: Key Vault takes letters of a to z, digits and dashes%s", name, advice)
}

// dash replaces what people write between words.
func dash(r rune) rune {
	if strings.ContainsRune("_. /", r) {
		return '-'
	}
	return r
}

// Value is a variable that was read.
type Value struct {
	// Ref has the version that was read, also when none was asked for. A version names one content for ever; it is not made
	// of the content in a way that would tell it.
	Ref
	Secret secret.Secret
	// Source says where it is from, for people: a vault's URL, a file, an environment variable.
	Source string
	// ContentType and Tags are as people set them in the vault.
	ContentType string
	Tags        map[string]string
	// Expires is zero where there is no end.
	Expires time.Time
	// Open says that the store itself may be seen: a file that is not encrypted, the process's environment.
	Open bool
}

// Tag is the name of the tag that says whether a variable is secret: [TagSecret] or [TagPlain].
const (
	Tag       = "slipway"
	TagSecret = "secret"
	TagPlain  = "plain"
)

// secretTypes are parts of content types that mean a secret.
var secretTypes = []string{"password", "secret", "token", "key", "connection", "credential", "pkcs12", "pem", "certificate"}

// IsSecret says whether the vault marks the variable as one that must not be seen: by the tag [Tag], or else by a content
// type such as "password" or "application/x-pkcs12". Most people mark nothing, so false does not mean that it may be seen.
func (v Value) IsSecret() bool {
	switch v.Tags[Tag] {
	case TagSecret:
		return true
	case TagPlain:
		return false
	}
	kind := strings.ToLower(v.ContentType)
	return slices.ContainsFunc(secretTypes, func(part string) bool { return strings.Contains(kind, part) })
}

// MayBeSeen says whether somebody has said that the value is no secret: by the tag [Tag], or by keeping it in the open.
func (v Value) MayBeSeen() bool { return v.Tags[Tag] == TagPlain || v.Open && !v.IsSecret() }

// Plain gives the value for a place where it will be seen, such as a namespace or a chart value. It refuses secrets, values
// of several lines and values that refer to other variables: a value is taken as it is, so a reference in it is a mistake.
func (v Value) Plain() (string, error) {
	if v.IsSecret() {
		marked := "the tag " + Tag + "=" + TagSecret
		if v.Tags[Tag] != TagSecret {
			marked = fmt.Sprintf("the content type %q", v.ContentType)
		}
		return "", fmt.Errorf("the variable %s is a secret (%s in %s), so it cannot stand where it would be seen: use it under \"secrets\"", v.Name, marked, v.Source)
	}
	text := v.Secret.Reveal()
	switch {
	case strings.Contains(text, "${vault:"+v.Name+"}"):
		return "", fmt.Errorf("the variable %s refers to itself in %s: set it to its value", v.Name, v.Source)
	case strings.Contains(text, "${"):
		return "", fmt.Errorf("the variable %s holds a ${reference} in %s, but values are taken as they are: set it to what the reference stands for", v.Name, v.Source)
	case !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl):
		return "", fmt.Errorf("the variable %s holds several lines or control characters in %s, so it cannot be a configuration value: use it under \"secrets\"", v.Name, v.Source)
	}
	return text, nil
}

// expiryWarning is how long before its end a variable is warned of.
const expiryWarning = 30 * 24 * time.Hour

// Values are variables by what they were asked for as.
type Values map[Ref]Value

// Read implements [Reader] on what was read already: a variable that is not among it is missing.
func (v Values) Read(_ context.Context, refs []Ref) (Values, error) {
	refs, problems := distinct(refs)
	found := Values{}
	for _, ref := range refs {
		value, ok := v[ref]
		if !ok {
			problems = append(problems, missing(ref, nil))
			continue
		}
		found[ref] = value
	}
	if err := readError("what was read before", len(refs), problems); err != nil {
		return nil, err
	}
	return found, nil
}

// Warnings says which values end within 30 days, one sentence for each, by name.
func (v Values) Warnings(now time.Time) []string {
	var warnings []string
	for _, ref := range sortedRefs(v) {
		if warning := v[ref].warning(now); warning != "" {
			warnings = append(warnings, warning)
		}
	}
	return warnings
}

// warning is a sentence when the value ends soon, and else "".
func (v Value) warning(now time.Time) string {
	left := v.Expires.Sub(now)
	if v.Expires.IsZero() || left > expiryWarning {
		return ""
	}
	where := ""
	if v.Source != "" {
		where = " of " + v.Source
	}
	return fmt.Sprintf("the variable %s%s expires on %s, in %d days: set a new value before", v.Name, where, v.Expires.Format(time.DateOnly), int(left.Hours()/24))
}

func sortedRefs(v Values) []Ref {
	refs := make([]Ref, 0, len(v))
	for ref := range v {
		refs = append(refs, ref)
	}
	slices.SortFunc(refs, func(a, b Ref) int { return strings.Compare(a.String(), b.String()) })
	return refs
}

// Info is what a store tells about a variable without its value.
type Info struct {
	Name string `json:"name"`
	// Version is the newest; "" where two of the same second cannot be told apart.
	Version     string            `json:"version,omitempty"`
	Enabled     bool              `json:"enabled"`
	Expires     time.Time         `json:"expires,omitzero"`
	Updated     time.Time         `json:"updated,omitzero"`
	ContentType string            `json:"contentType,omitempty"`
	Tags        map[string]string `json:"tags,omitempty"`
}

// checkNew refuses a value that no store takes.
func checkNew(name string, value secret.Secret) error {
	if err := CheckName(name); err != nil {
		return err
	}
	switch n := value.Len(); {
	case n == 0:
		return fmt.Errorf("the value for %s is empty", name)
	case n > MaxValue:
		return fmt.Errorf("the value for %s has %d bytes, but Key Vault takes at most %d: keep files elsewhere and only their key here", name, n, MaxValue)
	case !utf8.ValidString(value.Reveal()):
		return fmt.Errorf("the value for %s is not UTF-8 text: encode it in base64", name)
	}
	return nil
}

// distinct are the refs without doubles, and the problems of those whose names cannot be right.
func distinct(refs []Ref) ([]Ref, []Problem) {
	var all []Ref
	var bad []Problem
	for _, ref := range refs {
		if slices.Contains(all, ref) {
			continue
		}
		all = append(all, ref)
		if err := CheckName(ref.Name); err != nil {
			bad = append(bad, Problem{Ref: ref, Reason: BadName, Detail: err.Error()})
		}
	}
	return all, bad
}
