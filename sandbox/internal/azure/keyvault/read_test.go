package keyvault_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slipway-cd/slipway/internal/azure"
	"github.com/slipway-cd/slipway/internal/vault"
	"github.com/slipway-cd/slipway/sandbox/internal/azure/faulty"
	"github.com/slipway-cd/slipway/sandbox/internal/azure/insights/fault"
	"github.com/slipway-cd/slipway/sandbox/internal/azure/keyvault"
)

func TestVariablesAreReadByNameAndByVersion(t *testing.T) {
	w := newWorld(t)
	old := w.set("redis-host", "old.example", keyvault.Attributes{})
	expires := time.Now().AddDate(1, 0, 0).UTC().Truncate(time.Second)
	newer := w.set("redis-host", "new.example", keyvault.Attributes{ContentType: "text/plain", Tags: map[string]string{"slipway": "plain"}, Expires: expires})
	store := w.store()
	pinned := vault.Ref{Name: "redis-host", Version: old}
	values, err := store.Read(t.Context(), []vault.Ref{{Name: "redis-host"}, pinned, {Name: "redis-host"}})
	if err != nil {
		t.Fatal(err)
	}
	latest := values[vault.Ref{Name: "redis-host"}]
	if latest.Secret.Reveal() != "new.example" || latest.Version != newer || latest.Source != vaultURL || latest.ContentType != "text/plain" || !latest.Expires.Equal(expires) {
		t.Errorf("the newest is %+v", latest)
	}
	if plain, err := latest.Plain(); plain != "new.example" || err != nil {
		t.Errorf("plain: %q, %v", plain, err)
	}
	if got := values[pinned]; got.Secret.Reveal() != "old.example" || got.Version != old {
		t.Errorf("the pinned one is %+v", got)
	}
	before := w.wire.Count("GET dev1")
	if _, err := store.Read(t.Context(), []vault.Ref{pinned}); err != nil || w.wire.Count("GET dev1") != before {
		t.Errorf("a version was read again: %d requests, %v", w.wire.Count("GET dev1")-before, err)
	}
}

func TestFortyVariablesTakeOneRoundOfEight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var names []string
		for i := range 40 {
			names = append(names, fmt.Sprintf("variable-%02d", i))
			w.set(names[i], fmt.Sprint("value ", i), keyvault.Attributes{})
		}
		w.wire.Latency = 20 * time.Millisecond
		store := w.store()
		begin := time.Now()
		values, err := store.Read(t.Context(), refs(names...))
		took := time.Since(begin)
		if err != nil || len(values) != 40 {
			t.Fatal(len(values), err)
		}
		for i, name := range names {
			if got := values[vault.Ref{Name: name}].Secret.Reveal(); got != fmt.Sprint("value ", i) {
				t.Errorf("%s is %q", name, got)
			}
		}
		// Eight are asked without a token first, which is how a client learns where to get one.
		if w.wire.Max() > 8 || w.wire.Count("/secrets/") > 48 || took > 300*time.Millisecond {
			t.Errorf("%d at once, %d requests, %s", w.wire.Max(), w.wire.Count("/secrets/"), took)
		}
		t.Logf("40 variables at 20 ms a request: %s, %d requests, %d at once", took, w.wire.Count("/secrets/"), w.wire.Max())
	})
}

