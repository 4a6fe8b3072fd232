package console

import (
	"io"
	"os"
	"strings"
	"sync"
	"time"

	tea "charm.land/bubbletea/v2"
	"github.com/charmbracelet/colorprofile"
	"github.com/charmbracelet/x/term"

	"github.com/slipway-cd/slipway/internal/event"
)

// frameEvery is how often the live view looks at the state. Events only change the state, so no flood of them can
// make the terminal flicker or hold the emitter up; what did not change is not drawn again.
const frameEvery = 100 * time.Millisecond

// live draws the state below the shell's prompt while the command runs, and leaves a summary in the scrollback.
type live struct {
	o     Options
	style styles

	mu       sync.Mutex
	state    state
	asking   bool // Ctrl-C was pressed once
	stopping bool // and confirmed
	ended    bool
	last     string // what the view leaves on the screen
	width    int
	height   int
	kept     []event.Event // for the plain log, should the terminal refuse the live view
	instead  *pump

	program *tea.Program
	done    chan struct{}
	close   sync.Once
}

func newLive(o Options) *live {
	l := &live{o: o, style: newStyles(o.NoColor), width: o.Width, height: o.Height, done: make(chan struct{})}
	options := []tea.ProgramOption{
		tea.WithOutput(o.Out),
		tea.WithInput(keyboard(o)),
		tea.WithoutSignalHandler(), // signals are the command's: it must make the environment safe first
		tea.WithFPS(20),
		tea.WithWindowSize(o.Width, o.Height),
	}
	if o.NoColor {
		options = append(options, tea.WithColorProfile(colorprofile.ASCII))
	}
	// The view starts below a blank line: a terminal that is told to erase everything from its first row on (tmux) would
	// keep old frames in its scrollback.
	_, _ = io.WriteString(o.Out, "\n")
	l.program = tea.NewProgram(model{l}, options...)
	go l.run()
	return l
}

// keyboard is what the live view reads keys from; nil is none.
func keyboard(o Options) io.Reader {
	switch {
	case o.OnInterrupt == nil:
		return nil
	case o.In != nil:
		return o.In
	case term.IsTerminal(os.Stdin.Fd()):
		return os.Stdin
	}
	return nil
}

func (l *live) run() {
	defer close(l.done)
	if _, err := l.program.Run(); err == nil {
		return
	}
	// The terminal could not be used after all. A release goes on; its record goes on as plain lines.
	instead := newPump(l.o.Out, newPlain(), l.o.Clock)
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, e := range l.kept {
		instead.Emit(e)
	}
	l.instead, l.kept = instead, nil
}

// Emit takes the event into the state; the next frame shows it.
func (l *live) Emit(e event.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return
	}
	if e.Time.IsZero() {
		e.Time = l.o.Clock().UTC()
	}
	if l.instead != nil {
		l.instead.Emit(e)
		return
	}
	l.state.apply(e)
	if e.Kind != event.Progress {
		l.kept = append(l.kept, e)
	}
}

// Close takes the view down and writes the summary.
func (l *live) Close() {
	l.close.Do(func() {
		l.mu.Lock()
		l.ended = true
		summary := l.state.summary(l.width, l.style)
		// The view ends as the first sentence of the summary rather than empty: a terminal that is told to erase all
		// of its screen may keep the last frame in its scrollback.
		l.last, summary, _ = strings.Cut(summary, "\n")
		l.mu.Unlock()
		l.program.Send(endMsg{})
		<-l.done
		l.mu.Lock()
		defer l.mu.Unlock()
		if l.instead != nil {
			l.instead.Close()
			return
		}
		_, _ = io.WriteString(l.o.Out, summary)
	})
}

type (
	frameMsg struct{}
	endMsg   struct{}
)

// model is bubbletea's face of live. It is a value without state of its own: live's is behind its lock.
type model struct{ l *live }

func nextFrame() tea.Cmd {
	return tea.Tick(frameEvery, func(time.Time) tea.Msg { return frameMsg{} })
}

// Init starts the frames.
func (m model) Init() tea.Cmd { return nextFrame() }

// Update takes keys, sizes and frames.
func (m model) Update(msg tea.Msg) (tea.Model, tea.Cmd) {
	m.l.mu.Lock()
	defer m.l.mu.Unlock()
	switch msg := msg.(type) {
	case frameMsg:
		return m, nextFrame()
	case tea.WindowSizeMsg:
		m.l.width, m.l.height = msg.Width, msg.Height
	case tea.KeyPressMsg:
		m.l.key(msg.String())
	case endMsg:
		return m, tea.Quit
	}
	return m, nil
}

// key handles one key; the lock is held.
func (l *live) key(name string) {
	switch {
	case l.stopping || l.ended || l.state.finished != nil:
	case name != "ctrl+c":
		l.asking = false
	case !l.asking:
		l.asking = true
	default:
		l.asking, l.stopping = false, true
		if l.o.OnInterrupt != nil {
			go l.o.OnInterrupt()
		}
	}
}

// View is the frame now; at the end the first line of the summary, which takes its place.
func (m model) View() tea.View {
	m.l.mu.Lock()
	defer m.l.mu.Unlock()
	if m.l.ended {
		return tea.NewView(m.l.last + "\n") // bubbletea erases the last line when it ends
	}
	return tea.NewView(m.l.frame())
}

// frame renders the state with the question of Ctrl-C below it; the lock is held.
func (l *live) frame() string {
	notice := ""
	switch {
	case l.asking:
		notice = "Roll back and stop? Ctrl-C again to roll back now; any other key to go on"
	case l.stopping && l.state.finished == nil:
		notice = "Rolling back; the environment is made safe before this ends"
	}
	return l.state.render(size{l.width, l.height}, l.o.Clock(), l.style, notice)
}
