package telemetry

import (
	"errors"
	"fmt"
	"math"
	"net/url"
	"strconv"
)

// The files of the Secret that Config.Dir names.
const (
	connectionFile  = "connection-string" // of Application Insights
	authoritiesFile = "ca.crt"            // optional: who vouches for its ingestion endpoint; absent: public authorities
)

// maxEvery is the rarest sampling: of rarer traces nothing could be learned.
const maxEvery = 1000

// Config says where telemetry goes. The zero value sends it nowhere.
type Config struct {
	Dir   string // a directory with the file connection-string, as a mounted Secret has it; "": no Application Insights
	Every int    // one in so many traces is recorded; 0 means 1: all of them
	// Namespace stands before the role, so that services of one name in several environments are told apart.
	Namespace string
	OTLP      bool // also sent by OTLP, to the collector that OTEL_EXPORTER_OTLP_ENDPOINT names
}

// FromEnv reads TELEMETRY_DIR, TELEMETRY_SAMPLING_RATIO and OTEL_EXPORTER_OTLP_ENDPOINT with getenv.
// OpenTelemetry's own libraries read the other OTEL_… variables. All bad values are told at once.
//
// The ratio must be one in a whole number (1, 0.5, 0.333, 0.25, 0.1, 0.05, …), because each row of
// Application Insights says by a whole number for how many it stands.
func FromEnv(getenv func(string) string) (Config, error) {
	c := Config{Dir: getenv("TELEMETRY_DIR"), Every: 1, Namespace: getenv("TELEMETRY_NAMESPACE")}
	var errs []error
	if v := getenv("TELEMETRY_SAMPLING_RATIO"); v != "" {
		ratio, err := strconv.ParseFloat(v, 64)
		every := math.Round(1 / ratio)
		if err != nil || !(every >= 1 && every <= maxEvery) || math.Abs(ratio*every-1) > 0.015 {
			errs = append(errs, fmt.Errorf("TELEMETRY_SAMPLING_RATIO=%q: want one in a whole number from 1 to %d, for example 1, 0.5, 0.1 or 0.05", v, maxEvery))
		} else {
			c.Every = int(every)
		}
	}
	if v := getenv("OTEL_EXPORTER_OTLP_ENDPOINT"); v != "" {
		if u, err := url.Parse(v); err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
			errs = append(errs, fmt.Errorf("OTEL_EXPORTER_OTLP_ENDPOINT=%q: want an http or https URL, for example http://collector:4318", v))
		}
		c.OTLP = true
	}
	if len(errs) > 0 {
		return Config{}, fmt.Errorf("reading where telemetry goes: %w", errors.Join(errs...))
	}
	return c, nil
}
