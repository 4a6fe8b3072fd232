package recorded_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/slipway-cd/slipway/internal/telemetry/loganalytics"
	"github.com/slipway-cd/slipway/kql"
)

// hour is an hour of 400,000 requests, a tenth of them the candidate's from ten minutes on, which arrive half a minute later.
func hour(tb testing.TB) memory {
	const rows = 400_000
	rng := rand.New(rand.NewPCG(1, 2))
	var at, arrived time.Time
	var slot string
	return memory{"AppRequests": fill(tb, "AppRequests", rows, func(i int, column string) any {
		switch column {
		case "TimeGenerated":
			at = noon.Add(time.Duration(float64(i) / rows * float64(time.Hour)).Truncate(100))
			arrived = at.Add(time.Duration((20 + 10*rng.ExpFloat64()) * float64(time.Second)).Truncate(100))
			slot = "blue"
			if at.Sub(noon) >= 10*time.Minute && rng.IntN(10) == 0 {
				slot = "green"
			}
			return at
		case kql.IngestedAt:
			return arrived
		case "Id", "ParentId":
			return fmt.Sprintf("%016x", rng.Uint64())
		case "OperationId":
			return fmt.Sprintf("%016x%016x", rng.Uint64(), rng.Uint64())
		case "ItemCount":
			return 1
		case "Success":
			return rng.IntN(100) > 0
		case "DurationMs":
			return rng.ExpFloat64() * 100
		case "AppRoleName":
			return "shop.web"
		case "AppRoleInstance":
			return fmt.Sprint(slot, "-", rng.IntN(9))
		case "Name", "OperationName":
			return "GET /cart"
		case "Url":
			return "http://shop/cart"
		case "Properties":
			return `{"slot":"` + slot + `"}`
		}
		return nil
	})}
}

// BenchmarkLooks is all looks of an hour, one every 5 s: what a backtest asks for.
func BenchmarkLooks(b *testing.B) {
	db := hour(b)
	spec := loganalytics.Spec{Slot: "tostring(Properties.slot)", Exclude: []string{"/ping"}, Batch: 10 * time.Second}
	of := loganalytics.Release{Candidate: "green", Production: "blue", Since: noon.Add(10 * time.Minute)}
	for b.Loop() {
		r := replay(b, db)
		s := loganalytics.NewSource(r, spec, []loganalytics.Latency{{Gate: "latency", Quantile: 0.95, Slower: 1.2}}, nil, of)
		for at := of.Since; at.Before(noon.Add(time.Hour)); at = at.Add(5 * time.Second) {
			r.At(at)
			if _, err := s.Look(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	}
}
