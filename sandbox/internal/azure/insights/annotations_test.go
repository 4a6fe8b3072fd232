package insights

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

const (
	annotationPath = testComponent + "/Annotations?api-version=2015-05-01"
	annotation     = `{"AnnotationName":"v2","Category":"Deployment","EventTime":"2026-11-22T18:00:00Z","Id":"11111111-0000-4000-8000-000000000001","Properties":"{\"slot\":\"green\"}"}`
)

func annotate(s *Server, method, path, token, body string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, path, strings.NewReader(body))
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	w := httptest.NewRecorder()
	s.Annotations().ServeHTTP(w, r)
	return w
}

func TestAnnotationsCanBeReadBack(t *testing.T) {
	s := server(t)
	if got := control(t, s, http.MethodGet, "/control/annotations", ""); got != "[]" {
		t.Errorf("at first: %s", got)
	}
	w := annotate(s, http.MethodPut, strings.ToUpper(testComponent)+"/annotations?api-version=2015-05-01", "good", annotation)
	if got := strings.TrimSpace(w.Body.String()); w.Code != 200 || got != "["+annotation+"]" {
		t.Errorf("%d %s", w.Code, got)
	}
	if got := control(t, s, http.MethodGet, "/control/annotations", ""); got != "["+annotation+"]" {
		t.Errorf("read back: %s", got)
	}
}

func TestAnAnnotationsIDCanBeUsedOnce(t *testing.T) {
	s := server(t)
	annotate(s, http.MethodPut, annotationPath, "good", annotation)
	if w := annotate(s, http.MethodPut, annotationPath, "good", strings.Replace(annotation, `"v2"`, `"v3"`, 1)); w.Code != 409 || !strings.Contains(w.Body.String(), `"code":"Conflict"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if got := control(t, s, http.MethodGet, "/control/annotations", ""); got != "["+annotation+"]" {
		t.Errorf("read back: %s", got)
	}
}

func TestAnnotationsThatAreRefused(t *testing.T) {
	replace := func(old, replacement string) string { return strings.Replace(annotation, old, replacement, 1) }
	for name, c := range map[string]struct {
		method, path, token, body string
		status                    int
		want                      string
	}{
		"no token":             {"PUT", annotationPath, "", annotation, 401, "AuthenticationFailed"},
		"expired token":        {"PUT", annotationPath, "old", annotation, 401, "ExpiredAuthenticationToken"},
		"token for the vault":  {"PUT", annotationPath, "vault", annotation, 403, "InvalidAuthenticationTokenAudience"},
		"another component":    {"PUT", "/subscriptions/x/Annotations?api-version=2015-05-01", "good", annotation, 404, "ResourceNotFound"},
		"no api-version":       {"PUT", testComponent + "/Annotations", "good", annotation, 400, "NoRegisteredProviderFound"},
		"another api-version":  {"PUT", testComponent + "/Annotations?api-version=2020-01-01", "good", annotation, 400, "'2020-01-01'"},
		"another method":       {"GET", annotationPath, "good", "", 405, "MethodNotAllowed"},
		"not JSON":             {"PUT", annotationPath, "good", "{", 400, "not JSON"},
		"another category":     {"PUT", annotationPath, "good", replace("Deployment", "Release"), 400, "Category must be Deployment, not 'Release'"},
		"no name":              {"PUT", annotationPath, "good", replace(`"v2"`, `""`), 400, "AnnotationName, Id and EventTime are required"},
		"no id":                {"PUT", annotationPath, "good", replace("11111111-0000-4000-8000-000000000001", ""), 400, "are required"},
		"no time":              {"PUT", annotationPath, "good", replace(`"EventTime":"2026-11-22T18:00:00Z",`, ""), 400, "are required"},
		"properties as object": {"PUT", annotationPath, "good", replace(`"{\"slot\":\"green\"}"`, `{"slot":"green"}`), 400, "not JSON"},
		"properties not JSON":  {"PUT", annotationPath, "good", replace(`"{\"slot\":\"green\"}"`, `"green"`), 400, "Properties must be a JSON object in a string"},
	} {
		s := server(t)
		w := annotate(s, c.method, c.path, c.token, c.body)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
		if got := control(t, s, http.MethodGet, "/control/annotations", ""); got != "[]" {
			t.Errorf("%s: kept %s", name, got)
		}
	}
}

func TestAnEncodedQueryStringIsDecoded(t *testing.T) {
	if w := annotate(server(t), http.MethodPut, testComponent+"/Annotations?api%2Dversion=2015%2D05%2D01", "good", annotation); w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
