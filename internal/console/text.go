package console

import (
	"strings"

	"github.com/slipway-cd/slipway/internal/event"
)

// sentence is an event in words, the same in every view; "" when there is nothing to say.
func sentence(e event.Event) string {
	more := len(below(e)) > 0
	message := e.Message
	if more {
		message, _, _ = strings.Cut(message, "\n")
	}
	message = oneLine(message)
	text := message
	switch e.Kind {
	case event.Verdict:
		text = "gate " + oneLine(e.Gate) + " " + outcomeWord(e.Outcome)
		if message != "" {
			text += ": " + message
		}
	case event.Warning:
		text = "warning: " + message
	case event.WeightSet:
		if message == "" && e.Weight != nil {
			text = "weight set to " + percent(*e.Weight)
		}
	case event.Verified:
		if message == "" && e.Weight != nil {
			text = "weight " + percent(*e.Weight) + " verified at the gateway"
		}
	case event.RolledBack:
		if message == "" {
			text = "all traffic is on production again"
		}
	case event.Finished:
		if message == "" {
			text = oneLine(e.Outcome)
		}
	}
	if text == "" {
		text = oneLine(e.Object)
	}
	if text != "" && e.Took > 0 && !more {
		text += " (" + FormatDuration(e.Took) + ")"
	}
	return text
}

// below are the lines that stand under the sentence of a refusal: its list of problems, and where they are in a file. They are
// not wrapped, because a mark in one line may point at the line above. All other messages are one sentence.
func below(e event.Event) []string {
	if e.Kind != event.Finished || e.Outcome != "refused" {
		return nil
	}
	return strings.Split(strings.TrimRight(clean(e.Message), "\n"), "\n")[1:]
}

func outcomeWord(outcome string) string {
	switch outcome {
	case "pass":
		return "passed"
	case "fail":
		return "failed"
	case "hold":
		return "on hold"
	}
	return oneLine(outcome)
}

// fieldWidth is the width of the widest key, so that values align.
func fieldWidth(fields []event.Field) int {
	width := 0
	for _, f := range fields {
		width = max(width, len([]rune(f.Key)))
	}
	return width
}

func pad(s string, width int) string {
	if n := width - len([]rune(s)); n > 0 {
		return s + strings.Repeat(" ", n)
	}
	return s
}
