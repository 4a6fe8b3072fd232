package fault

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// pattern writes x for each request that meets the rule.
func pattern(t *testing.T, r Rule, n int) string {
	t.Helper()
	var i Injector
	if err := i.Set(r); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for range n {
		if _, met := i.Next(); met {
			b.WriteByte('x')
		} else {
			b.WriteByte('.')
		}
	}
	return b.String()
}

func TestARateIsKeptByCounting(t *testing.T) {
	for _, c := range []struct {
		rule Rule
		want string
	}{
		{Rule{}, "...................."},
		{Rule{Rate: 1, Status: 500}, "xxxxxxxxxxxxxxxxxxxx"},
		{Rule{Rate: 0.5, Status: 500}, ".x.x.x.x.x.x.x.x.x.x"},
		{Rule{Rate: 0.1, Status: 500}, ".........x.........x"},
		{Rule{Rate: 0.75, Status: 500}, ".xxx.xxx.xxx.xxx.xxx"},
		{Rule{Rate: 0.5, Status: 500, Times: 2}, ".x.x................"},
		{Rule{Rate: 1, Delay: Duration(time.Second), Times: 3}, "xxx................."},
	} {
		if got := pattern(t, c.rule, len(c.want)); got != c.want {
			t.Errorf("%+v\ngot  %s\nwant %s", c.rule, got, c.want)
		}
	}
}

func TestTheControlSetsShowsAndRemovesARule(t *testing.T) {
	var i Injector
	call := func(method, body string) (int, string) {
		w := httptest.NewRecorder()
		i.ServeHTTP(w, httptest.NewRequest(method, "/", strings.NewReader(body)))
		return w.Code, strings.TrimSpace(w.Body.String())
	}
	code, body := call(http.MethodPut, `{"rate":0.5,"status":429,"retryAfter":"2s","delay":"150ms"}`)
	if want := `{"rule":{"rate":0.5,"status":429,"retryAfter":"2s","delay":"150ms"},"requests":0,"met":0}`; code != 200 || body != want {
		t.Errorf("PUT: %d %s", code, body)
	}
	i.Next()
	i.Next()
	if code, body = call(http.MethodGet, ""); code != 200 || !strings.HasSuffix(body, `"requests":2,"met":1}`) {
		t.Errorf("GET: %d %s", code, body)
	}
	if code, body = call(http.MethodDelete, ""); code != 200 || body != `{"rule":{"rate":0},"requests":0,"met":0}` {
		t.Errorf("DELETE: %d %s", code, body)
	}
	if code, _ = call(http.MethodPost, ""); code != http.StatusMethodNotAllowed {
		t.Errorf("POST: %d", code)
	}
}

func TestRulesThatMakeNoSenseAreRefused(t *testing.T) {
	for body, want := range map[string]string{
		`{"rate":2,"status":500}`:                    "rate is 2",
		`{"rate":-1,"status":500}`:                   "rate is -1",
		`{"rate":1}`:                                 "does nothing",
		`{"rate":1,"status":200}`:                    "status is 200",
		`{"rate":1,"status":500,"times":-1}`:         "times is -1",
		`{"rate":1,"delay":"1h"}`:                    "delay is 1h0m0s",
		`{"rate":1,"delay":"-1s"}`:                   "delay is -1s",
		`{"rate":1,"delay":"1s","retryAfter":"1s"}`:  "retryAfter is 1s",
		`{"rate":1,"status":500,"retryAfter":"-1s"}`: "retryAfter is -1s",
		`{"rate":1,"delay":"soon"}`:                  `"soon" is not a duration`,
		`{"rate":1,"statsu":500}`:                    `unknown field "statsu"`,
		`{`:                                          "unexpected EOF",
	} {
		var i Injector
		w := httptest.NewRecorder()
		i.ServeHTTP(w, httptest.NewRequest(http.MethodPut, "/", strings.NewReader(body)))
		if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s gives %d %s", body, w.Code, w.Body)
		}
	}
}
