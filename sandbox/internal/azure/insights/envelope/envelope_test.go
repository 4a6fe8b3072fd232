package envelope

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

const key = "00000000-0000-4000-8000-000000000001"

var now = time.Date(2026, 11, 22, 18, 30, 0, 0, time.UTC)

func parser() *Parser {
	return &Parser{Keys: map[string]string{key: "/the/component"}, Now: func() time.Time { return now }}
}

// envelope writes an item of a base type.
func envelope(typ, data string) string {
	return fmt.Sprintf(`{"name":"n","time":"2026-11-22T18:29:00Z","iKey":%q,"tags":{"ai.cloud.role":"shop"},"data":{"baseType":%q,"baseData":{"ver":2,%s}}}`, key, typ, data)
}

const good = `"id":"r1","name":"GET /","duration":"00:00:00.5","responseCode":"200","success":true`

// one parses a body that must give one row.
func one(t *testing.T, body string) *Row {
	t.Helper()
	res := parser().Parse([]byte(body))
	if len(res.Problems) > 0 || len(res.Rows) != 1 || res.Received != 1 || res.Accepted != 1 {
		t.Fatalf("%s gives %+v", body, res)
	}
	return &res.Rows[0]
}

// cells writes what a row says of some columns.
func cells(r *Row, columns ...Column) string {
	var out []string
	for _, c := range columns {
		cell, ok := r.Get(c)
		switch {
		case !ok:
			out = append(out, "-")
		case cell.Kind == Text:
			out = append(out, cell.Text)
		case cell.Kind == Number:
			out = append(out, fmt.Sprint(cell.Num()))
		default:
			out = append(out, fmt.Sprint(cell.Int))
		}
	}
	return strings.Join(out, " | ")
}

