package insights

import (
	"strings"
	"testing"
	"time"
)

func TestTimespansAreISO8601Intervals(t *testing.T) {
	now := time.Date(2026, 11, 22, 18, 0, 0, 0, time.UTC)
	for s, want := range map[string]string{
		"":        "0001-01-01T00:00:00Z 0001-01-01T00:00:00Z",
		"PT1H":    "2026-11-22T17:00:00Z 2026-11-22T18:00:00Z",
		"P1D":     "2026-11-21T18:00:00Z 2026-11-22T18:00:00Z",
		"P1W":     "2026-11-15T18:00:00Z 2026-11-22T18:00:00Z",
		"PT1.5S":  "2026-11-22T17:59:58.5Z 2026-11-22T18:00:00Z",
		"P1DT30M": "2026-11-21T17:30:00Z 2026-11-22T18:00:00Z",
		"2026-11-22T10:00:00Z/2026-11-22T11:00:00.5Z": "2026-11-22T10:00:00Z 2026-11-22T11:00:00.5Z",
		"2026-11-22T10:00:00+01:00/PT1H":              "2026-11-22T09:00:00Z 2026-11-22T10:00:00Z",
		"PT1H/2026-11-22T10:00:00Z":                   "2026-11-22T09:00:00Z 2026-11-22T10:00:00Z",
		"2026-11-20/2026-11-21":                       "2026-11-20T00:00:00Z 2026-11-21T00:00:00Z",
	} {
		from, to, err := timespan(s, now)
		if got := from.UTC().Format(time.RFC3339Nano) + " " + to.UTC().Format(time.RFC3339Nano); err != nil || got != want {
			t.Errorf("%q is %s, %v; want %s", s, got, err, want)
		}
	}
	for s, want := range map[string]string{
		"1h":                    "not an ISO 8601 duration",
		"P":                     "not an ISO 8601 duration",
		"PT":                    "not an ISO 8601 duration",
		"P1M":                   "not an ISO 8601 duration",
		"P1Y":                   "not an ISO 8601 duration",
		"-PT1H":                 "not an ISO 8601 duration",
		"P99999999W":            "longer than 100 years",
		"PT1H/PT2H":             "no point in time",
		"yesterday/PT1H":        `"yesterday" is not an ISO 8601 time`,
		"2026-11-22/tomorrow":   `"tomorrow" is not an ISO 8601 time`,
		"2026-11-22/2026-11-21": "ends before it starts",
	} {
		if _, _, err := timespan(s, now); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", s, err)
		}
	}
}

func FuzzTimespan(f *testing.F) {
	for _, s := range []string{"PT1H", "P1DT1.5S", "2026-11-22T10:00:00Z/PT1H", "PT1H/2026-11-22", "2026-11-20/2026-11-21"} {
		f.Add(s)
	}
	now := time.Date(2026, 11, 22, 18, 0, 0, 0, time.UTC)
	f.Fuzz(func(t *testing.T, s string) {
		if from, to, err := timespan(s, now); err == nil && to.Before(from) {
			t.Errorf("%q is from %v to %v", s, from, to)
		}
	})
}
