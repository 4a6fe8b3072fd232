package config

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// String is the duration as slipway.yaml writes it, without zero parts: "10m", not "10m0s".
func (d Duration) String() string {
	s := time.Duration(d).String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// MarshalText writes the duration as [Duration.String] does; YAML and JSON both use it.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText reads a duration that is not negative, as Go writes it ("10m", "1h30m", "250ms").
func (d *Duration) UnmarshalText(text []byte) error {
	parsed, err := parseDuration(string(text))
	if err != nil {
		return err
	}
	*d = parsed
	return nil
}

var (
	bareNumber   = regexp.MustCompile(`^[0-9]+(\.[0-9]+)?$`)
	numberOfDays = regexp.MustCompile(`^([0-9]{1,5}) ?(d|days?)$`)
)

// parseDuration is time.ParseDuration with errors that say what to write.
func parseDuration(s string) (Duration, error) {
	trimmed := strings.Join(strings.Fields(s), "")
	switch {
	case trimmed == "":
		return 0, errors.New(`is empty; write a duration such as "30s" or "5m"`)
	case trimmed == "0":
		return 0, nil
	case strings.HasPrefix(trimmed, "-"):
		return 0, fmt.Errorf("is %q, but a duration cannot be negative", s)
	case bareNumber.MatchString(trimmed):
		return 0, fmt.Errorf("is %q, which has no unit; did you mean %q?", s, trimmed+"s")
	}
	if m := numberOfDays.FindStringSubmatch(trimmed); m != nil {
		days, err := strconv.Atoi(m[1])
		if err != nil {
			return 0, fmt.Errorf("is %q: %w", s, err)
		}
		return 0, fmt.Errorf("is %q, but days are no unit; did you mean \"%dh\"?", s, days*24)
	}
	d, err := time.ParseDuration(s)
	if err == nil {
		return Duration(d), nil
	}
	for from, to := range map[string]string{"sec": "s", "secs": "s", "seconds": "s", "second": "s", "min": "m", "mins": "m", "minutes": "m", "minute": "m", "hours": "h", "hour": "h", "hr": "h"} {
		if number, found := strings.CutSuffix(trimmed, from); found && bareNumber.MatchString(number) {
			return 0, fmt.Errorf("is %q, which is no duration; did you mean %q?", s, number+to)
		}
	}
	if _, err := time.ParseDuration(trimmed); err == nil {
		return 0, fmt.Errorf("is %q, which has a space in it; did you mean %q?", s, trimmed)
	}
	return 0, fmt.Errorf(`is %q, which is no duration; write a number with a unit (ms, s, m, h), such as "250ms", "30s", "1h30m"`, s)
}
