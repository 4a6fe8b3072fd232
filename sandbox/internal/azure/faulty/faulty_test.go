package faulty

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slipway-cd/slipway/sandbox/internal/azure/insights/fault"
)

func serve(t *testing.T, rule fault.Rule, r *http.Request) (rec *httptest.ResponseRecorder, cut bool) {
	t.Helper()
	i := &fault.Injector{}
	if err := i.Set(rule); err != nil {
		t.Fatal(err)
	}
	rec = httptest.NewRecorder()
	defer func() {
		if p := recover(); p != nil {
			cut = p == http.ErrAbortHandler
		}
	}()
	Handler(i, func(w http.ResponseWriter, status int) { http.Error(w, "refused", status) },
		http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) })).ServeHTTP(rec, r)
	return rec, false
}

func TestARuleIsApplied(t *testing.T) {
	for _, c := range []struct {
		what   string
		rule   fault.Rule
		status int
		after  string
		cut    bool
	}{
		{"no rule", fault.Rule{}, 204, "", false},
		{"a status", fault.Rule{Rate: 1, Status: 503}, 503, "", false},
		{"a throttle", fault.Rule{Rate: 1, Status: 429, RetryAfter: fault.Duration(3 * time.Second)}, 429, "3", false},
		{"a cut", fault.Rule{Rate: 1, Status: StatusCut}, 200, "", true}, // 200 is the recorder's own: nothing was written
	} {
		rec, cut := serve(t, c.rule, httptest.NewRequest("GET", "/", nil))
		if rec.Code != c.status || rec.Header().Get("Retry-After") != c.after || cut != c.cut || rec.Body.Len() > 0 != (c.status > 400) {
			t.Errorf("%s: %d, Retry-After %q, cut %t", c.what, rec.Code, rec.Header().Get("Retry-After"), cut)
		}
	}
}

func TestADelayComesBeforeTheAnswerAndEndsWithTheRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := fault.Rule{Rate: 1, Delay: fault.Duration(time.Minute)}
		begin := time.Now()
		rec, _ := serve(t, slow, httptest.NewRequest("GET", "/", nil))
		if rec.Code != 204 || time.Since(begin) != time.Minute {
			t.Errorf("%d after %s", rec.Code, time.Since(begin))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		begin = time.Now()
		serve(t, slow, httptest.NewRequest("GET", "/", nil).WithContext(ctx))
		if time.Since(begin) != time.Second {
			t.Errorf("a client that left was kept for %s", time.Since(begin))
		}
	})
}
