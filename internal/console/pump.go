package console

import (
	"bytes"
	"io"
	"sync"
	"time"

	"github.com/slipway-cd/slipway/internal/event"
)

// backlog is how many events may wait for a slow reader before progress is merged.
const backlog = 256

// pump carries events from the emitters to one writing goroutine, so that a slow reader never holds a release up.
type pump struct {
	clock func() time.Time
	mu    sync.Mutex
	more  *sync.Cond
	queue []event.Event
	ended bool
	done  chan struct{}
}

func newPump(out io.Writer, r renderer, clock func() time.Time) *pump {
	p := &pump{clock: clock, done: make(chan struct{})}
	p.more = sync.NewCond(&p.mu)
	go p.run(out, r)
	return p
}

// Emit queues the event.
func (p *pump) Emit(e event.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return
	}
	if e.Time.IsZero() {
		e.Time = p.clock().UTC()
	}
	if e.Kind == event.Progress && len(p.queue) >= backlog {
		// The newest state of the phase is what counts; it takes the place of an older one at the end of the queue.
		if last := len(p.queue) - 1; p.queue[last].Kind == event.Progress && p.queue[last].Phase == e.Phase {
			p.queue[last] = e
			return
		}
	}
	p.queue = append(p.queue, e)
	p.more.Signal()
}

// Close waits until all is written.
func (p *pump) Close() {
	p.mu.Lock()
	p.ended = true
	p.more.Signal()
	p.mu.Unlock()
	<-p.done
}

func (p *pump) run(out io.Writer, r renderer) {
	defer close(p.done)
	var failed error
	for {
		p.mu.Lock()
		for len(p.queue) == 0 && !p.ended {
			p.more.Wait()
		}
		batch, ended := p.queue, p.ended
		p.queue = nil
		p.mu.Unlock()
		var b bytes.Buffer
		for _, e := range batch {
			if failed == nil {
				failed = r.render(&b, e)
			}
		}
		if ended && failed == nil {
			failed = r.flush(&b)
		}
		if failed == nil && b.Len() > 0 {
			_, failed = out.Write(b.Bytes()) // whole lines in one write: nothing of another writer comes between
		}
		if ended {
			return
		}
	}
}
