package page_test

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/slipway-cd/slipway/bench/gates/internal/page"
	"github.com/slipway-cd/slipway/bench/gates/internal/play"
)

func TestFiguresGoBetweenTheirMarks(t *testing.T) {
	file := filepath.Join(t.TempDir(), "gating.md")
	const head, tail = "# Gating\n\n<!-- figures: make bench-gates -->\n", "<!-- end of figures -->\n\nMore.\n"
	if err := os.WriteFile(file, []byte(head+"old\n"+tail), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := page.Replace(file, "new\n"); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(file); err != nil || string(got) != head+"new\n"+tail {
		t.Errorf("%q, %v", got, err)
	}
	if err := os.WriteFile(file, []byte("# Gating\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := page.Replace(file, "new\n"); err == nil || !strings.Contains(err.Error(), "no place for the figures") {
		t.Errorf("without marks: %v", err)
	}
}

func result(name string, after ...float64) play.Result {
	r := play.Result{Name: name}
	for _, a := range after {
		r.Runs = append(r.Runs, play.Decision{After: a, Requests: 10 * a})
	}
	return r
}

func TestTablesSayWhatWasFound(t *testing.T) {
	inf := math.Inf(1)
	tables := page.Tables{
		Nulls: 4, Effects: 4, Seed: 1,
		False:     []page.Row{{Name: "equal", Results: []play.Result{result("some judge", inf, 100, inf, inf)}}},
		Detection: []page.Row{{Name: "worse", Results: []play.Result{result(play.RollsBack.Name, 40, 60, 80, 100), result(page.SPRT, 20, 30, 40, 50), result(page.Oracle, inf, inf, inf, -5)}}},
	}
	got := tables.Markdown()
	for _, want := range []string{
		"| equal | 25 (75) |",
		"| worse | 80 / 100 | 40 / 50 | never / never |",
		"| worse | 700 | 350, ×2.00 |",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in\n%s", want, got)
		}
	}
}

func TestThePlotIsWellFormed(t *testing.T) {
	p := page.Plot{Points: []page.Point{{"Slipway, alpha 1 %", 200, 0}, {"Slipway, alpha 5 %", 150, 0.02}, {"<b>", math.Inf(1), 1}}}
	d := xml.NewDecoder(strings.NewReader(p.SVG()))
	for {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
}
