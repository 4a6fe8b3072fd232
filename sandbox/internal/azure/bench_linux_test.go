package azure

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/slipway-cd/slipway/sandbox/internal/azure/insights"
	"github.com/slipway-cd/slipway/sandbox/internal/layout"
)

// batchSize is the number of items of a request, as SDKs send them.
const batchSize = 250

// batch writes requests of a service as an SDK sends them: each with ids of
// its own, from four pods, two slots and two versions.
func batch(first int) []byte {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	for i := first; i < first+batchSize; i++ {
		slot, version := "blue", "1.0"
		if i%2 == 0 {
			slot, version = "green", "1.1"
		}
		fmt.Fprintf(z, `{"ver":1,"name":"Microsoft.ApplicationInsights.Request","time":%q,"sampleRate":100,"iKey":%q,"tags":{"ai.internal.sdkVersion":"go:otel1.47.0","ai.cloud.role":"calculator-backend","ai.cloud.roleInstance":"calculator-%s-6d5f7c9b4-%d","ai.application.ver":%q,"ai.operation.id":"%032x","ai.operation.name":"GET /add","ai.operation.parentId":"%016x"},"data":{"baseType":"RequestData","baseData":{"ver":2,"id":"%016x","name":"GET /add","url":"http://calculator.test/add?a=%d&b=2","duration":"00:00:00.%07d","success":%t,"responseCode":"%d","properties":{"slot":%q,"version":%q}}}}`+"\n",
			time.Now().UTC().Format(time.RFC3339Nano), layout.AzureInstrumentationKey, slot, i%4, version, uint64(i)*0x9e3779b97f4a7c15, uint64(i)*0xbf58476d1ce4e5b9,
			uint64(i)*0x94d049bb133111eb, i%50, i*7919%9_000_000, i%100 != 0, 200+300*(1-min(i%100, 1)), slot, version)
	}
	if err := z.Close(); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// BenchmarkIngest measures items per second on one core: decompressed,
// checked, written to a file and put into columns, with and without a client
// that asks one query after the other, as a gate does.
func BenchmarkIngest(b *testing.B) {
	b.Run("alone", func(b *testing.B) { ingest(b, false) })
	b.Run("queried", func(b *testing.B) { ingest(b, true) })
}

// gateQuery is like the one that gates ask.
const gateQuery = `AppRequests
| where TimeGenerated > ago(10m) and AppRoleName == "calculator-backend"
| summarize count(), countif(Success == false), sum(ItemCount), percentiles(DurationMs, 50, 95, 99) by slot = tostring(Properties.slot), bin(ingestion_time(), 10s)`

func ingest(b *testing.B, queried bool) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	bodies := make([][]byte, 64)
	for i := range bodies {
		bodies[i] = batch(i * batchSize)
	}
	a := open(b)
	handler := a.insights.Ingestion()
	fill(b, a, bodies)
	var queries atomic.Int64
	if queried {
		ctx, stop := context.WithCancel(b.Context())
		var done sync.WaitGroup
		done.Go(func() {
			for ctx.Err() == nil {
				ask(ctx, b, a)
				queries.Add(1)
			}
		})
		defer done.Wait()
		defer stop()
	}
	b.ResetTimer()
	before := cpuTime(b)
	items := 0
	for i := 0; b.Loop(); i++ {
		send(b, handler, bodies[i%len(bodies)])
		items += batchSize
	}
	b.ReportMetric(float64(items)/b.Elapsed().Seconds(), "items/s")
	// What a core that does nothing else would do, whatever the machine is busy with.
	b.ReportMetric(float64(items)/(cpuTime(b)-before).Seconds(), "items/cpu-s")
	if queried {
		b.ReportMetric(float64(queries.Load())/b.Elapsed().Seconds(), "queries/s")
	}
}

// fill makes 200,000 rows visible.
func fill(b *testing.B, a *Azure, bodies [][]byte) {
	set := func(delay string) {
		w := httptest.NewRecorder()
		a.insights.Control().ServeHTTP(w, httptest.NewRequest(http.MethodPut, "/control/delay", strings.NewReader(`{"default":"`+delay+`"}`)))
		if w.Code != http.StatusOK {
			b.Fatal(w.Body)
		}
	}
	set("0s")
	for i := range 200_000 / batchSize {
		send(b, a.insights.Ingestion(), bodies[i%len(bodies)])
	}
	set("2s")
}

func send(b *testing.B, handler http.Handler, body []byte) {
	r := httptest.NewRequest(http.MethodPost, "/v2.1/track", bytes.NewReader(body))
	r.Header.Set("Content-Encoding", "gzip")
	w := httptest.NewRecorder()
	handler.ServeHTTP(w, r)
	if w.Code != http.StatusOK {
		b.Fatalf("ingestion answers %d: %s", w.Code, w.Body)
	}
}

// cpuTime is the time that this process has had a core for.
func cpuTime(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// ask asks the gate's query once.
func ask(ctx context.Context, b *testing.B, a *Azure) {
	body, err := json.Marshal(map[string]string{"query": gateQuery})
	if err != nil {
		panic(err)
	}
	r := httptest.NewRequestWithContext(ctx, http.MethodPost, "/v1/workspaces/"+a.config.Workspace+"/query", bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Authorization", "Bearer bench")
	w := httptest.NewRecorder()
	a.insights.Query().ServeHTTP(w, r)
	if w.Code != http.StatusOK && ctx.Err() == nil {
		b.Errorf("the query API answers %d: %s", w.Code, w.Body)
	}
}

// open makes the stand-in without serving.
func open(b *testing.B) *Azure {
	b.Helper()
	a, err := Listening(config(b), slog.New(slog.DiscardHandler))
	if err != nil {
		b.Fatal(err)
	}
	a.insights = insights.New(insights.Options{
		InstrumentationKey: a.config.InstrumentationKey, Workspace: a.config.Workspace, Store: a.store,
		Verify: func(string) (string, error) { return "bench", nil },
		Limits: insights.Limits{Queries: 1_000_000},
	})
	b.Cleanup(func() {
		if err := a.close(); err != nil {
			b.Error(err)
		}
	})
	return a
}
