//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/slipway-cd/slipway/internal/event"
)

// patience bounds any single command; nothing in the tests takes a third of it on two idle cores.
const patience = 3 * time.Minute

// process is a running slipway.
type process struct {
	args   []string
	cmd    *exec.Cmd
	stderr bytes.Buffer
	done   chan struct{}

	mu     sync.Mutex
	stdout strings.Builder
	events []event.Event
	code   int
}

// result is how it ended.
type result struct {
	args           []string
	code           int
	stdout, stderr string
	events         []event.Event
}

// start starts slipway in the directory of a variant, in the environment of the site.
func (s *site) start(t *testing.T, name string, args ...string) *process {
	t.Helper()
	p := &process{args: args, done: make(chan struct{})}
	p.cmd = exec.Command(bin("slipway"), args...)
	p.cmd.Dir = variant(t, name).dir
	p.cmd.Env = s.environ()
	p.cmd.Stderr = &p.stderr
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.done)
		lines := bufio.NewScanner(out)
		lines.Buffer(nil, 1<<20)
		for lines.Scan() {
			var e event.Event
			p.mu.Lock()
			p.stdout.WriteString(lines.Text() + "\n")
			if json.Unmarshal(lines.Bytes(), &e) == nil && e.Kind != "" {
				p.events = append(p.events, e)
			}
			p.mu.Unlock()
		}
		err := p.cmd.Wait()
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.code = p.cmd.ProcessState.ExitCode(); err != nil && p.code == 0 {
			p.code = -1
		}
	}()
	t.Cleanup(func() { // a test that failed half-way must leave nothing running
		select {
		case <-p.done:
		default:
			_ = p.cmd.Process.Kill()
			<-p.done
		}
	})
	return p
}

// run runs slipway to its end.
func (s *site) run(t *testing.T, name string, args ...string) result {
	t.Helper()
	return s.start(t, name, args...).wait(t)
}

func (p *process) soFar() result {
	p.mu.Lock()
	defer p.mu.Unlock()
	return result{args: p.args, code: p.code, stdout: p.stdout.String(), events: append([]event.Event(nil), p.events...)}
}

func (p *process) wait(t *testing.T) result {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(patience):
		t.Fatalf("slipway %s has not ended in %s:\n%s", strings.Join(p.args, " "), patience, p.soFar().stdout)
	}
	r := p.soFar()
	r.stderr = p.stderr.String()
	return r
}

// await waits for an event of a process that goes on.
func (p *process) await(t *testing.T, what string, is func(event.Event) bool) event.Event {
	t.Helper()
	var found event.Event
	eventually(t, patience, what+" from slipway "+strings.Join(p.args, " "), func() (bool, string) {
		ended := false
		select {
		case <-p.done:
			ended = true
		default:
		}
		r := p.soFar()
		for _, e := range r.events {
			if is(e) {
				found = e
				return true, ""
			}
		}
		if ended {
			t.Fatalf("waiting for %s: slipway %s ended before, with exit code %d:\n%s%s", what, strings.Join(p.args, " "), r.code, r.stdout, p.stderr.String())
		}
		return false, r.stdout
	})
	return found
}

func (p *process) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

func (r result) String() string {
	return fmt.Sprintf("slipway %s: exit code %d\n%s%s", strings.Join(r.args, " "), r.code, r.stdout, r.stderr)
}

func (r result) mustExit(t *testing.T, code int) {
	t.Helper()
	if r.code != code {
		t.Fatalf("want exit code %d: %s", code, r)
	}
}

// says fails the test unless the output has each of the texts.
func (r result) says(t *testing.T, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(r.stdout+r.stderr, text) {
			t.Errorf("the output should say %q: %s", text, r)
		}
	}
}

// finished is the last event.
func (r result) finished(t *testing.T) event.Event {
	t.Helper()
	if len(r.events) == 0 || r.events[len(r.events)-1].Kind != event.Finished {
		t.Fatalf("the last event should be of kind finished: %s", r)
	}
	return r.events[len(r.events)-1]
}

// first is the first event of a kind that fits.
func (r result) first(kind event.Kind, fits func(event.Event) bool) (event.Event, bool) {
	for _, e := range r.events {
		if e.Kind == kind && fits(e) {
			return e, true
		}
	}
	return event.Event{}, false
}

func weighs(n int) func(event.Event) bool {
	return func(e event.Event) bool { return e.Weight != nil && *e.Weight == n }
}
