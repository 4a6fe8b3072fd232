package keyvault_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/slipway-cd/slipway/internal/vault"
	"github.com/slipway-cd/slipway/sandbox/internal/azure/keyvault"
)

// reader may see names and attributes, but no value.
func reader(o *keyvault.Options) { o.Roles = map[string]keyvault.Role{objectID: keyvault.Reader} }

// timed makes every version an hour after the one before.
func timed(o *keyvault.Options) {
	at := time.Now().Add(-1000 * time.Hour)
	o.Now = func() time.Time { at = at.Add(time.Hour); return at }
}

func TestWhoMayReadNoValueLearnsVersions(t *testing.T) {
	w := newWorld(t, reader, timed)
	old := w.set("redis-access", "swordfish", keyvault.Attributes{})
	for range 3 * keyvault.MaxPage { // the newest may be on any page
		w.set("redis-access", "swordfish", keyvault.Attributes{})
	}
	expires := time.Now().AddDate(0, 0, 7).UTC().Truncate(time.Second)
	newest := w.set("redis-access", "swordfish", keyvault.Attributes{ContentType: "password", Tags: map[string]string{"team": "shop"}, Expires: expires})
	pinned := vault.Ref{Name: "redis-access", Version: old}
	values, err := w.store().Versions(t.Context(), []vault.Ref{{Name: "redis-access"}, pinned, {Name: "redis-access"}})
	if err != nil || len(values) != 2 {
		t.Fatal(values, err)
	}
	got := values[vault.Ref{Name: "redis-access"}]
	if got.Version != newest || got.Secret.Len() != 0 || !got.IsSecret() || got.Tags["team"] != "shop" || !got.Expires.Equal(expires) || got.Source != vaultURL {
		t.Errorf("the newest is %+v", got)
	}
	if values[pinned].Version != old {
		t.Errorf("the pinned one is %+v", values[pinned])
	}
	if n := w.wire.Count("GET dev1.vault.example/secrets/redis-access/" + old); n > 0 {
		t.Error("a value was asked for")
	}
	if err := w.store().CanList(t.Context()); err != nil {
		t.Errorf("may list: %v", err)
	}
}

func TestWithoutValuesAllThatIsWrongIsToldAtOnce(t *testing.T) {
	w := newWorld(t, timed)
	w.set("redis-host", "h", keyvault.Attributes{})
	w.set("gone", "x", keyvault.Attributes{})
	if _, err := w.vault.Delete("gone"); err != nil {
		t.Fatal(err)
	}
	w.set("off", "x", keyvault.Attributes{Disabled: true})
	w.set("over", "x", keyvault.Attributes{Expires: time.Now().AddDate(0, 0, -1)})
	w.set("early", "x", keyvault.Attributes{NotBefore: time.Now().AddDate(0, 0, 1)})
	store := &vault.Sealed{Vault: w.store(), Names: []string{"redis-hots", "gone", "off", "over", "early", "redis-host"}}
	_, err := store.Read(t.Context(), append(refs("redis-hots", "gone", "off", "over", "early", "namespace"), vault.Ref{Name: "redis-host", Version: strings.Repeat("0", 32)}))
	var all *vault.ReadError
	if !errors.As(err, &all) || all.Asked != 7 || len(all.Problems) != 7 {
		t.Fatalf("got %v", err)
	}
	for _, say := range []string{"7 of 7 variables cannot be read", "did you mean redis-host", "secret recover --vault-name dev1 --name gone", "off is disabled", "over expired on", "early is not valid before",
		"namespace does not exist", "redis-host has no version 0000"} {
		if !strings.Contains(err.Error(), say) {
			t.Errorf("the error does not say %q:\n%v", say, err)
		}
	}
}

func TestOfTwoVersionsOfOneSecondNoneIsTakenForTheNewest(t *testing.T) {
	at := time.Now()
	w := newWorld(t, func(o *keyvault.Options) { o.Now = func() time.Time { return at } })
	first := w.set("redis-host", "a", keyvault.Attributes{})
	w.set("redis-host", "b", keyvault.Attributes{})
	_, err := w.store().Versions(t.Context(), refs("redis-host"))
	if err == nil || !strings.Contains(err.Error(), "pin it with redis-host@VERSION") {
		t.Errorf("got %v", err)
	}
	pinned := vault.Ref{Name: "redis-host", Version: first}
	if values, err := w.store().Versions(t.Context(), []vault.Ref{pinned}); err != nil || values[pinned].Version != first {
		t.Errorf("pinned: %v, %v", values, err)
	}
}

func TestWhoMayNotListIsToldTheRole(t *testing.T) {
	w := newWorld(t, func(o *keyvault.Options) { o.Roles = nil })
	w.set("redis-host", "h", keyvault.Attributes{})
	_, err := w.store().Versions(t.Context(), refs("redis-host"))
	var all *vault.ReadError
	if !errors.As(err, &all) || all.Problems[0].Reason != vault.Forbidden || !strings.Contains(err.Error(), `"Key Vault Reader"`) {
		t.Errorf("got %v", err)
	}
	var refused *vault.StoreError
	if err := w.store().CanList(t.Context()); !errors.As(err, &refused) || refused.Trouble != vault.Denied {
		t.Errorf("may list: %v", err)
	}
}

func TestOnlyValuesThatStayInTheVaultAreNotRead(t *testing.T) {
	w := newWorld(t)
	w.set("namespace", "shop", keyvault.Attributes{})
	w.set("redis-access", "swordfish", keyvault.Attributes{})
	values, err := (&vault.Sealed{Vault: w.store(), Names: []string{"redis-access"}}).Read(t.Context(), refs("namespace", "redis-access"))
	if err != nil {
		t.Fatal(err)
	}
	if open := values[vault.Ref{Name: "namespace"}]; open.Secret.Reveal() != "shop" {
		t.Errorf("namespace is %+v", open)
	}
	if sealed := values[vault.Ref{Name: "redis-access"}]; sealed.Secret.Len() != 0 || sealed.Version == "" {
		t.Errorf("redis-access is %+v", sealed)
	}
}
