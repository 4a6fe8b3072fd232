package back

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/slipway-cd/slipway/apps/calculator/internal/fault"
	"github.com/slipway-cd/slipway/apps/calculator/internal/wire"
)

func TestNumbersAreFactorisedAndBadInputIsExplained(t *testing.T) {
	h := Handler(wire.Identity{Host: "b1", Version: "v1", Slot: "blue"}, fault.NewInjector(fault.Config{}))
	for _, c := range []struct {
		body string
		code int
		want string
	}{
		{`{"number":"12"}`, 200, `{"number":"12","factors":["2","2","3"],"backend":{"host":"b1","version":"v1","slot":"blue"}}`},
		{`{"number":97}`, 200, `"factors":["97"]`},
		{`{"number":"1"}`, 200, `"factors":[]`},
		{`{"number":"18446744073709551615"}`, 200, `"factors":["3","5","17","257","641","65537","6700417"]`},
		{`{"number":"18446744073709551616"}`, 400, "larger than 18446744073709551615"},
		{`{"number":"0"}`, 400, "at least 1"},
		{`{"number":"-4"}`, 400, "whole number"},
		{`{"number":"4.5"}`, 400, "whole number"},
		{`{"number":1e3}`, 400, "whole number"},
		{`{"number":null}`, 400, "whole number"},
		{`{"number":"twelve"}`, 400, "whole number"},
		{`{}`, 400, "number is missing"},
		{`{"numbr":"1"}`, 400, "numbr"},
		{`12`, 400, "must be JSON like"},
		{``, 400, "must be JSON like"},
		{`{"number":"` + strings.Repeat("1", 2000) + `"}`, 400, "too large"},
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/factors", strings.NewReader(c.body)))
		if w.Code != c.code || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%.60s: %d %s; want %d with %s", c.body, w.Code, w.Body, c.code, c.want)
		}
		if got := w.Header().Get("Content-Type"); !strings.HasPrefix(got, "application/json") {
			t.Errorf("%.60s: content type %q, want JSON", c.body, got)
		}
	}
}

func TestOnlyPostIsServed(t *testing.T) {
	h := Handler(wire.Identity{}, fault.NewInjector(fault.Config{FailureRate: 1}))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/factors", nil))
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("GET /factors: %d, want 405", w.Code)
	}
}
