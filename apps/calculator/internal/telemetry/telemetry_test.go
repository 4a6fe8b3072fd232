package telemetry_test

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/slipway-cd/slipway/apps/calculator/internal/appinsights/appinsightstest"
	"github.com/slipway-cd/slipway/apps/calculator/internal/fault"
	"github.com/slipway-cd/slipway/apps/calculator/internal/telemetry"
	"github.com/slipway-cd/slipway/apps/calculator/internal/wire"
)

var everyType = []string{"RequestData", "RemoteDependencyData", "ExceptionData", "EventData", "MessageData", "MetricData"}

// recorded starts services that send to a stand-in.
func recorded(t *testing.T, s setup) (running, *appinsightstest.Service) {
	t.Helper()
	service := appinsightstest.New(t)
	s.config.Dir = secret(t, map[string]string{"connection-string": service.Listen() + "\n"})
	return start(t, s), service
}

// of returns the items of one service.
func of(s *appinsightstest.Service, role, baseType string) []appinsightstest.Item {
	return slices.DeleteFunc(s.Items(baseType), func(i appinsightstest.Item) bool { return i.Tags["ai.cloud.role"] != role })
}

// only returns the one item of a service.
func only(t *testing.T, s *appinsightstest.Service, role, baseType string) appinsightstest.Item {
	t.Helper()
	items := of(s, role, baseType)
	if len(items) != 1 {
		t.Fatalf("%d items of %s from %s, want 1: %v", len(items), baseType, role, items)
	}
	return items[0]
}

func TestOneCalculationIsOneOperationOverBothServices(t *testing.T) {
	services, s := recorded(t, setup{})
	const trace, caller = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	if code := services.ask("POST", "/api/calculate", "traceparent", "00-"+trace+"-"+caller+"-01"); code != 200 {
		t.Fatalf("status %d", code)
	}
	services.flush()
	request, call := only(t, s, "calculator-frontend", "RequestData"), only(t, s, "calculator-frontend", "RemoteDependencyData")
	behind, event := only(t, s, "calculator-backend", "RequestData"), only(t, s, "calculator-frontend", "EventData")
	for _, c := range []struct {
		item   appinsightstest.Item
		name   string
		parent any
	}{
		{request, "POST /api/calculate", caller}, {call, "POST /factors", request.Base["id"]},
		{behind, "POST /factors", call.Base["id"]}, {event, "Calculated", request.Base["id"]},
	} {
		if c.item.Base["name"] != c.name || c.item.Tags["ai.operation.id"] != trace || c.item.Tags["ai.operation.parentId"] != c.parent {
			t.Errorf("%s is named %v, of operation %s under %s; want %s, %s under %v", c.item.Type, c.item.Base["name"],
				c.item.Tags["ai.operation.id"], c.item.Tags["ai.operation.parentId"], c.name, trace, c.parent)
		}
	}
	if request.Base["success"] != true || request.Base["responseCode"] != "200" || !strings.HasSuffix(fmt.Sprint(request.Base["url"]), "/api/calculate") {
		t.Errorf("request %v", request.Base)
	}
	if call.Base["type"] != "Http" || call.Base["success"] != true || call.Base["resultCode"] != "200" {
		t.Errorf("dependency %v", call.Base)
	}
	if event.Properties["cache"] != "off" || fmt.Sprint(event.Base["measurements"]) != "map[factors:8]" {
		t.Errorf("event %v", event.Base)
	}
}

func TestSlotVersionRoleAndPodAreOnEverything(t *testing.T) {
	services, s := recorded(t, setup{back: fault.Config{FailureRate: .5}})
	for range 4 {
		services.ask("POST", "/api/calculate")
	}
	services.flush()
	seen := map[string]int{}
	for _, baseType := range everyType {
		for _, i := range s.Items(baseType) {
			seen[baseType+" of "+i.Tags["ai.cloud.role"]]++
			if i.Properties["slot"] != "green" || i.Tags["ai.application.ver"] != "v2" || i.Tags["ai.cloud.roleInstance"] != i.Tags["ai.cloud.role"]+"-7d4b9" {
				t.Errorf("%s: properties %v, tags %v", baseType, i.Properties, i.Tags)
			}
		}
	}
	for _, want := range []string{"RequestData of calculator-frontend", "RequestData of calculator-backend", "RemoteDependencyData of calculator-frontend",
		"ExceptionData of calculator-frontend", "ExceptionData of calculator-backend", "EventData of calculator-frontend",
		"MetricData of calculator-frontend", "MetricData of calculator-backend"} {
		if seen[want] == 0 {
			t.Errorf("no %s, only %v", want, seen)
		}
	}
}

