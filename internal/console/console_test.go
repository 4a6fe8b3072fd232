package console

import (
	"bufio"
	"bytes"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/slipway-cd/slipway/internal/event"
)

var update = flag.Bool("update", false, "write the golden files anew")

func recorded(t *testing.T, name string) []event.Event {
	t.Helper()
	f, err := os.Open("testdata/" + name + ".ndjson")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var events []event.Event
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var e event.Event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatal(err)
		}
		events = append(events, e)
	}
	return events
}

func golden(t *testing.T, name, got string) {
	t.Helper()
	file := "testdata/" + name + ".golden"
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got != string(want) {
		t.Errorf("%s: got\n%s\nwant\n%s", file, got, want)
	}
}

func TestPlainLinesOfARecordedRelease(t *testing.T) {
	for _, name := range []string{"promoted", "rolled-back"} {
		var b bytes.Buffer
		c := New(Options{Out: &b})
		for _, e := range recorded(t, name) {
			c.Emit(e)
		}
		c.Close()
		if strings.Contains(b.String(), "\x1b") {
			t.Errorf("%s: plain lines hold an escape code", name)
		}
		golden(t, name+".plain", b.String())
	}
}

func TestADumbTerminalGetsPlainLines(t *testing.T) {
	var b bytes.Buffer
	c := New(Options{Out: &b, IsTerminal: true, Dumb: true})
	c.Emit(event.Event{Time: time.Unix(0, 0), Kind: event.Phase, Phase: "lock", Message: "taking the lock"})
	c.Close()
	if got, want := b.String(), "00:00:00Z  lock           taking the lock\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestJSONLinesAreTheEventsAsTheyWere(t *testing.T) {
	want := recorded(t, "rolled-back")
	var b bytes.Buffer
	c := New(Options{Out: &b, IsTerminal: true, Format: FormatJSON})
	for _, e := range want {
		c.Emit(e)
	}
	c.Close()
	original, err := os.ReadFile("testdata/rolled-back.ndjson")
	if err != nil {
		t.Fatal(err)
	}
	var got []event.Event
	for _, line := range strings.Split(strings.TrimSpace(b.String()), "\n") {
		var e event.Event
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		got = append(got, e)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%d events in, %d out, or they differ:\n%s\n%s", len(want), len(got), original, b.String())
	}
}

// TestProgressIsThinned: at most one line a second a phase, only when it says something new, and never an old state last.
func TestProgressIsThinned(t *testing.T) {
	var b bytes.Buffer
	c := New(Options{Out: &b})
	at := time.Date(2026, 11, 22, 20, 15, 0, 0, time.UTC)
	for i := range 100 {
		c.Emit(event.Event{Time: at.Add(time.Duration(i) * 25 * time.Millisecond), Kind: event.Progress, Phase: "deploy", Message: fmt.Sprintf("pods %d of 100 ready", i)})
	}
	for range 50 {
		c.Emit(event.Event{Time: at.Add(2475 * time.Millisecond), Kind: event.Progress, Phase: "deploy", Message: "pods 99 of 100 ready"})
	}
	c.Emit(event.Event{Time: at.Add(2500 * time.Millisecond), Kind: event.Phase, Phase: "smoke", Message: "asking"})
	c.Close()
	want := `20:15:00Z  deploy         pods 0 of 100 ready
20:15:01Z  deploy         pods 40 of 100 ready
20:15:02Z  deploy         pods 80 of 100 ready
20:15:02Z  deploy         pods 99 of 100 ready
20:15:02Z  smoke          asking
`
	if b.String() != want {
		t.Errorf("got\n%s", b.String())
	}
}

func TestAFailIsWrittenEachTime(t *testing.T) {
	var b bytes.Buffer
	c := New(Options{Out: &b})
	for i, outcome := range []string{"hold", "hold", "fail", "fail", "pass", "pass"} {
		c.Emit(event.Event{Time: time.Unix(int64(i), 0), Kind: event.Verdict, Phase: "step", Gate: "g", Outcome: outcome, Message: fmt.Sprint(i)})
	}
	c.Close()
	want := "00:00:00Z  step           gate g on hold: 0\n00:00:02Z  step           gate g failed: 2\n00:00:03Z  step           gate g failed: 3\n00:00:04Z  step           gate g passed: 4\n"
	if b.String() != want {
		t.Errorf("got\n%s", b.String())
	}
}

