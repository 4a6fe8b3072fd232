package supervisor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"time"
)

const (
	pollEvery    = 100 * time.Millisecond
	probeTimeout = 2 * time.Second
	// A part that was ready for this long has recovered: its back-off starts anew.
	stableAfter = 30 * time.Second
)

// Backoff is how long to wait before start number n+1, n ≥ 1 failures in a row:
// 100 ms doubling to 5 s, with up to a fifth taken off so that parts do not move in step.
func Backoff(n int) time.Duration {
	d := 5 * time.Second
	if n < 7 {
		d = 100 * time.Millisecond << (n - 1)
	}
	d = min(d, 5*time.Second)
	return d - rand.N(d/5)
}

// Supervisor runs units. Make one with New.
type Supervisor struct {
	host  Host
	units []*unit
}

type unit struct {
	Unit
	log   *slog.Logger
	once  sync.Once
	first chan struct{} // closed when ready for the first time
	again chan struct{} // asks a task to look again

	mu     sync.Mutex
	status Status
}

// New refuses units that could not be started in the order given.
func New(host Host, units []Unit, log *slog.Logger) (*Supervisor, error) {
	if err := checkUnits(units); err != nil {
		return nil, err
	}
	s := &Supervisor{host: host}
	for _, u := range units {
		s.units = append(s.units, &unit{
			Unit: u, log: log.With("part", u.Name), first: make(chan struct{}), again: make(chan struct{}, 1),
			status: Status{Name: u.Name, What: u.What, Where: u.Where, Task: u.Task(), State: Waiting},
		})
	}
	return s, nil
}

// Run starts the units and keeps them running until ctx ends. Then it returns
// and leaves the processes alone: whoever comes next adopts or stops them.
func (s *Supervisor) Run(ctx context.Context) {
	firsts := map[string]chan struct{}{}
	var wg sync.WaitGroup
	for _, u := range s.units {
		var after []chan struct{}
		for _, name := range u.After {
			after = append(after, firsts[name])
		}
		firsts[u.Name] = u.first
		wg.Go(func() {
			for _, ch := range after {
				select {
				case <-ch:
				case <-ctx.Done():
					return
				}
			}
			if u.Task() {
				u.runTask(ctx)
			} else {
				u.runProcess(ctx, s.host)
			}
		})
	}
	wg.Wait()
}

// Status returns a snapshot, in the order of the units.
func (s *Supervisor) Status() []Status {
	out := make([]Status, 0, len(s.units))
	for _, u := range s.units {
		out = append(out, u.snapshot())
	}
	return out
}

// Probe asks every unit that calls itself ready whether it still is, all at
// once, and returns a snapshot in which those that are not say why. Tasks that
// are not are done again.
func (s *Supervisor) Probe(ctx context.Context) []Status {
	out := s.Status()
	var wg sync.WaitGroup
	for i, u := range s.units {
		if out[i].State != Ready || u.Unit.Ready == nil {
			continue
		}
		wg.Go(func() {
			if err := u.probe(ctx); err != nil {
				out[i].State, out[i].Error = Starting, err.Error()
				if u.Task() {
					u.set(func(st *Status) { st.State, st.Error = Starting, err.Error() })
					select {
					case u.again <- struct{}{}:
					default:
					}
				}
			}
		})
	}
	wg.Wait()
	return out
}

func (u *unit) snapshot() Status {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.status
}

func (u *unit) set(change func(*Status)) {
	u.mu.Lock()
	defer u.mu.Unlock()
	change(&u.status)
}

func (u *unit) probe(ctx context.Context) error {
	if u.Unit.Ready == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	return u.Unit.Ready(ctx)
}

func (u *unit) becomeReady(since time.Time) {
	u.log.Info("ready", "took", time.Since(since).Round(time.Millisecond))
	u.set(func(st *Status) {
		st.State, st.Error, st.Took = Ready, "", time.Since(since)
	})
	u.once.Do(func() { close(u.first) })
}

func (u *unit) fail(err error) int {
	var n int
	u.set(func(st *Status) {
		st.State, st.PID = Restarting, 0
		st.Failures++
		st.Restarts++
		st.Error = err.Error()
		n = st.Failures
	})
	u.log.Warn("will be started again", "failures", n, "error", err)
	return n
}

func (u *unit) runTask(ctx context.Context) {
	for ctx.Err() == nil {
		began := time.Now()
		u.set(func(st *Status) { st.State = Starting })
		err := u.Run(ctx)
		if err == nil {
			err = u.awaitReady(ctx, nil)
		}
		if err != nil {
			if ctx.Err() != nil || !pause(ctx, Backoff(u.fail(err))) {
				return
			}
			continue
		}
		u.becomeReady(began)
		u.set(func(st *Status) { st.Failures = 0 })
		select {
		case <-u.again:
		case <-ctx.Done():
		}
	}
}

func (u *unit) runProcess(ctx context.Context, host Host) {
	for ctx.Err() == nil {
		began := time.Now()
		u.set(func(st *Status) { st.State = Starting })
		p, adopted, err := obtain(ctx, host, u.Unit)
		if err == nil {
			u.log.Info("runs", "pid", p.PID(), "adopted", adopted)
			u.set(func(st *Status) { st.PID, st.Started, st.Adopted = p.PID(), p.Started(), adopted })
			err = u.watch(ctx, p, began)
		}
		if ctx.Err() != nil {
			return
		}
		if !pause(ctx, Backoff(u.fail(err))) {
			return
		}
	}
}

func obtain(ctx context.Context, host Host, u Unit) (Process, bool, error) {
	p, err := host.Adopt(ctx, u)
	if err != nil {
		return nil, false, fmt.Errorf("look for a running %s: %w", u.Name, err)
	}
	if p != nil {
		return p, true, nil
	}
	p, err = host.Start(ctx, u)
	if err != nil {
		return nil, false, fmt.Errorf("start %s: %w", u.Name, err)
	}
	return p, false, nil
}

// watch waits until p is ready, then until it ends, and says how it ended.
func (u *unit) watch(ctx context.Context, p Process, began time.Time) error {
	if err := u.awaitReady(ctx, p.Done()); err != nil {
		if errors.Is(err, errEnded) {
			return fmt.Errorf("%s ended before it was ready: %s", u.Name, p.Outcome())
		}
		return err
	}
	u.becomeReady(began)
	readyAt := time.Now()
	select {
	case <-p.Done():
	case <-ctx.Done():
		return ctx.Err()
	}
	if time.Since(readyAt) >= stableAfter {
		u.set(func(st *Status) { st.Failures = 0 })
	}
	return fmt.Errorf("%s ended: %s", u.Name, p.Outcome())
}

var errEnded = errors.New("ended")

// awaitReady polls until the unit is ready, ended is closed or ctx ends.
func (u *unit) awaitReady(ctx context.Context, ended <-chan struct{}) error {
	for {
		select {
		case <-ended:
			return errEnded
		default:
		}
		err := u.probe(ctx)
		if err == nil {
			return nil
		}
		u.set(func(st *Status) { st.Error = err.Error() })
		t := time.NewTimer(pollEvery)
		select {
		case <-t.C:
		case <-ended:
			t.Stop()
			return errEnded
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		}
	}
}

// pause waits for d; false means that ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
