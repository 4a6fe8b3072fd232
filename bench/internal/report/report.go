// Package report collects measured values and shows them: medians with their range, against goals and yardsticks.
package report

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// Units of values.
const (
	Milliseconds = "ms"
	Megabytes    = "MB" // 10⁶ bytes
	Mebibytes    = "MiB"
	Answers      = "answers"
)

// Figure is one measured thing.
type Figure struct {
	// ID names it for programs and for the figures that are compared with it.
	ID    string `json:"id"`
	Group string `json:"group"`
	What  string `json:"what"`
	Unit  string `json:"unit"`
	// Values in the order in which they were measured.
	Values []float64 `json:"values"`
	Median float64   `json:"median"`
	Min    float64   `json:"min"`
	Max    float64   `json:"max"`
	// Goal is the largest median that is good enough; 0: there is none.
	Goal float64 `json:"goal,omitempty"`
	Met  *bool   `json:"met,omitempty"`
	// Yardstick says that it is there to be compared with.
	Yardstick bool `json:"yardstick,omitempty"`
	// Short is a yardstick's name beside ratios; default What.
	Short string `json:"short,omitempty"`
	// Against are the IDs of yardsticks; Ratios are this median divided by theirs, smaller is better.
	Against []string           `json:"against,omitempty"`
	Ratios  map[string]float64 `json:"ratios,omitempty"`
}

// Report is one run of the benchmark.
type Report struct {
	Started time.Time `json:"started"` // UTC
	Took    float64   `json:"tookSeconds"`
	Machine Machine   `json:"machine"`
	// Loads are the load averages over one minute when each part began, in order.
	Loads []Load `json:"loads"`
	// Programs are the versions of what was measured.
	Programs []string  `json:"programs"`
	Figures  []*Figure `json:"figures"`
	// Notes are what a reader has to know of this run.
	Notes []string `json:"notes,omitempty"`
	// Detail holds per run what is behind the figures, for whoever wants to know where the time went.
	Detail []Detail `json:"detail,omitempty"`
}

// Load of the machine at one moment.
type Load struct {
	Part string  `json:"part"`
	One  float64 `json:"one"`
}

// Detail of one run of one measurement; values in milliseconds.
type Detail struct {
	Figure string             `json:"figure"`
	Run    int                `json:"run"`
	Values map[string]float64 `json:"values"`
}

// Add enters a figure; measure it with [Figure.Took] or [Figure.Size].
func (r *Report) Add(f Figure) *Figure {
	r.Figures = append(r.Figures, &f)
	return &f
}

// Begin notes the load of the machine at the beginning of a part.
func (r *Report) Begin(part string) {
	r.Loads = append(r.Loads, Load{Part: part, One: loadAverages()[0]})
}

// Took adds one duration.
func (f *Figure) Took(d time.Duration) { f.Values = append(f.Values, Ms(d)) }

// Size adds one number of bytes, in the figure's unit.
func (f *Figure) Size(bytes float64) {
	unit := 1e6
	if f.Unit == Mebibytes {
		unit = 1 << 20
	}
	f.Values = append(f.Values, bytes/unit)
}

// Ms is a duration in milliseconds.
func Ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }

// Finish works out medians, ratios and what goals were met. Figures without values are dropped.
func (r *Report) Finish(now time.Time) {
	r.Took = now.Sub(r.Started).Seconds()
	r.Figures = slices.DeleteFunc(r.Figures, func(f *Figure) bool { return len(f.Values) == 0 })
	byID := map[string]*Figure{}
	for _, f := range r.Figures {
		f.Median, f.Min, f.Max = Median(f.Values), slices.Min(f.Values), slices.Max(f.Values)
		if f.Goal > 0 {
			met := f.Median <= f.Goal
			f.Met = &met
		}
		byID[f.ID] = f
	}
	for _, f := range r.Figures {
		for _, id := range f.Against {
			if y, ok := byID[id]; ok && y.Median > 0 {
				if f.Ratios == nil {
					f.Ratios = map[string]float64{}
				}
				f.Ratios[id] = f.Median / y.Median
			}
		}
	}
}

