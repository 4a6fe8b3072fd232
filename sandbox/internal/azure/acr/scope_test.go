package acr

import (
	"slices"
	"testing"
)

func TestAScopeIsReadFromItsEnds(t *testing.T) {
	for text, want := range map[string]access{
		"repository:team/calculator:pull,push": {"repository", "team/calculator", []string{"pull", "push"}},
		"repository:127.0.0.1:5096/a:pull":     {"repository", "127.0.0.1:5096/a", []string{"pull"}},
		"registry:catalog:*":                   {"registry", "catalog", []string{"*"}},
		"repository:a:*":                       {"repository", "a", []string{"delete", "metadata_read", "pull", "push"}},
	} {
		got, ok := parseScope(text)
		if !ok || got.Type != want.Type || got.Name != want.Name || !slices.Equal(got.Actions, want.Actions) {
			t.Errorf("%q is %+v, %t", text, got, ok)
		}
	}
	for _, text := range []string{"", "repository", "repository:", "repository:a", "repository:a:", "repository::pull", "other:a:pull"} {
		if got, ok := parseScope(text); ok {
			t.Errorf("%q was taken as %+v", text, got)
		}
	}
}

func FuzzAScopeThatIsTakenHasAllItsParts(f *testing.F) {
	for _, text := range []string{"repository:a/b:pull,push", "registry:catalog:*", "::", "repository:a:b:c"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if a, ok := parseScope(text); ok && (a.Name == "" || len(a.Actions) == 0 || a.Type != "repository" && a.Type != "registry") {
			t.Errorf("%q became %+v", text, a)
		}
	})
}
