package console

import (
	"fmt"
	"strings"
	"time"

	"charm.land/lipgloss/v2"
	"github.com/charmbracelet/x/ansi"
)

// styles are few and from the terminal's own sixteen colours, which its user has chosen to be readable.
type styles struct{ bold, dim, good, bad, wait lipgloss.Style }

func newStyles(noColor bool) styles {
	plain := lipgloss.NewStyle()
	if noColor {
		return styles{plain, plain, plain, plain, plain}
	}
	return styles{
		bold: plain.Bold(true), dim: plain.Faint(true), good: plain.Foreground(lipgloss.Green),
		bad: plain.Foreground(lipgloss.Red), wait: plain.Foreground(lipgloss.Yellow),
	}
}

// mark is a verdict's symbol, told apart without colour too.
func (st styles) mark(outcome string) string {
	switch outcome {
	case "pass":
		return st.good.Render("✓")
	case "fail":
		return st.bad.Render("✗")
	}
	return st.wait.Render("…")
}

type size struct{ width, height int }

// render is one frame: never wider than the terminal and one line less than it is high, so that nothing scrolls.
// When room is short, blank lines go first, then past events, then gates that pass, then the weight.
func (s *state) render(sz size, now time.Time, st styles, notice string) string {
	width := max(sz.width, 10)
	head := []string{s.header(width, now, st)}
	if len(s.steps) > 0 {
		head = append(head, s.track(width, st))
	}
	foot := []string{s.phaseLine(width, now, st)}
	if notice != "" {
		foot = append(foot, strings.Split(st.wait.Render(ansi.Wordwrap(notice, width, " ")), "\n")...)
	}
	room := max(sz.height-1, 1) - len(head) - len(foot)
	var weight, gates, events []string
	if line := s.weightLine(st); line != "" && room > 0 {
		weight, room = []string{line}, room-1
	}
	gates = s.gateLines(width, max(room, 0), st)
	room -= len(gates)
	events = s.eventLines(max(room-1, 0), st)
	room -= len(events)
	var lines []string
	add := func(block []string, spaced bool) {
		if len(block) > 0 && spaced && room > 0 && len(lines) > 0 {
			lines, room = append(lines, ""), room-1
		}
		lines = append(lines, block...)
	}
	add(head, false)
	add(weight, false)
	add(gates, true)
	add(foot, true)
	add(events, false)
	for i, line := range lines {
		lines[i] = ansi.Truncate(line, width, "…")
	}
	if limit := max(sz.height-1, 1); len(lines) > limit {
		lines = lines[len(lines)-limit:] // the phase and the question are last
	}
	return strings.Join(lines, "\n")
}

// header is who goes where, with what, and for how long.
func (s *state) header(width int, now time.Time, st styles) string {
	title := oneLine(s.started.Message)
	service, environment := s.fact("service"), s.fact("environment")
	switch {
	case service != "" && environment != "":
		title = service + " → " + environment
	case title == "":
		title = "starting"
	}
	elapsed := ""
	if !s.started.Time.IsZero() {
		end := now
		if s.finished != nil {
			end = s.finished.Time
		}
		elapsed = clock(end.Sub(s.started.Time))
	}
	left := st.bold.Render(title)
	for _, extra := range s.headerFacts() {
		candidate := left + "   " + st.dim.Render(extra)
		if ansi.StringWidth(candidate)+2+ansi.StringWidth(elapsed) > width {
			break
		}
		left = candidate
	}
	return alignRight(left, elapsed, width)
}

// clock is FormatDuration for a figure that runs: whole seconds, so that it does not twitch.
func clock(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%d s", int(max(d, 0).Seconds()))
	}
	return FormatDuration(d.Truncate(time.Second))
}

func (s *state) headerFacts() []string {
	var facts []string
	if v := s.fact("version"); v != "" {
		facts = append(facts, v)
	}
	if b := s.fact("bundle"); b != "" {
		facts = append(facts, "bundle "+shortDigest(b))
	}
	for _, key := range []string{"slot", "candidate", "production"} {
		if v := s.fact(key); v != "" {
			facts = append(facts, key+" "+v)
		}
	}
	if strategy := s.fact("strategy"); strategy != "" {
		facts = append(facts, strategy)
	}
	return facts
}