func TestEachBaseTypeGoesToItsTable(t *testing.T) {
	for _, c := range []struct {
		typ, data, table, want string
		columns                []Column
	}{
		{"RequestData", good + `,"url":"http://x/","source":"s","properties":{"b":"2","a":"1"},"measurements":{"m":1.5}`, "AppRequests",
			`r1 | GET / | http://x/ | 1 | 200 | 500 | 500ms-1sec | s | {"a":"1","b":"2"} | {"m":1.5} | 1 | shop | /the/component`,
			[]Column{ID, Name, URL, Success, ResultCode, DurationMs, PerformanceBucket, Source, Properties, Measurements, ItemCount, AppRoleName, ResourceID}},
		{"RemoteDependencyData", `"id":"d1","name":"SELECT","duration":"00:00:00.007","resultCode":"0","success":false,"type":"SQL","target":"sql1","data":"select 1"`,
			"AppDependencies", `d1 | SELECT | 0 | 0 | 7 | sql1 | SQL | select 1`,
			[]Column{ID, Name, Success, ResultCode, DurationMs, Target, DependencyType, Data}},
		{"EventData", `"name":"Deployed","properties":{},"measurements":{}`, "AppEvents", `Deployed | - | -`, []Column{Name, Properties, Measurements}},
		{"MessageData", `"message":"hello","severityLevel":2`, "AppTraces", `hello | 2`, []Column{Message, SeverityLevel}},
		{"MessageData", `"message":"hello","severityLevel":"Warning"`, "AppTraces", `hello | 2`, []Column{Message, SeverityLevel}},
		{"MessageData", `"message":"hello"`, "AppTraces", `-`, []Column{SeverityLevel}},
		{"MetricData", `"metrics":[{"name":"depth","kind":"Aggregation","value":12,"count":4,"min":1,"max":5}]`, "AppMetrics",
			`depth | 12 | 1 | 5 | 4`, []Column{Name, Sum, Min, Max, ItemCount}},
		{"MetricData", `"metrics":[{"name":"depth","kind":0,"value":3}]`, "AppMetrics", `depth | 3 | 3 | 3 | 1`, []Column{Name, Sum, Min, Max, ItemCount}},
		{"MetricData", `"metrics":[{"name":"\\Process(p)\\Private Bytes","kind":1,"value":3,"count":1}]`, "AppPerformanceCounters",
			`Private Bytes | Process | Private Bytes | p | 3`, []Column{Name, Category, Counter, Instance, Value}},
		{"AvailabilityData", `"id":"a1","name":"smoke","duration":"00:00:00.050","success":true,"runLocation":"weu","message":"ok"`, "AppAvailabilityResults",
			`a1 | smoke | 1 | 50 | ok | weu`, []Column{ID, Name, Success, DurationMs, Message, Location}},
		{"PageViewData", `"id":"p1","name":"Home","url":"http://x/","duration":"00:00:02"`, "AppPageViews",
			`p1 | Home | http://x/ | 2000 | 1sec-3sec`, []Column{ID, Name, URL, DurationMs, PerformanceBucket}},
		{"PerformanceCounterData", `"categoryName":"Memory","counterName":"Available Bytes","instanceName":"i","value":7`, "AppPerformanceCounters",
			`Available Bytes | Memory | Available Bytes | i | 7`, []Column{Name, Category, Counter, Instance, Value}},
		{"ExceptionData", `"severityLevel":"Error","exceptions":[{"id":1,"typeName":"Outer","message":"o","parsedStack":[{"level":0,"method":"f","assembly":"a","line":7}]},{"id":2,"outerId":1,"typeName":"Inner","message":"i","stack":"s"}]`,
			"AppExceptions", `Outer at f | Outer | o | Outer | i | f | a | 3 | [{"severityLevel":"Error","outerId":0,"message":"o","type":"Outer","id":1,"parsedStack":[{"level":0,"method":"f","assembly":"a","line":7}]},{"severityLevel":"Error","outerId":1,"message":"i","type":"Inner","id":2,"rawStack":"s"}]`,
			[]Column{ProblemID, ExceptionType, OuterMessage, OuterType, InnermostMessage, Method, Assembly, SeverityLevel, Details}},
	} {
		r := one(t, envelope(c.typ, c.data))
		if r.Table != c.table {
			t.Errorf("%s goes to %s instead of %s", c.typ, r.Table, c.table)
		}
		if got := cells(r, c.columns...); got != c.want {
			t.Errorf("%s %s\ngot  %s\nwant %s", c.typ, c.data, got, c.want)
		}
	}
}

func TestCellsComeInTheOrderOfTheirColumns(t *testing.T) {
	for _, body := range []string{envelope("RequestData", good), envelope("ExceptionData", `"exceptions":[{"typeName":"T","message":"m"}]`)} {
		r := one(t, body)
		for i := 1; i < len(r.Cells); i++ {
			if r.Cells[i].Column <= r.Cells[i-1].Column {
				t.Errorf("%s: %v comes after %v", r.Table, r.Cells[i].Column, r.Cells[i-1].Column)
			}
		}
	}
}

func TestSampledItemsStandForMore(t *testing.T) {
	for rate, want := range map[string]int64{"100": 1, "50": 2, "33.3333": 3, "66": 2, "5": 20, "0.001": 100_000, "0": 1, "-1": 1, "200": 1, "null": 1} {
		body := strings.Replace(envelope("RequestData", good), `"name":"n"`, `"name":"n","sampleRate":`+rate, 1)
		if c, _ := one(t, body).Get(ItemCount); c.Int != want {
			t.Errorf("sampleRate %s gives ItemCount %d instead of %d", rate, c.Int, want)
		}
	}
}

func TestDurationsOfAllSDKsAreRead(t *testing.T) {
	for s, want := range map[string]float64{
		"00:00:00.1234": 123.4, "00:00:00.0005691": 0.5691, "0.00:00:00.1230000": 123, "00:00:01": 1000,
		"1.02:03:04.5": 93784500, "23:59:59.9999999": 86399999.9999,
	} {
		if got, err := duration(s, "T"); err != nil || got != want {
			t.Errorf("%s is %v ms, %v", s, got, err)
		}
	}
	for _, s := range []string{"1", "0:0:0", "00:00", "24:00:00", "00:60:00", "00:00:60", "00:00:00.", "00:00:00.12345678", "-00:00:01", "a.00:00:00", "99999999.00:00:00", "00:00:0x"} {
		if got, err := duration(s, "T"); err == nil {
			t.Errorf("%q is taken as %v ms", s, got)
		}
	}
}

