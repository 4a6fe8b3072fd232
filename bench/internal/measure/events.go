package measure

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"time"
)

// event is what is needed of a line of `slipway release --events`.
type event struct {
	Time   time.Time `json:"time"`
	Kind   string    `json:"kind"`
	Phase  string    `json:"phase"`
	Weight *int      `json:"weight"`
	Fields []struct {
		Key   string `json:"key"`
		Value string `json:"value"`
	} `json:"fields"`
}

func readEvents(path string) ([]event, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("reading a release's events: %w", err)
	}
	defer func() { _ = f.Close() }()
	var all []event
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			return nil, fmt.Errorf("reading a release's events: %w", err)
		}
		all = append(all, e)
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("reading a release's events: %w", err)
	}
	return all, nil
}

// first event of a kind in a phase.
func first(all []event, kind, phase string) (event, error) {
	for _, e := range all {
		if e.Kind == kind && e.Phase == phase {
			return e, nil
		}
	}
	return event{}, fmt.Errorf("the release's events have none of kind %s in phase %s", kind, phase)
}

// field of the event that announces the release.
func field(all []event, key string) string {
	for _, e := range all {
		if e.Kind == "started" {
			for _, f := range e.Fields {
				if f.Key == key {
					return f.Value
				}
			}
		}
	}
	return ""
}

// phases says how long each phase took, in milliseconds. A phase ends where another begins; steps are added up.
func phases(all []event, began, ended time.Time) map[string]float64 {
	took, name, since := map[string]float64{}, "start of the process", began
	for _, e := range all {
		if e.Kind == "phase" && e.Phase != name {
			took[name] += float64(e.Time.Sub(since)) / float64(time.Millisecond)
			name, since = e.Phase, e.Time
		}
	}
	took[name] += float64(ended.Sub(since)) / float64(time.Millisecond)
	return took
}
