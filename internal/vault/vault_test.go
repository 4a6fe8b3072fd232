package vault

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/slipway-cd/slipway/internal/secret"
)

func TestAReferenceIsANameOrANameAndAVersion(t *testing.T) {
	for text, want := range map[string]Ref{
		"redis-host":     {"redis-host", ""},
		"Redis9":         {"Redis9", ""},
		"redis-host@0a1": {"redis-host", "0a1"},
	} {
		got, err := ParseRef(text)
		if err != nil || got != want || got.String() != text {
			t.Errorf("%q is %+v, %v", text, got, err)
		}
	}
	for text, say := range map[string]string{
		"":                       "needs a name",
		"redis_host":             `write "redis-host"`,
		"redis host.x":           `write "redis-host-x"`,
		"rédis":                  "letters of a to z",
		"redis-host@":            "NAME@VERSION",
		"redis-host@a b":         "NAME@VERSION",
		"a@b@c":                  "NAME@VERSION",
		strings.Repeat("n", 128): "128 characters",
	} {
		if _, err := ParseRef(text); err == nil || !strings.Contains(err.Error(), say) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestASecretMustNotStandWhereItWouldBeSeen(t *testing.T) {
	tag := func(v string) map[string]string { return map[string]string{Tag: v} }
	for _, c := range []struct {
		value Value
		want  string
		say   string
	}{
		{Value{Secret: secret.New("calculator")}, "calculator", ""},
		{Value{Secret: secret.New("calculator"), ContentType: "text/plain"}, "calculator", ""},
		{Value{Secret: secret.New("swordfish"), ContentType: "text/plain; password"}, "", `the content type "text/plain; password"`},
		{Value{Secret: secret.New("swordfish"), ContentType: "application/x-pkcs12"}, "", `under "secrets"`},
		{Value{Secret: secret.New("swordfish"), Tags: tag(TagSecret)}, "", "the tag slipway=secret"},
		{Value{Secret: secret.New("the key is under the mat"), ContentType: "key", Tags: tag(TagPlain)}, "the key is under the mat", ""},
		{Value{Secret: secret.New("${vault:v}")}, "", "refers to itself"},
		{Value{Secret: secret.New("a ${vault:other}")}, "", "${reference}"},
		{Value{Secret: secret.New("two\nlines")}, "", "several lines"},
		{Value{Secret: secret.New("\xff")}, "", "several lines or control"},
	} {
		c.value.Name, c.value.Source = "v", "the vault"
		got, err := c.value.Plain()
		if got != c.want || (err == nil) != (c.say == "") || err != nil && !strings.Contains(err.Error(), c.say) {
			t.Errorf("%q: %q, %v", c.value.Secret.Reveal(), got, err)
		}
		if err != nil && strings.Contains(err.Error(), "swordfish") {
			t.Errorf("the error tells the value: %v", err)
		}
	}
}

func TestAValuePrintsWithoutItsSecret(t *testing.T) {
	values := Values{{Name: "redis"}: {Ref: Ref{"redis", "1"}, Secret: secret.New("swordfish"), Source: "here"}}
	if text := fmt.Sprintf("%v %+v %#v", values, values, values); strings.Contains(text, "swordfish") {
		t.Error(text)
	}
}

func TestWarningsComeInTheOrderOfNames(t *testing.T) {
	now := time.Date(2026, 3, 4, 0, 0, 0, 0, time.UTC)
	values := Values{}
	for _, name := range []string{"c", "a", "b"} {
		values[Ref{Name: name}] = Value{Ref: Ref{Name: name}, Source: "the vault", Expires: now.Add(expiryWarning)}
	}
	values[Ref{Name: "later"}] = Value{Expires: now.Add(expiryWarning + time.Second)}
	values[Ref{Name: "never"}] = Value{}
	got := values.Warnings(now)
	if len(got) != 3 || !strings.Contains(got[0], " a of") || !strings.Contains(got[2], " c of") || !strings.Contains(got[0], "in 30 days") {
		t.Errorf("warned %q", got)
	}
}

func TestTheNearestNamesAreOffered(t *testing.T) {
	known := []string{"redis-host", "redis-port", "phoenix-namespace", "phoenix-fqdn", "x"}
	for given, want := range map[string]string{
		"redis-hots":       "redis-host redis-port",
		"phoenix-namspace": "phoenix-namespace",
		"REDIS-HOST2":      "redis-host redis-port",
		"postgres":         "",
		"":                 "x",
	} {
		if got := strings.Join(nearest(given, known), " "); got != want {
			t.Errorf("%q: %q, want %q", given, got, want)
		}
	}
}

// fixed is a store in memory.
type fixed map[string]string

func (f fixed) Read(_ context.Context, refs []Ref) (Values, error) {
	values := Values{}
	for _, ref := range refs {
		text, ok := f[ref.Name]
		if !ok {
			return nil, &ReadError{Store: "fixed", Problems: []Problem{missing(ref, nil)}}
		}
		values[ref] = Value{Ref: ref, Secret: secret.New(text), Source: "fixed"}
	}
	return values, nil
}

func TestAPipelineOverridesAVariable(t *testing.T) {
	o := &Overlay{Store: fixed{"redis-host": "stored", "redis-port": "6380"}, Getenv: func(name string) string {
		return map[string]string{"SLIPWAY_VAR_REDIS_HOST": "overridden"}[name]
	}}
	host, port := Ref{Name: "redis-host"}, Ref{Name: "redis-port"}
	values, err := o.Read(t.Context(), []Ref{host, port, host})
	if err != nil {
		t.Fatal(err)
	}
	if v := values[host]; v.Secret.Reveal() != "overridden" || !strings.Contains(v.Source, "SLIPWAY_VAR_REDIS_HOST") || !strings.HasPrefix(v.Version, "env") {
		t.Errorf("the host is %+v", v)
	}
	if v := values[port]; v.Secret.Reveal() != "6380" || v.Source != "fixed" {
		t.Errorf("the port is %+v", v)
	}
	o.Store = fixed{} // everything is overridden: the store is not asked
	if _, err := o.Read(t.Context(), []Ref{host}); err != nil {
		t.Error(err)
	}
	var all *ReadError
	if _, err := o.Read(t.Context(), []Ref{host, port}); !errors.As(err, &all) {
		t.Errorf("a missing variable: %v", err)
	}
}

func TestASecretIsNotTakenFromTheEnvironment(t *testing.T) {
	o := &Overlay{Store: fixed{}, Secrets: []string{"redis-access"}, Getenv: func(string) string { return "swordfish" }}
	_, err := o.Read(t.Context(), []Ref{{Name: "redis-access"}, {Name: "redis-host", Version: "abc"}, {Name: "ok"}})
	var all *ReadError
	if !errors.As(err, &all) || len(all.Problems) != 2 || strings.Contains(err.Error(), "swordfish") {
		t.Fatalf("got %v", err)
	}
	for _, say := range []string{"unset SLIPWAY_VAR_REDIS_ACCESS", "pinned to the version abc"} {
		if !strings.Contains(err.Error(), say) {
			t.Errorf("the error does not say %q: %v", say, err)
		}
	}
}

func FuzzAReferenceThatIsTakenIsWrittenTheSameWay(f *testing.F) {
	for _, text := range []string{"redis-host", "a@b", "@", "a@", "ä"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		ref, err := ParseRef(text)
		if err == nil && (ref.String() != text || CheckName(ref.Name) != nil) {
			t.Errorf("%q became %+v", text, ref)
		}
	})
}
