package loganalytics

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/slipway-cd/slipway/internal/evidence"
)

// Spec is what a release wants counted.
type Spec struct {
	// Slot is the KQL expression that gives a row's slot.
	Slot string
	// Roles whose telemetry counts, all if empty; Exclude are the URL paths that do not.
	Roles, Exclude []string
	// Batch is the length of an interval.
	Batch time.Duration
	// Exceptions, Dependencies and Availability say what is counted beside requests.
	Exceptions, Dependencies, Availability bool
	// Slow are the latency thresholds.
	Slow []Threshold
}

// Threshold counts requests that take longer than a limit.
type Threshold struct {
	Measure evidence.Measure
	Limit   time.Duration
}

// Settle is how far back a look's measurement of the ingestion delay goes.
const Settle = 5 * time.Minute

// lookQuery is the one query of a look: counts by interval, slot and pod from a time on, and how late telemetry arrives. How
// many rows it returns depends on time and pods, not on traffic.
func lookQuery(s Spec, from time.Time) string {
	var b strings.Builder
	fmt.Fprintf(&b, "let from = %s;\nlet batch = %s;\n", datetime(from), timespan(s.Batch))
	fmt.Fprintf(&b, "let requests = AppRequests\n%s%s;\nunion\n", s.rows("requests"), s.paths())
	// One trial an operation, so that a retry or a failure that several services report counts once.
	b.WriteString(`  (requests
    | summarize failed = countif(Success == false), items = max(ItemCount), slowest = max(DurationMs) by slot, pod, start, operation
    | summarize trials = count(), trialItems = sum(items), failed = countif(failed > 0), failedItems = sumif(items, failed > 0)`)
	for i, t := range s.Slow {
		over := "slowest > " + milliseconds(t.Limit)
		fmt.Fprintf(&b, ",\n        slow%d = countif(%s), slow%dItems = sumif(items, %s)", i, over, i, over)
	}
	b.WriteString("\n      by slot, pod, start\n    | extend kind = \"requests\"),\n")
	for _, t := range s.tables()[1:] {
		fmt.Fprintf(&b, `  (%s
%s
    | summarize failed = countif(%s), items = max(ItemCount) by slot, pod, start, operation
    | summarize trials = count(), trialItems = sum(items), failed = countif(failed > 0), failedItems = sumif(items, failed > 0)
      by slot, pod, start
    | extend kind = "%s"),
`, t.table, s.rows(t.kind), t.failing, t.kind)
	}
	fmt.Fprintf(&b, `  (requests
    | where arrived > now() - %s
    | summarize delayMs = percentile((arrived - TimeGenerated) / 1ms, 99) by slot
    | extend kind = "delay")
| extend asked = now()`, timespan(Settle))
	return b.String()
}

// counted is a table whose rows a look counts.
type counted struct{ kind, table, failing string }

// availability tests are synthetic by nature, and come from whoever tests: neither excludes them.
const availability = "availability"

// Tables are all that a look can count.
func Tables() []string {
	var names []string
	for _, t := range (Spec{Exceptions: true, Dependencies: true, Availability: true}).tables() {
		names = append(names, t.table)
	}
	return names
}

// tables are those that the spec wants counted, requests first.
func (s Spec) tables() []counted {
	out := []counted{{"requests", "AppRequests", "Success == false"}}
	if s.Exceptions {
		out = append(out, counted{"exceptions", "AppExceptions", "true"})
	}
	if s.Dependencies {
		out = append(out, counted{"dependencies", "AppDependencies", "Success == false"})
	}
	if s.Availability {
		out = append(out, counted{availability, "AppAvailabilityResults", "Success == false"})
	}
	return out
}

// RowsQuery gives the rows of one kind that a look counts.
type RowsQuery struct{ Kind, Table, Query string }

// RowsQueries are for who counts by himself ([Counter]): what the query of a look summarizes. Columns: slot, pod, start, operation,
// failing, items, took (milliseconds, of requests only), arrived and delay.
func RowsQueries(s Spec, from time.Time) []RowsQuery {
	var out []RowsQuery
	for _, t := range s.tables() {
		paths, took := "", "real(null)"
		if t.kind == "requests" {
			paths, took = s.paths(), "DurationMs"
		}
		out = append(out, RowsQuery{t.kind, t.table, fmt.Sprintf("let from = %s;\nlet batch = %s;\n%s\n%s%s\n"+
			"    | project slot, pod, start, operation, failing = %s, items = ItemCount, took = %s, arrived, delay = arrived - TimeGenerated",
			datetime(from), timespan(s.Batch), t.table, s.rows(t.kind), paths, t.failing, took)})
	}
	return out
}

