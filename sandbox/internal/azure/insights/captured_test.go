package insights

import (
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/slipway-cd/slipway/kql/apptables"

	"github.com/slipway-cd/slipway/sandbox/internal/azure/insights/store"
)

// captured is the directory of requests that real SDKs sent.
func captured(t *testing.T) string {
	t.Helper()
	root, err := filepath.Abs(".")
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(root, "sandbox", "go.mod")); err == nil {
			break
		}
		if root == filepath.Dir(root) {
			t.Fatal("the repository's root is not above the test")
		}
		root = filepath.Dir(root)
	}
	dir := filepath.Join(root, "..", "shared", "azure", "captured")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("*** SKIPPED: the captured requests are not beside the repository ***")
	}
	return dir
}

func TestCapturedRequestsOfRealSDKsAreTaken(t *testing.T) {
	// The requests are of this time.
	now := func() time.Time { return time.Date(2026, 11, 22, 18, 31, 0, 0, time.UTC) }
	dir := captured(t)
	for sdk, queries := range map[string][][2]string{
		"v2": {
			{"AppRequests | project Id, Name, Url, DurationMs, ResultCode, Success, OperationId, track = tostring(Properties.track), AppRoleName, AppRoleInstance, AppVersion, SDKVersion, ClientOS",
				`["r1","GET /cart","http://x/cart",123.4,"500",false,"0123456789abcdef0123456789abcdef","canary","shop-api","pod-1","1.4.2","ulm_node:2.9.8","Linux 6.18.44-fc-v669"]`},
			{"AppDependencies | project Id, Name, Data, Target, DurationMs, ResultCode, Success, DependencyType", `["2d9c4467d8334217b10feb8788b905ca","SELECT","select 1","sql1",7,"0",true,"SQL"]`},
			{"AppExceptions | project ProblemId, ExceptionType, OuterMessage, Method, SeverityLevel, array_length(Details[0].parsedStack)", `["Error at Object.<anonymous>","Error","boom","Object.<anonymous>",3,7]`},
			{"AppEvents | project Name, tostring(Properties), tostring(Measurements)", `["Deployed","{\"a\":\"b\"}","{\"m\":1}"]`},
			{"AppMetrics | project Name, Sum, Min, Max, ItemCount", `["queueDepth",3,3,3,1]`},
			{"AppTraces | project Message, SeverityLevel, TimeGenerated", `["hello",2,"2026-11-22T18:21:09.668Z"]`},
			{"AppAvailabilityResults | project Id, Name, DurationMs, Success, Location, Message", `["a1","smoke",50,true,"weu","ok"]`},
		},
		"v3_allon": {
			{"AppRequests | project Id, DurationMs, ResultCode, Success, OperationName, AppRoleName", `["652d9aefff02f875",123,"0",false,"GET /cart","shop.shop-api"]`},
			{"AppDependencies | project Name, DurationMs", `["SELECT",7]`},
			{"AppExceptions | project ExceptionType, SeverityLevel", `["Error",3]`},
			{"AppTraces | project Message, SeverityLevel", `["hello",2]`},
			{"AppMetrics | summarize count() by Name | order by Name asc", "[\"_OTELRESOURCE_\",1]\n[\"queueDepth\",1]"},
		},
		"otel_r1": {
			{"AppRequests | summarize count(), sum(ItemCount), countif(Success == false), countif(isempty(Id))", `[8,8,8,0]`},
			{"AppRequests | where DurationMs < 1 | count", `[8]`},
			{"AppMetrics | where Name == 'requests/duration' | project ItemCount", `[8]`},
			{"AppPerformanceCounters | summarize count() by Category, Instance | order by Category asc",
				"[\".NET CLR Exceptions\",\"??APP_CLR_PROC??\",1]\n[\"ASP.NET Applications\",\"??APP_W3SVC_PROC??\",2]\n[\"Memory\",\"\",1]\n[\"Process\",\"??APP_WIN32_PROC??\",3]\n[\"Processor\",\"_Total\",1]"},
		},
		"otel_r05": {
			{"AppRequests | summarize count(), sum(ItemCount)", `[3,6]`},
			{"AppExceptions | summarize count(), sum(ItemCount) by ExceptionType", `["Error",3,6]`},
		},
	} {
		var tables []store.Schema
		for _, table := range apptables.All() {
			if strings.HasPrefix(table.Name, "App") {
				tables = append(tables, store.Schema{Name: table.Name, Fields: table.Columns})
			}
		}
		rows, err := store.Open(store.Options{Tables: tables, Now: now})
		if err != nil {
			t.Fatal(err)
		}
		s := server(t, func(o *Options) { o.Store, o.Now = rows, now })
		bodies, err := filepath.Glob(filepath.Join(dir, sdk, "*.body"))
		if err != nil || len(bodies) == 0 {
			t.Fatalf("%s: %v %v", sdk, bodies, err)
		}
		for _, body := range bodies {
			replay(t, s, body)
		}
		for _, q := range queries {
			w := ask(s, queryBody(q[0]))
			var a answer
			if err := json.Unmarshal(w.Body.Bytes(), &a); err != nil || len(a.Tables) != 1 {
				t.Errorf("%s: %s: %d %s", sdk, q[0], w.Code, w.Body)
				continue
			}
			var lines []string
			for _, row := range a.Tables[0].Rows {
				lines = append(lines, string(row))
			}
			if got := strings.Join(lines, "\n"); got != q[1] {
				t.Errorf("%s: %s\ngot  %s\nwant %s", sdk, q[0], got, q[1])
			}
		}
	}
}

// replay sends a captured request with its own method, path and headers; the
// bodies were decoded when they were captured.
func replay(t *testing.T, s *Server, file string) {
	t.Helper()
	body, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var meta struct {
		Method, URL string
		Headers     map[string]string
	}
	raw, err := os.ReadFile(strings.TrimSuffix(file, ".body") + ".meta.json")
	if err == nil {
		err = json.Unmarshal(raw, &meta)
	}
	if err != nil {
		t.Fatal(err)
	}
	text := string(body)
	if meta.Headers["content-encoding"] == "gzip" {
		text = zipped(t, text)
	}
	r := httptest.NewRequest(meta.Method, meta.URL, strings.NewReader(text))
	for name, value := range meta.Headers {
		r.Header.Set(name, value)
	}
	w := httptest.NewRecorder()
	s.Ingestion().ServeHTTP(w, r)
	n := strings.Count(string(body), `"baseType":`)
	if want := fmt.Sprintf(`{"itemsReceived":%d,"itemsAccepted":%[1]d,"errors":[]}`, n); w.Code != 200 || strings.TrimSpace(w.Body.String()) != want {
		t.Errorf("%s: %d %s, want %s", file, w.Code, w.Body, want)
	}
}