// Median of at least one value; of an even number, the mean of the middle two.
func Median(values []float64) float64 {
	s := slices.Sorted(slices.Values(values))
	n := len(s)
	return (s[(n-1)/2] + s[n/2]) / 2
}

// JSON writes the report for programs.
func (r *Report) JSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}

// Text writes the report for people.
func (r *Report) Text(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Slipway's benchmark, %s, took %s\n", r.Started.Format("2006-01-02 15:04 MST"), time.Duration(r.Took*float64(time.Second)).Round(time.Second))
	fmt.Fprintf(&b, "machine   %s\n", r.Machine)
	if len(r.Loads) > 0 {
		var parts []string
		for _, l := range r.Loads {
			parts = append(parts, fmt.Sprintf("%s %.2f", l.Part, l.One))
		}
		fmt.Fprintf(&b, "load      over the last minute when each part began: %s\n", strings.Join(parts, ", "))
	}
	for i, p := range r.Programs {
		fmt.Fprintf(&b, "%-9s %s\n", map[bool]string{true: "programs"}[i == 0], p)
	}
	names := r.names()
	group := ""
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	for _, f := range r.Figures {
		if f.Group != group {
			group = f.Group
			_ = t.Flush() // columns are aligned within a group
			fmt.Fprintf(&b, "\n%s\n", group)
			fmt.Fprintln(t, "  \tmedian\tmin\tmax\truns\tgoal\tof a yardstick")
		}
		what := f.What
		if f.Yardstick {
			what = "yardstick: " + what
		}
		goal := ""
		if f.Met != nil {
			goal = fmt.Sprintf("≤ %s %s", number(f.Goal, f.Unit), map[bool]string{true: "met", false: "MISSED"}[*f.Met])
		}
		var ratios []string
		for _, id := range f.Against {
			if ratio, ok := f.Ratios[id]; ok {
				ratios = append(ratios, fmt.Sprintf("%.2f of %s", ratio, names[id]))
			}
		}
		fmt.Fprintf(t, "  %s\t%s\t%s\t%s\t%d\t%s\t%s\n", what, number(f.Median, f.Unit), number(f.Min, f.Unit), number(f.Max, f.Unit),
			len(f.Values), goal, strings.Join(ratios, "; "))
	}
	_ = t.Flush()
	b.WriteString("\nWhere the yardstick is better:\n")
	for _, line := range r.Worse() {
		fmt.Fprintf(&b, "  - %s\n", line)
	}
	for i, n := range r.Notes {
		if i == 0 {
			b.WriteString("\nNotes:\n")
		}
		fmt.Fprintf(&b, "  - %s\n", n)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// names of figures beside ratios, by ID.
func (r *Report) names() map[string]string {
	names := map[string]string{}
	for _, f := range r.Figures {
		if names[f.ID] = f.Short; f.Short == "" {
			names[f.ID] = f.What
		}
	}
	return names
}

// Worse says, a line each, where a yardstick beats what is compared with it.
func (r *Report) Worse() []string {
	names := r.names()
	var out []string
	for _, f := range r.Figures {
		for _, id := range f.Against {
			if ratio, ok := f.Ratios[id]; ok && ratio > 1 {
				out = append(out, fmt.Sprintf("%s, %s: %.2f times that of %s", title(f.Group), f.What, ratio, names[id]))
			}
		}
	}
	if out == nil {
		out = []string{"nowhere in this run"}
	}
	return out
}

// title is a group's name without its explanation.
func title(group string) string {
	name, _, _ := strings.Cut(group, ":")
	return name
}

func number(v float64, unit string) string {
	if unit == Milliseconds && v >= 10_000 {
		return fmt.Sprintf("%.1f s", v/1000)
	}
	if v < 10 && v > -10 {
		return fmt.Sprintf("%.1f %s", v, unit)
	}
	return fmt.Sprintf("%.0f %s", v, unit)
}