func TestInjectedFailuresAreFailedRequestsWithAnException(t *testing.T) {
	services, s := recorded(t, setup{front: fault.Config{FailureRate: .5}})
	failed := 0
	for range 20 {
		if services.ask("POST", "/api/calculate") == http.StatusInternalServerError {
			failed++
		}
	}
	services.flush()
	requests, bad := of(s, "calculator-frontend", "RequestData"), 0
	for _, r := range requests {
		if r.Base["success"] == (r.Base["responseCode"] == "500") {
			t.Errorf("code %v and success %v", r.Base["responseCode"], r.Base["success"])
		}
		if r.Base["success"] == false {
			bad++
		}
	}
	if len(requests) != 20 || failed == 0 || bad != failed || len(of(s, "calculator-frontend", "ExceptionData")) != failed {
		t.Errorf("%d requests, %d of them failed, %d exceptions; the clients saw %d failures of 20", len(requests), bad,
			len(of(s, "calculator-frontend", "ExceptionData")), failed)
	}
}

func TestAFailingBackendShowsAtTheFrontendToo(t *testing.T) {
	services, s := recorded(t, setup{back: fault.Config{FailureRate: 1}})
	services.ask("POST", "/api/calculate")
	services.flush()
	request, call := only(t, s, "calculator-frontend", "RequestData"), only(t, s, "calculator-frontend", "RemoteDependencyData")
	if request.Base["success"] != false || request.Base["responseCode"] != "502" || call.Base["success"] != false || call.Base["resultCode"] != "500" {
		t.Errorf("request %v, dependency %v", request.Base, call.Base)
	}
	x := only(t, s, "calculator-frontend", "ExceptionData")
	if !strings.Contains(fmt.Sprint(x.Base["exceptions"]), "the backend answered 500") {
		t.Errorf("exception %v", x.Base)
	}
}

func TestAddedLatencyIsInTheDuration(t *testing.T) {
	const added = 60 * time.Millisecond
	services, s := recorded(t, setup{front: fault.Config{AddedLatency: added}})
	begin := time.Now()
	services.ask("POST", "/api/calculate")
	took := time.Since(begin)
	services.flush()
	if d := only(t, s, "calculator-frontend", "RequestData").Duration(); d < added || d > took {
		t.Errorf("duration %s, want between %s and the %s that the client waited", d, added, took)
	}
}

func TestACallerThatDoesNotWaitIsNoSuccess(t *testing.T) {
	s := appinsightstest.New(t)
	tel := started(t, s)
	slow := fault.NewInjector(fault.Config{AddedLatency: 20 * time.Second}).Wrap(http.NotFoundHandler())
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	tel.Handler(slow).ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(gone, http.MethodGet, "/", nil))
	if err := tel.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r := only(t, s, "x", "RequestData"); r.Base["success"] != false || r.Base["responseCode"] != "499" {
		t.Errorf("request %v, want 499 and no success", r.Base)
	}
}

