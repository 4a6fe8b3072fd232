package backtest_test

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/slipway-cd/slipway/internal/backtest"
	"github.com/slipway-cd/slipway/internal/evidence"
	"github.com/slipway-cd/slipway/internal/judge"
	"github.com/slipway-cd/slipway/internal/seqtest"
	"github.com/slipway-cd/slipway/internal/telemetry/loganalytics"
	"github.com/slipway-cd/slipway/internal/telemetry/recorded"
	"github.com/slipway-cd/slipway/kql"
	"github.com/slipway-cd/slipway/kql/apptables"
	"github.com/slipway-cd/slipway/kql/column"
)

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// traffic is what a recording is made of.
type traffic struct {
	seconds, perSecond int
	// from is when the candidate, slot green, comes, with a tenth of the requests.
	from time.Duration
	// fails and tookMs are of a request at a time.
	fails  func(slot string, at time.Duration) float64
	tookMs func(slot string) float64
	delay  time.Duration
	alone  bool          // without production
	stray  time.Duration // when a single request to the candidate was made; 0: none was
}

type memory map[string]*column.Table

func (m memory) Table(name string) (*column.Table, bool) { t, ok := m[name]; return t, ok }
func (m memory) Names() []string                         { return []string{"AppRequests"} }

func (tr traffic) record(tb testing.TB) *recorded.Replay { return replay(tb, tr.rows(tb)) }

func replay(tb testing.TB, db kql.Database) *recorded.Replay {
	tb.Helper()
	r, err := recorded.NewReplay(db)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}

func (tr traffic) rows(tb testing.TB) memory {
	tb.Helper()
	rng := rand.New(rand.NewPCG(1, 2))
	fields, _ := apptables.Lookup("AppRequests")
	fields = append(fields, column.Field{Name: kql.IngestedAt, Type: column.DateTime})
	at := map[string]int{}
	for i, f := range fields {
		at[f.Name] = i
	}
	a := column.NewAppender("AppRequests", fields)
	n := tr.seconds * tr.perSecond
	err := a.Append(func(b *column.Batch) error {
		for i := range n {
			after := time.Duration(float64(i) / float64(tr.perSecond) * float64(time.Second)).Truncate(100)
			slot := "blue"
			if i == 0 && tr.stray != 0 {
				after, slot = tr.stray, "green"
			}
			if after >= tr.from && rng.IntN(10) == 0 {
				slot = "green"
			}
			failed, took, late := rng.Float64() < tr.fails(slot, after), rng.ExpFloat64()*tr.tookMs(slot), rng.Float64()
			if tr.alone && slot == "blue" {
				continue
			}
			when := column.FromTime(noon.Add(after))
			b.Column(at["TimeGenerated"]).AppendInt(int64(when))
			b.Column(at[kql.IngestedAt]).AppendInt(int64(when) + int64(tr.delay/100) + int64(late*float64(tr.delay)/100))
			b.Column(at["OperationId"]).AppendString(fmt.Sprintf("%016x%016x", rng.Uint64(), rng.Uint64()))
			b.Column(at["AppRoleName"]).AppendString("shop")
			b.Column(at["AppRoleInstance"]).AppendString(fmt.Sprint(slot, "-", rng.IntN(9)))
			b.Column(at["ItemCount"]).AppendInt(1)
			b.Column(at["Url"]).AppendString("http://shop/cart")
			b.Column(at["Success"]).AppendBool(!failed)
			b.Column(at["DurationMs"]).AppendReal(took)
			if err := b.Column(at["Properties"]).AppendJSON(`{"slot":"` + slot + `"}`); err != nil {
				return err
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
	return memory{"AppRequests": a.Snapshot()}
}

func constant(candidate, production float64) func(string, time.Duration) float64 {
	return func(slot string, _ time.Duration) float64 {
		return map[string]float64{"green": candidate, "blue": production}[slot]
	}
}

func ms(candidate, production float64) func(string) float64 {
	return func(slot string) float64 { return map[string]float64{"green": candidate, "blue": production}[slot] }
}

func asking() backtest.Asking {
	return backtest.Asking{
		Spec:      loganalytics.Spec{Slot: "tostring(Properties.slot)", Exclude: []string{"/ping"}, Batch: 10 * time.Second},
		Latencies: []loganalytics.Latency{{Gate: "latency", Quantile: 0.95, Slower: 1.2}},
		Interval:  5 * time.Second,
	}
}

func judging() backtest.Judging {
	slow := evidence.Slow("latency")
	return backtest.Judging{
		Config: judge.Config{Gates: []judge.Gate{
			{Name: "failures", Kind: judge.Rate, Measure: string(evidence.RequestsFailed), Phrase: "fails %s of requests",
				Pass: &seqtest.Tolerance{Relative: 1, Absolute: 0.005}},
			{Name: "latency", Kind: judge.Share, Measure: string(slow), PassMeasure: string(evidence.Slower("latency")), Expected: 0.05},
		}},
		Measures: []evidence.Measure{evidence.RequestsFailed, slow},
	}
}

func run(tb testing.TB, t backtest.Telemetry, a backtest.Asking, j backtest.Judging, span backtest.Span) *backtest.Result {
	tb.Helper()
	w, err := backtest.Find(tb.Context(), t, a.Spec, span)
	if err != nil {
		tb.Fatal(err)
	}
	if w, err = w.Look(tb.Context(), t, a, span.To); err != nil {
		tb.Fatal(err)
	}
	r, err := w.Judge(tb.Context(), a, j)
	if err != nil {
		tb.Fatal(err)
	}
	return r
}
