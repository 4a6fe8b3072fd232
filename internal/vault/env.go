package vault

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"github.com/slipway-cd/slipway/internal/secret"
)

// Overlay reads variables of the process's environment before those of a store: what a pipeline overrides. The environment
// of a process can be seen by others, so a variable that is a secret is refused there.
type Overlay struct {
	Store  Reader
	Getenv func(string) string
	// Secrets are the names that are used as secrets.
	Secrets []string
}

var _ Reader = (*Overlay)(nil)

// EnvName is the environment variable that overrides a variable: SLIPWAY_VAR_ and its name in capitals, with _ for -.
func EnvName(name string) string {
	return "SLIPWAY_VAR_" + strings.ToUpper(strings.ReplaceAll(name, "-", "_"))
}

// envVersion is what the versions begin with that an overridden variable gets; those of stores are hexadecimal.
const envVersion = "env"

// Overridden says whether a version is that of an environment variable.
func Overridden(version string) bool { return strings.HasPrefix(version, envVersion) }

// Read implements [Reader]. An environment variable that is empty overrides nothing.
func (o *Overlay) Read(ctx context.Context, refs []Ref) (Values, error) {
	refs, problems := distinct(refs)
	values := Values{}
	var rest []Ref
	for _, ref := range refs {
		env := EnvName(ref.Name)
		text := o.Getenv(env)
		switch {
		case text == "":
			rest = append(rest, ref)
		case slices.Contains(o.Secrets, ref.Name):
			problems = append(problems, Problem{ref, Refused, fmt.Sprintf("%s is used as a secret, and the environment of a process is no place for one: unset %s, and set it in the vault", ref.Name, env)})
		case ref.Version != "":
			problems = append(problems, Problem{ref, Refused, fmt.Sprintf("%s is pinned to the version %s, but %s overrides it: take away one of the two", ref.Name, ref.Version, env)})
		default:
			sum := sha256.Sum256([]byte(text)) // not a secret, so its hash may be seen
			values[ref] = Value{Ref: Ref{ref.Name, envVersion + hex.EncodeToString(sum[:6])}, Secret: secret.New(text), Source: "the environment variable " + env, Open: true}
		}
	}
	if err := readError("the environment", len(refs), problems); err != nil {
		return nil, err
	}
	if len(rest) == 0 {
		return values, nil
	}
	stored, err := o.Store.Read(ctx, rest)
	if err != nil {
		return nil, err
	}
	for ref, value := range stored {
		values[ref] = value
	}
	return values, nil
}