func TestAllThatIsWrongIsToldAtOnce(t *testing.T) {
	w := newWorld(t)
	now := time.Now()
	w.set("redis-host", "h", keyvault.Attributes{})
	w.set("redis-port", "p", keyvault.Attributes{})
	w.set("gone", "x", keyvault.Attributes{})
	if ok, err := w.vault.Delete("gone"); !ok || err != nil {
		t.Fatal(ok, err)
	}
	w.set("off", "x", keyvault.Attributes{Disabled: true})
	w.set("over", "x", keyvault.Attributes{Expires: now.AddDate(0, 0, -1)})
	w.set("early", "x", keyvault.Attributes{NotBefore: now.AddDate(0, 0, 1)})
	unknown := vault.Ref{Name: "redis-port", Version: strings.Repeat("0", 32)}
	_, err := w.store().Read(t.Context(), append(refs("redis-host", "redis-hots", "gone", "off", "over", "early", "zzz"), unknown))
	var all *vault.ReadError
	if !errors.As(err, &all) || all.Store != vaultURL || all.Asked != 8 {
		t.Fatalf("got %v", err)
	}
	reasons := map[string]vault.Reason{}
	for _, p := range all.Problems {
		reasons[p.Ref.String()] = p.Reason
	}
	for name, want := range map[string]vault.Reason{
		"redis-hots": vault.Missing, "gone": vault.Deleted, "off": vault.Disabled, "over": vault.Expired, "early": vault.NotYetValid,
		"zzz": vault.Missing, unknown.String(): vault.Missing,
	} {
		if reasons[name] != want {
			t.Errorf("%s is %q, want %q", name, reasons[name], want)
		}
		delete(reasons, name)
	}
	if len(reasons) > 0 {
		t.Errorf("also: %v", reasons)
	}
	for _, say := range []string{"did you mean redis-host", "az keyvault secret recover --vault-name dev1 --name gone", "redis-port has no version 0000", "zzz does not exist\n"} {
		if !strings.Contains(err.Error()+"\n", say) {
			t.Errorf("the error does not say %q:\n%v", say, err)
		}
	}
}

func TestWhatMayNotBeReadIsToldWithTheRole(t *testing.T) {
	for _, role := range []keyvault.Role{"", keyvault.Reader} {
		w := newWorld(t, func(o *keyvault.Options) { o.Roles = map[string]keyvault.Role{objectID: role} })
		w.set("redis-host", "h", keyvault.Attributes{})
		_, err := w.store().Read(t.Context(), refs("redis-host"))
		var all *vault.ReadError
		if !errors.As(err, &all) || all.Problems[0].Reason != vault.Forbidden || !strings.Contains(err.Error(), `"Key Vault Secrets User"`) {
			t.Errorf("%q: %v", role, err)
		}
	}
}

func TestAnExpiryIsWarnedOfThirtyDaysAhead(t *testing.T) {
	w := newWorld(t)
	now := time.Now()
	for name, days := range map[string]int{"soon": 29, "later": 32} {
		w.set(name, "x", keyvault.Attributes{Expires: now.AddDate(0, 0, days)})
	}
	w.set("never", "x", keyvault.Attributes{})
	values, err := w.store().Read(t.Context(), refs("soon", "later", "never"))
	if err != nil {
		t.Fatal(err)
	}
	if got := values.Warnings(now); len(got) != 1 || !strings.Contains(got[0], "soon") || !strings.Contains(got[0], "days") {
		t.Errorf("warned %q", got)
	}
}

func TestFaultsThatPassAreSatOut(t *testing.T) {
	for _, c := range []struct {
		what string
		rule fault.Rule
		at   time.Duration // at the earliest
	}{
		{"throttled", fault.Rule{Rate: 1, Times: 2, Status: 429, RetryAfter: fault.Duration(5 * time.Second)}, 10 * time.Second},
		{"an internal error", fault.Rule{Rate: 1, Times: 2, Status: 500}, 0},
		{"unavailable", fault.Rule{Rate: 1, Times: 2, Status: 503}, 0},
		{"a cut connection", fault.Rule{Rate: 1, Times: 2, Status: faulty.StatusCut}, 0},
		{"slow", fault.Rule{Rate: 1, Times: 2, Delay: fault.Duration(20 * time.Second)}, 20 * time.Second},
		{"every second request fails", fault.Rule{Rate: 0.5, Status: 500}, 0},
		{"a token that was not taken once", fault.Rule{Rate: 1, Times: 1, Status: 401}, 0},
	} {
		t.Run(c.what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.set("redis-host", "h", keyvault.Attributes{})
				if err := w.vault.Faults.Set(c.rule); err != nil {
					t.Fatal(err)
				}
				begin := time.Now()
				values, err := w.store().Read(t.Context(), refs("redis-host"))
				if err != nil || values[refs("redis-host")[0]].Secret.Reveal() != "h" {
					t.Fatalf("got %v, %v", values, err)
				}
				if took := time.Since(begin); took < c.at {
					t.Errorf("it was asked again after %s, but told to wait %s", took, c.at)
				}
			})
		})
	}
}