// gatedWriter blocks until it is opened.
type gatedWriter struct {
	open chan struct{}
	mu   sync.Mutex
	b    bytes.Buffer
}

func (w *gatedWriter) Write(p []byte) (int, error) {
	<-w.open
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.Write(p)
}

func TestASlowReaderHoldsNobodyUpAndLosesNoVerdict(t *testing.T) {
	for _, format := range []string{FormatText, FormatJSON} {
		w := &gatedWriter{open: make(chan struct{})}
		c := New(Options{Out: w, Format: format})
		var emitters sync.WaitGroup
		for g := range 4 {
			emitters.Go(func() {
				for i := range 1000 {
					c.Emit(event.Event{Time: time.Unix(int64(i), 0), Kind: event.Progress, Phase: "deploy", Message: fmt.Sprint("pod ", i)})
					if i%100 == 0 {
						c.Emit(event.Event{Time: time.Unix(int64(i), 0), Kind: event.Verdict, Gate: fmt.Sprintf("g%d-%d", g, i), Outcome: "fail", Message: "evidence"})
					}
				}
			})
		}
		emitters.Wait() // returns although nothing can be written
		close(w.open)
		c.Close()
		c.Emit(event.Event{Kind: event.Warning, Message: "too late"})
		c.Close()
		out := w.b.String()
		for g := range 4 {
			for i := 0; i < 1000; i += 100 {
				if !strings.Contains(out, fmt.Sprintf("g%d-%d", g, i)) {
					t.Fatalf("%s: the verdict g%d-%d is lost", format, g, i)
				}
			}
		}
		if n := strings.Count(out, "pod "); n > 4*backlog {
			t.Errorf("%s: %d progress lines after the jam; they should have been merged", format, n)
		}
		if strings.Contains(out, "too late") {
			t.Errorf("%s: an event after Close was written", format)
		}
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

func TestAClosedPipeEndsNothing(t *testing.T) {
	c := New(Options{Out: brokenWriter{}})
	for _, e := range recorded(t, "promoted") {
		c.Emit(e)
	}
	c.Close()
}

func TestFramesOfTheLiveView(t *testing.T) {
	for name, upTo := range map[string]int{"promoted": 24, "rolled-back": 29} {
		events := recorded(t, name)
		var s state
		for _, e := range events[:upTo] {
			s.apply(e)
		}
		now := events[upTo-1].Time.Add(1500 * time.Millisecond)
		var b strings.Builder
		for _, sz := range []size{{80, 24}, {140, 40}, {40, 24}, {80, 8}, {30, 6}} {
			fmt.Fprintf(&b, "=== %s, %d × %d\n%s\n", name, sz.width, sz.height, s.render(sz, now, newStyles(true), ""))
		}
		fmt.Fprintf(&b, "=== asked, 40 × 12\n%s\n", s.render(size{40, 12}, now, newStyles(true), "Roll back and stop? Ctrl-C again to roll back now; any other key to go on"))
		golden(t, name+".frames", b.String())
	}
}

func TestTheSummaryStaysInTheScrollback(t *testing.T) {
	for _, name := range []string{"promoted", "rolled-back"} {
		var s state
		for _, e := range recorded(t, name) {
			s.apply(e)
		}
		golden(t, name+".summary", fmt.Sprintf("=== 80\n%s=== 40\n%s", s.summary(80, newStyles(true)), s.summary(40, newStyles(true))))
	}
}

func TestNoFrameIsWiderOrHigherThanItsTerminal(t *testing.T) {
	for _, name := range []string{"promoted", "rolled-back"} {
		events := recorded(t, name)
		var s state
		for i, e := range append([]event.Event{{}}, events...) {
			if i > 0 {
				s.apply(e)
			}
			for _, width := range []int{1, 10, 20, 40, 80, 200} {
				for _, height := range []int{1, 2, 5, 10, 24, 60} {
					for _, notice := range []string{"", "Roll back and stop? Ctrl-C again"} {
						frame := s.render(size{width, height}, e.Time, newStyles(false), notice)
						lines := strings.Split(frame, "\n")
						if len(lines) > max(height-1, 1) {
							t.Fatalf("%d lines at height %d:\n%s", len(lines), height, frame)
						}
						for _, line := range lines {
							if ansi.StringWidth(line) > max(width, 10) {
								t.Fatalf("%d cells at width %d: %q", ansi.StringWidth(line), width, line)
							}
						}
					}
				}
			}
		}
	}
}

func TestNothingThatSteersATerminalGetsThrough(t *testing.T) {
	evil := "a\x1b[2Jb\x1b]0;title\x07c\rd\u202ee\x00f\u009bg\nh"
	e := event.Event{Time: time.Unix(0, 0), Kind: event.Finished, Phase: evil, Message: evil, Gate: evil, Outcome: evil, Object: evil,
		Fields: []event.Field{{Key: evil, Value: evil}}, Next: []string{evil}}
	var s state
	var plainText strings.Builder
	p := newPlain()
	for _, kind := range []event.Kind{event.Started, event.Phase, event.Progress, event.Verdict, event.Warning, event.Finished} {
		e.Kind = kind
		s.apply(e)
		if err := p.render(&plainText, e); err != nil {
			t.Fatal(err)
		}
	}
	forbidden := regexp.MustCompile("[\x00-\x09\x0b-\x1f\x7f-\u009f\u202e]")
	for name, out := range map[string]string{
		"plain": plainText.String(), "frame": s.render(size{80, 24}, e.Time, newStyles(true), ""), "summary": s.summary(80, newStyles(true)),
	} {
		if found := forbidden.FindString(out); found != "" {
			t.Errorf("%s holds %q:\n%q", name, found, out)
		}
	}
}

func TestDurationsAreWrittenTheSameWayEverywhere(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0 ms", 300 * time.Microsecond: "<1 ms", 340 * time.Millisecond: "340 ms", 999600 * time.Microsecond: "1.0 s",
		4200 * time.Millisecond: "4.2 s", 59960 * time.Millisecond: "1 m 00 s", 185 * time.Second: "3 m 05 s",
		62 * time.Minute: "1 h 02 m", 26 * time.Hour: "26 h 00 m", -time.Second: "-1.0 s", 3599700 * time.Millisecond: "1 h 00 m",
	} {
		if got := FormatDuration(d); got != want {
			t.Errorf("%d ns is written %q, want %q", d, got, want)
		}
	}
	if got := FormatTime(time.Date(2026, 1, 2, 4, 5, 6, 0, time.FixedZone("", 3600))); got != "03:05:06Z" {
		t.Error(got)
	}
}

func TestARefusalShowsWhereInTheFileItIs(t *testing.T) {
	const mark = "   13 |     kind: Secretstore\n      |           ^"
	e := event.Event{Time: time.Unix(0, 0), Kind: event.Finished, Outcome: "refused", Took: 2 * time.Millisecond, Next: []string{"try again"},
		Message: "slipway.yaml:13:11: no such kind\n" + mark}
	var b bytes.Buffer
	c := New(Options{Out: &b})
	c.Emit(e)
	c.Close()
	in := strings.Repeat(" ", 9+2+labelWidth+2+2)
	want := "00:00:00Z  refused        slipway.yaml:13:11: no such kind\n" +
		in + "   13 |     kind: Secretstore\n" + in + "      |           ^\n" + in[2:] + "next:\n" + in + "try again\n"
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
	var s state
	s.apply(e)
	if got := s.summary(30, newStyles(true)); !strings.Contains(got, "\n  "+strings.ReplaceAll(mark, "\n", "\n  ")+"\n") {
		t.Errorf("the summary does not keep the lines:\n%s", got)
	} else if !strings.Contains(got, "✗") || strings.Contains(got, "✓") {
		t.Errorf("a refusal is not marked as what it is:\n%s", got)
	}
}
