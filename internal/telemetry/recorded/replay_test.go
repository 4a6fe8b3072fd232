package recorded_test

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/slipway-cd/slipway/internal/telemetry/loganalytics"
	"github.com/slipway-cd/slipway/internal/telemetry/recorded"
	"github.com/slipway-cd/slipway/kql"
	"github.com/slipway-cd/slipway/kql/apptables"
	"github.com/slipway-cd/slipway/kql/column"
)

// memory is a database of tables.
type memory map[string]*column.Table

func (m memory) Table(name string) (*column.Table, bool) { t, ok := m[name]; return t, ok }
func (m memory) Names() []string {
	var names []string
	for n := range m {
		names = append(names, n)
	}
	return names
}

// fill makes a table whose rows have the values that set gives; nil is null.
func fill(tb testing.TB, name string, rows int, set func(i int, column string) any) *column.Table {
	tb.Helper()
	fields, _ := apptables.Lookup(name)
	fields = append(fields, column.Field{Name: kql.IngestedAt, Type: column.DateTime})
	a := column.NewAppender(name, fields)
	err := a.Append(func(b *column.Batch) error {
		for i := range rows {
			for c, f := range fields {
				switch v := set(i, f.Name).(type) {
				case string:
					if f.Type == column.Dynamic {
						if err := b.Column(c).AppendJSON(v); err != nil {
							return err
						}
						continue
					}
					b.Column(c).AppendString(v)
				case time.Time:
					b.Column(c).AppendInt(int64(column.FromTime(v)))
				case int:
					b.Column(c).AppendInt(int64(v))
				case float64:
					b.Column(c).AppendReal(v)
				case bool:
					b.Column(c).AppendBool(v)
				}
			}
			if err := b.EndRow(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		tb.Fatal(err)
	}
	return a.Snapshot()
}

// messy is half an hour of telemetry with all that can be odd about it.
func messy(tb testing.TB, seed uint64) memory {
	rng := rand.New(rand.NewPCG(seed, 1))
	table := func(name string, rows int) *column.Table {
		var at time.Time
		var arrived time.Time
		var slot, operation string
		return fill(tb, name, rows, func(i int, column string) any {
			switch column {
			case "TimeGenerated":
				at = noon.Add(time.Duration(rng.Int64N(int64(30 * time.Minute)))).Truncate(100)
				delay := time.Duration(rng.ExpFloat64() * float64(20*time.Second))
				if rng.IntN(50) == 0 {
					delay = time.Duration(rng.Int64N(int64(20 * time.Minute))) // late, some too late
				}
				arrived = at.Add(delay.Truncate(100))
				slot = []string{"blue", "blue", "blue", "green", "green", "", "red"}[rng.IntN(7)]
				operation = fmt.Sprint("op", at.Unix()/10, rng.IntN(8))
				return at
			case kql.IngestedAt:
				return arrived
			case "Id":
				return fmt.Sprint("id", i)
			case "OperationId":
				if rng.IntN(10) == 0 {
					return nil
				}
				return operation
			case "ItemCount":
				return 1 + rng.IntN(4)
			case "Success":
				if rng.IntN(30) == 0 {
					return nil
				}
				return rng.IntN(5) > 0
			case "DurationMs":
				if rng.IntN(30) == 0 {
					return nil
				}
				return rng.ExpFloat64() * 100
			case "AppRoleName":
				return []string{"shop.web", "shop.web", "shop.orders"}[rng.IntN(3)]
			case "AppRoleInstance":
				return fmt.Sprint(slot, "-", rng.IntN(3))
			case "SyntheticSource":
				if rng.IntN(20) == 0 {
					return "robot"
				}
			case "Url":
				return []string{"http://shop/cart", "http://shop/ping", "http://shop/"}[rng.IntN(3)]
			case "Properties":
				return fmt.Sprintf(`{"slot":%q}`, slot)
			}
			return nil
		})
	}
	return memory{"AppRequests": table("AppRequests", 6000), "AppExceptions": table("AppExceptions", 700), "AppDependencies": table("AppDependencies", 3000), "AppAvailabilityResults": table("AppAvailabilityResults", 500)}
}

// plain hides that a replay counts by itself.
type plain struct{ loganalytics.Querier }

func TestAReplayFindsWhatAskingEveryTimeFinds(t *testing.T) {
	for seed := range uint64(3) {
		db := messy(t, seed)
		spec := loganalytics.Spec{Slot: "tostring(Properties.slot)", Roles: []string{"shop.web"}, Exclude: []string{"/ping"}, Batch: 10 * time.Second, Exceptions: seed%2 == 0, Dependencies: seed%3 == 0, Availability: seed%5 == 0}
		of := loganalytics.Release{Candidate: "green", Production: "blue", Since: noon.Add(time.Duration(5+seed) * time.Minute)}
		latencies := []loganalytics.Latency{{Gate: "p50", Quantile: 0.5, Slower: 1.2}, {Gate: "p95", Quantile: 0.95, Slower: 1.1, Within: time.Second}}
		custom := []loganalytics.Custom{{Gate: "late", Query: "AppRequests | where TimeGenerated >= from | summarize trials = count(), events = countif(DurationMs > 90) by slot = tostring(Properties.slot), bin = bin(TimeGenerated, batch) | where slot != ''"}}
		fast, slow := replay(t, db), replay(t, db)
		one, other := loganalytics.NewSource(fast, spec, latencies, custom, of), loganalytics.NewSource(plain{slow}, spec, latencies, custom, of)
		batches := 0
		for at := of.Since.Add(-20 * time.Minute); at.Before(noon.Add(55 * time.Minute)); at = at.Add(19 * time.Second) {
			fast.At(at)
			slow.At(at)
			got, err := one.Look(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			want, err := other.Look(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, want) {
				got.Query, want.Query = "", ""
				t.Fatalf("seed %d, look at %v:\ngot  %+v\nwant %+v", seed, at, got, want)
			}
			batches += len(got.Batches)
		}
		if batches < 100 {
			t.Errorf("seed %d: only %d batches were compared", seed, batches)
		}
	}
}

func replay(tb testing.TB, db kql.Database) *recorded.Replay {
	tb.Helper()
	r, err := recorded.NewReplay(db)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

func TestARecordingFromWhichNobodyCanTellIsRefused(t *testing.T) {
	table := func(rows int, without string, delay time.Duration) *column.Table {
		return fill(t, "AppRequests", rows, func(i int, column string) any {
			at := noon.Add(time.Duration(i) * time.Second)
			if column == without {
				return nil
			}
			return map[string]any{"TimeGenerated": at, kql.IngestedAt: at.Add(delay), "Id": "x", "ItemCount": 1, "Success": true, "DurationMs": 5.0}[column]
		})
	}
	for says, db := range map[string]memory{
		"it has no table AppRequests":                             {},
		"its table AppRequests is empty":                          {"AppRequests": table(0, "", 0)},
		"3 of 3 rows have no _IngestedAt, the first is row 1":     {"AppRequests": table(3, kql.IngestedAt, 0)},
		"AppAvailabilityResults: 2 of 2 rows have no _IngestedAt": {"AppRequests": table(3, "", 0), "AppAvailabilityResults": table(2, kql.IngestedAt, 0)},
		"have no TimeGenerated":                                   {"AppRequests": table(3, "TimeGenerated", 0)},
		"have no ItemCount":                                       {"AppRequests": table(3, "ItemCount", 0)},
		"3 of 3 rows have neither OperationId nor Id":             {"AppRequests": table(3, "Id", 0)},
		"no row has Success":                                      {"AppRequests": table(3, "Success", 0)},
		"no row has DurationMs":                                   {"AppRequests": table(3, "DurationMs", 0)},
		"row 1 arrived at 2026-11-25T11:59:59.0000000Z, before it happened at 2026-11-25T12:00:00.0000000Z: a clock went back": {"AppRequests": table(3, "", -time.Second)},
	} {
		if _, err := recorded.NewReplay(db); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v; wanted %q", err, says)
		}
	}
}
