package page

import (
	"fmt"
	"html"
	"math"
	"strings"

	"github.com/slipway-cd/slipway/bench/gates/internal/sim"
)

// Plot is detection time against false-rollback rate: left and low is good.
type Plot struct{ Points []Point }

// Point is one judge at one setting.
type Point struct {
	Name    string
	Seconds float64 // median until a doubling of failures is found; +Inf: never
	False   float64 // share of good candidates rolled back
}

// Draw plays what the plot shows: a good candidate and one that doubles the failures.
func (t *Tables) Draw(play func(*[]Row, sim.Scenario) error) error {
	var rows []Row
	for _, s := range []sim.Scenario{sim.Nulls()[2], sim.Effects()[1]} {
		if err := play(&rows, s); err != nil {
			return err
		}
	}
	if len(rows) < 2 {
		return nil // only some rows were wanted
	}
	for i, good := range rows[0].Results {
		t.Plot.Points = append(t.Plot.Points, Point{Name: good.Name, Seconds: rows[1].Results[i].After(0.5), False: good.Share()})
	}
	return nil
}

// The plot's frame, in pixels, and what it spans; both axes are logarithmic.
const (
	left, right, top, bottom = 70, 620, 30, 350
	fastest, slowest         = 30, 3600
	least, most              = 0.0005, 1
)

// SVG draws the plot. Judges of one kind, which is what stands before the bracket or comma in their names, are joined.
func (p Plot) SVG() string {
	var b strings.Builder
	w := func(format string, args ...any) { _, _ = fmt.Fprintf(&b, format+"\n", args...) }
	w(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 840 400" font-family="sans-serif" font-size="12">`)
	w(`<rect width="840" height="400" fill="white"/>`)
	for _, s := range []float64{30, 60, 120, 300, 600, 1800, 3600} {
		w(`<path d="M%.0f %d V%d" stroke="#ddd"/><text x="%.0f" y="%d" text-anchor="middle">%.0f s</text>`, x(s), top, bottom, x(s), bottom+18, s)
	}
	for _, f := range []float64{0.001, 0.01, 0.1, 1} {
		w(`<path d="M%d %.0f H%d" stroke="#ddd"/><text x="%d" y="%.0f" text-anchor="end">%g %%</text>`, left, y(f), right, left-6, y(f)+4, f*100)
	}
	w(`<text x="%d" y="%d" text-anchor="middle">median time until a doubling of failures, 1 → 2 %%, is rolled back</text>`, (left+right)/2, bottom+40)
	w(`<text x="%d" y="18">good candidates rolled back within an hour</text>`, left)
	colours := []string{"#c44", "#d80", "#68a", "#070"}
	kinds := map[string]int{}
	var last Point
	for _, q := range p.Points {
		kind := kindOf(q.Name)
		i, known := kinds[kind]
		if !known {
			i = len(kinds)
			kinds[kind] = i
			w(`<circle cx="%d" cy="%d" r="5" fill="%s"/><text x="%d" y="%d">%s</text>`, right+30, top+20+20*i, colours[i%len(colours)], right+42, top+24+20*i, html.EscapeString(kind))
		} else {
			w(`<path d="M%.1f %.1f L%.1f %.1f" stroke="%s"/>`, x(last.Seconds), y(last.False), x(q.Seconds), y(q.False), colours[i%len(colours)])
		}
		w(`<circle cx="%.1f" cy="%.1f" r="5" fill="%s"><title>%s: %s s, %.3g %%</title></circle>`, x(q.Seconds), y(q.False), colours[i%len(colours)], html.EscapeString(q.Name), number(q.Seconds), 100*q.False)
		last = q
	}
	w(`</svg>`)
	return b.String()
}

func kindOf(name string) string {
	return strings.TrimSpace(name[:strings.IndexAny(name+",", "(,")])
}

func x(seconds float64) float64 {
	return left + (right-left)*math.Log(min(slowest, seconds)/fastest)/math.Log(slowest/fastest)
}

func y(share float64) float64 {
	return bottom - (bottom-top)*math.Log(max(least, share)/least)/math.Log(most/least)
}
