package loganalytics_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/slipway-cd/slipway/internal/evidence"
	"github.com/slipway-cd/slipway/internal/telemetry/loganalytics"
	"github.com/slipway-cd/slipway/internal/telemetry/recorded"
	"github.com/slipway-cd/slipway/kql"
	"github.com/slipway-cd/slipway/kql/apptables"
	"github.com/slipway-cd/slipway/kql/column"
)

var noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)

// row is one row of a table: what a test says of it, the rest is as it is in a good user's request.
type row map[string]any

// insights is a workspace whose rows become visible when they were ingested.
type insights struct {
	t      *testing.T
	now    time.Time
	tables map[string][]row
	asked  []string
	fail   error
}

func newInsights(t *testing.T) *insights {
	return &insights{t: t, now: noon, tables: map[string][]row{}}
}

// add adds a row that happened at a time and arrived some time later.
func (in *insights) add(table string, at time.Time, delay time.Duration, slot string, r row) {
	n := len(in.tables[table])
	full := row{
		"TimeGenerated": at, kql.IngestedAt: at.Add(delay), "Id": fmt.Sprint("id", n), "OperationId": fmt.Sprint("op", table, n),
		"AppRoleName": "shop.web", "AppRoleInstance": slot + "-1", "ItemCount": 1, "Properties": `{"slot":"` + slot + `"}`,
		"Success": true, "Url": "http://shop/cart", "DurationMs": 20.0,
	}
	for k, v := range r {
		full[k] = v
	}
	in.tables[table] = append(in.tables[table], full)
}

