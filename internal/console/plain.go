package console

import (
	"encoding/json"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/slipway-cd/slipway/internal/event"
)

// renderer writes one event; it is used by one goroutine.
type renderer interface {
	render(w io.Writer, e event.Event) error
	// flush writes what was kept back.
	flush(w io.Writer) error
}

// jsonLines writes events as they are.
type jsonLines struct{}

func (*jsonLines) render(w io.Writer, e event.Event) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	return enc.Encode(e)
}

func (*jsonLines) flush(io.Writer) error { return nil }

// How often plain lines repeat themselves: a log should be read, not scrolled. Both are measured in the events' time.
const (
	progressEvery = time.Second      // per phase, and only when the message changes
	verdictEvery  = 10 * time.Second // per gate while its outcome stays the same; a fail is always written
)

const labelWidth = 13

// plain writes one line an event: time, phase, sentence. Only Finished takes more.
type plain struct {
	step     string // label of the step now
	progress map[string]event.Event
	pending  *event.Event // progress that came too soon after the last
	verdicts map[string]event.Event
}

func newPlain() *plain {
	return &plain{progress: map[string]event.Event{}, verdicts: map[string]event.Event{}}
}

func (p *plain) render(w io.Writer, e event.Event) error {
	if e.Kind == event.Progress {
		return p.renderProgress(w, e)
	}
	if err := p.flush(w); err != nil {
		return err
	}
	switch e.Kind {
	case event.Phase:
		p.step = ""
		if e.Phase == "step" && e.Weight != nil {
			p.step = "step " + percent(*e.Weight)
		}
		clear(p.verdicts)
	case event.Verdict:
		last, again := p.verdicts[e.Gate]
		if again && e.Outcome != "fail" && last.Outcome == e.Outcome && last.Phase == e.Phase && e.Time.Sub(last.Time) < verdictEvery {
			return nil
		}
		p.verdicts[e.Gate] = e
	case event.Finished:
		return p.finished(w, e)
	}
	return p.line(w, e)
}

func (p *plain) renderProgress(w io.Writer, e event.Event) error {
	if p.pending != nil && p.pending.Phase != e.Phase {
		if err := p.flush(w); err != nil {
			return err
		}
	}
	last, again := p.progress[e.Phase]
	switch {
	case again && oneLine(last.Message) == oneLine(e.Message):
		p.pending = nil
		return nil
	case again && e.Time.Sub(last.Time) < progressEvery:
		p.pending = &e
		return nil
	}
	p.pending = nil
	p.progress[e.Phase] = e
	return p.line(w, e)
}

// flush writes the last progress that was held back, so that the log never ends a phase on an older state.
func (p *plain) flush(w io.Writer) error {
	if p.pending == nil {
		return nil
	}
	e := *p.pending
	p.pending = nil
	p.progress[e.Phase] = e
	return p.line(w, e)
}

func (p *plain) label(e event.Event) string {
	switch {
	case e.Kind == event.Finished:
		return "done"
	case e.Kind == event.Started && e.Phase == "":
		return "start"
	case e.Phase == "step" && p.step != "":
		return p.step
	}
	return oneLine(e.Phase)
}

func (p *plain) line(w io.Writer, e event.Event) error {
	text := sentence(e)
	if slices.ContainsFunc(e.Fields, short) {
		facts := make([]string, 0, len(e.Fields))
		for _, f := range e.Fields {
			if short(f) {
				facts = append(facts, oneLine(f.Key)+" "+oneLine(f.Value))
			}
		}
		if text != "" {
			text += ": "
		}
		text += strings.Join(facts, ", ")
	}
	if len(e.Next) > 0 {
		next := make([]string, 0, len(e.Next))
		for _, n := range e.Next {
			next = append(next, oneLine(n))
		}
		text += "; next: " + strings.Join(next, "; ")
	}
	return write(w, FormatTime(e.Time), p.label(e), text)
}

func write(w io.Writer, at, label, text string) error {
	_, err := io.WriteString(w, strings.TrimRight(pad(at, 9)+"  "+pad(label, labelWidth)+"  "+text, " ")+"\n")
	return err
}

// finished is the sentence first, its evidence under it, and what to do next last.
func (p *plain) finished(w io.Writer, e event.Event) error {
	outcome := oneLine(e.Outcome)
	if outcome == "" {
		outcome = p.label(e)
	}
	if err := write(w, FormatTime(e.Time), outcome, sentence(e)); err != nil {
		return err
	}
	for _, l := range below(e) {
		if err := write(w, "", "", "  "+l); err != nil {
			return err
		}
	}
	width := fieldWidth(e.Fields)
	for _, f := range e.Fields {
		if err := write(w, "", "", "  "+pad(oneLine(f.Key), width)+"  "+oneLine(f.Value)); err != nil {
			return err
		}
	}
	if len(e.Next) > 0 {
		if err := write(w, "", "", "next:"); err != nil {
			return err
		}
	}
	for _, n := range e.Next {
		if err := write(w, "", "", "  "+oneLine(n)); err != nil {
			return err
		}
	}
	return nil
}