func TestFaultsThatStayAreTold(t *testing.T) {
	for _, c := range []struct {
		what    string
		rule    fault.Rule
		trouble vault.Trouble
		say     string
	}{
		{"throttled", fault.Rule{Rate: 1, Status: 429, RetryAfter: fault.Duration(time.Second)}, vault.Throttled, "too many requests"},
		{"an internal error", fault.Rule{Rate: 1, Status: 500}, vault.Failed, "500"},
		{"a cut connection", fault.Rule{Rate: 1, Status: faulty.StatusCut}, vault.Unreachable, "cannot be reached"},
		{"a firewall", fault.Rule{Rate: 1, Status: 403}, vault.Unreachable, "firewall"},
		{"a token that is never taken", fault.Rule{Rate: 1, Status: 401}, vault.Unauthorized, "slipway doctor"},
		{"no answer", fault.Rule{Rate: 1, Delay: fault.Duration(15 * time.Minute)}, vault.Unreachable, "has not answered in time"},
	} {
		t.Run(c.what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w := newWorld(t)
				w.set("redis-host", "h", keyvault.Attributes{})
				store := w.store()
				if err := w.vault.Faults.Set(c.rule); err != nil {
					t.Fatal(err)
				}
				_, err := store.Read(t.Context(), refs("redis-host"))
				var trouble *vault.StoreError
				if !errors.As(err, &trouble) || trouble.Trouble != c.trouble || !strings.Contains(err.Error(), c.say) || strings.Contains(err.Error(), "\n") {
					t.Errorf("got %v", err)
				}
			})
		})
	}
}

func TestASlowVaultEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		if err := w.vault.Faults.Set(fault.Rule{Rate: 1, Delay: fault.Duration(time.Minute)}); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		begin := time.Now()
		_, err := w.store().Read(ctx, refs("redis-host"))
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != 3*time.Second {
			t.Errorf("after %s: %v", time.Since(begin), err)
		}
	})
}

func TestATokenThatEndsInTheMiddleIsRenewed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.entra.SetLifetime(6 * time.Minute) // the SDK renews five minutes before the end
		w.set("redis-host", "h", keyvault.Attributes{})
		store := w.store()
		for minute := range 15 {
			if _, err := store.Read(t.Context(), refs("redis-host")); err != nil {
				t.Fatalf("in minute %d: %v", minute, err)
			}
			time.Sleep(time.Minute)
		}
		if n := w.wire.Count("/oauth2/v2.0/token"); n < 3 {
			t.Errorf("a token of 6 minutes lasted for 15: %d log-ins", n)
		}
	})
}

func TestATokenThatIsRevokedInTheMiddleIsRenewedWithinTheRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.set("redis-host", "h", keyvault.Attributes{})
		store := w.store()
		for minute := range 15 {
			if _, err := store.Read(t.Context(), refs("redis-host")); err != nil {
				t.Fatalf("in minute %d: %v", minute, err)
			}
			time.Sleep(time.Minute)
			if minute == 5 {
				w.entra.Revoke()
			}
		}
		if n := w.wire.Count("/oauth2/v2.0/token"); n != 2 {
			t.Errorf("%d log-ins, want one at the beginning and one after the token was revoked", n)
		}
	})
}

// An identity provider in trouble is asked again; when it stays so, the error says whose trouble it is.
func TestFaultsOfEntraAreSatOutOrTold(t *testing.T) {
	for _, c := range []struct {
		what string
		rule fault.Rule
		code string
		say  string
	}{
		{"refused", fault.Rule{Rate: 1, Status: 401}, "AADSTS700027", "check where the federated token comes from"},
		{"forbidden by a proxy", fault.Rule{Rate: 1, Status: 403}, "", "403"},
		{"not found by a proxy", fault.Rule{Rate: 1, Status: 404}, "", "404"},
		{"throttled", fault.Rule{Rate: 1, Status: 429, RetryAfter: fault.Duration(2 * time.Second)}, "AADSTS90055", "too many incoming requests"},
		{"an internal error", fault.Rule{Rate: 1, Status: 500}, "AADSTS50000", "issuing a token"},
		{"unavailable", fault.Rule{Rate: 1, Status: 503}, "AADSTS90033", "transient error"},
		{"a cut connection", fault.Rule{Rate: 1, Status: faulty.StatusCut}, "", "Entra cannot be reached"},
		{"no answer", fault.Rule{Rate: 1, Delay: fault.Duration(15 * time.Minute)}, "", "Entra cannot be reached"},
	} {
		for _, lasts := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s, lasting %t", c.what, lasts), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					w := newWorld(t)
					w.set("redis-host", "h", keyvault.Attributes{})
					rule := c.rule
					if !lasts {
						if status := rule.Status; status >= 401 && status <= 404 {
							return // these do not pass by themselves
						}
						rule.Times = 2
					}
					if err := w.entra.Faults.Set(rule); err != nil {
						t.Fatal(err)
					}
					_, err := w.store().Read(t.Context(), refs("redis-host"))
					if !lasts {
						if err != nil {
							t.Errorf("got %v", err)
						}
						return
					}
					var refused *azure.IdentityError
					if !errors.As(err, &refused) || refused.Code != c.code || !strings.Contains(err.Error(), c.say) || strings.Contains(err.Error(), "\n") {
						t.Errorf("got %v", err)
					}
				})
			})
		}
	}
}

