package envelope

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"
)

// cellsHint is about how many cells an item has.
const cellsHint = 20

// rows makes the rows of one item: one, or one for each metric.
func (p *Parser) rows(it *item, now time.Time) ([]Row, error) {
	resource, known := p.Keys[strings.ToLower(it.IKey)]
	if !known {
		//lint:ignore ST1005 the service's words
		return nil, errors.New("Invalid instrumentation key")
	}
	t, err := timestamp(it.Time, now)
	if err != nil {
		return nil, err
	}
	switch {
	case it.Name == "":
		return nil, missing("name", "Envelope", "string")
	case it.Data == nil:
		return nil, missing("data", "Envelope", "object")
	case it.Data.BaseType == "":
		return nil, missing("baseType", "Data", "string")
	case it.Data.BaseData == nil:
		return nil, missing("baseData", "Data", "object")
	}
	m := maker{item: it, d: it.Data.BaseData, typ: it.Data.BaseType, resource: resource, time: t}
	if m.properties, err = p.bags.properties(m.d.Properties, m.typ); err != nil {
		return nil, err
	}
	if m.measurements, err = measurements(m.d.Measurements, m.typ); err != nil {
		return nil, err
	}
	switch m.typ {
	case "RequestData":
		return m.request()
	case "RemoteDependencyData":
		return m.dependency()
	case "ExceptionData":
		return m.exception()
	case "EventData":
		return m.event()
	case "MessageData":
		return m.trace()
	case "MetricData":
		return m.metrics()
	case "AvailabilityData":
		return m.availability()
	case "PageViewData":
		return m.pageView()
	case "PerformanceCounterData":
		return m.counter()
	}
	//lint:ignore ST1005 like the service's other answers
	return nil, fmt.Errorf("Unknown telemetry type '%s'", m.typ)
}

// maker makes the rows of one item.
type maker struct {
	item                     *item
	d                        *baseData
	typ, resource            string
	properties, measurements string
	time                     time.Time
}

// row starts a row with the columns that all tables share. The cells must be
// in the order of the columns, so id comes here too.
func (m *maker) row(table, id string, count int64) Row {
	t := &m.item.Tags
	r := Row{Table: table, Cells: make([]Cell, 0, cellsHint)}
	r.Cells = append(r.Cells, Cell{Column: TimeGenerated, Kind: Instant, Int: m.time.UnixNano()})
	r.text(ID, id)
	r.text(OperationID, t.OperationID)
	r.text(OperationName, cut(t.Operation, maxName))
	r.text(ParentID, t.ParentID)
	r.text(AppRoleName, t.Role)
	r.text(AppRoleInstance, t.RoleInstance)
	r.text(AppVersion, t.Version)
	if t.DeviceType == "" {
		t.DeviceType = "PC" // what the service says of all that is not a browser
	}
	r.text(ClientType, t.DeviceType)
	r.text(ClientIP, "0.0.0.0") // addresses are masked by default
	r.text(ClientOS, t.DeviceOS)
	r.text(UserID, t.UserID)
	r.text(SessionID, t.SessionID)
	r.text(SyntheticSource, t.Synthetic)
	r.text(SDKVersion, t.SDK)
	r.integer(ItemCount, count)
	r.text(Properties, m.properties)
	r.text(Measurements, m.measurements)
	r.text(ResourceID, m.resource)
	r.text(Type, table)
	return r
}

// count is the number of items that this one stands for after sampling.
func (m *maker) count() int64 {
	rate := m.item.SampleRate
	if rate == nil || *rate <= 0 || *rate > 100 {
		return 1
	}
	return min(int64(math.Round(100 / *rate)), math.MaxInt32)
}

func (m *maker) request() ([]Row, error) {
	ms, err := duration(m.d.Duration, m.typ)
	switch {
	case m.d.ID == "":
		return nil, missing("id", m.typ, "string")
	case err != nil:
		return nil, err
	case m.d.ResponseCode == "":
		return nil, missing("responseCode", m.typ, "string")
	case m.d.Success == nil:
		return nil, missing("success", m.typ, "boolean")
	}
	r := m.row("AppRequests", m.d.ID, m.count())
	r.text(Name, cut(m.d.Name, maxName))
	r.text(URL, m.d.URL)
	r.boolean(Success, *m.d.Success)
	r.text(ResultCode, m.d.ResponseCode)
	r.number(DurationMs, ms)
	r.text(PerformanceBucket, bucket(ms))
	r.text(Source, m.d.Source)
	return []Row{r}, nil
}

