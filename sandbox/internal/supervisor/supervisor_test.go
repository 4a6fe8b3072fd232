package supervisor

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// fakeHost starts processes that end when the test says so.
type fakeHost struct {
	mu      sync.Mutex
	started []string
	adopted []string
	running map[string]*fakeProcess
	failing map[string]error
	next    int
}

func newFakeHost() *fakeHost {
	return &fakeHost{running: map[string]*fakeProcess{}, failing: map[string]error{}}
}

func (h *fakeHost) Adopt(_ context.Context, u Unit) (Process, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	p := h.running[u.Name]
	if p == nil {
		return nil, nil
	}
	h.adopted = append(h.adopted, u.Name)
	return p, nil
}

func (h *fakeHost) Start(_ context.Context, u Unit) (Process, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.started = append(h.started, u.Name)
	if err := h.failing[u.Name]; err != nil {
		return nil, err
	}
	h.next++
	p := &fakeProcess{pid: h.next, done: make(chan struct{})}
	h.running[u.Name] = p
	return p, nil
}

func (h *fakeHost) kill(name string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	close(h.running[name].done)
	delete(h.running, name)
}

func (h *fakeHost) starts(name string) int {
	h.mu.Lock()
	defer h.mu.Unlock()
	n := 0
	for _, s := range h.started {
		if s == name {
			n++
		}
	}
	return n
}

type fakeProcess struct {
	pid  int
	done chan struct{}
}

func (p *fakeProcess) PID() int              { return p.pid }
func (p *fakeProcess) Started() time.Time    { return time.Time{} }
func (p *fakeProcess) Done() <-chan struct{} { return p.done }
func (p *fakeProcess) Outcome() string       { return "signal: killed" }

// run runs the units in a bubble of fake time, calls test in it and ends them.
func run(t *testing.T, h Host, units []Unit, test func(t *testing.T, s *Supervisor)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s, err := New(h, units, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { s.Run(ctx); close(done) }()
		synctest.Wait()
		test(t, s)
		cancel()
		<-done
	})
}

func states(s *Supervisor) string {
	var out []string
	for _, u := range s.Status() {
		out = append(out, u.Name+" "+string(u.State))
	}
	return fmt.Sprint(out)
}

func TestAUnitStartsOnlyAfterThoseItNeedsAreReady(t *testing.T) {
	h := newFakeHost()
	var ready atomic.Bool
	units := []Unit{
		{Name: "store", Ready: func(context.Context) error {
			if !ready.Load() {
				return errors.New("not yet")
			}
			return nil
		}},
		{Name: "api", After: []string{"store"}},
	}
	run(t, h, units, func(t *testing.T, s *Supervisor) {
		if got := states(s); got != "[store starting api waiting]" {
			t.Errorf("before the store is ready: %s", got)
		}
		if got := s.Status()[0].Error; got != "not yet" {
			t.Errorf("the status does not say what is missing: %q", got)
		}
		ready.Store(true)
		time.Sleep(time.Second) // of the bubble's time
		synctest.Wait()
		if got := states(s); got != "[store ready api ready]" {
			t.Errorf("after: %s", got)
		}
	})
}

