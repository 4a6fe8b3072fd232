// Package fault makes a service misbehave on request, so that a release process can be
// shown a bad candidate. Nothing is done unless it is configured.
package fault

import (
	"errors"
	"fmt"
	"math"
	"strconv"
	"time"
)

// maxLatency keeps an answer inside the servers' write timeout.
const maxLatency = 30 * time.Second

// Config says which faults to show. The zero value shows none.
type Config struct {
	FailureRate   float64       // share of API calls, 0 to 1, answered with HTTP 500
	Random        bool          // which calls fail is chance; else they are spread evenly
	AddedLatency  time.Duration // each API call waits this long first
	LatencySpread time.Duration // and up to this much longer, evenly spread
	CrashAfter    time.Duration // the process exits with code 1 this long after its start; 0 = never
	MemoryLeak    int64         // bytes kept for ever, each second
	StartDelay    time.Duration // readiness stays false this long after the start
	NeverReady    bool          // readiness stays false for ever
}

// FromEnv reads the FAULT_… variables with getenv (os.Getenv in a program). Unset and
// empty mean "no such fault". All bad values are told at once, each with its variable.
func FromEnv(getenv func(string) string) (Config, error) {
	var c Config
	var errs []error
	bad := func(name, want string) {
		errs = append(errs, fmt.Errorf("%s=%q: want %s", name, getenv(name), want))
	}
	if v := getenv("FAULT_FAILURE_RATE"); v != "" {
		rate, err := strconv.ParseFloat(v, 64)
		if err != nil || math.IsNaN(rate) || rate < 0 || rate > 1 {
			bad("FAULT_FAILURE_RATE", "a number from 0 to 1, for example 0.2")
		}
		c.FailureRate = rate
	}
	for _, d := range []struct {
		name string
		to   *time.Duration
	}{
		{"FAULT_ADDED_LATENCY", &c.AddedLatency},
		{"FAULT_LATENCY_SPREAD", &c.LatencySpread},
		{"FAULT_CRASH_AFTER", &c.CrashAfter},
		{"FAULT_START_DELAY", &c.StartDelay},
	} {
		if v := getenv(d.name); v != "" {
			parsed, err := time.ParseDuration(v)
			if err != nil || parsed < 0 {
				bad(d.name, "a duration of 0 or more, for example 150ms")
			}
			*d.to = parsed
		}
	}
	if c.AddedLatency > maxLatency || c.LatencySpread > maxLatency || c.AddedLatency+c.LatencySpread > maxLatency {
		errs = append(errs, fmt.Errorf("FAULT_ADDED_LATENCY and FAULT_LATENCY_SPREAD: together at most %s", maxLatency))
	}
	if v := getenv("FAULT_MEMORY_LEAK"); v != "" {
		leak, err := strconv.ParseInt(v, 10, 64)
		if err != nil || leak < 0 {
			bad("FAULT_MEMORY_LEAK", "a whole number of bytes per second, for example 10485760")
		}
		c.MemoryLeak = leak
	}
	for _, b := range []struct {
		name string
		to   *bool
	}{{"FAULT_RANDOM", &c.Random}, {"FAULT_NEVER_READY", &c.NeverReady}} {
		if v := getenv(b.name); v != "" {
			parsed, err := strconv.ParseBool(v)
			if err != nil {
				bad(b.name, "true or false")
			}
			*b.to = parsed
		}
	}
	if len(errs) > 0 {
		return Config{}, fmt.Errorf("reading the faults to show: %w", errors.Join(errs...))
	}
	return c, nil
}
