package entra

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

func TestTheControlSetsLifetimesRevokesAndBreaks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := New(Options{Tenant: tenant, URL: "https://login.example", Dir: keyDir(), Apps: []App{{ClientID: secretC, ObjectID: object, Secret: "open sesame"}}})
		if err != nil {
			t.Fatal(err)
		}
		control := func(method, path, body string) (int, string) {
			rec := httptest.NewRecorder()
			s.Control().ServeHTTP(rec, httptest.NewRequest(method, "/control/entra"+path, strings.NewReader(body)))
			return rec.Code, strings.TrimSpace(rec.Body.String())
		}
		logIn := func() (string, int) {
			form := "grant_type=client_credentials&client_id=" + secretC + "&client_secret=open+sesame&scope=" + VaultAudience + "/.default"
			r := httptest.NewRequest(http.MethodPost, "/"+tenant+"/oauth2/v2.0/token", strings.NewReader(form))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			rec := httptest.NewRecorder()
			s.Handler().ServeHTTP(rec, r)
			_, rest, _ := strings.Cut(rec.Body.String(), `"access_token":"`)
			token, _, _ := strings.Cut(rest, `"`)
			return token, rec.Code
		}
		refused := func(token string) error { return s.Verifier().Verify(token, VaultAudience) }

		if code, said := control(http.MethodPut, "", `{"lifetime":"20s"}`); code != 200 || said != `{"lifetime":"20s","issued":0,"refused":0}` {
			t.Errorf("%d %s", code, said)
		}
		short, _ := logIn()
		time.Sleep(19 * time.Second)
		if err := refused(short); err != nil {
			t.Errorf("before its end: %v", err)
		}
		time.Sleep(2 * time.Second)
		if err := refused(short); !errors.Is(err, ErrExpired) {
			t.Errorf("after its end: %v", err)
		}
		control(http.MethodDelete, "", "")
		long, _ := logIn()
		time.Sleep(time.Minute)
		control(http.MethodPost, "/revoke", "")
		if err := refused(long); !errors.Is(err, ErrRevoked) {
			t.Errorf("a revoked token: %v", err)
		}
		fresh, _ := logIn() // in the same second
		if err := refused(fresh); err != nil {
			t.Errorf("one that was issued after it: %v", err)
		}
		if code, said := control(http.MethodGet, "", ""); code != 200 || said != `{"lifetime":"1h0m0s","issued":3,"refused":2}` {
			t.Errorf("%d %s", code, said)
		}
		for status, want := range map[int]int{401: 401, 403: 403, 429: 429, 500: 500} {
			control(http.MethodPut, "/fault", `{"rate":1,"times":1,"status":`+strconv.Itoa(status)+`}`)
			if _, got := logIn(); got != want {
				t.Errorf("a fault of %d answers %d", status, got)
			}
		}
		for _, bad := range []string{`{"lifetime":"100ms"}`, `{"lifetime":"soon"}`, `{"life":"20s"}`, ``} {
			if code, said := control(http.MethodPut, "", bad); code != http.StatusBadRequest || !strings.Contains(said, "the lifetime is not set") {
				t.Errorf("%s: %d %s", bad, code, said)
			}
		}
	})
}
