package recording_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/slipway-cd/slipway/kql"
)

// sample makes rows of AppRequests as a service of four replicas in two slots has them.
func sample(rows int) string {
	random := rand.New(rand.NewPCG(1, 2))
	operations := []string{"GET /add", "GET /sub", "GET /mul", "GET /div", "GET /"}
	var b strings.Builder
	b.Grow(600 * rows)
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range rows {
		at := start.Add(time.Duration(i) * 7 * time.Millisecond)
		slot, code := []string{"blue", "green"}[random.IntN(2)], 200
		if random.IntN(100) == 0 {
			code = 500
		}
		operation := operations[random.IntN(len(operations))]
		duration := fmt.Sprintf(`"DurationMs":%.4f,`, random.ExpFloat64()*20)
		if i%1000 == 999 {
			duration = ""
		}
		fmt.Fprintf(&b, `{"TimeGenerated":"%s","Id":"%016x","OperationId":"%016x%016x","OperationName":"%s","AppRoleName":"calculator-backend",`+
			`"AppRoleInstance":"calculator-%s-%d","AppVersion":"1.2","ClientIP":"10.0.%d.%d","SDKVersion":"otel:1.0","ItemCount":1,`+
			`"Properties":{"slot":"%s","version":"1.2"},"Type":"AppRequests","Name":"%s","Url":"http://calculator/","Success":%t,"ResultCode":"%d",`+
			`%s"PerformanceBucket":"<250ms","_IngestedAt":"%s"}`+"\n",
			at.Format(time.RFC3339Nano), random.Uint64(), random.Uint64(), random.Uint64(), operation, slot, random.IntN(4), random.IntN(4), random.IntN(256),
			slot, operation, code == 200, code, duration, at.Add(90*time.Second).Format(time.RFC3339Nano))
	}
	return b.String()
}

const million = 1_000_000

func millionRequests(b *testing.B) (dir string, size int64) {
	b.Helper()
	dir = b.TempDir()
	text := sample(million)
	put(b, dir, "AppRequests.jsonl", text)
	return dir, int64(len(text))
}

// BenchmarkOpenFile reads a million rows of JSON and leaves the cache.
func BenchmarkOpenFile(b *testing.B) {
	dir, size := millionRequests(b)
	b.SetBytes(size)
	for b.Loop() {
		open(b, dir)
		b.StopTimer()
		if err := os.Remove(filepath.Join(dir, "AppRequests.columns")); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
	b.ReportMetric(million*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
}

// BenchmarkOpenCache opens a million cached rows, to where the first query starts.
func BenchmarkOpenCache(b *testing.B) {
	dir, _ := millionRequests(b)
	open(b, dir)
	info, err := os.Stat(filepath.Join(dir, "AppRequests.columns"))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		open(b, dir)
	}
	b.ReportMetric(float64(info.Size())/million, "bytes/row")
}

// BenchmarkFirstQuery opens a million cached rows and asks the question of a gate.
func BenchmarkFirstQuery(b *testing.B) {
	dir, _ := millionRequests(b)
	q, err := kql.Compile(`AppRequests | summarize count(), countif(Success == false), percentiles(DurationMs, 50, 95, 99) by tostring(Properties.slot), bin(TimeGenerated, 1m)`,
		kql.SchemaOf(open(b, dir)))
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, _, err := q.Run(context.Background(), open(b, dir), kql.RunOptions{Now: time.Now()}); err != nil {
			b.Fatal(err)
		}
	}
}
