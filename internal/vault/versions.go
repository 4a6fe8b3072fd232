package vault

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/Azure/azure-sdk-for-go/sdk/security/keyvault/azsecrets"
)

// Sealed reads a Key Vault, but of the variables in Names only the versions: their values stay in the vault, for somebody
// else to fetch.
type Sealed struct {
	Vault *KeyVault
	Names []string
}

var _ Reader = (*Sealed)(nil)

// Read implements [Reader]. A sealed variable has an empty Secret.
func (s *Sealed) Read(ctx context.Context, refs []Ref) (Values, error) {
	var open, closed []Ref
	for _, ref := range refs {
		if slices.Contains(s.Names, ref.Name) {
			closed = append(closed, ref)
		} else {
			open = append(open, ref)
		}
	}
	var values, versions Values
	var errOpen, errClosed error
	var wg sync.WaitGroup
	wg.Go(func() { values, errOpen = s.Vault.Read(ctx, open) })
	wg.Go(func() { versions, errClosed = s.Vault.Versions(ctx, closed) })
	wg.Wait()
	if err := together(errOpen, errClosed); err != nil {
		return nil, err
	}
	for ref, v := range versions {
		values[ref] = v
	}
	return values, nil
}

// together is one error of two: what is wrong with variables is told at once.
func together(a, b error) error {
	var first, second *ReadError
	switch {
	case a == nil:
		return b
	case b == nil:
		return a
	case !errors.As(a, &first):
		return a
	case !errors.As(b, &second):
		return b
	}
	return readError(first.Store, first.Asked+second.Asked, slices.Concat(first.Problems, second.Problems))
}

// Versions is [KeyVault.Read] without the values: it says which version is the newest, and refuses what could not be read.
// It needs no right to read values, only to list ("Key Vault Reader").
func (k *KeyVault) Versions(ctx context.Context, refs []Ref) (Values, error) {
	return k.read(ctx, refs, k.version)
}

// CanList says whether this identity may list versions. The error is as that of [KeyVault.Read].
func (k *KeyVault) CanList(ctx context.Context) error {
	_, err := k.version(ctx, Ref{Name: probe})
	problem, fatal := k.classify(ctx, Ref{Name: probe}, err)
	switch {
	case fatal != nil:
		return fatal
	case problem != nil && problem.Reason == Forbidden:
		return &StoreError{Store: "the vault " + k.url, Trouble: Denied, Message: "may not be listed by this identity", Err: errors.New(string(problem.Reason))}
	}
	return nil
}

// problemError is a problem that an answer without an error shows.
type problemError struct{ Problem }

func (e *problemError) Error() string { return e.Detail }

// version finds one version of a variable: the one that is asked for, or the newest.
func (k *KeyVault) version(ctx context.Context, ref Ref) (Value, error) {
	found, err := k.versionsOf(ctx, ref.Name)
	if err != nil {
		if r, ok := asRefusal(err); ok && slices.Contains([]string{"ForbiddenByRbac", "ForbiddenByPolicy", "AccessDenied"}, r.inner) {
			return Value{}, &problemError{Problem{Ref: ref, Reason: Forbidden, Detail: fmt.Sprintf(`the versions of %s may not be listed by this identity (slipway doctor says which it is): assign it the role "Key Vault Reader" on the vault, or give it the permission List on secrets in the vault's access policies; a new role takes some minutes`, ref.Name)}}
		}
		return Value{}, err
	}
	if ref.Version != "" {
		found = slices.DeleteFunc(found, func(p *azsecrets.SecretProperties) bool { return p.ID.Version() != ref.Version })
	}
	chosen, alone := newestOf(found)
	switch {
	case chosen == nil:
		return Value{}, &problemError{Problem{Ref: ref, Reason: Missing}}
	case !alone:
		return Value{}, &problemError{Problem{Ref: ref, Reason: Refused, Detail: fmt.Sprintf("%s was set twice in the same second, and without its values it cannot be told which is the newest: set it again (slipway vault set), or pin it with %s@VERSION", ref.Name, ref.Name)}}
	case chosen.Attributes.Enabled != nil && !*chosen.Attributes.Enabled:
		return Value{}, &problemError{disabled(ref)}
	}
	if from := deref(chosen.Attributes.NotBefore); from.After(k.now()) {
		return Value{}, &notYet{from}
	}
	return Value{Ref: Ref{ref.Name, chosen.ID.Version()}, Source: k.url, ContentType: deref(chosen.ContentType), Tags: tags(chosen.Tags), Expires: deref(chosen.Attributes.Expires)}, nil
}

// newestOf is the version that was made last; alone says that no other was made in the same second, which is how exactly Key
// Vault tells. Of no versions it is nil.
func newestOf(versions []*azsecrets.SecretProperties) (newest *azsecrets.SecretProperties, alone bool) {
	for _, p := range versions {
		switch {
		case newest == nil || p.Attributes.Created.After(*newest.Attributes.Created):
			newest, alone = p, true
		case p.Attributes.Created.Equal(*newest.Attributes.Created):
			alone = false
		}
	}
	return newest, alone
}

// versionsOf are all versions of a variable, each with id and attributes.
func (k *KeyVault) versionsOf(ctx context.Context, name string) ([]*azsecrets.SecretProperties, error) {
	var all []*azsecrets.SecretProperties
	pager := k.client.NewListSecretPropertiesVersionsPager(name, nil)
	for pager.More() {
		page, err := pager.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, p := range page.Value {
			if p != nil && p.ID != nil && p.Attributes != nil && p.Attributes.Created != nil {
				all = append(all, p)
			}
		}
	}
	return all, nil
}
