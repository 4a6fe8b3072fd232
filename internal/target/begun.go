package target

import (
	"context"
	"fmt"
	"slices"

	"github.com/slipway-cd/slipway/internal/release"
	"github.com/slipway-cd/slipway/internal/vault"
)

// begun reads what an open release has read when it began: its candidate stands, with Secrets that are made of those versions.
// Where the journal does not say which version that was, the newest is read.
type begun struct {
	store  vault.Reader
	read   []release.Variable
	getenv func(string) string
}

var _ vault.Reader = begun{}

// Read implements [vault.Reader].
func (b begun) Read(ctx context.Context, refs []vault.Ref) (vault.Values, error) {
	then := map[vault.Ref]string{}
	asked := make([]vault.Ref, len(refs))
	for i, ref := range refs {
		asked[i] = ref
		if version, ok := b.version(ref, refs); ok {
			then[ref] = version
			if b.getenv(vault.EnvName(ref.Name)) == "" && !vault.Overridden(version) { // the environment keeps no versions
				asked[i].Version = version
			}
		}
	}
	found, err := b.store.Read(ctx, asked)
	if err != nil {
		return nil, err
	}
	values := vault.Values{}
	var problems []vault.Problem
	for i, ref := range refs {
		values[ref] = found[asked[i]]
		if version, ok := then[ref]; ok && values[ref].Version != version {
			problems = append(problems, vault.Problem{Ref: ref, Reason: vault.Refused, Detail: fmt.Sprintf(
				"%s was read in version %s when the open release began, and now it has version %s: leave %s as it was then", ref.Name, version, values[ref].Version, vault.EnvName(ref.Name))})
		}
	}
	if len(problems) > 0 {
		return nil, &vault.ReadError{Store: "the environment", Asked: len(refs), Problems: problems}
	}
	return values, nil
}

// version that a variable had which was asked for without one. The journal has names and versions, so one that is also asked
// for by a version can have had that version or another.
func (b begun) version(ref vault.Ref, all []vault.Ref) (string, bool) {
	if ref.Version != "" {
		return "", false
	}
	var pinned, other []string
	for _, v := range b.read {
		switch {
		case v.Name != ref.Name:
		case slices.Contains(all, vault.Ref(v)):
			pinned = append(pinned, v.Version)
		default:
			other = append(other, v.Version)
		}
	}
	if len(other) == 0 {
		other = pinned
	}
	if len(other) != 1 {
		return "", false
	}
	return other[0], true
}
