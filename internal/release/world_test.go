package release

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"k8s.io/utils/clock"

	"github.com/slipway-cd/slipway/internal/event"
	"github.com/slipway-cd/slipway/internal/gate"
	"github.com/slipway-cd/slipway/internal/traffic"
)

// world is a cluster as far as a release can see it: Helm releases, pods, one route, one record, one lock. It notes what
// must never happen. Time in it is that of the synctest bubble.
type world struct {
	mu sync.Mutex

	helm      map[string][]string // revisions of each Helm release: the bundle in each
	unready   map[string]bool     // bundles whose pods never get ready
	removed   map[string]time.Time
	route     *traffic.Split
	fence     int64 // of the route's last writer
	epoch     int
	stored    []byte
	version   int
	requests  chan Request
	lockFence int64
	lock      *fakeLock // nil: free
	guardian  int       // the release that has one, 0 for none

	splits []traffic.Split // in force, one after another
	events []event.Event
	wrong  []string

	before, reached string // the record, and the version that users reach, when the scenario began

	// gates decides; nil passes. It is called with the mutex held.
	gates func(stage, phase string, c gate.Candidate) Decision
	calls int
	// hook runs before each call, without the mutex, and may make it fail.
	hook func(p *process, n int, name string) fault
}

// fault is what happens to one call.
type fault int

const (
	none        fault = iota
	failBefore        // an error, and nothing was changed
	failAfter         // the change was made, its answer was lost
	killBefore        // the process is gone, and nothing was changed
	killAfter         // the change was made, then the process was gone
	interrupted       // the call ends because its context has
)

var errFault = errors.New("the API server did not answer")

// process is one process working in the world.
type process struct {
	*Engine
	w      *world
	bundle string
	dead   bool
	lost   bool // it has lost the lock, so it must change nothing
}

func newWorld() *world {
	return &world{helm: map[string][]string{}, unready: map[string]bool{}, removed: map[string]time.Time{}, requests: make(chan Request, 1)}
}

// process starts one that has the bundle at hand; "" for none.
func (w *world) process(bundle string) *process {
	p := &process{w: w, bundle: bundle}
	p.Engine = &Engine{
		Store: p, Locker: p, Charts: p, Router: (*fakeRouter)(p), Verifier: (*fakeVerifier)(p), Readiness: p, Gates: (*fakeGates)(p), Preflight: (*fakePreflight)(p),
		Sink:  event.SinkFunc(func(e event.Event) { w.mu.Lock(); defer w.mu.Unlock(); w.events = append(w.events, e) }),
		Clock: clock.RealClock{}, Holder: "somebody@" + fmt.Sprintf("%p", p),
	}
	return p
}

