// Package console renders a stream of events for a person or a program: a live view on a terminal, plain lines
// elsewhere, or one JSON object a line. It holds no truth of its own: all it shows came in as an event.
package console

import (
	"io"
	"os"
	"strings"
	"time"

	"github.com/charmbracelet/x/term"

	"github.com/slipway-cd/slipway/internal/event"
)

// Console takes events and shows them.
//
// Emit never waits for the terminal and is safe for concurrent use. When the reader is slow, progress events are
// merged; all others are kept. Close returns when all that was emitted is written; events after Close are dropped.
// Close may be called more than once. Errors of the writer are not reported: a release does not end because nobody
// reads its output (but a process that writes to a closed pipe must ignore SIGPIPE itself).
type Console interface {
	event.Sink
	Close()
}

// The formats of Options.
const (
	FormatText = "text" // the live view on a terminal, plain lines elsewhere
	FormatJSON = "json" // one JSON object a line, as it was emitted
)

// Options says how to render.
type Options struct {
	// Out takes everything that is shown, so that one wrapper around it can mask secrets. For the live view to follow
	// changes of the terminal's size it must be an *os.File or have its methods Read, Close and Fd too.
	Out io.Writer
	// In is the terminal's keyboard; only the live view reads it, and only when OnInterrupt is set. Nil means os.Stdin
	// where that is a terminal, and else none: then Ctrl-C stays a signal to the process.
	In io.Reader
	// IsTerminal asks for the live view, Dumb (TERM=dumb) takes that back.
	IsTerminal, Dumb bool
	// Width and Height in cells are used until the terminal says its own; default 80 by 24.
	Width, Height int
	// Format is FormatText (also "") or FormatJSON.
	Format string
	// NoColor leaves out colours; nothing is told by colour alone anyway.
	NoColor bool
	// OnInterrupt is called, once and on a goroutine of its own, when a person has confirmed Ctrl-C in the live view.
	OnInterrupt func()
	// Clock is the time for what is elapsed; default time.Now.
	Clock func() time.Time
}

// Detect makes the options that fit a file: terminal or not, its size, NO_COLOR and TERM.
func Detect(out *os.File, getenv func(string) string) Options {
	o := Options{Out: out, IsTerminal: term.IsTerminal(out.Fd()), NoColor: getenv("NO_COLOR") != "", Dumb: getenv("TERM") == "dumb"}
	if w, h, err := term.GetSize(out.Fd()); o.IsTerminal && err == nil {
		o.Width, o.Height = w, h
	}
	return o
}

// New starts the console that fits the options; the caller must Close it.
func New(o Options) Console {
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.Out == nil {
		o.Out = io.Discard
	}
	if o.Width <= 0 {
		o.Width = 80
	}
	if o.Height <= 0 {
		o.Height = 24
	}
	switch {
	case strings.EqualFold(o.Format, FormatJSON):
		return newPump(o.Out, &jsonLines{}, o.Clock)
	case o.IsTerminal && !o.Dumb:
		return newLive(o)
	}
	return newPump(o.Out, newPlain(), o.Clock)
}