// alignRight puts right at the right edge, or leaves it out where there is no room.
func alignRight(left, right string, width int) string {
	gap := width - ansi.StringWidth(left) - ansi.StringWidth(right)
	if gap < 1 || right == "" {
		return left
	}
	return left + strings.Repeat(" ", gap) + right
}

// track is the planned weights: done ●, now ◉, to come ○, taken back ✗.
func (s *state) track(width int, st styles) string {
	var long, short []string
	for i, w := range s.steps {
		symbol := "○"
		style := st.dim
		switch {
		case i < s.passed:
			symbol, style = "●", st.good
		case i == s.step && s.back:
			symbol, style = "✗", st.bad
		case i == s.step:
			symbol, style = "◉", st.bold
		}
		long = append(long, style.Render(symbol+" "+percent(w)))
		short = append(short, style.Render(fmt.Sprintf("%s%d", symbol, w)))
	}
	for _, form := range []string{
		strings.Join(long, st.dim.Render(" ─ ")), strings.Join(long, " "), strings.Join(short, " "),
	} {
		if ansi.StringWidth(form) <= width {
			return form
		}
	}
	if s.step < 0 {
		return fmt.Sprintf("%d steps", len(s.steps))
	}
	return fmt.Sprintf("step %d of %d: %s", s.step+1, len(s.steps), percent(s.steps[s.step]))
}

func (s *state) weightLine(st styles) string {
	switch {
	case s.weight == nil:
		return ""
	case s.verified && s.verTook > 0:
		return fmt.Sprintf("candidate has %s of traffic, verified after %s", percent(*s.weight), FormatDuration(s.verTook))
	case s.verified:
		return fmt.Sprintf("candidate has %s of traffic, verified", percent(*s.weight))
	}
	return fmt.Sprintf("candidate is set to %s of traffic, %s", percent(*s.weight), st.wait.Render("not yet verified"))
}

// gateLines is one row a gate; where not all fit, those that do not pass come first.
func (s *state) gateLines(width, room int, st styles) []string {
	rows := s.gates
	left := 0
	if len(rows) > room {
		var first, rest []gateRow
		for _, g := range rows {
			if g.verdict == "pass" {
				rest = append(rest, g)
			} else {
				first = append(first, g)
			}
		}
		rows = append(first, rest...)
		keep := room - 1
		if room < 2 {
			keep = room // the one that matters most rather than a count
		}
		rows, left = rows[:keep], len(rows)-keep
	}
	nameWidth := 0
	for _, g := range rows {
		nameWidth = max(nameWidth, ansi.StringWidth(g.name))
	}
	nameWidth = min(nameWidth, max(8, width/4))
	var lines []string
	for _, g := range rows {
		name := ansi.Truncate(oneLine(g.name), nameWidth, "…")
		evidence := oneLine(g.last.Message)
		if g.last.Time.Before(s.phaseSince) { // of an earlier phase: true, but not news
			evidence = st.dim.Render(evidence)
		}
		lines = append(lines, fmt.Sprintf("%s %s  %s", st.mark(g.verdict), pad(name, nameWidth), evidence))
	}
	if left > 0 && room > 1 {
		lines = append(lines, st.dim.Render(fmt.Sprintf("  and %d more", left)))
	}
	return lines
}

func (s *state) phaseLine(width int, now time.Time, st styles) string {
	if s.finished != nil {
		return st.bold.Render(sentence(*s.finished))
	}
	if s.phase == "" {
		return st.dim.Render("starting")
	}
	name := oneLine(s.phase)
	if s.phase == "step" && s.step >= 0 && s.step < len(s.steps) {
		name = "step " + percent(s.steps[s.step])
	}
	elapsed := clock(now.Sub(s.phaseSince))
	left := st.bold.Render(name)
	if s.phaseText != "" {
		left += "  " + ansi.Truncate(s.phaseText, max(width-ansi.StringWidth(name)-len(elapsed)-4, 8), "…")
	}
	return alignRight(left, st.dim.Render(elapsed), width)
}

// eventLines are the newest events that fit, oldest first.
func (s *state) eventLines(room int, st styles) []string {
	recent := s.recent
	if len(recent) > room {
		recent = recent[len(recent)-room:]
	}
	var lines []string
	for _, e := range recent {
		lines = append(lines, st.dim.Render("  "+FormatTime(e.Time)+"  "+sentence(e)))
	}
	return lines
}
