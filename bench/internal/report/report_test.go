package report

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"
)

func sample() *Report {
	r := &Report{Started: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), Machine: Machine{Cores: 2, Load: [3]float64{1, 2, 3}}, Programs: []string{"slipway v1", "helm v4"}}
	a := r.Add(Figure{ID: "a", Group: "G", What: "ours", Unit: Milliseconds, Goal: 300, Against: []string{"y", "absent"}})
	for _, d := range []time.Duration{400, 100, 310, 301, 20} {
		a.Took(d * time.Millisecond)
	}
	y := r.Add(Figure{ID: "y", Group: "G", What: "theirs", Unit: Milliseconds, Yardstick: true})
	for _, d := range []time.Duration{200, 100, 150, 300} {
		y.Took(d * time.Millisecond)
	}
	r.Add(Figure{ID: "never measured", Group: "G", What: "nothing", Unit: Milliseconds})
	r.Finish(r.Started.Add(90 * time.Second))
	return r
}

func TestMediansRangesGoalsAndRatios(t *testing.T) {
	r := sample()
	if len(r.Figures) != 2 {
		t.Fatalf("%d figures, want 2: one without values says nothing", len(r.Figures))
	}
	a, y := r.Figures[0], r.Figures[1]
	if a.Median != 301 || a.Min != 20 || a.Max != 400 || *a.Met {
		t.Errorf("ours: median %v, min %v, max %v, met %v; want 301, 20, 400, false", a.Median, a.Min, a.Max, *a.Met)
	}
	if y.Median != 175 || y.Met != nil {
		t.Errorf("theirs: median %v, met %v; want 175 and no goal", y.Median, y.Met)
	}
	if len(a.Ratios) != 1 || a.Ratios["y"] != 301.0/175 {
		t.Errorf("ratios %v, want 1.72 of y only", a.Ratios)
	}
}

func TestTheTableSaysWhereTheYardstickIsBetterAndWhatGoalWasMissed(t *testing.T) {
	var b bytes.Buffer
	if err := sample().Text(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"G, ours: 1.72 times that of theirs", "≤ 300 ms MISSED", "yardstick: theirs", "2 cores", "load average at the start 1.00", "took 1m30s", "slipway v1"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("the table should say %q:\n%s", want, b.String())
		}
	}
}

func TestWhereNoYardstickIsBetterTheTableSaysSo(t *testing.T) {
	r := &Report{}
	r.Add(Figure{ID: "a", Values: []float64{1}, Against: []string{"y"}})
	r.Add(Figure{ID: "y", Values: []float64{2}})
	r.Finish(time.Now())
	if got := r.Worse(); len(got) != 1 || got[0] != "nowhere in this run" {
		t.Errorf("got %q", got)
	}
}

func TestJSONHasEveryValue(t *testing.T) {
	var b bytes.Buffer
	if err := sample().JSON(&b); err != nil {
		t.Fatal(err)
	}
	var back Report
	if err := json.Unmarshal(b.Bytes(), &back); err != nil {
		t.Fatal(err)
	}
	if got := back.Figures[0].Values; len(got) != 5 || got[0] != 400 {
		t.Errorf("values %v, want all five in the order measured", got)
	}
}

func TestSizesAreInTheirUnit(t *testing.T) {
	mb, mib := Figure{Unit: Megabytes}, Figure{Unit: Mebibytes}
	mb.Size(5e6)
	mib.Size(3 << 20)
	if mb.Values[0] != 5 || mib.Values[0] != 3 {
		t.Errorf("got %v MB and %v MiB, want 5 and 3", mb.Values[0], mib.Values[0])
	}
}
