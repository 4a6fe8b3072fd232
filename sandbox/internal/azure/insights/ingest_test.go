package insights

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slipway-cd/slipway/kql/column"

	"github.com/slipway-cd/slipway/sandbox/internal/azure/insights/store"
)

const (
	testKey       = "00000000-0000-4000-8000-000000000001"
	testWorkspace = "00000000-0000-4000-8000-000000000002"
	testComponent = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Insights/components/c"
)

// server makes a stand-in without a delay, whose clock is that of the bubble.
func server(t *testing.T, change ...func(*Options)) *Server {
	t.Helper()
	o := Options{
		InstrumentationKey: testKey, Component: testComponent, Workspace: testWorkspace,
		Verify: func(token string) (string, error) {
			switch token {
			case "good", "other":
				return token, nil
			case "old":
				return "", fmt.Errorf("%w an hour ago", ErrExpired)
			case "vault":
				return "", ErrAudience
			}
			return "", fmt.Errorf("no token")
		},
	}
	o.VerifyARM = o.Verify
	for _, c := range change {
		c(&o)
	}
	if o.Store == nil {
		var err error
		if o.Store, err = store.Open(store.Options{Tables: testTables()}); err != nil {
			t.Fatal(err)
		}
	}
	s := New(o)
	s.lag.set(Delay{})
	return s
}

// testTables are AppRequests and AppEvents, with the columns that tests use.
func testTables() []store.Schema {
	field := func(name string, t column.Type) column.Field { return column.Field{Name: name, Type: t} }
	common := []column.Field{field("TimeGenerated", column.DateTime)}
	for _, name := range []string{"OperationId", "AppRoleName", "ClientType", "ClientIP", "_ResourceId", "Type", "Name"} {
		common = append(common, field(name, column.String))
	}
	common = append(common, field("ItemCount", column.Int), field("Properties", column.Dynamic))
	return []store.Schema{
		{Name: "AppEvents", Fields: common},
		{Name: "AppRequests", Fields: append(common[:len(common):len(common)], field("Id", column.String), field("Success", column.Bool),
			field("ResultCode", column.String), field("DurationMs", column.Real), field("PerformanceBucket", column.String))},
	}
}

// item writes a request that took so many milliseconds.
func item(id string, ms int, slot string) string {
	return fmt.Sprintf(`{"name":"n","time":%q,"iKey":%q,"tags":{"ai.cloud.role":"shop"},"data":{"baseType":"RequestData","baseData":{"ver":2,"id":%q,"name":"GET /","duration":"00:00:00.%03d","responseCode":"200","success":true,"properties":{"slot":%q}}}}`,
		time.Now().UTC().Format(time.RFC3339Nano), testKey, id, ms, slot)
}

// post sends a body to the ingestion endpoint.
func post(s *Server, body string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, "/v2.1/track", strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	s.Ingestion().ServeHTTP(w, r)
	return w
}

func zipped(t *testing.T, s string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(s)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// stored counts the rows of AppRequests that are visible.
func stored(t *testing.T, s *Server) int {
	t.Helper()
	st, err := s.o.Store.Stats()
	if err != nil {
		t.Fatal(err)
	}
	return st.Visible["AppRequests"]
}

func TestTelemetryIsTakenInEveryForm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		lines := item("1", 1, "blue") + "\n" + item("2", 2, "green") + "\n"
		array := "[" + item("1", 1, "blue") + "," + item("2", 2, "green") + "]"
		for name, send := range map[string]func(*Server) *httptest.ResponseRecorder{
			"lines": func(s *Server) *httptest.ResponseRecorder {
				return post(s, lines, "Content-Type", "application/x-json-stream")
			},
			"array": func(s *Server) *httptest.ResponseRecorder { return post(s, array, "Content-Type", "application/json") },
			"lines, gzip": func(s *Server) *httptest.ResponseRecorder {
				return post(s, zipped(t, lines), "Content-Encoding", "gzip")
			},
			"array, gzip": func(s *Server) *httptest.ResponseRecorder {
				return post(s, zipped(t, array), "Content-Encoding", "gzip")
			},
			"v2": func(s *Server) *httptest.ResponseRecorder {
				w := httptest.NewRecorder()
				s.Ingestion().ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/v2/track", strings.NewReader(lines)))
				return w
			},
		} {
			s := server(t)
			w := send(s)
			if got := strings.TrimSpace(w.Body.String()); w.Code != 200 || got != `{"itemsReceived":2,"itemsAccepted":2,"errors":[]}` {
				t.Errorf("%s: %d %s", name, w.Code, got)
			}
			if n := stored(t, s); n != 2 {
				t.Errorf("%s: %d rows", name, n)
			}
		}
	})
}