// rows are the operators that keep what counts and name slot, pod, interval and operation.
func (s Spec) rows(kind string) string {
	var b strings.Builder
	b.WriteString("    | where TimeGenerated >= from")
	if kind != availability {
		b.WriteString(" and isempty(SyntheticSource)")
	}
	b.WriteString("\n")
	if len(s.Roles) > 0 && kind != availability {
		fmt.Fprintf(&b, "    | where AppRoleName in (%s)\n", quoteAll(s.Roles))
	}
	fmt.Fprintf(&b, "    | extend slot = %s, pod = AppRoleInstance, start = bin(TimeGenerated, batch), arrived = ingestion_time(),\n", s.Slot)
	b.WriteString("        operation = iff(isempty(OperationId), Id, OperationId)\n")
	b.WriteString(`    | where slot in ("blue", "green")`)
	return b.String()
}

func (s Spec) paths() string {
	if len(s.Exclude) == 0 {
		return ""
	}
	return fmt.Sprintf("\n    | where tostring(parse_url(Url).Path) !in (%s)", quoteAll(s.Exclude))
}

// BaselineQuery asks for quantiles of production's latency before the candidate took traffic, and how many requests they are of.
func BaselineQuery(s Spec, r Release, latencies []Latency) string {
	return baselineQuery(s, r.Production, later(r.Since.Add(-baseline), r.ProductionSince), r.Since, quantiles(latencies))
}

// SlotsQuery asks which slots had requests that count in a time: slot, requests, first and last.
func SlotsQuery(s Spec, from, to time.Time) string {
	return s.between(from, to) + "    | summarize requests = count(), first = min(TimeGenerated), last = max(TimeGenerated) by slot\n    | sort by slot asc"
}

// ServedQuery asks how many requests a slot served in each second of a time, and how many of them failed: second, requests and
// failures, of what the records stand for. As in a look, an operation counts once.
func ServedQuery(s Spec, slot string, from, to time.Time) string {
	return s.between(from, to) + fmt.Sprintf(`    | where slot == %s
    | summarize failed = countif(Success == false), items = max(ItemCount), at = min(TimeGenerated) by pod, start, operation
    | summarize requests = sum(items), failures = sumif(items, failed > 0) by second = bin(at, 1s)
    | sort by second asc`, quote(slot))
}

// between are the requests of a time that count.
func (s Spec) between(from, to time.Time) string {
	return fmt.Sprintf("let from = %s;\nlet batch = %s;\nAppRequests\n%s%s\n    | where TimeGenerated < %s\n",
		datetime(from), timespan(s.Batch), s.rows("requests"), s.paths(), datetime(to))
}

func quantiles(latencies []Latency) []float64 {
	var out []float64
	for _, l := range latencies {
		out = append(out, l.Quantile)
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func baselineQuery(s Spec, production string, from, to time.Time, quantiles []float64) string {
	var b strings.Builder
	fmt.Fprintf(&b, "let from = %s;\nlet batch = %s;\nAppRequests\n%s%s\n", datetime(from), timespan(s.Batch), s.rows("requests"), s.paths())
	fmt.Fprintf(&b, "    | where TimeGenerated < %s and slot == %s\n    | summarize requests = count()", datetime(to), quote(production))
	for i, q := range quantiles {
		fmt.Fprintf(&b, ", q%d = percentile(DurationMs, %s)", i, trim(q*100))
	}
	return b.String()
}

func datetime(t time.Time) string {
	return "datetime(" + t.UTC().Format("2006-01-02T15:04:05.0000000Z") + ")"
}

// timespan writes a duration of whole milliseconds.
func timespan(d time.Duration) string {
	if d%time.Second == 0 {
		return fmt.Sprintf("%ds", d/time.Second)
	}
	return fmt.Sprintf("%dms", d/time.Millisecond)
}

// milliseconds writes a duration as a real.
func milliseconds(d time.Duration) string {
	return fmt.Sprintf("real(%s)", trim(float64(d)/float64(time.Millisecond)))
}

func trim(f float64) string {
	s := strings.TrimRight(fmt.Sprintf("%.6f", f), "0")
	return strings.TrimSuffix(s, ".")
}

// quote writes a KQL string literal.
func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`, "\r", `\r`, "\t", `\t`).Replace(s) + `"`
}

func quoteAll(list []string) string {
	quoted := make([]string, len(list))
	for i, s := range list {
		quoted[i] = quote(s)
	}
	return strings.Join(quoted, ", ")
}
