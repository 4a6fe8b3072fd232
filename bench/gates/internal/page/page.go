// Package page shows what the simulation found, as Markdown tables and a plot.
package page

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"strings"

	"github.com/slipway-cd/slipway/bench/gates/internal/play"
)

// The names of the yardsticks' columns.
const (
	SPRT   = "SPRT that knows the effect"
	Oracle = "knows everything"
)

// Row is one scenario's results.
type Row struct {
	Name    string
	Results []play.Result
}

// Tables are all figures.
type Tables struct {
	Nulls, Effects int // runs
	Seed           uint64
	// False are good candidates, Confounded those where nothing recorded tells, Detection bad ones; Passes and WrongPasses are about
	// promotion.
	False, Confounded, Detection, Passes, WrongPasses []Row
	Plot                                              Plot
}

// Markdown is everything, with the plot as the file gating.svg beside it.
func (t *Tables) Markdown() string {
	var b strings.Builder
	p := func(format string, args ...any) { _, _ = fmt.Fprintf(&b, format, args...) }
	if len(t.Plot.Points) > 0 {
		p("![How soon a doubling of failures is found, against how often a good candidate is rolled back](gating.svg)\n\n")
	}
	if len(t.False) > 0 {
		p("### Good candidates rolled back, in %% of %d releases\n\n", t.Nulls)
		table(&b, t.False, share(0.01))
		p("In brackets: the upper 95 %% bound on the true share. Strict evidence does not roll back, it only stops further weight; so it may\nexceed 1 %% where pods differ. The row of 10,000 looks is of twice as many releases.\n\n")
	}
	if len(t.Detection) > 0 {
		p("### Bad candidates: seconds until they are found, median / 95th percentile of %d releases\n\n", t.Effects)
		table(&b, t.Detection, seconds)
		p("The candidate's mean requests until then, and how many times as many as the yardsticks need:\n\n")
		requests(&b, t.Detection, play.RollsBack.Name, SPRT, Oracle)
	}
	if len(t.Passes) > 0 {
		p("### Equal candidates: seconds until they pass, median / 95th percentile of %d releases\n\n", t.Effects)
		table(&b, t.Passes, seconds)
		requests(&b, t.Passes, play.Promotes.Name, Oracle)
	}
	if len(t.WrongPasses) > 0 {
		p("### Candidates passed that are worse than a pass says, in %% of %d releases\n\n", t.Effects)
		table(&b, t.WrongPasses, share(0.05))
	}
	if len(t.Confounded) > 0 {
		p("### What no judge of telemetry can tell: rolled back, in %% of %d releases\n\n", t.Effects)
		table(&b, t.Confounded, share(0.01))
	}
	return b.String()
}

func table(b *strings.Builder, rows []Row, cell func(play.Result) string) {
	line := func(cells []string) { _, _ = fmt.Fprintf(b, "| %s |\n", strings.Join(cells, " | ")) }
	head, rule := []string{""}, []string{"---"}
	for _, r := range rows[0].Results {
		head, rule = append(head, r.Name), append(rule, "---")
	}
	line(head)
	line(rule)
	for _, row := range rows {
		cells := []string{row.Name}
		for _, r := range row.Results {
			cells = append(cells, cell(r))
		}
		line(cells)
	}
	b.WriteByte('\n')
}

// share is bold where the bound shows that the judge keeps its level.
func share(level float64) func(play.Result) string {
	return func(r play.Result) string {
		s := fmt.Sprintf("%s (%s)", short(100*r.Share()), short(100*r.Upper()))
		if r.Upper() <= level {
			s = "**" + s + "**"
		}
		return s
	}
}

// short has two significant digits below 10.
func short(x float64) string {
	if x < 10 {
		return fmt.Sprintf("%.2g", x)
	}
	return fmt.Sprintf("%.0f", x)
}

func seconds(r play.Result) string { return number(r.After(0.5)) + " / " + number(r.After(0.95)) }

func number(x float64) string {
	switch {
	case math.IsInf(x, 0):
		return "never"
	case x < 0:
		return "before it began"
	}
	return fmt.Sprintf("%.0f", x)
}

// requests compares one judge's mean requests with yardsticks'.
func requests(b *strings.Builder, rows []Row, ours string, yardsticks ...string) {
	_, _ = fmt.Fprintf(b, "| | %s | %s |\n|%s\n", ours, strings.Join(yardsticks, " | "), strings.Repeat(" --- |", 2+len(yardsticks)))
	for _, row := range rows {
		by := map[string]play.Result{}
		for _, r := range row.Results {
			by[r.Name] = r
		}
		_, _ = fmt.Fprintf(b, "| %s | %.0f |", row.Name, by[ours].MeanRequests())
		for _, y := range yardsticks {
			if times := by[ours].Times(by[y]); math.IsNaN(times) {
				b.WriteString(" – |")
			} else {
				_, _ = fmt.Fprintf(b, " %.0f, ×%.2f |", by[y].MeanRequests(), times)
			}
		}
		b.WriteByte('\n')
	}
	b.WriteByte('\n')
}

// The marks between which [Replace] puts the figures.
const (
	begin = "<!-- figures: make bench-gates -->\n"
	end   = "<!-- end of figures -->\n"
)

// Replace puts the figures into a page, between its marks.
func Replace(file, figures string) error {
	old, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("the page to bring up to date: %w", err)
	}
	head, rest, found := bytes.Cut(old, []byte(begin))
	_, tail, closed := bytes.Cut(rest, []byte(end))
	if !found || !closed {
		return fmt.Errorf("%s: it has no place for the figures; put in the lines %q and %q", file, strings.TrimSpace(begin), strings.TrimSpace(end))
	}
	return os.WriteFile(file, bytes.Join([][]byte{head, []byte(begin), []byte(figures), []byte(end), tail}, nil), 0o644)
}