func TestAPartlyBadRequestSaysWhichItems(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := server(t)
		w := post(s, item("1", 1, "blue")+"\n{}\n"+item("2", 2, "blue"))
		want := `{"itemsReceived":3,"itemsAccepted":2,"errors":[{"index":1,"statusCode":400,"message":"Invalid instrumentation key"}]}`
		if got := strings.TrimSpace(w.Body.String()); w.Code != 206 || got != want {
			t.Errorf("%d %s", w.Code, got)
		}
		if n := stored(t, s); n != 2 {
			t.Errorf("%d rows", n)
		}
	})
}

func TestRequestsThatIngestionRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		small := func(o *Options) { o.Limits.Body = 1000 }
		long := item("1", 1, strings.Repeat("x", 1000))
		for name, c := range map[string]struct {
			body   string
			header []string
			status int
			want   string
		}{
			"nothing":           {"", nil, 400, `{"itemsReceived":0,"itemsAccepted":0,"errors":[]}`},
			"only bad items":    {"{}\n{}", nil, 400, `"itemsReceived":2,"itemsAccepted":0,"errors":[{"index":0,`},
			"not JSON":          {"hello", nil, 400, `"message":"Invalid JSON: invalid character 'h' looking for beginning of value"`},
			"not gzip":          {"hello there, this is text", []string{"Content-Encoding", "gzip"}, 400, "the body is not gzip"},
			"gzip cut off":      {zipped(t, long)[:40], []string{"Content-Encoding", "gzip"}, 400, "read the body: unexpected EOF"},
			"another encoding":  {"{}", []string{"Content-Encoding", "br"}, 415, `Content-Encoding \"br\" is not supported`},
			"too large":         {long, nil, 413, "more than 1000 bytes"},
			"too large, zipped": {zipped(t, long), []string{"Content-Encoding", "gzip"}, 413, "more than 1000 bytes"},
		} {
			w := post(server(t, small), c.body, c.header...)
			if w.Code != c.status || !strings.Contains(w.Body.String(), c.want) {
				t.Errorf("%s: %d %s", name, w.Code, w.Body)
			}
		}
		w := httptest.NewRecorder()
		server(t).Ingestion().ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/v2.1/track", nil))
		if w.Code != http.StatusMethodNotAllowed {
			t.Errorf("GET: %d", w.Code)
		}
		w = httptest.NewRecorder()
		server(t).Ingestion().ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/v3/track", nil))
		if w.Code != http.StatusNotFound {
			t.Errorf("another path: %d", w.Code)
		}
	})
}

func control(t *testing.T, s *Server, method, path, body string) string {
	t.Helper()
	w := httptest.NewRecorder()
	s.Control().ServeHTTP(w, httptest.NewRequest(method, path, strings.NewReader(body)))
	if w.Code != http.StatusOK {
		t.Fatalf("%s %s: %d %s", method, path, w.Code, w.Body)
	}
	return strings.TrimSpace(w.Body.String())
}

