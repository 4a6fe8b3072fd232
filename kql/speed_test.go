package kql_test

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"testing"
	"time"

	"github.com/slipway-cd/slipway/kql"
	"github.com/slipway-cd/slipway/kql/column"
)

// requestFields are the columns of AppRequests in a Log Analytics workspace, and the time of ingestion.
var requestFields = []column.Field{
	{Name: "TimeGenerated", Type: column.DateTime}, {Name: "Id", Type: column.String}, {Name: "OperationId", Type: column.String},
	{Name: "OperationName", Type: column.String}, {Name: "ParentId", Type: column.String}, {Name: "AppRoleName", Type: column.String},
	{Name: "AppRoleInstance", Type: column.String}, {Name: "AppVersion", Type: column.String}, {Name: "ClientType", Type: column.String},
	{Name: "ClientBrowser", Type: column.String}, {Name: "ClientCity", Type: column.String}, {Name: "ClientCountryOrRegion", Type: column.String},
	{Name: "ClientIP", Type: column.String}, {Name: "ClientOS", Type: column.String}, {Name: "UserId", Type: column.String},
	{Name: "SessionId", Type: column.String}, {Name: "SyntheticSource", Type: column.String}, {Name: "SDKVersion", Type: column.String},
	{Name: "ItemCount", Type: column.Int}, {Name: "Properties", Type: column.Dynamic}, {Name: "Measurements", Type: column.Dynamic},
	{Name: "_ResourceId", Type: column.String}, {Name: "Type", Type: column.String}, {Name: "Name", Type: column.String},
	{Name: "Url", Type: column.String}, {Name: "Success", Type: column.Bool}, {Name: "ResultCode", Type: column.String},
	{Name: "DurationMs", Type: column.Real}, {Name: "PerformanceBucket", Type: column.String}, {Name: "Source", Type: column.String},
	{Name: kql.IngestedAt, Type: column.DateTime},
}

var firstRequest = column.FromTime(time.Date(2024, 5, 1, 12, 0, 0, 0, time.UTC))

// requests makes a table of n requests, 1 ms apart, to two slots of two pods each.
func requests(tb testing.TB, n int) *column.Appender {
	tb.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	a := column.NewAppender("AppRequests", requestFields)
	at := map[string]int{}
	for i, f := range requestFields {
		at[f.Name] = i
	}
	routes := []string{"GET /", "GET /add", "POST /sub", "GET /ping"}
	err := a.Append(func(b *column.Batch) error {
		for i := range n {
			slot := "blue"
			if i%10 == 0 {
				slot = "green"
			}
			text := func(name, value string) { b.Column(at[name]).AppendString(value) }
			b.Column(at["TimeGenerated"]).AppendInt(int64(firstRequest) + int64(i)*column.Millisecond)
			b.Column(at[kql.IngestedAt]).AppendInt(int64(firstRequest) + int64(i)*column.Millisecond + 5*column.Second)
			text("Id", fmt.Sprintf("%016x", rng.Uint64()))
			text("OperationId", fmt.Sprintf("%016x%016x", rng.Uint64(), rng.Uint64()))
			text("ParentId", fmt.Sprintf("%016x", rng.Uint64()))
			text("OperationName", routes[i%4])
			text("Name", routes[i%4])
			text("Url", "https://calculator.example.com"+routes[i%4][4:])
			text("AppRoleName", "calculator-frontend")
			text("AppRoleInstance", fmt.Sprintf("frontend-%s-%d", slot, i%2))
			text("AppVersion", "1.2")
			text("ClientType", "PC")
			text("ClientIP", "0.0.0.0")
			text("SDKVersion", "otelc:1.0")
			text("_ResourceId", "/subscriptions/0/resourcegroups/rg/providers/microsoft.insights/components/calculator")
			text("Type", "AppRequests")
			b.Column(at["ItemCount"]).AppendInt(1)
			if err := b.Column(at["Properties"]).AppendJSON(`{"slot":"` + slot + `","version":"1.2"}`); err != nil {
				return err
			}
			ok := rng.IntN(100) > 0
			b.Column(at["Success"]).AppendBool(ok)
			if ok {
				text("ResultCode", "200")
			} else {
				text("ResultCode", "500")
			}
			b.Column(at["DurationMs"]).AppendReal(float64(rng.IntN(1_000_000)) / 1000)
			text("PerformanceBucket", "<250ms")
			if err := b.EndRow(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return a
}

// tables is a database of tables.
type tables map[string]*column.Appender

func (t tables) Table(name string) (*column.Table, bool) {
	a, ok := t[name]
	if !ok {
		return nil, false
	}
	return a.Snapshot(), true
}

func (t tables) Names() []string {
	var names []string
	for name := range t {
		names = append(names, name)
	}
	return names
}

const slotQuery = `AppRequests
| summarize count(), countif(Success == false), percentiles(DurationMs, 50, 95, 99) by tostring(Properties.slot), bin(TimeGenerated, 1m)`

// BenchmarkSlotByMinute is the question that gates ask, over a table that is in memory; ns/op includes parsing.
func BenchmarkSlotByMinute(b *testing.B) {
	for _, n := range []int{100_000, 1_000_000, 10_000_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			before := heap()
			db := tables{"AppRequests": requests(b, n)}
			bytes := float64(heap()-before) / float64(n)
			b.ResetTimer()
			for b.Loop() {
				q, err := kql.Compile(slotQuery, kql.SchemaOf(db))
				if err != nil {
					b.Fatal(err)
				}
				t, _, err := q.Run(b.Context(), db, kql.RunOptions{})
				if err != nil || t.Rows == 0 {
					b.Fatal(t, err)
				}
			}
			b.ReportMetric(bytes, "resident-B/row")
		})
	}
}

// TestARequestTakesLittleMemory bounds what a row of AppRequests takes: 133 bytes when this was written, of which 88 are the three
// identifiers.
func TestARequestTakesLittleMemory(t *testing.T) {
	const rows = 300_000
	before := heap()
	a := requests(t, rows)
	perRow := float64(heap()-before) / rows
	t.Logf("%.0f bytes a row", perRow)
	if perRow > 250 {
		t.Errorf("%.0f bytes a row are more than 250", perRow)
	}
	runtime.KeepAlive(a)
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}