func TestAProcessThatEndsIsStartedAgain(t *testing.T) {
	h := newFakeHost()
	run(t, h, []Unit{{Name: "a"}}, func(t *testing.T, s *Supervisor) {
		h.kill("a")
		synctest.Wait()
		st := s.Status()[0]
		if st.State != Restarting || st.PID != 0 || st.Error != "a ended: signal: killed" {
			t.Errorf("right after its end: %+v", st)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		if st = s.Status()[0]; st.State != Ready || st.PID != 2 || st.Restarts != 1 || st.Error != "" {
			t.Errorf("a second later: %+v", st)
		}
	})
}

func TestAProcessThatNeverStartsIsTriedLessAndLessOften(t *testing.T) {
	h := newFakeHost()
	h.failing["a"] = errors.New("no such file")
	run(t, h, []Unit{{Name: "a"}}, func(t *testing.T, s *Supervisor) {
		time.Sleep(time.Minute)
		synctest.Wait()
		if n := h.starts("a"); n < 12 || n > 25 {
			t.Errorf("started %d times in a minute", n)
		}
		if got := s.Status()[0].Error; got != "start a: no such file" {
			t.Errorf("the error is %q", got)
		}
	})
}

func TestTheBackOffStartsAnewAfterAStableTime(t *testing.T) {
	h := newFakeHost()
	run(t, h, []Unit{{Name: "a"}}, func(t *testing.T, s *Supervisor) {
		for range 3 {
			h.kill("a")
			time.Sleep(6 * time.Second)
			synctest.Wait()
		}
		if n := s.Status()[0].Failures; n != 3 {
			t.Errorf("%d failures in a row, want 3", n)
		}
		time.Sleep(stableAfter)
		h.kill("a")
		synctest.Wait()
		if n := s.Status()[0].Failures; n != 1 {
			t.Errorf("%d failures after a stable time, want 1", n)
		}
	})
}

func TestARunningProcessIsAdoptedAndNotStartedTwice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newFakeHost()
		h.running["a"] = &fakeProcess{pid: 77, done: make(chan struct{})}
		s, err := New(h, []Unit{{Name: "a"}}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		go s.Run(ctx)
		synctest.Wait()
		if st := s.Status()[0]; !st.Adopted || st.PID != 77 || h.starts("a") != 0 {
			t.Errorf("%+v, started %d times", st, h.starts("a"))
		}
		cancel()
	})
}

func TestATaskIsDoneAgainOnlyWhenAProbeFindsItUndone(t *testing.T) {
	done, runs := false, 0
	units := []Unit{{
		Name: "task",
		Run:  func(context.Context) error { runs++; done = true; return nil },
		Ready: func(context.Context) error {
			if !done {
				return errors.New("undone")
			}
			return nil
		},
	}}
	run(t, newFakeHost(), units, func(t *testing.T, s *Supervisor) {
		if st := s.Probe(t.Context()); st[0].State != Ready || runs != 1 {
			t.Errorf("%+v after %d runs", st, runs)
		}
		done = false
		if st := s.Probe(t.Context()); st[0].State != Starting || st[0].Error != "undone" {
			t.Errorf("the probe does not say that it is undone: %+v", st)
		}
		synctest.Wait()
		if st := s.Status(); st[0].State != Ready || runs != 2 {
			t.Errorf("%+v after %d runs", st, runs)
		}
	})
}

func TestUnitsOutOfOrderAreRefused(t *testing.T) {
	for name, units := range map[string][]Unit{
		"twice":   {{Name: "a"}, {Name: "a"}},
		"unknown": {{Name: "a", After: []string{"b"}}},
		"cycle":   {{Name: "a", After: []string{"b"}}, {Name: "b", After: []string{"a"}}},
	} {
		if _, err := New(newFakeHost(), units, slog.New(slog.DiscardHandler)); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestTheBackOffGrowsToFiveSeconds(t *testing.T) {
	var got []time.Duration
	for n := 1; n < 100; n++ {
		got = append(got, Backoff(n))
	}
	if got[0] > 100*time.Millisecond || slices.Max(got) > 5*time.Second || got[98] < 4*time.Second {
		t.Errorf("first %v, longest %v, last %v", got[0], slices.Max(got), got[98])
	}
}

// served serves a supervisor whose one unit was never started, once the socket answers.
func served(t *testing.T, socket string) *Supervisor {
	t.Helper()
	s, err := New(newFakeHost(), []Unit{{Name: "a"}}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Serve(ctx, socket, "hash") }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	for {
		if _, err := NewClient(socket).Status(ctx); err == nil {
			return s
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatal(err)
		default:
		}
	}
}
