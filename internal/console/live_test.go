package console

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/charmbracelet/x/ansi"

	"github.com/slipway-cd/slipway/internal/event"
)

func TestTheLiveViewEndsWithItsSummary(t *testing.T) {
	var b bytes.Buffer
	c := New(Options{Out: &b, IsTerminal: true, NoColor: true})
	for _, e := range recorded(t, "rolled-back") {
		c.Emit(e)
	}
	c.Close()
	c.Close()
	out := ansi.Strip(b.String())
	for _, want := range []string{"↩ calculator 1.3.0 was taken back from prod1", "✗ gate answers failed: 13 of 60 answers failed", "slipway history prod1\n"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
}

func TestTheLiveViewWithoutAnEventLeavesNothing(t *testing.T) {
	var b bytes.Buffer
	New(Options{Out: &b, IsTerminal: true, NoColor: true}).Close()
	if out := strings.TrimSpace(strings.ReplaceAll(ansi.Strip(b.String()), "starting", "")); out != "" {
		t.Errorf("got %q", out)
	}
}

func TestCtrlCAsksOnceAndTheSecondConfirms(t *testing.T) {
	keys, typed := io.Pipe()
	called := make(chan struct{}, 10)
	c := New(Options{Out: io.Discard, In: keys, IsTerminal: true, OnInterrupt: func() { called <- struct{}{} }})
	defer c.Close()
	defer typed.Close()
	for range 3 { // the third finds the rollback under way
		if _, err := io.WriteString(typed, "\x03"); err != nil {
			t.Fatal(err)
		}
	}
	<-called
	select {
	case <-called:
		t.Error("OnInterrupt was called twice")
	default:
	}
}

func TestAnyOtherKeyGoesOn(t *testing.T) {
	called := make(chan struct{}, 10)
	l := &live{o: Options{Clock: time.Now, OnInterrupt: func() { called <- struct{}{} }}, style: newStyles(true), width: 80, height: 24}
	l.state.apply(event.Event{Time: time.Now(), Kind: event.Started, Message: "releasing"})
	press := func(names ...string) {
		for _, name := range names {
			l.key(name)
		}
	}
	press("ctrl+c")
	if !strings.Contains(l.frame(), "Roll back and stop?") {
		t.Errorf("the first Ctrl-C does not ask:\n%s", l.frame())
	}
	press("x")
	if l.asking || l.stopping || strings.Contains(l.frame(), "Roll back and stop?") {
		t.Errorf("another key does not take the question back:\n%s", l.frame())
	}
	press("ctrl+c", "enter", "x", "ctrl+c")
	if l.stopping {
		t.Error("two Ctrl-C with another key between them are no confirmation")
	}
	press("ctrl+c", "ctrl+c", "ctrl+c")
	<-called
	if !l.stopping || len(called) > 0 || !strings.Contains(l.frame(), "Rolling back") {
		t.Errorf("stopping %v, called %d times more\n%s", l.stopping, len(called), l.frame())
	}
}

func TestAFinishedReleaseIsNotInterrupted(t *testing.T) {
	l := &live{o: Options{Clock: time.Now, OnInterrupt: func() { t.Error("called") }}}
	l.state.apply(event.Event{Kind: event.Finished, Outcome: "promoted"})
	l.key("ctrl+c")
	l.key("ctrl+c")
	if l.asking || l.stopping {
		t.Error("there is nothing to take back any more")
	}
}

type brokenKeyboard struct{ asked chan struct{} }

func (k brokenKeyboard) Read([]byte) (int, error) {
	<-k.asked
	return 0, errors.New("the terminal is gone")
}

// TestALostTerminalTurnsTheViewIntoPlainLines: what was emitted before is not lost with it.
func TestALostTerminalTurnsTheViewIntoPlainLines(t *testing.T) {
	var b bytes.Buffer
	k := brokenKeyboard{make(chan struct{})}
	c := New(Options{Out: &b, In: k, IsTerminal: true, NoColor: true, OnInterrupt: func() {}}).(*live)
	events := recorded(t, "rolled-back")
	for _, e := range events[:20] {
		c.Emit(e)
	}
	close(k.asked)
	<-c.done
	for _, e := range events[20:] {
		c.Emit(e)
	}
	c.Close()
	out := ansi.Strip(b.String())
	for _, want := range []string{"preflight      checking cluster", "gate answers failed: 13 of 60", "rolled-back    calculator 1.3.0 was taken back"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q is missing in\n%s", want, out)
		}
	}
}
