package insights

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// timespan reads the ISO 8601 interval of a query: a duration until now,
// start/end, start/duration or duration/end. Zero times do not limit.
func timespan(s string, now time.Time) (from, to time.Time, err error) {
	if s == "" {
		return time.Time{}, time.Time{}, nil
	}
	left, right, interval := strings.Cut(s, "/")
	if !interval {
		d, err := isoDuration(s)
		return now.Add(-d), now, err
	}
	leftIsDuration, rightIsDuration := strings.HasPrefix(left, "P"), strings.HasPrefix(right, "P")
	var d time.Duration
	switch {
	case leftIsDuration && rightIsDuration:
		return from, to, fmt.Errorf("timespan %q has no point in time", s)
	case leftIsDuration:
		if to, err = isoTime(right); err == nil {
			d, err = isoDuration(left)
			from = to.Add(-d)
		}
	case rightIsDuration:
		if from, err = isoTime(left); err == nil {
			d, err = isoDuration(right)
			to = from.Add(d)
		}
	default:
		if from, err = isoTime(left); err == nil {
			to, err = isoTime(right)
		}
		if err == nil && to.Before(from) {
			err = fmt.Errorf("timespan %q ends before it starts", s)
		}
	}
	return from, to, err
}

func isoTime(s string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999", "2006-01-02T15:04", time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("%q is not an ISO 8601 time", s)
}

// Years and months have no fixed length; they are not taken here.
var isoPattern = regexp.MustCompile(`^P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+(?:\.\d{1,7})?)S)?)?$`)

func isoDuration(s string) (time.Duration, error) {
	m := isoPattern.FindStringSubmatch(s)
	if m == nil || strings.HasSuffix(s, "P") || strings.HasSuffix(s, "T") {
		return 0, fmt.Errorf("%q is not an ISO 8601 duration of weeks, days, hours, minutes or seconds", s)
	}
	var sum float64
	for i, unit := range []time.Duration{7 * 24 * time.Hour, 24 * time.Hour, time.Hour, time.Minute, time.Second} {
		if m[i+1] == "" {
			continue
		}
		n, err := strconv.ParseFloat(m[i+1], 64)
		if err != nil {
			return 0, fmt.Errorf("duration %q: %w", s, err)
		}
		sum += n * float64(unit)
	}
	const longest = 100 * 365 * 24 * time.Hour
	if sum > float64(longest) {
		return 0, fmt.Errorf("duration %q is longer than 100 years", s)
	}
	return time.Duration(sum), nil
}