func TestAFederatedTokenThatWasNotRenewedIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.set("redis-host", "h", keyvault.Attributes{})
		store := w.store()
		time.Sleep(2 * time.Hour)
		_, err := store.Read(t.Context(), refs("redis-host"))
		var refused *azure.IdentityError
		if !errors.As(err, &refused) || refused.Code != "AADSTS700024" || !strings.Contains(err.Error(), vaultURL) || strings.Contains(err.Error(), "cannot be reached") {
			t.Errorf("got %v", err)
		}
	})
}

func TestAVaultOfAnotherTenantIsTold(t *testing.T) {
	const other = "99999999-9999-4999-8999-999999999999"
	w := newWorld(t, func(o *keyvault.Options) { o.Tenant = other })
	_, err := w.store().Read(t.Context(), refs("redis-host"))
	var refused *azure.IdentityError
	if !errors.As(err, &refused) || !strings.Contains(err.Error(), other) || !strings.Contains(err.Error(), tenantID) {
		t.Errorf("got %v", err)
	}
	if n := w.wire.Count("login.example"); n != 0 {
		t.Errorf("Entra was asked %d times", n)
	}
}

func TestTheAudienceOfTheChallengeIsFollowed(t *testing.T) {
	w := newWorld(t, func(o *keyvault.Options) { o.Audience = "https://vault.azure.cn" })
	w.set("redis-host", "h", keyvault.Attributes{})
	if _, err := w.store().Read(t.Context(), refs("redis-host")); err != nil {
		t.Error(err)
	}
}

func TestNoNetworkIsTold(t *testing.T) {
	w := newWorld(t)
	store, err := vault.NewKeyVault(vault.KeyVaultOptions{URL: "https://nowhere.vault.example", Credential: w.credential(), Client: w.client(), AnyHost: true})
	if err != nil {
		t.Fatal(err)
	}
	_, err = store.Read(t.Context(), refs("redis-host"))
	var trouble *vault.StoreError
	if !errors.As(err, &trouble) || trouble.Trouble != vault.Unreachable || !strings.Contains(err.Error(), "nowhere.vault.example") {
		t.Errorf("got %v", err)
	}
}

func TestABadNameIsNotAskedFor(t *testing.T) {
	w := newWorld(t)
	_, err := w.store().Read(t.Context(), refs("redis_host", "ok", "ä"))
	var all *vault.ReadError
	if !errors.As(err, &all) || len(all.Problems) != 2 || !strings.Contains(err.Error(), `write "redis-host"`) {
		t.Errorf("got %v", err)
	}
	if n := w.wire.Count(""); n != 0 {
		t.Errorf("%d requests were made", n)
	}
}

func TestDoctorLearnsWhetherValuesMayBeRead(t *testing.T) {
	for role, want := range map[keyvault.Role]bool{"": false, keyvault.Reader: false, keyvault.User: true, keyvault.Officer: true} {
		w := newWorld(t, func(o *keyvault.Options) { o.Roles = map[string]keyvault.Role{objectID: role} })
		err := w.store().CanRead(t.Context())
		var trouble *vault.StoreError
		if want && err != nil || !want && (!errors.As(err, &trouble) || trouble.Trouble != vault.Denied || !strings.Contains(err.Error(), "Key Vault Secrets User")) {
			t.Errorf("%q: %v", role, err)
		}
	}
}
