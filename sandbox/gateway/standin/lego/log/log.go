// Package log stands in for the ACME client's log.
package log

import "log/slog"

// SetDefault does nothing: nothing here logs.
func SetDefault(*slog.Logger) {}