func (m *maker) dependency() ([]Row, error) {
	ms, err := duration(m.d.Duration, m.typ)
	switch {
	case m.d.Name == "":
		return nil, missing("name", m.typ, "string")
	case err != nil:
		return nil, err
	}
	r := m.row("AppDependencies", m.d.ID, m.count())
	r.text(Name, cut(m.d.Name, maxName))
	r.boolean(Success, m.d.Success == nil || *m.d.Success)
	r.text(ResultCode, m.d.ResultCode)
	r.number(DurationMs, ms)
	r.text(PerformanceBucket, bucket(ms))
	r.text(Target, m.d.Target)
	r.text(DependencyType, m.d.Kind)
	r.text(Data, cut(m.d.Command, maxProperty))
	return []Row{r}, nil
}

func (m *maker) event() ([]Row, error) {
	if m.d.Name == "" {
		return nil, missing("name", m.typ, "string")
	}
	r := m.row("AppEvents", "", m.count())
	r.text(Name, cut(m.d.Name, maxName))
	return []Row{r}, nil
}

func (m *maker) trace() ([]Row, error) {
	if m.d.Message == "" {
		return nil, missing("message", m.typ, "string")
	}
	level, err := severity(m.d.Severity, m.typ)
	if err != nil {
		return nil, err
	}
	r := m.row("AppTraces", "", m.count())
	if level >= 0 {
		r.integer(SeverityLevel, level)
	}
	r.text(Message, cut(m.d.Message, maxMessage))
	return []Row{r}, nil
}

func (m *maker) availability() ([]Row, error) {
	ms, err := duration(m.d.Duration, m.typ)
	switch {
	case m.d.ID == "":
		return nil, missing("id", m.typ, "string")
	case m.d.Name == "":
		return nil, missing("name", m.typ, "string")
	case err != nil:
		return nil, err
	case m.d.Success == nil:
		return nil, missing("success", m.typ, "boolean")
	}
	r := m.row("AppAvailabilityResults", m.d.ID, m.count())
	r.text(Name, cut(m.d.Name, maxName))
	r.boolean(Success, *m.d.Success)
	r.number(DurationMs, ms)
	r.text(Message, cut(m.d.Message, maxMessage))
	r.text(Location, m.d.RunLocation)
	return []Row{r}, nil
}

func (m *maker) pageView() ([]Row, error) {
	if m.d.Name == "" {
		return nil, missing("name", m.typ, "string")
	}
	r := m.row("AppPageViews", m.d.ID, m.count())
	r.text(Name, cut(m.d.Name, maxName))
	r.text(URL, m.d.URL)
	if m.d.Duration != "" {
		ms, err := duration(m.d.Duration, m.typ)
		if err != nil {
			return nil, err
		}
		r.number(DurationMs, ms)
		r.text(PerformanceBucket, bucket(ms))
	}
	return []Row{r}, nil
}

func (m *maker) counter() ([]Row, error) {
	switch {
	case m.d.Category == "":
		return nil, missing("categoryName", m.typ, "string")
	case m.d.Counter == "":
		return nil, missing("counterName", m.typ, "string")
	case m.d.Value == nil:
		return nil, missing("value", m.typ, "number")
	}
	return []Row{m.counterRow(m.d.Category, m.d.Counter, m.d.Instance, *m.d.Value)}, nil
}

func (m *maker) counterRow(category, counter, instance string, value float64) Row {
	r := m.row("AppPerformanceCounters", "", 1)
	r.text(Name, counter)
	r.text(Category, category)
	r.text(Counter, counter)
	r.text(Instance, instance)
	r.number(Value, value)
	return r
}

// buckets are the upper ends, in milliseconds, of PerformanceBucket.
var buckets = [...]struct {
	below float64
	name  string
}{
	{250, "<250ms"}, {500, "250ms-500ms"}, {1e3, "500ms-1sec"}, {3e3, "1sec-3sec"}, {7e3, "3sec-7sec"}, {15e3, "7sec-15sec"},
	{30e3, "15sec-30sec"}, {60e3, "30sec-1min"}, {120e3, "1min-2min"}, {300e3, "2min-5min"}, {math.Inf(1), ">=5min"},
}

func bucket(ms float64) string {
	for _, b := range buckets {
		if ms < b.below {
			return b.name
		}
	}
	return buckets[len(buckets)-1].name
}
