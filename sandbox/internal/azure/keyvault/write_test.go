package keyvault_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/slipway-cd/slipway/internal/secret"
	"github.com/slipway-cd/slipway/internal/vault"
	"github.com/slipway-cd/slipway/sandbox/internal/azure/keyvault"
)

func officer(o *keyvault.Options) {
	o.Roles = map[string]keyvault.Role{objectID: keyvault.Officer}
	// Every version is made a second after the one before: the service's times are in seconds.
	at := time.Now()
	o.Now = func() time.Time { at = at.Add(time.Second); return at }
}

func TestAListHasEveryNameOnceAndNoValue(t *testing.T) {
	w := newWorld(t, officer)
	expires := time.Now().AddDate(0, 1, 0).UTC().Truncate(time.Second)
	want := map[string]string{}
	for i := range 3*keyvault.MaxPage + 1 {
		name := fmt.Sprintf("variable-%02d", i)
		w.set(name, "the older value", keyvault.Attributes{})
		want[name] = w.set(name, "the value", keyvault.Attributes{ContentType: "password", Disabled: i == 7, Expires: expires})
	}
	w.set("gone", "the value", keyvault.Attributes{})
	if _, err := w.vault.Delete("gone"); err != nil {
		t.Fatal(err)
	}
	infos, err := w.store().List(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(infos) != len(want) {
		t.Errorf("%d names, want %d", len(infos), len(want))
	}
	for i, info := range infos {
		if info.Version != want[info.Name] || info.ContentType != "password" || !info.Expires.Equal(expires) || info.Enabled != (info.Name != "variable-07") {
			t.Errorf("%+v, want version %s", info, want[info.Name])
		}
		if i > 0 && infos[i-1].Name >= info.Name {
			t.Errorf("%s after %s", info.Name, infos[i-1].Name)
		}
	}
	if text := fmt.Sprintf("%+v", infos); strings.Contains(text, "the value") {
		t.Error("the list tells values")
	}
}

func TestTwoVersionsOfOneSecondAreNotGuessed(t *testing.T) {
	at := time.Now()
	w := newWorld(t, func(o *keyvault.Options) { o.Now = func() time.Time { return at } })
	w.set("redis-host", "a", keyvault.Attributes{})
	w.set("redis-host", "b", keyvault.Attributes{})
	infos, err := w.store().List(t.Context())
	if err != nil || len(infos) != 1 || infos[0].Version != "" {
		t.Errorf("got %+v, %v", infos, err)
	}
}

func TestAVariableIsSetAndReadBack(t *testing.T) {
	w := newWorld(t, officer)
	store := w.store()
	value := strings.Repeat("ü\"\\", 100)
	ref, err := store.Set(t.Context(), "redis-access", secret.New(value))
	if err != nil || ref.Name != "redis-access" || len(ref.Version) != 32 {
		t.Fatal(ref, err)
	}
	for _, r := range []vault.Ref{ref, {Name: "redis-access"}, {Name: "REDIS-ACCESS"}} {
		values, err := store.Read(t.Context(), []vault.Ref{r})
		if err != nil || values[r].Secret.Reveal() != value || values[r].Version != ref.Version {
			t.Errorf("%s: %v", r, err)
		}
	}
}

func TestAValueThatNoVaultTakesIsRefusedBeforeItIsSent(t *testing.T) {
	w := newWorld(t, officer)
	for what, c := range map[string]struct {
		name, value string
		say         string
	}{
		"too long":    {"redis", strings.Repeat("x", vault.MaxValue+1), "25601 bytes"},
		"empty":       {"redis", "", "empty"},
		"not text":    {"redis", "\xff\xfe", "base64"},
		"a bad name":  {"redis_access", "x", `write "redis-access"`},
		"a long name": {strings.Repeat("n", 128), "x", "128 characters"},
	} {
		_, err := w.store().Set(t.Context(), c.name, secret.New(c.value))
		if err == nil || !strings.Contains(err.Error(), c.say) || c.value != "" && c.value != "x" && strings.Contains(err.Error(), c.value) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if n := w.wire.Count(""); n != 0 {
		t.Errorf("%d requests were made", n)
	}
	if _, err := w.store().Set(t.Context(), "longest", secret.New(strings.Repeat("\x01", vault.MaxValue))); err != nil {
		t.Errorf("a value of exactly the longest: %v", err)
	}
}

func TestSettingWithoutTheRoleIsTold(t *testing.T) {
	w := newWorld(t) // may read only
	_, err := w.store().Set(t.Context(), "redis-access", secret.New("swordfish"))
	var trouble *vault.StoreError
	if !errors.As(err, &trouble) || trouble.Trouble != vault.Denied || !strings.Contains(err.Error(), "Key Vault Secrets Officer") || strings.Contains(err.Error(), "swordfish") {
		t.Errorf("got %v", err)
	}
}

func TestADeletedNameIsNotTakenAgain(t *testing.T) {
	w := newWorld(t, officer)
	w.set("redis-access", "x", keyvault.Attributes{})
	if _, err := w.vault.Delete("redis-access"); err != nil {
		t.Fatal(err)
	}
	_, err := w.store().Set(t.Context(), "redis-access", secret.New("swordfish"))
	if err == nil || !strings.Contains(err.Error(), "deleted but recoverable") {
		t.Errorf("got %v", err)
	}
}

func TestAListWithoutTheRoleIsTold(t *testing.T) {
	w := newWorld(t, func(o *keyvault.Options) { o.Roles = nil })
	_, err := w.store().List(t.Context())
	var trouble *vault.StoreError
	if !errors.As(err, &trouble) || trouble.Trouble != vault.Denied {
		t.Errorf("got %v", err)
	}
}

func TestSecretsOutliveARestart(t *testing.T) {
	w := newWorld(t)
	version := w.set("redis-host", "h", keyvault.Attributes{Tags: map[string]string{"a": "b"}})
	var err error
	if w.vault, err = keyvault.New(w.options); err != nil {
		t.Fatal(err)
	}
	values, err := w.store().Read(t.Context(), refs("redis-host"))
	if got := values[refs("redis-host")[0]]; err != nil || got.Secret.Reveal() != "h" || got.Version != version || got.Tags["a"] != "b" {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestASeedChangesNothingThatWasThere(t *testing.T) {
	w := newWorld(t)
	w.set("changed", "by hand", keyvault.Attributes{})
	w.set("gone", "x", keyvault.Attributes{})
	if _, err := w.vault.Delete("gone"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"Changed", "gone", "new"} {
		if err := w.vault.Seed(name, "seed", keyvault.Attributes{}); err != nil {
			t.Error(err)
		}
	}
	values, err := w.store().Read(t.Context(), refs("changed", "new"))
	if err != nil || values[vault.Ref{Name: "changed"}].Secret.Reveal() != "by hand" || values[vault.Ref{Name: "new"}].Secret.Reveal() != "seed" {
		t.Errorf("got %v, %v", values, err)
	}
	if _, err := w.store().Read(t.Context(), refs("gone")); err == nil {
		t.Error("what was deleted is there again")
	}
}