// do is one call of a process: change is made in the world unless a fault comes between.
func (p *process) do(ctx context.Context, name string, change func() error) error {
	w := p.w
	w.mu.Lock()
	if p.dead {
		w.mu.Unlock()
		return errFault
	}
	w.calls++
	n, hook := w.calls, w.hook
	w.mu.Unlock()
	f := none
	if hook != nil {
		f = hook(p, n, name)
	}
	if f == interrupted {
		<-ctx.Done()
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	p.dead = p.dead || f == killBefore || f == killAfter
	if f == failBefore || f == killBefore {
		return errFault
	}
	err := change()
	if f == failAfter || f == killAfter {
		return errFault
	}
	return err
}

// changed notes a change that p makes.
func (p *process) changed(what string) {
	if p.lost {
		p.w.violation("%s by a process that has lost the lock", what)
	}
}

func (w *world) violation(format string, args ...any) {
	w.wrong = append(w.wrong, fmt.Sprintf(format, args...))
}

func (w *world) bundleOf(release string) string {
	revs := w.helm[release]
	if len(revs) == 0 {
		return ""
	}
	return revs[len(revs)-1]
}

func (w *world) ready(release string) bool {
	b := w.bundleOf(release)
	return b != "" && !w.unready[b]
}

// planned says whether the stored journal intends something about a Helm release.
func (w *world) planned(release string) bool {
	rec := w.record()
	if rec.Open == nil {
		return false
	}
	for _, e := range rec.Open.Effects {
		if strings.HasSuffix(e.Name, "/"+release) {
			return true
		}
	}
	return false
}

func (w *world) record() *Record {
	rec := &Record{Schema: Schema, Service: "svc", Environment: "prod"}
	if w.stored != nil {
		if err := json.Unmarshal(w.stored, rec); err != nil {
			panic(err)
		}
		rec.Version = fmt.Sprint(w.version)
	}
	return rec
}

// Store.

func (p *process) Load(ctx context.Context) (rec *Record, err error) {
	err = p.do(ctx, "load", func() error { rec = p.w.record(); return nil })
	return rec, err
}

func (p *process) Save(ctx context.Context, rec *Record) error {
	raw, err := json.Marshal(rec)
	if err != nil {
		return err
	}
	saved := 0
	err = p.do(ctx, "save", func() error {
		if p.w.stored != nil && rec.Version != fmt.Sprint(p.w.version) {
			return &StaleError{Object: "configmap/ns/record"}
		}
		p.changed("the record was written")
		p.w.stored = raw
		p.w.version++
		saved = p.w.version
		return nil
	})
	if err == nil { // an answer that was lost tells no version
		rec.Version = fmt.Sprint(saved)
	}
	return err
}

func (p *process) Requests(ctx context.Context) <-chan Request {
	out := make(chan Request)
	go func() {
		defer close(out)
		select {
		case q := <-p.w.requests:
			select {
			case out <- q:
			case <-ctx.Done():
			}
		case <-ctx.Done():
		}
	}()
	return out
}

func (p *process) Ask(_ context.Context, q Request) error { p.w.requests <- q; return nil }

func (p *process) ClearRequests(ctx context.Context) error {
	return p.do(ctx, "clear requests", func() error {
		select {
		case <-p.w.requests:
		default:
		}
		return nil
	})
}

// Locker.

type fakeLock struct {
	p     *process
	fence int64
	lost  chan struct{}
}

func (p *process) Succeed(ctx context.Context, left func() bool) (Lock, error) {
	for {
		p.w.mu.Lock()
		dead, free := p.w.lock != nil && p.w.lock.p.dead, p.w.lock == nil
		p.w.mu.Unlock()
		if dead || free && left() {
			if l, err := p.Acquire(ctx, 0); err == nil {
				return l, nil
			}
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(time.Second):
		}
	}
}

func (p *process) Acquire(ctx context.Context, after int64) (l Lock, err error) {
	err = p.do(ctx, "acquire", func() error {
		if cur := p.w.lock; cur != nil && !cur.p.dead {
			return &HeldError{Err: fmt.Errorf("held by %s", cur.p.Holder)}
		}
		p.w.lockFence = max(p.w.lockFence, after) + 1
		p.w.lock = &fakeLock{p: p, fence: p.w.lockFence, lost: make(chan struct{})}
		p.lost = false
		l = p.w.lock
		return nil
	})
	return l, err
}

func (l *fakeLock) Fence() int64          { return l.fence }
func (l *fakeLock) Lost() <-chan struct{} { return l.lost }
func (l *fakeLock) Held() error {
	select {
	case <-l.lost:
		return errors.New("lost")
	default:
		return nil
	}
}
func (l *fakeLock) Release(ctx context.Context) error {
	return l.p.do(ctx, "unlock", func() error {
		if l.p.w.lock == l {
			l.p.w.lock = nil
		}
		return nil
	})
}

// lose takes p's lock away; by is who has it now, nil for nobody.
func (w *world) lose(p, by *process) {
	w.mu.Lock()
	if w.lock == nil || w.lock.p != p {
		w.mu.Unlock()
		return
	}
	close(w.lock.lost)
	w.lock = nil
	if by != nil {
		w.lockFence++
		w.lock = &fakeLock{p: by, fence: w.lockFence, lost: make(chan struct{})}
	}
	w.mu.Unlock()
	synctest.Wait() // what is under way may still arrive; nothing begun after it has heard of the loss may
	w.mu.Lock()
	defer w.mu.Unlock()
	p.lost = w.lock == nil || w.lock.p != p
}

func (w *world) check(t *testing.T) {
	t.Helper()
	for _, v := range w.wrong {
		t.Errorf("never: %s", v)
	}
}