// TestRefusals has one case for each thing that is refused.
func TestRefusals(t *testing.T) {
	without := func(s, old, replacement string) string {
		if !strings.Contains(s, old) {
			t.Fatalf("%s has no %s", s, old)
		}
		return strings.Replace(s, old, replacement, 1)
	}
	request := envelope("RequestData", good)
	field := func(typ, data string) string { return envelope(typ, data) }
	for _, c := range []struct{ body, want string }{
		{`{`, "Invalid JSON: unexpected end of JSON input"},
		{`hello`, "Invalid JSON: invalid character 'h' looking for beginning of value"},
		{`[1]`, "106: Field 'envelope' on type 'Envelope' is of incorrect type. Expected: object, Actual: number"},
		{`[` + request, "Invalid JSON: EOF"},
		{`[` + request + `]]`, "Invalid JSON: something follows the array"},
		{`[` + request + ` ` + request + `]`, "Invalid JSON: expected comma after array element"},
		{without(request, key, "00000000-0000-4000-8000-000000000002"), "Invalid instrumentation key"},
		{without(request, `"iKey":"`+key+`",`, ""), "Invalid instrumentation key"},
		{without(request, `"time":"2026-11-22T18:29:00Z",`, ""), "109: Field 'time' on type 'Envelope' is required but missing or empty. Expected: string, Actual: undefined"},
		{without(request, "2026-11-22T18:29:00Z", "yesterday"), "102: Field 'time' on type 'Envelope' is not a valid time string. Expected: date, Actual: yesterday"},
		{without(request, "2026-11-22T18:29:00Z", "2026-11-20T18:29:59Z"), "103: Field 'time' on type 'Envelope' is older than the allowed min date. Expected: now - 172800000ms, Actual: now - 172801000ms"},
		{without(request, "2026-11-22T18:29:00Z", "2026-11-22T20:30:01Z"), "104: Field 'time' on type 'Envelope' is newer than the allowed max date. Expected: now + 7200000ms, Actual: now + 7201000ms"},
		{without(request, `"name":"n",`, ""), "109: Field 'name' on type 'Envelope' is required but missing or empty. Expected: string, Actual: undefined"},
		{`{"name":"n","time":"2026-11-22T18:29:00Z","iKey":"` + key + `"}`, "109: Field 'data' on type 'Envelope' is required but missing or empty. Expected: object, Actual: undefined"},
		{without(request, `"baseType":"RequestData",`, ""), "109: Field 'baseType' on type 'Data' is required but missing or empty. Expected: string, Actual: undefined"},
		{`{"name":"n","time":"2026-11-22T18:29:00Z","iKey":"` + key + `","data":{"baseType":"EventData"}}`, "109: Field 'baseData' on type 'Data' is required but missing or empty. Expected: object, Actual: undefined"},
		{without(request, "RequestData", "FooData"), "Unknown telemetry type 'FooData'"},
		{without(request, `"time":"2026-11-22T18:29:00Z"`, `"time":1`), "106: Field 'time' on type 'Envelope' is of incorrect type. Expected: string, Actual: number"},
		{without(request, `"ai.cloud.role":"shop"`, `"ai.cloud.role":1`), "106: Field 'ai.cloud.role' on type 'Envelope' is of incorrect type. Expected: string, Actual: number"},
		{without(request, `"id":"r1",`, ""), "109: Field 'id' on type 'RequestData' is required but missing or empty. Expected: string, Actual: undefined"},
		{without(request, `"duration":"00:00:00.5",`, ""), "109: Field 'duration' on type 'RequestData' is required but missing or empty. Expected: string, Actual: undefined"},
		{without(request, `"00:00:00.5"`, `500`), "106: Field 'duration' on type 'RequestData' is of incorrect type. Expected: string, Actual: number"},
		{without(request, `00:00:00.5`, `500ms`), "102: Field 'duration' on type 'RequestData' is not a valid time span string. Expected: timespan, Actual: 500ms"},
		{without(request, `"responseCode":"200",`, ""), "109: Field 'responseCode' on type 'RequestData' is required but missing or empty. Expected: string, Actual: undefined"},
		{without(request, `"responseCode":"200"`, `"responseCode":200`), "106: Field 'responseCode' on type 'RequestData' is of incorrect type. Expected: string, Actual: number"},
		{without(request, `,"success":true`, ""), "109: Field 'success' on type 'RequestData' is required but missing or empty. Expected: boolean, Actual: undefined"},
		{without(request, `"success":true`, `"success":"true"`), "106: Field 'success' on type 'RequestData' is of incorrect type. Expected: boolean, Actual: string"},
		{field("RequestData", good+`,"properties":{"slot":1}`), "106: Field 'properties' on type 'RequestData' is of incorrect type. Expected: object of strings, Actual: number"},
		{field("RequestData", good+`,"measurements":{"m":"1"}`), "106: Field 'measurements' on type 'RequestData' is of incorrect type. Expected: object of numbers, Actual: string"},
		{field("RemoteDependencyData", `"duration":"00:00:01"`), "109: Field 'name' on type 'RemoteDependencyData' is required but missing or empty. Expected: string, Actual: undefined"},
		{field("RemoteDependencyData", `"name":"n"`), "109: Field 'duration' on type 'RemoteDependencyData' is required but missing or empty. Expected: string, Actual: undefined"},
		{field("EventData", `"x":1`), "109: Field 'name' on type 'EventData' is required but missing or empty. Expected: string, Actual: undefined"},
		{field("MessageData", `"x":1`), "109: Field 'message' on type 'MessageData' is required but missing or empty. Expected: string, Actual: undefined"},
		{field("MessageData", `"message":"m","severityLevel":"Loud"`), "106: Field 'severityLevel' on type 'MessageData' is of incorrect type. Expected: Verbose|Information|Warning|Error|Critical, Actual: Loud"},
		{field("ExceptionData", `"exceptions":[]`), "109: Field 'exceptions' on type 'ExceptionData' is required but missing or empty. Expected: array, Actual: undefined"},
		{field("ExceptionData", `"exceptions":[{"typeName":"T"}]`), "109: Field 'message' on type 'ExceptionDetails' is required but missing or empty. Expected: string, Actual: undefined"},
		{field("ExceptionData", `"exceptions":[{"message":"m"}]`), "109: Field 'typeName' on type 'ExceptionDetails' is required but missing or empty. Expected: string, Actual: undefined"},
		{field("ExceptionData", `"exceptions":[{"typeName":"T","message":7}]`), "106: Field 'message' on type 'ExceptionDetails' is of incorrect type. Expected: string, Actual: number"},
		{field("MetricData", `"metrics":[]`), "109: Field 'metrics' on type 'MetricData' is required but missing or empty. Expected: array, Actual: undefined"},
		{field("MetricData", `"metrics":[{"value":1}]`), "109: Field 'name' on type 'DataPoint' is required but missing or empty. Expected: string, Actual: undefined"},
		{field("MetricData", `"metrics":[{"name":"m"}]`), "109: Field 'value' on type 'DataPoint' is required but missing or empty. Expected: number, Actual: undefined"},
		{field("MetricData", `"metrics":[{"name":"m","value":"1"}]`), "106: Field 'value' on type 'DataPoint' is of incorrect type. Expected: number, Actual: string"},
		{field("MetricData", `"metrics":[{"name":"m","value":1,"kind":"Sum"}]`), "106: Field 'kind' on type 'DataPoint' is of incorrect type. Expected: Measurement|Aggregation, Actual: Sum"},
		{field("AvailabilityData", `"name":"n","duration":"00:00:01","success":true`), "109: Field 'id' on type 'AvailabilityData' is required but missing or empty. Expected: string, Actual: undefined"},
		{field("AvailabilityData", `"id":"i","name":"n","duration":"00:00:01"`), "109: Field 'success' on type 'AvailabilityData' is required but missing or empty. Expected: boolean, Actual: undefined"},
		{field("PageViewData", `"x":1`), "109: Field 'name' on type 'PageViewData' is required but missing or empty. Expected: string, Actual: undefined"},
		{field("PerformanceCounterData", `"categoryName":"c","value":1`), "109: Field 'counterName' on type 'PerformanceCounterData' is required but missing or empty. Expected: string, Actual: undefined"},
		{field("MessageData", `"message":"`+strings.Repeat("x", MaxItem)+`"`), fmt.Sprintf("The item has %d bytes; at most 65536 are allowed", MaxItem+len(field("MessageData", `"message":""`)))},
	} {
		res := parser().Parse([]byte(c.body))
		if res.Received != 1 || res.Accepted != 0 || len(res.Rows) != 0 || len(res.Problems) != 1 {
			t.Errorf("%.200s gives %+v", c.body, res)
			continue
		}
		if p := res.Problems[0]; p.Message != c.want || p.StatusCode != 400 || p.Index != 0 {
			t.Errorf("%.200s\ngot  %+v\nwant %s", c.body, p, c.want)
		}
	}
}

