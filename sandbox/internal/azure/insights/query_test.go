package insights

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slipway-cd/slipway/kql/column"
)

// queryPath is where queries go.
const queryPath = "/v1/workspaces/" + testWorkspace + "/query"

// ask sends a query with a good token; body is its JSON.
func ask(s *Server, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, queryPath, strings.NewReader(body))
	r.Header.Set("Authorization", "Bearer good")
	r.Header.Set("Content-Type", "application/json")
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return send(s, r)
}

func send(s *Server, r *http.Request) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	s.Query().ServeHTTP(w, r)
	return w
}

// queryBody writes the body of a query.
func queryBody(query string) string {
	raw, err := json.Marshal(map[string]string{"query": query})
	if err != nil {
		panic(err)
	}
	return string(raw)
}

// rows gives the rows of an answer that must be a success.
func rows(t *testing.T, w *httptest.ResponseRecorder) string {
	t.Helper()
	var a answer
	if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil {
		t.Fatalf("%v in %s", err, w.Body)
	}
	if w.Code != 200 || a.Error != nil || len(a.Tables) != 1 || a.Tables[0].Name != "PrimaryResult" {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	return fmt.Sprintf("%s", a.Tables[0].Rows)
}

func TestAnAnswerHasThePrimaryResult(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := server(t)
		post(s, item("1", 100, "blue")+"\n"+item("2", 300, "green")+"\n"+item("3", 200, "green"))
		w := ask(s, queryBody("AppRequests | summarize n = count(), ms = max(DurationMs) by slot = tostring(Properties.slot) | order by slot asc"))
		want := `{"tables":[{"name":"PrimaryResult","columns":[{"name":"slot","type":"string"},{"name":"n","type":"long"},{"name":"ms","type":"real"}],"rows":[["blue",1,100],["green",2,300]]}]}`
		if got := strings.TrimSpace(w.Body.String()); w.Code != 200 || got != want {
			t.Errorf("%d\ngot  %s\nwant %s", w.Code, got, want)
		}
		if got := w.Header().Get("Content-Type"); got != "application/json; charset=utf-8" {
			t.Errorf("Content-Type is %s", got)
		}
	})
}

func TestAQueryMayBeAGet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := server(t)
		post(s, item("1", 100, "blue"))
		r := httptest.NewRequest(http.MethodGet, queryPath+"?query=AppRequests%20%7C%20count&timespan=PT1H&api%2Dversion=v1", nil)
		r.Header.Set("Authorization", "Bearer good")
		if got := rows(t, send(s, r)); got != "[[1]]" {
			t.Errorf("rows are %s", got)
		}
	})
}

func TestTheTimespanLimitsWhatAQuerySees(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := server(t)
		post(s, item("1", 100, "blue"))
		time.Sleep(time.Hour)
		post(s, item("2", 100, "blue"))
		time.Sleep(time.Minute)
		for timespan, want := range map[string]string{"": "[[2]]", "PT30M": "[[1]]", "PT2H": "[[2]]", "P1D/2000-01-01T00:00:01Z": "[[1]]"} {
			if got := rows(t, ask(s, fmt.Sprintf(`{"query":"AppRequests | count","timespan":%q}`, timespan))); got != want {
				t.Errorf("timespan %q: %s instead of %s", timespan, got, want)
			}
		}
	})
}

func TestIngestionTimeIsWhenTheQueryCouldSeeTheRow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := server(t)
		s.lag.set(Delay{Default: 2_000_000_000})
		post(s, item("1", 100, "blue"))
		time.Sleep(time.Minute)
		if got := rows(t, ask(s, queryBody("AppRequests | project lag = ingestion_time() - TimeGenerated, age = now() - ingestion_time()"))); got != `[["00:00:02","00:00:58"]]` {
			t.Errorf("rows are %s", got)
		}
	})
}

func TestATableWithoutRowsIsEmptyAndNotUnknown(t *testing.T) {
	if got := rows(t, ask(server(t), queryBody("AppEvents | count"))); got != "[[0]]" {
		t.Errorf("rows are %s", got)
	}
}

func TestStatisticsComeWhenAskedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := server(t)
		post(s, item("1", 100, "blue"))
		if w := ask(s, queryBody("AppRequests | count")); strings.Contains(w.Body.String(), "statistics") {
			t.Errorf("not asked for: %s", w.Body)
		}
		w := ask(s, queryBody("AppRequests | count"), "Prefer", "wait=30,include-statistics=true,include-render=true")
		if !strings.Contains(w.Body.String(), `"statistics":{"query":{"executionTime":`) || !strings.Contains(w.Body.String(), `"render":{`) {
			t.Errorf("asked for: %s", w.Body)
		}
	})
}

func TestValuesAreWrittenAsLogAnalyticsDoes(t *testing.T) {
	uuid, _ := column.ParseUUID("11111111-0000-4000-8000-000000000001")
	for _, c := range []struct {
		query, want string
	}{
		{"print true, bool(null)", "[true,null]"},
		{"print 9007199254740993, int(7), long(null)", "[9007199254740993,7,null]"},
		{"print 1.5, 2.0, real(null), 0.1 + 0.2, 1e300", "[1.5,2,null,0.30000000000000004,1e+300]"},
		{"print real(nan), real(+inf), real(-inf)", `["NaN","Infinity","-Infinity"]`},
		{`print "ü \"q\" \n", ""`, `["ü \"q\" \n",""]`},
		{"print datetime(2026-11-22T18:00:00.1234567Z), datetime(2026-11-22), datetime(null)", `["2026-11-22T18:00:00.1234567Z","2026-11-22T00:00:00Z",null]`},
		{"print 1d + 2h + 3m + 4.5s, timespan(null)", `["1.02:03:04.5000000",null]`},
		{"print guid(" + uuid.String() + ")", `["` + uuid.String() + `"]`},
		{`print dynamic({"a":[1,"x",null]}), dynamic([1.5]), dynamic("s"), dynamic(7), dynamic(null)`, `["{\"a\":[1,\"x\",null]}","[1.5]","s",7,null]`},
		{"print decimal(1.25)", `["1.25"]`},
	} {
		if got := rows(t, ask(server(t), queryBody(c.query))); got != "["+c.want+"]" {
			t.Errorf("%s\ngot  %s\nwant %s", c.query, got, "["+c.want+"]")
		}
	}
}

func TestErrorsInAQueryHaveTheirPlace(t *testing.T) {
	for query, want := range map[string]string{
		"AppRequests | wher Success":         `"code":"BadArgumentError","correlationId":"*","innererror":{"message":"A recognition error occurred in the query.","code":"SyntaxError","innererror":{"message":"Query could not be parsed at 'wher' on line [1,14]: *","code":"SYN0002","line":1,"pos":14,"token":"wher"}}`,
		"AppRequests | where":                `"message":"Query could not be parsed at '' on line [1,19]: *","code":"SYN0002","line":1,"pos":19}}`,
		"AppRequests\n| where )":             `"code":"SYN0002","line":2,"pos":8,"token":")"}}`,
		"AppRequests\n| where Nope > 1":      `"code":"BadArgumentError","correlationId":"*","innererror":{"message":"A semantic error occurred.","code":"SemanticError","innererror":{"message":"*Nope*, at line [2,8]","code":"SEM0100","line":2,"pos":8}}`,
		"Nothings | count":                   `"code":"SemanticError","innererror":{"message":"*Nothings*","code":"SEM0100","line":1,"pos":0}`,
		"AppRequests | extend x = abs(1, 2)": `"code":"SemanticError","innererror":{"message":"*abs*","code":"KS119","line":1,"pos":25}`,
	} {
		w := ask(server(t), queryBody(query))
		if w.Code != 400 || !like(w.Body.String(), "*"+want+"*") {
			t.Errorf("%s\ngot  %d %swant %s", query, w.Code, w.Body, want)
		}
	}
}

