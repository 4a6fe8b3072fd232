package target

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/slipway-cd/slipway/internal/release"
	"github.com/slipway-cd/slipway/internal/secret"
	"github.com/slipway-cd/slipway/internal/vault"
)

// versioned is a store that keeps all versions of its variables, the newest last.
type versioned map[string][]string

func (s versioned) Read(_ context.Context, refs []vault.Ref) (vault.Values, error) {
	values := vault.Values{}
	for _, ref := range refs {
		all := s[ref.Name]
		version := ref.Version
		if version == "" {
			version = all[len(all)-1]
		}
		if !slices.Contains(all, version) {
			return nil, &vault.ReadError{Store: "the store", Asked: len(refs), Problems: []vault.Problem{{Ref: ref, Reason: vault.Missing, Detail: ref.String() + " is not there"}}}
		}
		values[ref] = vault.Value{Ref: vault.Ref{Name: ref.Name, Version: version}, Secret: secret.New(ref.Name + " of " + version)}
	}
	return values, nil
}

func TestWhatGoesOnReadsTheVersionsThatTheReleaseBeganWith(t *testing.T) {
	store := versioned{"host": {"a1", "a2"}, "key": {"b1", "b2", "b3"}, "new": {"c1"}, "both": {"d1", "d2", "d3"}}
	for name, c := range map[string]struct {
		journal []release.Variable
		refs    []vault.Ref
		want    []string
	}{
		"no journal":                      {nil, []vault.Ref{{Name: "host"}, {Name: "key"}}, []string{"a2", "b3"}},
		"as it began":                     {[]release.Variable{{Name: "host", Version: "a1"}, {Name: "key", Version: "b2"}}, []vault.Ref{{Name: "host"}, {Name: "key"}}, []string{"a1", "b2"}},
		"not in the journal":              {[]release.Variable{{Name: "host", Version: "a1"}}, []vault.Ref{{Name: "new"}}, []string{"c1"}},
		"pinned":                          {[]release.Variable{{Name: "host", Version: "a1"}}, []vault.Ref{{Name: "host", Version: "a2"}}, []string{"a2"}},
		"pinned and not":                  {[]release.Variable{{Name: "both", Version: "d2"}, {Name: "both", Version: "d1"}}, []vault.Ref{{Name: "both"}, {Name: "both", Version: "d1"}}, []string{"d2", "d1"}},
		"pinned to the newest of then":    {[]release.Variable{{Name: "both", Version: "d1"}}, []vault.Ref{{Name: "both"}, {Name: "both", Version: "d1"}}, []string{"d1", "d1"}},
		"cannot be told from the journal": {[]release.Variable{{Name: "both", Version: "d1"}, {Name: "both", Version: "d2"}}, []vault.Ref{{Name: "both"}, {Name: "both", Version: "d1"}, {Name: "both", Version: "d2"}}, []string{"d3", "d1", "d2"}},
	} {
		t.Run(name, func(t *testing.T) {
			values, err := begun{store: store, read: c.journal, getenv: func(string) string { return "" }}.Read(t.Context(), c.refs)
			if err != nil {
				t.Fatal(err)
			}
			for i, ref := range c.refs {
				if got := values[ref]; got.Version != c.want[i] || got.Secret.Reveal() != ref.Name+" of "+c.want[i] {
					t.Errorf("%s was read in version %s, want %s", ref, got.Version, c.want[i])
				}
			}
		})
	}
}

func TestAVersionThatIsGoneIsNotReplacedByANewerOne(t *testing.T) {
	_, err := begun{store: versioned{"key": {"b2"}}, read: []release.Variable{{Name: "key", Version: "b1"}}, getenv: func(string) string { return "" }}.Read(t.Context(), []vault.Ref{{Name: "key"}})
	var missing *vault.ReadError
	if !errors.As(err, &missing) || !strings.Contains(err.Error(), "key@b1") {
		t.Errorf("got %v", err)
	}
}

func TestWhatTheEnvironmentOverridesMustStayAsItWas(t *testing.T) {
	overridden := func(value string) func(string) string {
		return func(name string) string {
			if name == "SLIPWAY_VAR_HOST" {
				return value
			}
			return ""
		}
	}
	read := func(read []release.Variable, value string) (vault.Values, error) {
		getenv := overridden(value)
		return begun{store: &vault.Overlay{Store: versioned{"host": {"a1", "a2"}}, Getenv: getenv}, read: read, getenv: getenv}.Read(t.Context(), []vault.Ref{{Name: "host"}})
	}
	then, err := read(nil, "one.test")
	if err != nil {
		t.Fatal(err)
	}
	journal := []release.Variable{release.Variable(then[vault.Ref{Name: "host"}].Ref)}
	if same, err := read(journal, "one.test"); err != nil || same[vault.Ref{Name: "host"}].Secret.Reveal() != "one.test" {
		t.Errorf("as it was: %v, %v", same, err)
	}
	for value, journal := range map[string][]release.Variable{"two.test": journal, "": journal, "three.test": {{Name: "host", Version: "a1"}}} {
		if _, err := read(journal, value); err == nil || !strings.Contains(err.Error(), "leave SLIPWAY_VAR_HOST as it was then") {
			t.Errorf("overridden by %q, begun with %v: %v", value, journal, err)
		}
	}
}

func TestAReleaseThatGoesOnIsResolvedAsItBegan(t *testing.T) {
	cfg := inDirectory(t, withVariables, allVariables)
	store := versioned{"namespace": {"1"}, "region": {"1"}, "redis-host": {"1"}, "redis-access": {"1"}}
	read := func(o Options) []release.Variable {
		t.Helper()
		_, values, err := resolveFrom(t.Context(), cfg, "dev1", whole, o, tagged{store})
		if err != nil {
			t.Fatal(err)
		}
		return journalled(values)
	}
	o := quiet(new([]string))
	before := read(o)
	store["redis-access"] = append(store["redis-access"], "2")
	if changed := read(o); slices.Equal(changed, before) {
		t.Errorf("a new release reads %v, as before", changed)
	}
	o.Begun = before
	if went := read(o); !slices.Equal(went, before) {
		t.Errorf("what goes on reads %v, but the release began with %v", went, before)
	}
	o.Environment = "prod1" // of another environment than the one that is looked into
	if looked := read(o); slices.Equal(looked, before) {
		t.Errorf("another environment is read as %v", looked)
	}
}

// tagged is a store all of whose variables may be seen.
type tagged struct{ versioned }

func (s tagged) Read(ctx context.Context, refs []vault.Ref) (vault.Values, error) {
	values, err := s.versioned.Read(ctx, refs)
	for ref, v := range values {
		v.Tags, v.Secret = map[string]string{vault.Tag: vault.TagPlain}, secret.New(strings.ReplaceAll(v.Secret.Reveal(), " ", "-"))
		values[ref] = v
	}
	return values, err
}