func TestOneBadItemDoesNotSpoilTheOthers(t *testing.T) {
	good, bad := envelope("EventData", `"name":"e"`), envelope("EventData", `"x":1`)
	for name, body := range map[string]string{
		"lines": good + "\n\n" + bad + "\r\n{\n" + good + "\n",
		"array": "[" + good + "," + bad + `,{"time":1},` + good + "]",
	} {
		res := parser().Parse([]byte(body))
		if res.Received != 4 || res.Accepted != 2 || len(res.Rows) != 2 || len(res.Problems) != 2 || res.Problems[0].Index != 1 || res.Problems[1].Index != 2 {
			t.Errorf("%s: %+v", name, res)
		}
	}
}

func TestLongTextsAreCut(t *testing.T) {
	long := strings.Repeat("ä", 6000)
	r := one(t, envelope("EventData", `"name":"e","properties":{"`+long[:400]+`":"`+long+`"}`))
	p, _ := r.Get(Properties)
	if want := `{"` + long[:150] + `":"` + long[:maxProperty] + `"}`; p.Text != want {
		t.Errorf("the bag has %d bytes instead of %d", len(p.Text), len(want))
	}
}

func TestAMetricItemMayHaveSeveralPoints(t *testing.T) {
	res := parser().Parse([]byte(envelope("MetricData", `"metrics":[{"name":"a","value":1},{"name":"b","value":2}]`)))
	if res.Accepted != 1 || len(res.Rows) != 2 {
		t.Errorf("%+v", res)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(envelope("RequestData", good)))
	f.Add([]byte("[" + envelope("MetricData", `"metrics":[{"name":"\\a(b)\\c","value":1}]`) + "]"))
	f.Add([]byte(envelope("ExceptionData", `"exceptions":[{"typeName":"T","message":"m"}]`) + "\n[{}"))
	p := parser()
	f.Fuzz(func(t *testing.T, body []byte) {
		res := p.Parse(body)
		if res.Received != res.Accepted+len(res.Problems) {
			t.Fatalf("received %d, accepted %d, refused %d", res.Received, res.Accepted, len(res.Problems))
		}
		if len(res.Rows) < res.Accepted {
			t.Fatalf("%d rows of %d items", len(res.Rows), res.Accepted)
		}
		for i := range res.Rows {
			if c, ok := res.Rows[i].Get(TimeGenerated); !ok || c.Kind != Instant || res.Rows[i].Table == "" {
				t.Fatalf("row without table or time: %+v", res.Rows[i])
			}
		}
	})
}
