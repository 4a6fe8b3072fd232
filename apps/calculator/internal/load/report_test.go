package load

import (
	"bytes"
	"encoding/json"
	"flag"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

var update = flag.Bool("update", false, "write the golden files anew")

var start = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

// canary is what a client sees of a canary at 10 % that fails a fifth of its calls.
func canary() []Result {
	var results []Result
	for i := range 1000 {
		r := Result{Sent: start.Add(time.Duration(i) * 10 * time.Millisecond), Code: 200, Version: "v1", Slot: "blue",
			Latency: time.Duration(i%100+1) * time.Millisecond}
		if i%10 == 3 {
			r.Version, r.Slot = "v2", "green"
			if i%50 == 3 {
				r.Code, r.Error = 500, "500 Internal Server Error"
			}
		}
		if i == 777 {
			r = Result{Sent: r.Sent, Latency: time.Second, Error: "connection refused"}
		}
		results = append(results, r)
	}
	return results
}

func TestReportLooksLikeItsGolden(t *testing.T) {
	c := NewCollector()
	results := canary()
	rand.New(rand.NewPCG(1, 1)).Shuffle(len(results), func(i, j int) { results[i], results[j] = results[j], results[i] })
	for _, r := range results {
		c.Add(r)
	}
	var text bytes.Buffer
	report := c.Report(100)
	if err := report.WriteText(&text); err != nil {
		t.Fatal(err)
	}
	golden(t, "canary.txt", text.Bytes())
	asJSON, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "canary.json", append(asJSON, '\n'))
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s differs (go test -update writes it anew):\n%s\nwant:\n%s", file, got, want)
	}
}

func TestQuantilesAreThoseOfTheNearestRank(t *testing.T) {
	hundred := make([]uint32, 100)
	for i := range hundred {
		hundred[i] = uint32(i+1) * 1000
	}
	for _, c := range []struct {
		values []uint32
		q      float64
		want   float64
	}{
		{nil, .5, 0}, {[]uint32{7000}, .5, 7}, {[]uint32{7000}, 1, 7}, {[]uint32{1000, 2000}, .5, 1}, {[]uint32{1000, 2000}, .51, 2},
		{hundred, .5, 50}, {hundred, .95, 95}, {hundred, .99, 99}, {hundred, 1, 100}, {hundred, 0, 1},
	} {
		if got := quantile(c.values, c.q); got != c.want {
			t.Errorf("quantile %g of %d values = %g, want %g", c.q, len(c.values), got, c.want)
		}
	}
	// Property: at least q of the values do not exceed the quantile, and it is the smallest such.
	random := rand.New(rand.NewPCG(3, 4))
	for range 500 {
		values := make([]uint32, 1+random.IntN(300))
		for i := range values {
			values[i] = random.Uint32N(50)
		}
		slices.Sort(values)
		q := random.Float64()
		got := uint32(quantile(values, q)*1000 + .5)
		upTo, below := 0, 0
		for _, v := range values {
			if v <= got {
				upTo++
			}
			if v < got {
				below++
			}
		}
		if n := q * float64(len(values)); float64(upTo) < n || float64(below) >= n {
			t.Fatalf("quantile %g of %v = %d: %d up to it, %d below it", q, values, got, upTo, below)
		}
	}
}

func TestAGeneratorThatFallsBehindSaysSo(t *testing.T) {
	c := NewCollector()
	for i := range 100 {
		late := time.Duration(0)
		if i >= 90 {
			late = 300 * time.Millisecond
		}
		c.Add(Result{Sent: start.Add(time.Duration(i)*10*time.Millisecond + late), Late: late, Code: 200})
	}
	r := c.Report(100)
	if r.KeptRate || r.Note == "" || r.LateRequests != 10 || r.MaxLateMs != 300 {
		t.Errorf("%+v: want a note about 10 late requests", r)
	}
}

func TestAnEmptyReportIsValid(t *testing.T) {
	r := NewCollector().Report(100)
	if err := r.WriteText(&bytes.Buffer{}); err != nil {
		t.Error(err)
	}
	if _, err := json.Marshal(r); err != nil || r.Total.Requests != 0 || !r.KeptRate {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestOnly2xxIsASuccess(t *testing.T) {
	for code, failed := range map[int]bool{0: true, 101: true, 200: false, 204: false, 299: false, 301: true, 404: true, 500: true, 503: true} {
		if got := (Result{Code: code}).Failed(); got != failed {
			t.Errorf("code %d: failed %t, want %t", code, got, failed)
		}
	}
}

func TestDistinctErrorsAreBounded(t *testing.T) {
	c := NewCollector()
	for i := range 10 * maxErrors {
		c.Add(Result{Sent: start, Error: time.Duration(i).String()})
	}
	if n := len(c.Report(1).Errors); n != maxErrors+1 {
		t.Errorf("%d distinct errors kept, want %d", n, maxErrors+1)
	}
}
