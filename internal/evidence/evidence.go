// Package evidence is what telemetry says about the slots of a release, in the form that a judge takes: closed batches of
// counts, in time order.
package evidence

import (
	"slices"
	"strings"
	"time"
)

// Measure names what is counted: of so many trials, how many were events.
type Measure string

// The measures of the built-in gates. [Slow] makes those of latency.
const (
	RequestsFailed     Measure = "requests.failed"     // trials: requests; events: those that failed
	Exceptions         Measure = "exceptions"          // trials: requests; events: operations with an exception
	DependenciesFailed Measure = "dependencies.failed" // trials: calls to dependencies; events: those that failed
	AvailabilityFailed Measure = "availability.failed" // trials: availability tests; events: those that failed
)

// slow is what the measures of latency begin with.
const slow = "requests.slow."

// Slow is the measure of a latency gate: trials are requests, events those that took longer than production's quantile.
func Slow(gate string) Measure { return Measure(slow + gate) }

// Slower is Slow with a threshold that is as much longer as the gate tolerates.
func Slower(gate string) Measure { return Measure(slow + gate + ".tolerated") }

// Custom is the measure of a gate with a query of its own.
func Custom(gate string) Measure { return Measure("custom." + gate) }

// Count of one measure. Under sampling a record stands for several requests: Trials and Events count records, which is what
// a test may count; the Items count what they stand for, which is what a person reads.
type Count struct {
	Trials     int64   `json:"trials"`
	Events     int64   `json:"events"`
	TrialItems float64 `json:"trialItems"`
	EventItems float64 `json:"eventItems"`
}

// Plus is the sum of two counts.
func (c Count) Plus(d Count) Count {
	return Count{c.Trials + d.Trials, c.Events + d.Events, c.TrialItems + d.TrialItems, c.EventItems + d.EventItems}
}

// Minus is what c has more than d.
func (c Count) Minus(d Count) Count {
	return Count{c.Trials - d.Trials, c.Events - d.Events, c.TrialItems - d.TrialItems, c.EventItems - d.EventItems}
}

// Share is the events' share of the trials in requests, not records; 0 where there are none.
func (c Count) Share() float64 {
	if c.TrialItems == 0 {
		return 0
	}
	return c.EventItems / c.TrialItems
}

// Key says what is counted, and where.
type Key struct {
	Measure Measure `json:"measure"`
	Slot    string  `json:"slot"`
	Pod     string  `json:"pod,omitempty"`
}

// Cell is one count.
type Cell struct {
	Key
	Count
}

// Batch is a closed interval of time. Nothing that a batch has said is taken back; what comes late makes another batch of
// the same interval, with Late set.
type Batch struct {
	From  time.Time `json:"from"` // inclusive, UTC
	To    time.Time `json:"to"`   // exclusive
	Late  bool      `json:"late,omitempty"`
	Cells []Cell    `json:"cells"` // by measure, slot and pod
}

// Sum adds up the cells of a measure and a slot over all pods.
func (b Batch) Sum(m Measure, slot string) Count {
	var sum Count
	for _, c := range b.Cells {
		if c.Measure == m && c.Slot == slot {
			sum = sum.Plus(c.Count)
		}
	}
	return sum
}

// Look is what one look at a telemetry source has newly brought.
type Look struct {
	// At is the source's own time of the look.
	At time.Time `json:"at"`
	// Watermark: what happened before it is known for every slot that gets traffic. Zero: not known yet.
	Watermark time.Time `json:"watermark,omitzero"`
	// Delay is how long telemetry has taken lately to arrive, by slot (the 99th percentile, measured).
	Delay map[string]time.Duration `json:"delay,omitempty"`
	// Batches are newly closed, in time order.
	Batches []Batch `json:"batches,omitempty"`
	// Query is what was asked.
	Query string `json:"query,omitempty"`
	// Failed are the measures that could not be counted in this look; the others were.
	Failed []Failure `json:"-"`
}

// Failure says why a measure could not be counted.
type Failure struct {
	Measure Measure
	Err     error
}

// Ledger turns running totals, asked again and again, into batches: what a total has grown by since it was last counted.
// Asking again is harmless, and a process that continues a release finds the same evidence.
type Ledger struct {
	// Length of a batch.
	Length time.Duration

	counted map[time.Time]map[Key]Count
}

// Close returns the batches that are complete up to the watermark. Totals are the counts of each interval, by its start, as
// far as they are known now; intervals that end after the watermark stay open.
func (l *Ledger) Close(totals map[time.Time]map[Key]Count, watermark time.Time) []Batch {
	if l.counted == nil {
		l.counted = map[time.Time]map[Key]Count{}
	}
	var out []Batch
	for from, cells := range totals {
		if from.Add(l.Length).After(watermark) {
			continue
		}
		before, late := l.counted[from]
		b := Batch{From: from, To: from.Add(l.Length), Late: late}
		if !late {
			before = map[Key]Count{}
			l.counted[from] = before
		}
		for k, c := range cells {
			// A total that shrinks (a source that forgets) takes nothing back.
			if d := c.Minus(before[k]); d.Trials > 0 || d.Events > 0 {
				d.Trials = max(d.Trials, d.Events) // an event can come late to a trial that was counted before
				d.TrialItems = max(d.TrialItems, d.EventItems)
				b.Cells = append(b.Cells, Cell{k, d})
				before[k] = c
			}
		}
		if len(b.Cells) > 0 {
			slices.SortFunc(b.Cells, func(x, y Cell) int { return compare(x.Key, y.Key) })
			out = append(out, b)
		}
	}
	slices.SortFunc(out, func(x, y Batch) int { return x.From.Compare(y.From) })
	return out
}

func compare(a, b Key) int {
	if c := strings.Compare(string(a.Measure), string(b.Measure)); c != 0 {
		return c
	}
	if c := strings.Compare(a.Slot, b.Slot); c != 0 {
		return c
	}
	return strings.Compare(a.Pod, b.Pod)
}