func TestIngestionFailsOnDemand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := server(t)
		control(t, s, http.MethodPut, "/control/ingest/fault", `{"rate":0.5,"status":429,"retryAfter":"2500ms"}`)
		if w := post(s, item("1", 1, "blue")); w.Code != 200 {
			t.Errorf("the first: %d", w.Code)
		}
		w := post(s, item("2", 1, "blue")+"\n"+item("3", 1, "blue"))
		var answer trackAnswer
		if err := json.Unmarshal(w.Body.Bytes(), &answer); err != nil {
			t.Fatal(err)
		}
		if w.Code != 429 || w.Header().Get("Retry-After") != "3" || answer.Received != 2 || answer.Accepted != 0 || len(answer.Errors) != 2 || answer.Errors[1].StatusCode != 429 {
			t.Errorf("the second: %d %v %s", w.Code, w.Header(), w.Body)
		}
		if n := stored(t, s); n != 1 {
			t.Errorf("%d rows: what was refused must not be kept", n)
		}
		control(t, s, http.MethodPut, "/control/ingest/fault", `{"rate":1,"status":503,"delay":"5s"}`)
		began := time.Now()
		if w := post(s, item("4", 1, "blue")); w.Code != 503 || time.Since(began) != 5*time.Second {
			t.Errorf("slow and failing: %d after %s", w.Code, time.Since(began))
		}
		control(t, s, http.MethodDelete, "/control/ingest/fault", "")
		if w := post(s, item("5", 1, "blue")); w.Code != 200 {
			t.Errorf("after it: %d", w.Code)
		}
	})
}

func TestDelaysDifferByRoleAndProperty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := server(t)
		control(t, s, http.MethodPut, "/control/delay",
			`{"default":"2s","rules":[{"role":"other","delay":"3m"},{"role":"shop","properties":{"slot":"green"},"delay":"60s"}]}`)
		post(s, item("1", 1, "blue")+"\n"+item("2", 1, "green")+"\n"+item("3", 1, "blue"))
		for _, c := range []struct {
			wait time.Duration
			want int
		}{{2*time.Second - 1, 0}, {1, 2}, {58*time.Second - 1, 2}, {1, 3}} {
			time.Sleep(c.wait)
			if n := stored(t, s); n != c.want {
				t.Errorf("after %s: %d rows instead of %d", time.Since(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)), n, c.want)
			}
		}
	})
}

func TestJitterBringsDisorderThatIsTheSameEachTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		order := func() string {
			s := server(t)
			control(t, s, http.MethodPut, "/control/delay", `{"default":"1s","jitter":"10s","seed":7}`)
			for i := range 20 {
				post(s, item(fmt.Sprint(i), 1, "blue"))
			}
			time.Sleep(11 * time.Second)
			return rows(t, ask(s, queryBody("AppRequests | order by ingestion_time() asc | project Id")))
		}
		first := order()
		if len(strings.Fields(first)) != 20 || strings.HasPrefix(first, `[["0"] ["1"] ["2"] ["3"] ["4"]`) {
			t.Errorf("the order is %s", first)
		}
		if second := order(); second != first {
			t.Errorf("the order was %s and is now %s", first, second)
		}
	})
}

func TestDelaysThatMakeNoSenseAreRefused(t *testing.T) {
	for body, want := range map[string]string{
		`{"default":"-1s"}`:                    "default is -1s",
		`{"default":"11m"}`:                    "default is 11m0s: it must be from 0 to 10m0s",
		`{"default":"1s","jitter":"1h"}`:       "jitter is 1h0m0s",
		`{"rules":[{"delay":"1s"}]}`:           "rule 1 matches every row",
		`{"rules":[{"role":"r","delay":"x"}]}`: `"x" is not a duration`,
		`{"defualt":"1s"}`:                     `unknown field "defualt"`,
	} {
		w := httptest.NewRecorder()
		server(t).Control().ServeHTTP(w, httptest.NewRequest(http.MethodPut, "/control/delay", strings.NewReader(body)))
		if w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), want) {
			t.Errorf("%s gives %d %s", body, w.Code, w.Body)
		}
	}
}