// Table implements kql.Database.
func (in *insights) Table(name string) (*column.Table, bool) {
	columns, ok := apptables.Lookup(name)
	if !ok {
		return nil, false
	}
	fields := append(columns, column.Field{Name: kql.IngestedAt, Type: column.DateTime})
	a := column.NewAppender(name, fields)
	err := a.Append(func(b *column.Batch) error {
		for _, r := range in.tables[name] {
			if arrived, ok := r[kql.IngestedAt].(time.Time); ok && arrived.After(in.now) {
				continue
			}
			for i, f := range fields {
				c := b.Column(i)
				switch v := r[f.Name].(type) {
				case time.Time:
					c.AppendInt(int64(column.FromTime(v)))
				case string:
					if f.Type == column.Dynamic {
						if err := c.AppendJSON(v); err != nil {
							return err
						}
						continue
					}
					c.AppendString(v)
				case bool:
					if f.Type == column.Bool {
						c.AppendBool(v)
					}
				case int:
					c.AppendInt(int64(v))
				case float64:
					c.AppendReal(v)
				}
			}
			if err := b.EndRow(); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		in.t.Fatal(err)
	}
	return a.Snapshot(), true
}

// Names implements kql.Database.
func (in *insights) Names() []string { return apptables.Names() }

// Query implements [loganalytics.Querier].
func (in *insights) Query(ctx context.Context, query string) (loganalytics.Answer, error) {
	in.asked = append(in.asked, query)
	if in.fail != nil {
		return loganalytics.Answer{}, in.fail
	}
	a, err := (&recorded.Source{Database: in, Now: func() time.Time { return in.now }}).Query(ctx, query)
	if err != nil {
		in.t.Errorf("the engine refuses a query: %v\n%s", err, query)
	}
	return a, err
}

// traffic of both slots: one request a second, for so many seconds from noon, that arrives 2 s late.
func (in *insights) traffic(seconds int) {
	for i := range seconds {
		at := noon.Add(time.Duration(i) * time.Second)
		in.add("AppRequests", at, 2*time.Second, "blue", nil)
		in.add("AppRequests", at, 2*time.Second, "green", nil)
	}
}

var spec = loganalytics.Spec{Slot: "tostring(Properties.slot)", Roles: []string{"shop.web"}, Exclude: []string{"/ping"}, Batch: 10 * time.Second}

func source(in *insights, s loganalytics.Spec, l ...loganalytics.Latency) *loganalytics.Source {
	return loganalytics.NewSource(in, s, l, nil, loganalytics.Release{Candidate: "green", Production: "blue", Since: noon})
}

func look(t *testing.T, s *loganalytics.Source) evidence.Look {
	t.Helper()
	l, err := s.Look(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func sums(look evidence.Look, m evidence.Measure, slot string) evidence.Count {
	var sum evidence.Count
	for _, b := range look.Batches {
		sum = sum.Plus(b.Sum(m, slot))
	}
	return sum
}

func TestOnlyIntervalsThatHaveArrivedAreClosed(t *testing.T) {
	in := newInsights(t)
	in.traffic(60)
	in.now = noon.Add(31 * time.Second)
	s := source(in, spec)
	first := look(t, s)
	if len(first.Batches) != 2 || !first.Batches[1].To.Equal(noon.Add(20*time.Second)) {
		t.Errorf("at 31 s with 2 s of delay the first 20 s are complete, but got %+v", first.Batches)
	}
	if want := noon.Add(29 * time.Second); !first.Watermark.Equal(want) || first.Delay["green"] != 2*time.Second {
		t.Errorf("watermark %v (want %v), delays %v", first.Watermark, want, first.Delay)
	}
	in.now = noon.Add(42 * time.Second)
	second := look(t, s)
	if len(second.Batches) != 2 || !second.Batches[0].From.Equal(noon.Add(20*time.Second)) {
		t.Errorf("the next look should bring the next 20 s, but brought %+v", second.Batches)
	}
	if got := sums(first, evidence.RequestsFailed, "green").Plus(sums(second, evidence.RequestsFailed, "green")); got.Trials != 40 {
		t.Errorf("%d requests counted in 40 s", got.Trials)
	}
}

func TestTheSlowerSlotsDelayDecidesWhatIsComplete(t *testing.T) {
	in := newInsights(t)
	for i := range 60 {
		at := noon.Add(time.Duration(i) * time.Second)
		in.add("AppRequests", at, 2*time.Second, "blue", nil)
		in.add("AppRequests", at, 25*time.Second, "green", nil)
	}
	in.now = noon.Add(48 * time.Second)
	l := look(t, source(in, spec))
	if len(l.Batches) != 2 || l.Batches[0].Sum(evidence.RequestsFailed, "green").Trials != 10 {
		t.Errorf("%+v", l.Batches)
	}
}

func TestWhatArrivesLateIsCountedOnceAndLate(t *testing.T) {
	in := newInsights(t)
	in.traffic(60)
	in.add("AppRequests", noon.Add(5*time.Second), 50*time.Second, "green", row{"Success": false})
	s := source(in, spec)
	in.now = noon.Add(35 * time.Second)
	look(t, s)
	in.now = noon.Add(58 * time.Second)
	l := look(t, s)
	if len(l.Batches) == 0 || !l.Batches[0].Late || !l.Batches[0].From.Equal(noon) || l.Batches[0].Cells[0].Count != (evidence.Count{Trials: 1, Events: 1, TrialItems: 1, EventItems: 1}) {
		t.Errorf("%+v", l.Batches)
	}
	in.now = noon.Add(61 * time.Second)
	for _, b := range look(t, s).Batches {
		if b.Late {
			t.Errorf("counted again: %+v", b)
		}
	}
}

func TestAfterAFailedLookNothingIsLost(t *testing.T) {
	in := newInsights(t)
	in.traffic(60)
	s := source(in, spec)
	in.now, in.fail = noon.Add(33*time.Second), errors.New("HTTP 503")
	if _, err := s.Look(t.Context()); !errors.Is(err, in.fail) {
		t.Errorf("%v", err)
	}
	in.now, in.fail = noon.Add(62*time.Second), nil
	if got := sums(look(t, s), evidence.RequestsFailed, "blue"); got.Trials != 60 {
		t.Errorf("%d of 60 requests", got.Trials)
	}
}

func TestWhatIsNoUsersRequestDoesNotCount(t *testing.T) {
	in := newInsights(t)
	in.traffic(30)
	for name, r := range map[string]row{
		"a synthetic one": {"SyntheticSource": "kube-probe"}, "a probe's path": {"Url": "http://shop/ping?x=1"}, "another role": {"AppRoleName": "shop.back"}, "no slot": {"Properties": `{"slot":""}`},
	} {
		r["Success"] = false
		in.add("AppRequests", noon.Add(3*time.Second), 2*time.Second, "green", r)
		in.now = noon.Add(40 * time.Second)
		if got := sums(look(t, source(in, spec)), evidence.RequestsFailed, "green"); got.Trials != 30 || got.Events != 0 {
			t.Errorf("%s was counted: %+v", name, got)
		}
	}
}

func TestFailuresOfOneOperationAreOne(t *testing.T) {
	in := newInsights(t)
	in.traffic(30)
	for range 3 { // a retry, and a second service
		in.add("AppRequests", noon.Add(3*time.Second), 2*time.Second, "green", row{"Success": false, "OperationId": "same"})
	}
	in.now = noon.Add(40 * time.Second)
	if got := sums(look(t, source(in, spec)), evidence.RequestsFailed, "green"); got.Trials != 31 || got.Events != 1 {
		t.Errorf("%+v", got)
	}
}

func TestRecordsAndWhatTheyStandForAreBothCounted(t *testing.T) {
	in := newInsights(t)
	in.traffic(30)
	in.add("AppRequests", noon.Add(3*time.Second), 2*time.Second, "green", row{"Success": false, "ItemCount": 20})
	in.now = noon.Add(40 * time.Second)
	want := evidence.Count{Trials: 31, Events: 1, TrialItems: 50, EventItems: 20}
	if got := sums(look(t, source(in, spec)), evidence.RequestsFailed, "green"); got != want {
		t.Errorf("%+v", got)
	}
}

func TestWhatHadProductionsSlotBeforeItIsNoneOfIts(t *testing.T) {
	in := newInsights(t)
	for i := range 300 { // a candidate that was slow and bad, and taken back
		in.add("AppRequests", noon.Add(-time.Duration(300-i)*time.Second), 2*time.Second, "blue", row{"Success": false, "DurationMs": 5000.0, "OperationId": fmt.Sprint("old", i)})
	}
	for i := range 300 {
		in.add("AppRequests", noon.Add(time.Duration(i)*time.Second), 2*time.Second, "blue", row{"OperationId": fmt.Sprint("new", i)})
	}
	in.now = noon.Add(310 * time.Second)
	s := loganalytics.NewSource(in, spec, []loganalytics.Latency{{Gate: "latency", Quantile: 0.95, Slower: 1.2}}, nil,
		loganalytics.Release{Candidate: "green", Production: "blue", Since: noon.Add(5 * time.Minute), ProductionSince: noon})
	if got := sums(look(t, s), evidence.RequestsFailed, "blue"); got.Trials == 0 || got.Events != 0 {
		t.Errorf("production has %d of %d failures", got.Events, got.Trials)
	}
	if limits := s.Thresholds(); len(limits) != 2 || limits[0].Limit != 20*time.Millisecond {
		t.Errorf("production's latency is taken for %+v", limits)
	}
}

func TestAvailabilityTestsCountWhoeverMakesThem(t *testing.T) {
	in := newInsights(t)
	in.traffic(60)
	for i := range 10 {
		in.add("AppAvailabilityResults", noon.Add(time.Duration(i)*time.Second), 2*time.Second, "green",
			row{"AppRoleName": "", "SyntheticSource": "Application Insights Availability Monitoring", "Success": i > 2})
	}
	in.add("AppAvailabilityResults", noon, 2*time.Second, "none", nil)
	in.now = noon.Add(2 * time.Minute)
	all := spec
	all.Availability = true
	l := look(t, source(in, all))
	if got := sums(l, evidence.AvailabilityFailed, "green"); got.Trials != 10 || got.Events != 3 {
		t.Errorf("%+v", got)
	}
}

func TestExceptionsArePerRequestAndDependenciesPerOperation(t *testing.T) {
	in := newInsights(t)
	in.traffic(30)
	for i := range 4 {
		at := noon.Add(time.Duration(i) * time.Second)
		in.add("AppDependencies", at, 2*time.Second, "green", row{"Success": i > 0, "OperationId": "a"})
		in.add("AppDependencies", at, 2*time.Second, "green", nil)
	}
	in.add("AppExceptions", noon.Add(time.Second), 2*time.Second, "green", nil)
	in.now = noon.Add(40 * time.Second)
	all := spec
	all.Exceptions, all.Dependencies = true, true
	l := look(t, source(in, all))
	if got := sums(l, evidence.Exceptions, "green"); got.Trials != 30 || got.Events != 1 {
		t.Errorf("exceptions %+v", got)
	}
	if got := sums(l, evidence.DependenciesFailed, "green"); got.Trials != 5 || got.Events != 1 {
		t.Errorf("dependencies %+v", got)
	}
	if len(in.asked) != 1 {
		t.Errorf("%d queries for one look", len(in.asked))
	}
}

func TestLatencyIsHeldAgainstProductionsBeforeTheRelease(t *testing.T) {
	in := newInsights(t)
	for i := range 400 { // production before: 1 to 400 ms
		in.add("AppRequests", noon.Add(-time.Duration(i+1)*time.Second), 2*time.Second, "blue", row{"DurationMs": float64(i + 1)})
	}
	for i := range 20 {
		at := noon.Add(time.Duration(i) * time.Second)
		in.add("AppRequests", at, 2*time.Second, "blue", row{"DurationMs": 300.0})
		in.add("AppRequests", at, 2*time.Second, "green", row{"DurationMs": 420.0})
		in.add("AppRequests", at, 2*time.Second, "green", row{"DurationMs": 500.0})
	}
	in.now = noon.Add(40 * time.Second)
	s := source(in, spec, loganalytics.Latency{Gate: "latency", Quantile: 0.95, Slower: 1.2})
	l := look(t, s)
	if got := sums(l, evidence.Slow("latency"), "green"); got.Trials != 40 || got.Events != 40 {
		t.Errorf("slower than 380 ms: %+v", got)
	}
	if got := sums(l, evidence.Slower("latency"), "green"); got.Trials != 40 || got.Events != 20 {
		t.Errorf("slower than 456 ms: %+v", got)
	}
	limits := s.Thresholds()
	if len(limits) != 2 || limits[0].Limit != 380*time.Millisecond || limits[1].Limit != 456*time.Millisecond {
		t.Errorf("%+v", limits)
	}
}

func TestWithoutEnoughOfProductionLatencyGoesByItsObjective(t *testing.T) {
	in := newInsights(t)
	in.traffic(30)
	in.now = noon.Add(40 * time.Second)
	s := source(in, spec, loganalytics.Latency{Gate: "a", Quantile: 0.9, Slower: 1.2, Within: 10 * time.Millisecond}, loganalytics.Latency{Gate: "b", Quantile: 0.9, Slower: 1.2})
	l := look(t, s)
	if got := sums(l, evidence.Slow("a"), "green"); got.Events != 30 {
		t.Errorf("%+v", got)
	}
	if got := s.Unknown(); len(got) != 1 || got[0] != "b" {
		t.Errorf("unknown: %v", got)
	}
}

func TestTheRowsOfAnAnswerDoNotGrowWithTraffic(t *testing.T) {
	in := newInsights(t)
	in.traffic(60)
	for i := range 2000 {
		in.add("AppRequests", noon.Add(time.Duration(i)*time.Millisecond*30), 2*time.Second, "blue", nil)
	}
	in.now = noon.Add(70 * time.Second)
	a, err := in.Query(t.Context(), source(in, spec).Query())
	if err != nil || len(a.Rows) != 6*2+2 {
		t.Errorf("%d rows for 6 intervals of 2 pods, %v", len(a.Rows), err)
	}
}

func TestWhatHadTheCandidatesSlotBeforeIsNotTheCandidate(t *testing.T) {
	in := newInsights(t)
	in.traffic(30)
	for i := range 100 {
		in.add("AppRequests", noon.Add(-time.Duration(i+1)*time.Second), 2*time.Second, "green", row{"Success": false})
		in.add("AppRequests", noon.Add(-time.Duration(i+1)*time.Second), 2*time.Second, "blue", nil)
	}
	in.now = noon.Add(40 * time.Second)
	l := look(t, source(in, spec))
	if got := sums(l, evidence.RequestsFailed, "green"); got.Trials != 30 || got.Events != 0 {
		t.Errorf("candidate %+v", got)
	}
	if got := sums(l, evidence.RequestsFailed, "blue"); got.Trials != 130 {
		t.Errorf("production's history should be there: %+v", got)
	}
}

func TestNoTelemetryIsNoWatermark(t *testing.T) {
	if l := look(t, source(newInsights(t), spec)); !l.Watermark.IsZero() || len(l.Batches) != 0 {
		t.Errorf("%+v", l)
	}
}

func custom(in *insights, query string) *loganalytics.Source {
	return loganalytics.NewSource(in, spec, nil, []loganalytics.Custom{{Gate: "orders", Query: query}}, loganalytics.Release{Candidate: "green", Production: "blue", Since: noon})
}

const orders = `AppEvents
| where TimeGenerated between (from .. to) and Name startswith "order"
| summarize trials = count(), events = countif(Name == "order-failed") by slot = tostring(Properties.slot), bin = bin(TimeGenerated, batch)`

func TestAQueryOfYourOwnCountsWithTheOthers(t *testing.T) {
	in := newInsights(t)
	in.traffic(30)
	for i := range 30 {
		name := "order-placed"
		if i%10 == 0 {
			name = "order-failed"
		}
		in.add("AppEvents", noon.Add(time.Duration(i)*time.Second), 2*time.Second, "green", row{"Name": name})
	}
	in.now = noon.Add(40 * time.Second)
	l := look(t, custom(in, orders))
	if got := sums(l, evidence.Custom("orders"), "green"); got.Trials != 30 || got.Events != 3 || len(l.Failed) != 0 {
		t.Errorf("%+v, %v", got, l.Failed)
	}
}

func TestAQueryOfYourOwnThatGivesNoSlotSaysSoAndLeavesTheOthersAlone(t *testing.T) {
	in := newInsights(t)
	in.traffic(30)
	in.now = noon.Add(40 * time.Second)
	l := look(t, custom(in, "AppRequests | summarize trials = count(), events = countif(Success == false) by bin = bin(TimeGenerated, batch)"))
	if len(l.Failed) != 1 || !strings.Contains(l.Failed[0].Err.Error(), "has no column slot; it has bin, trials, events") {
		t.Errorf("%v", l.Failed)
	}
	if got := sums(l, evidence.RequestsFailed, "green"); got.Trials != 30 {
		t.Errorf("%+v", got)
	}
}
