package insights

import (
	"sync"
	"time"
)

// throttle bounds the queries of each user: so many started in a window of
// time, and so many at once.
type throttle struct {
	limits Limits
	now    func() time.Time

	mu    sync.Mutex
	users map[string]*usage
}

type usage struct {
	started []time.Time // within the window, the oldest first
	running int
}

func newThrottle(l Limits, now func() time.Time) *throttle {
	return &throttle{limits: l, now: now, users: map[string]*usage{}}
}

// begin counts a query. If there are too many it says how long to wait;
// otherwise done must be called when the query has ended.
func (t *throttle) begin(user string) (done func(), wait time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	u := t.users[user]
	if u == nil {
		t.forget(now)
		u = &usage{}
		t.users[user] = u
	}
	u.expire(now.Add(-t.limits.Window))
	switch {
	case len(u.started) >= t.limits.Queries:
		return nil, u.started[0].Add(t.limits.Window).Sub(now)
	case u.running >= t.limits.Concurrent:
		return nil, time.Second
	}
	u.started = append(u.started, now)
	u.running++
	return func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		u.running--
	}, 0
}

func (u *usage) expire(before time.Time) {
	n := 0
	for n < len(u.started) && !u.started[n].After(before) {
		n++
	}
	u.started = u.started[n:]
}

// forget removes users that have been idle.
func (t *throttle) forget(now time.Time) {
	for name, u := range t.users {
		if u.expire(now.Add(-t.limits.Window)); len(u.started) == 0 && u.running == 0 {
			delete(t.users, name)
		}
	}
}