// like matches a pattern in which * stands for any text.
func like(s, pattern string) bool {
	first, rest, star := strings.Cut(pattern, "*")
	if !star {
		return s == pattern
	}
	s, ok := strings.CutPrefix(s, first)
	if !ok {
		return false
	}
	for i := 0; i <= len(s); i++ {
		if like(s[i:], rest) {
			return true
		}
		if rest == "" {
			return true
		}
	}
	return false
}

func TestRequestsThatTheQueryAPIRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		change func(r *http.Request)
		body   string
		status int
		want   string
	}{
		"no token":            {func(r *http.Request) { r.Header.Del("Authorization") }, queryBody("print 1"), 401, `"code":"AuthenticationFailed"`},
		"a password":          {func(r *http.Request) { r.Header.Set("Authorization", "Basic eDp5") }, queryBody("print 1"), 401, "invalid format"},
		"a wrong token":       {func(r *http.Request) { r.Header.Set("Authorization", "Bearer bad") }, queryBody("print 1"), 403, `"code":"InvalidAuthenticationToken"`},
		"an expired token":    {func(r *http.Request) { r.Header.Set("Authorization", "Bearer old") }, queryBody("print 1"), 401, `"code":"ExpiredAuthenticationToken"`},
		"a token for another": {func(r *http.Request) { r.Header.Set("Authorization", "Bearer vault") }, queryBody("print 1"), 403, `"code":"InvalidAuthenticationTokenAudience"`},
		"unknown workspace":   {func(r *http.Request) { r.URL.Path = "/v1/workspaces/" + testKey + "/query" }, queryBody("print 1"), 404, `"code":"PathNotFoundError"`},
		"workspace by name":   {func(r *http.Request) { r.URL.Path = "/v1/workspaces/sandbox/query" }, queryBody("print 1"), 404, `"message":"The requested path does not exist"`},
		"another path":        {func(r *http.Request) { r.URL.Path = "/v2/workspaces/" + testWorkspace + "/query" }, queryBody("print 1"), 404, `"code":"PathNotFoundError"`},
		"another method":      {func(r *http.Request) { r.Method = http.MethodPut }, queryBody("print 1"), 404, `"code":"PathNotFoundError"`},
		"not as JSON":         {func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }, queryBody("print 1"), 415, `"code":"UnsupportedMediaType"`},
		"not JSON":            {nil, "print 1", 400, "The body is not a query in JSON"},
		"no query":            {nil, `{"timespan":"PT1H"}`, 400, "The query is missing"},
		"bad timespan":        {nil, `{"query":"print 1","timespan":"1h"}`, 400, `The timespan is invalid: \"1h\" is not an ISO 8601 duration`},
		"bad wait":            {func(r *http.Request) { r.Header.Set("Prefer", "wait=soon") }, queryBody("print 1"), 400, "wait=soon is not a number of seconds"},
		"other workspaces":    {nil, `{"query":"print 1","workspaces":["other"]}`, 400, "The workspace other could not be found"},
		"too large":           {nil, queryBody(strings.Repeat("x", maxQuery)), 413, `"code":"RequestTooLarge"`},
	} {
		r := httptest.NewRequest(http.MethodPost, queryPath, strings.NewReader(c.body))
		r.Header.Set("Authorization", "Bearer good")
		r.Header.Set("Content-Type", "application/json")
		if c.change != nil {
			c.change(r)
		}
		w := send(server(t), r)
		if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) || !strings.Contains(w.Body.String(), `"correlationId":"`) {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
}

func TestQueriesAreThrottledByUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := server(t, func(o *Options) { o.Limits.Queries = 3 })
		for range 3 {
			if w := ask(s, queryBody("print 1")); w.Code != 200 {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			time.Sleep(time.Second)
		}
		w := ask(s, queryBody("print 1"))
		if w.Code != 429 || w.Header().Get("Retry-After") != "27" || !strings.Contains(w.Body.String(), `"code":"ThrottledError"`) {
			t.Errorf("the fourth: %d %v %s", w.Code, w.Header(), w.Body)
		}
		if w := ask(s, queryBody("print 1"), "Authorization", "Bearer other"); w.Code != 200 {
			t.Errorf("another user: %d", w.Code)
		}
		time.Sleep(27 * time.Second)
		if w := ask(s, queryBody("print 1")); w.Code != 200 {
			t.Errorf("after the window: %d", w.Code)
		}
	})
}

func TestSoManyQueriesAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := server(t, func(o *Options) { o.Limits.Concurrent = 2 })
		control(t, s, http.MethodPut, "/control/query/fault", `{"rate":1,"delay":"10s"}`)
		codes := make(chan int, 3)
		for range 3 {
			go func() { codes <- ask(s, queryBody("print 1")).Code }()
		}
		if got := <-codes; got != 429 {
			t.Errorf("the third gets %d", got)
		}
		for range 2 {
			if got := <-codes; got != 200 {
				t.Errorf("the others get %d", got)
			}
		}
	})
}

func TestQueriesFailOnDemand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := server(t)
		post(s, item("1", 1, "blue")+"\n"+item("2", 1, "blue")+"\n"+item("3", 1, "blue"))
		for rule, want := range map[string]string{
			`{"rate":1,"status":429,"retryAfter":"7s"}`: `429 7 *"code":"ThrottledError"*`,
			`{"rate":1,"status":500}`:                   `500  *"code":"InternalServerError"*`,
			`{"rate":1,"status":503,"retryAfter":"1s"}`: `503 1 *"code":"ServiceUnavailable"*`,
			`{"rate":1,"status":504}`:                   `504  *"code":"GatewayTimeout"*`,
			`{"rate":1,"status":403}`:                   `403  *"code":"InsufficientAccessError"*`,
			`{"rate":1,"partial":true}`:                 `200  *"rows":[["1"]]}],"error":{*"code":"PartialError","details":[*"severityName":"Error"*`,
		} {
			control(t, s, http.MethodPut, "/control/query/fault", rule)
			w := ask(s, queryBody("AppRequests | project Id | order by Id asc"))
			if got := fmt.Sprintf("%d %s %s", w.Code, w.Header().Get("Retry-After"), w.Body); !like(got, want) {
				t.Errorf("%s gives %s", rule, got)
			}
		}
		control(t, s, http.MethodPut, "/control/query/fault", `{"rate":0.5,"status":500}`)
		var codes []int
		for range 6 {
			codes = append(codes, ask(s, queryBody("print 1")).Code)
		}
		if fmt.Sprint(codes) != "[200 500 200 500 200 500]" {
			t.Errorf("half of them: %v", codes)
		}
	})
}

func TestAQueryMayOnlyTakeSoLong(t *testing.T) {
	s := server(t)
	w := ask(s, queryBody("range x from 1 to 100000000000 step 1 | summarize count()"), "Prefer", "wait=1")
	if w.Code != 504 || !strings.Contains(w.Body.String(), `"code":"GatewayTimeout"`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestALargeAnswerIsCutOffAndSaysSo(t *testing.T) {
	s := server(t, func(o *Options) { o.Limits.Rows = 3 })
	w := ask(s, queryBody("range x from 1 to 5 step 1"))
	if !like(w.Body.String(), `*"rows":[[1],[2],[3]]}],"error":{*"code":"PartialError"*record count limit 3 (E_QUERY_RESULT_SET_TOO_LARGE)*`) || w.Code != 200 {
		t.Errorf("rows: %d %s", w.Code, w.Body)
	}
	s = server(t, func(o *Options) { o.Limits.Bytes = 7 })
	w = ask(s, queryBody("range x from 1 to 5 step 1"))
	if !like(w.Body.String(), `*"rows":[[1],[2]]}],"error":{*data size limit 7*`) || w.Code != 200 {
		t.Errorf("bytes: %d %s", w.Code, w.Body)
	}
	if w = ask(server(t), queryBody("range x from 1 to 5 step 1")); rows(t, w) != "[[1] [2] [3] [4] [5]]" {
		t.Errorf("no limit: %s", w.Body)
	}
}