// started is telemetry of a service x that goes to s.
func started(t *testing.T, s *appinsightstest.Service) *telemetry.Telemetry {
	t.Helper()
	config := telemetry.Config{Dir: secret(t, map[string]string{"connection-string": s.Listen()})}
	tel, err := telemetry.Start(t.Context(), config, "x", wire.Identity{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return tel
}

func TestProbesAreMarkedInBothServicesAndUsersAreNot(t *testing.T) {
	for agent, want := range map[string]string{"kube-probe/1.34": "kube-probe", "slipway-probe": "slipway-probe", "slipway-verify": "slipway-verify",
		"calculator-check": "calculator-check", "Mozilla/5.0 kube-probe": "", "slipway-probed": "", "": ""} {
		services, s := recorded(t, setup{back: fault.Config{FailureRate: .5}})
		for range 2 { // one of them fails at the backend
			services.ask("POST", "/api/calculate", "User-Agent", agent)
		}
		services.ask("GET", "/readyz", "User-Agent", agent)
		services.flush()
		n := 0
		for _, baseType := range everyType[:4] {
			for _, i := range s.Items(baseType) {
				n++
				if got := i.Tags["ai.operation.syntheticSource"]; got != want {
					t.Errorf("%q: source %q of %s from %s, want %q", agent, got, baseType, i.Tags["ai.cloud.role"], want)
				}
			}
		}
		if n < 10 { // 3 + 2 requests, 2 dependencies, 2 exceptions, 1 event
			t.Errorf("%q: only %d items", agent, n)
		}
	}
}

func TestRequestsAreNamedByRouteOrPath(t *testing.T) {
	services, s := recorded(t, setup{})
	for _, ask := range []string{"GET /", "GET /ping", "GET /readyz", "GET /nothing", "DELETE /api/calculate", "POST /api/calculate"} {
		method, path, _ := strings.Cut(ask, " ")
		services.ask(method, path)
	}
	services.flush()
	got := map[string]string{}
	for _, r := range of(s, "calculator-frontend", "RequestData") {
		got[fmt.Sprint(r.Base["name"])] = fmt.Sprint(r.Base["responseCode"], " ", r.Base["success"])
	}
	want := map[string]string{"GET /": "200 true", "GET /ping": "200 true", "GET /readyz": "200 true", "GET /nothing": "404 false",
		"DELETE /api/calculate": "405 false", "POST /api/calculate": "200 true"}
	if !maps.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
}

func TestAPanicIsAFailedRequestWithItsStack(t *testing.T) {
	s := appinsightstest.New(t)
	tel := started(t, s)
	func() {
		defer func() {
			if p := recover(); p != "boom" {
				t.Errorf("the panic did not go on: %v", p)
			}
		}()
		tel.Handler(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("boom") })).
			ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil))
	}()
	if err := tel.Shutdown(t.Context()); err != nil {
		t.Fatal(err)
	}
	if r := only(t, s, "x", "RequestData"); r.Base["success"] != false || r.Base["responseCode"] != "500" {
		t.Errorf("request %v", r.Base)
	}
	if x := fmt.Sprint(only(t, s, "x", "ExceptionData").Base["exceptions"]); !strings.Contains(x, "message:boom") || !strings.Contains(x, "telemetry_test.go") {
		t.Errorf("exception %s", x)
	}
}

// Both services decide by the trace's id, whatever its caller thinks: so rates stay what they are.
func TestOneInSoManyTracesIsRecordedWholeWhateverTheCallerSays(t *testing.T) {
	services, s := recorded(t, setup{config: telemetry.Config{Every: 4}, front: fault.Config{FailureRate: .5}})
	const asked = 400
	for i := range asked {
		// Ids spread evenly: the golden ratio's multiples.
		services.ask("POST", "/api/calculate", "traceparent", fmt.Sprintf("00-%016x%016x-%016x-%02x", 1, uint64(i)*0x9E3779B97F4A7C15, i+1, i/2%2))
	}
	services.flush()
	requests, bad := of(s, "calculator-frontend", "RequestData"), 0
	operations := map[string]bool{}
	for _, r := range requests {
		operations[r.Tags["ai.operation.id"]] = true
		if r.SampleRate != 25 {
			t.Fatalf("sample rate %g, want 25", r.SampleRate)
		}
		if r.Base["success"] == false {
			bad++
		}
	}
	if n := len(requests); n < asked/4-5 || n > asked/4+5 {
		t.Errorf("%d of %d requests recorded, want %d", n, asked, asked/4)
	}
	behind := of(s, "calculator-backend", "RequestData")
	if len(behind) != len(requests)-bad {
		t.Errorf("%d requests recorded at the backend, want %d: those that the frontend recorded and did not fail itself", len(behind), len(requests)-bad)
	}
	for _, b := range behind {
		if !operations[b.Tags["ai.operation.id"]] {
			t.Errorf("the backend recorded %s, and the frontend did not", b.Tags["ai.operation.id"])
		}
	}
}

func TestMetricsCountAnswersByCache(t *testing.T) {
	services, s := recorded(t, setup{})
	for range 3 {
		services.ask("POST", "/api/calculate")
	}
	services.flush()
	got := map[string]string{}
	for _, m := range of(s, "calculator-frontend", "MetricData") {
		one, _ := m.Base["metrics"].([]any)[0].(map[string]any)
		delete(m.Properties, "slot")
		got[fmt.Sprintf("%s %v", one["name"], m.Properties)] = fmt.Sprintf("%v in %v", one["value"], one["count"])
	}
	want := map[string]string{"calculations map[cache:off]": "3 in 1", "factors map[]": "24 in 3", "telemetry.lost map[why:full]": "0 in 1",
		"telemetry.lost map[why:refused]": "0 in 1", "telemetry.lost map[why:late]": "0 in 1"}
	if !maps.Equal(got, want) {
		t.Errorf("got %v\nwant %v", got, want)
	}
}
