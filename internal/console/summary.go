package console

import (
	"fmt"
	"regexp"
	"strings"

	"github.com/charmbracelet/x/ansi"
)

// summary is what stays in the scrollback: one sentence, the evidence under it, and what to do next last.
func (s *state) summary(width int, st styles) string {
	width = max(width, 20)
	var b strings.Builder
	line := func(indent int, text string) {
		b.WriteString(wrapped(text, indent, width))
	}
	if s.finished == nil && s.started.Time.IsZero() && s.phase == "" {
		return "" // nothing happened, so there is nothing to sum up
	}
	b.WriteString(wrapped(s.conclusion(st), 0, width))
	if len(s.steps) > 0 {
		line(2, s.track(width-4, st))
	}
	if text := s.weightLine(st); text != "" && s.finished == nil {
		line(2, text)
	}
	for _, g := range s.gates {
		text := fmt.Sprintf("%s gate %s %s", st.mark(g.verdict), oneLine(g.name), outcomeWord(g.verdict))
		if m := oneLine(g.last.Message); m != "" {
			text += ": " + m
		}
		line(2, text)
		if g.verdict != "fail" {
			continue
		}
		width := fieldWidth(g.last.Fields)
		for _, f := range g.last.Fields {
			if short(f) {
				line(4, st.dim.Render(pad(oneLine(f.Key), width))+"  "+oneLine(f.Value))
			}
		}
	}
	for _, w := range s.warnings {
		line(2, st.wait.Render("!")+" "+sentence(w))
		for _, n := range w.Next {
			fmt.Fprintf(&b, "      %s\n", oneLine(n))
		}
	}
	if s.finished != nil {
		for _, l := range below(*s.finished) {
			fmt.Fprintf(&b, "  %s\n", l)
		}
		fields := fieldWidth(s.finished.Fields)
		for _, f := range s.finished.Fields {
			fact := st.dim.Render(pad(oneLine(f.Key), fields)) + "  " + oneLine(f.Value)
			if strings.Contains(oneLine(f.Value), " ") {
				line(2, fact)
			} else { // a digest or a URL: whole, so that it can be copied
				fmt.Fprintf(&b, "  %s\n", fact)
			}
		}
		if len(s.finished.Next) > 0 {
			line(0, st.bold.Render("Next:"))
		}
		for _, n := range s.finished.Next { // not wrapped: a command is there to be copied
			fmt.Fprintf(&b, "  %s\n", oneLine(n))
		}
	}
	return b.String()
}

// numberUnit is a figure and its unit, which no line break may part.
var numberUnit = regexp.MustCompile(`([0-9]) (ms|s|m|h|%)`)

// wrapped is the text on lines that fit the width, each ended; the second and later ones stand two further in.
func wrapped(text string, indent, width int) string {
	const glue = "\u00a0"
	text = numberUnit.ReplaceAllString(text, "$1"+glue+"$2")
	text = strings.ReplaceAll(ansi.Wrap(text, max(width-indent-2, 10), " "), glue, " ")
	var b strings.Builder
	for i, part := range strings.Split(text, "\n") {
		if i > 0 {
			part = "  " + strings.TrimLeft(part, " ")
		}
		b.WriteString(strings.Repeat(" ", indent) + part + "\n")
	}
	return b.String()
}

// conclusion is the first sentence, with how long it took and when it ended.
func (s *state) conclusion(st styles) string {
	if s.finished == nil {
		return st.bad.Render("✗") + " " + st.bold.Render("ended without a result, in phase "+oneLine(s.phase))
	}
	mark := st.good.Render("✓")
	switch s.finished.Outcome {
	case "failed", "refused":
		mark = st.bad.Render("✗")
	case "rolled-back":
		mark = st.wait.Render("↩")
	}
	e := *s.finished
	if e.Took == 0 && !s.started.Time.IsZero() && e.Time.After(s.started.Time) {
		e.Took = e.Time.Sub(s.started.Time)
	}
	return mark + " " + st.bold.Render(sentence(e)) + st.dim.Render("  "+FormatTime(e.Time))
}
