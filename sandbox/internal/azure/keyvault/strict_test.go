package keyvault_test

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"github.com/slipway-cd/slipway/sandbox/internal/azure/entra"
	"github.com/slipway-cd/slipway/sandbox/internal/azure/keyvault"
)

// Requests that no client of the SDK makes: the stand-in must refuse them as the service does.

// send makes a request by hand; header is "Name: value" lines.
func (w *world) send(method, target, body string, header ...string) (*http.Response, string, string) {
	w.t.Helper()
	r := httptest.NewRequest(method, vaultURL+target, strings.NewReader(body))
	for _, h := range header {
		name, value, _ := strings.Cut(h, ": ")
		r.Header.Set(name, value)
	}
	rec := httptest.NewRecorder()
	w.vault.Handler().ServeHTTP(rec, r)
	var answer struct {
		Error struct {
			Code    string
			Message string
		}
	}
	if err := json.Unmarshal(rec.Body.Bytes(), &answer); err != nil {
		w.t.Fatalf("%s %s: the answer is no JSON: %s", method, target, rec.Body)
	}
	return rec.Result(), answer.Error.Code, answer.Error.Message
}

// bearer logs in for an audience.
func (w *world) bearer(audience string) string {
	w.t.Helper()
	token, err := w.credential().GetToken(w.t.Context(), policy.TokenRequestOptions{Scopes: []string{audience + "/.default"}})
	if err != nil {
		w.t.Fatal(err)
	}
	return "Authorization: Bearer " + token.Token
}

func TestEachWrongRequestIsRefused(t *testing.T) {
	w := newWorld(t, officer)
	w.set("redis-host", "h", keyvault.Attributes{})
	good := w.bearer(entra.VaultAudience)
	const api = "api-version=2026-04-01"
	asJSON := "Content-Type: application/json"
	long, _ := json.Marshal(map[string]string{"value": strings.Repeat("x", keyvault.MaxValue+1)})
	for _, c := range []struct {
		what, method, target, body string
		header                     []string
		status                     int
		code                       string
		say                        string
	}{
		{"no token", "GET", "/secrets/redis-host/?" + api, "", nil, 401, "Unauthorized", "AKV10000"},
		{"another scheme", "GET", "/secrets/redis-host/?" + api, "", []string{"Authorization: Basic YTpi"}, 401, "Unauthorized", "AKV10000"},
		{"a token that is none", "GET", "/secrets/redis-host/?" + api, "", []string{"Authorization: Bearer abc"}, 401, "Unauthorized", "IDX12741"},
		{"a token that was changed", "GET", "/secrets/redis-host/?" + api, "", []string{good[:len(good)-4] + "AAAA"}, 401, "Unauthorized", "IDX10511"},
		{"a token for another service", "GET", "/secrets/redis-host/?" + api, "", []string{w.bearer(entra.CoreARMAudience + "/")}, 401, "Unauthorized", "AKV10022"},
		{"no version of the API", "GET", "/secrets/redis-host/", "", []string{good}, 400, "BadParameter", "api-version"},
		{"a version that there is not", "GET", "/secrets/redis-host/?api-version=1.0", "", []string{good}, 400, "BadParameter", "1.0"},
		{"a bad name", "GET", "/secrets/redis_host/?" + api, "", []string{good}, 400, "BadParameter", "redis_host"},
		{"a missing secret", "GET", "/secrets/nope/?" + api, "", []string{good}, 404, "SecretNotFound", "nope"},
		{"a missing version", "GET", "/secrets/redis-host/abc?" + api, "", []string{good}, 404, "SecretNotFound", "redis-host/abc"},
		{"versions of a missing secret", "GET", "/secrets/nope/versions?" + api, "", []string{good}, 404, "SecretNotFound", "nope"},
		{"a secret that was not deleted", "GET", "/deletedsecrets/redis-host?" + api, "", []string{good}, 404, "SecretNotFound", "redis-host"},
		{"deleting a missing secret", "DELETE", "/secrets/nope?" + api, "", []string{good}, 404, "SecretNotFound", "nope"},
		{"too large a page", "GET", "/secrets?maxresults=26&" + api, "", []string{good}, 400, "BadParameter", "26"},
		{"a page that there is not", "GET", "/secrets?$skiptoken=9&" + api, "", []string{good}, 400, "BadParameter", "skiptoken"},
		{"no content type", "PUT", "/secrets/new?" + api, `{"value":"x"}`, []string{good}, 415, "BadParameter", "application/json"},
		{"no value", "PUT", "/secrets/new?" + api, `{}`, []string{good, asJSON}, 400, "BadParameter", "value"},
		{"a broken body", "PUT", "/secrets/new?" + api, `{"value":`, []string{good, asJSON}, 400, "BadParameter", "value"},
		{"too long a value", "PUT", "/secrets/new?" + api, string(long), []string{good, asJSON}, 400, "BadParameter", "25601"},
		{"what the stand-in does not do", "POST", "/secrets/redis-host/backup?" + api, "", []string{good}, 501, "NotImplemented", "backup"},
	} {
		t.Run(c.what, func(t *testing.T) {
			resp, code, message := w.send(c.method, c.target, c.body, c.header...)
			if resp.StatusCode != c.status || code != c.code || !strings.Contains(message, c.say) {
				t.Errorf("answered %d %s %q", resp.StatusCode, code, message)
			}
			challenge := resp.Header.Get("WWW-Authenticate")
			if want := `Bearer authorization="` + authURL + `/` + tenantID + `", resource="https://vault.azure.net"`; c.status == 401 && challenge != want {
				t.Errorf("the challenge is %q", challenge)
			}
		})
	}
}

func TestATokenIsNotTakenAfterItsEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.set("redis-host", "h", keyvault.Attributes{})
		w.entra.SetLifetime(10 * time.Minute)
		token := w.bearer(entra.VaultAudience)
		for _, c := range []struct {
			wait   time.Duration
			status int
		}{{10*time.Minute - time.Second, 200}, {2 * time.Second, 401}} {
			time.Sleep(c.wait)
			if resp, _, message := w.send("GET", "/secrets/redis-host/?api-version=7.4", "", token); resp.StatusCode != c.status || c.status == 401 && !strings.Contains(message, "IDX10223") {
				t.Errorf("answered %d %q", resp.StatusCode, message)
			}
		}
	})
}

func TestANameWithAndWithoutAClosingSlashIsTheSame(t *testing.T) {
	w := newWorld(t)
	w.set("redis-host", "h", keyvault.Attributes{})
	good := w.bearer(entra.VaultAudience)
	for _, target := range []string{"/secrets/redis-host?api-version=7.4", "/secrets/redis-host/?api-version=7.4", "/secrets/redis-host/?api%2Dversion=7.4"} {
		if resp, code, message := w.send("GET", target, "", good); resp.StatusCode != 200 {
			t.Errorf("%s answered %d %s %q", target, resp.StatusCode, code, message)
		}
	}
}

func TestABrokenVaultIsToldNotEmptied(t *testing.T) {
	for _, content := range []string{"nonsense", `{"a":null}`, `{"a":{"name":"a"}}`} {
		w := newWorld(t)
		path := filepath.Join(w.options.Dir, "secrets.json")
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := keyvault.New(w.options); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v", content, err)
		}
		if raw, err := os.ReadFile(path); err != nil || !bytes.Equal(raw, []byte(content)) {
			t.Errorf("the file became %q, %v", raw, err)
		}
	}
}

func TestOnlyTheOwnerReadsTheFile(t *testing.T) {
	w := newWorld(t)
	w.set("redis-host", "h", keyvault.Attributes{})
	info, err := os.Stat(filepath.Join(w.options.Dir, "secrets.json"))
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("its mode is %v, %v", info.Mode(), err)
	}
}
