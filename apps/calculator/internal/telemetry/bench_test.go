package telemetry_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/slipway-cd/slipway/apps/calculator/internal/appinsights/appinsightstest"
	"github.com/slipway-cd/slipway/apps/calculator/internal/load"
	"github.com/slipway-cd/slipway/apps/calculator/internal/telemetry"
)

// pair is frontend and backend in this process, over loopback, without and with telemetry.
type pair struct{ off, on string } // URLs of the frontends

func newPair(b *testing.B, every int) pair {
	b.Helper()
	ingestion := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		_, _ = io.WriteString(w, `{"itemsReceived":1,"itemsAccepted":1,"errors":[]}`)
	}))
	b.Cleanup(ingestion.Close)
	dir := secret(b, map[string]string{"connection-string": appinsightstest.ConnectionString(ingestion.URL)})
	return pair{off: start(b, setup{}).url, on: start(b, setup{config: telemetry.Config{Dir: dir, Every: every}}).url}
}

// BenchmarkThousandASecond is the promise: at 1,000 requests a second, telemetry takes at most 5 % of
// the throughput. An open loop, off and on by turns; run it with -benchtime=5x.
func BenchmarkThousandASecond(b *testing.B) {
	p := newPair(b, 1)
	var answered, processor, p95 [2][]float64
	for b.Loop() {
		for i, url := range []string{p.off, p.on} {
			before := cpu(b)
			seen, err := load.Run(b.Context(), load.Options{URL: url, Path: "/api/calculate", Method: http.MethodPost, Rate: 1000,
				Duration: 3 * time.Second, Timeout: 5 * time.Second, Workers: 1000})
			if err != nil {
				b.Fatal(err)
			}
			r := seen.Report(1000)
			if r.Total.Failures > 0 {
				b.Fatalf("%d of %d requests failed: %v", r.Total.Failures, r.Total.Requests, r.Errors)
			}
			processor[i] = append(processor[i], float64((cpu(b)-before).Microseconds())/float64(r.Total.Requests))
			answered[i] = append(answered[i], float64(r.Total.Requests)/r.End.Sub(r.Start).Seconds())
			p95[i] = append(p95[i], r.Total.P95)
		}
	}
	b.ReportMetric(median(answered[1])/median(answered[0]), "throughput-on/off")
	b.ReportMetric(median(processor[0]), "µs-cpu/request-off")
	b.ReportMetric(median(processor[1]), "µs-cpu/request-on")
	b.ReportMetric(median(p95[0]), "ms-p95-off")
	b.ReportMetric(median(p95[1]), "ms-p95-on")
}

const saturated = time.Second

// BenchmarkSaturated is the worst case: the processor does nothing but answer, record and send.
func BenchmarkSaturated(b *testing.B) {
	for _, every := range []int{1, 20} {
		b.Run(fmt.Sprintf("one-in-%d", every), func(b *testing.B) {
			p := newPair(b, every)
			var answered, processor [2][]float64
			for b.Loop() {
				for i, url := range []string{p.off, p.on} {
					before := cpu(b)
					rate := saturate(b, url, saturated)
					answered[i] = append(answered[i], rate)
					processor[i] = append(processor[i], float64((cpu(b)-before).Microseconds())/(rate*saturated.Seconds()))
				}
			}
			b.ReportMetric(median(answered[1])/median(answered[0]), "throughput-on/off")
			b.ReportMetric(median(answered[0]), "requests/s-off")
			b.ReportMetric(median(answered[1]), "requests/s-on")
			b.ReportMetric(median(processor[0]), "µs-cpu/request-off")
			b.ReportMetric(median(processor[1]), "µs-cpu/request-on")
		})
	}
}

// saturate returns how many requests a second are answered when 8 clients never pause.
func saturate(b *testing.B, url string, d time.Duration) float64 {
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8}}
	defer client.CloseIdleConnections()
	var done atomic.Int64
	end := time.Now().Add(d)
	var clients sync.WaitGroup
	for range 8 {
		clients.Go(func() {
			for time.Now().Before(end) {
				resp, err := client.Post(url+"/api/calculate", "application/json", strings.NewReader(`{"number":"5040"}`))
				if err != nil {
					b.Error(err)
					return
				}
				_, _ = io.Copy(io.Discard, resp.Body)
				_ = resp.Body.Close()
				done.Add(1)
			}
		})
	}
	clients.Wait()
	return float64(done.Load()) / d.Seconds()
}

func cpu(b *testing.B) time.Duration {
	b.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func median(v []float64) float64 {
	s := slices.Sorted(slices.Values(v))
	return s[len(s)/2]
}
