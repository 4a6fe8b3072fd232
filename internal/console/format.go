package console

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/charmbracelet/x/ansi"

	"github.com/slipway-cd/slipway/internal/event"
)

// FormatDuration writes a duration the same way everywhere: "340 ms", "4.2 s", "3 m 05 s", "1 h 02 m".
func FormatDuration(d time.Duration) string {
	switch {
	case d < 0:
		return "-" + FormatDuration(-d)
	case d > 0 && d < time.Millisecond:
		return "<1 ms"
	case d.Round(time.Millisecond) < time.Second:
		return fmt.Sprintf("%d ms", d.Round(time.Millisecond).Milliseconds())
	case d.Round(100*time.Millisecond) < time.Minute:
		return fmt.Sprintf("%.1f s", d.Round(100*time.Millisecond).Seconds())
	case d.Round(time.Second) < time.Hour:
		seconds := int(d.Round(time.Second).Seconds())
		return fmt.Sprintf("%d m %02d s", seconds/60, seconds%60)
	}
	minutes := int(d.Round(time.Minute).Minutes())
	return fmt.Sprintf("%d h %02d m", minutes/60, minutes%60)
}

// FormatTime writes a time of day in UTC, with its zone: "15:04:05Z".
func FormatTime(t time.Time) string { return t.UTC().Format("15:04:05Z") }

func percent(weight int) string { return fmt.Sprintf("%d %%", weight) }

// clean takes out what could steer a terminal (messages quote pods, clusters and servers) and keeps line breaks.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n':
			return r
		case r == '\t':
			return ' '
		case unicode.IsControl(r), r >= 0x202a && r <= 0x202e, r >= 0x2066 && r <= 0x2069, r == unicode.ReplacementChar:
			return -1
		}
		return r
	}, ansi.Strip(s))
}

// oneLine is clean without line breaks.
func oneLine(s string) string { return strings.Join(strings.Fields(clean(s)), " ") }

// short says whether a fact is for text: one of several lines is only for JSON.
func short(f event.Field) bool { return !strings.Contains(f.Value, "\n") }

// shortDigest shortens "…@sha256:3f2a9c1d…" to "sha256:" and twelve digits, as everywhere; other text stays.
func shortDigest(s string) string {
	if i := strings.LastIndex(s, "sha256:"); i >= 0 && len(s) >= i+7+12 {
		return s[i : i+7+12]
	}
	return s
}
