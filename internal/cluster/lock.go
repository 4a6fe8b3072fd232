package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/user"
	"sync"
	"time"

	"github.com/google/uuid"
	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
)

// DefaultLockDuration is a Lease's duration when LockOptions leaves it out.
const DefaultLockDuration = 15 * time.Second

// LockOptions say which Lease is taken, by whom and for how long.
type LockOptions struct {
	Namespace string
	// Name of the Lease: slipway-<service>-<environment>.
	Name string
	// Holder identifies this process for people and machines; default [Identity]. Two processes must never share one.
	Holder string
	// Duration after which a holder that has stopped renewing may be replaced; default 15 s, whole seconds, at least 1 s.
	Duration time.Duration
	// After is a fence that was handed out before, by the record: a Lease that somebody has deleted must not begin again below it.
	After int64
	// Clock; default the real one. Only durations are taken from it for decisions, never the time of day.
	Clock clock.Clock
	// Watching is called once if another holder is found and must be observed before it is known to be alive or gone.
	// It must not block.
	Watching func(HeldError)
	// TookOver is called when the Lease is taken from a holder that has stopped renewing. It must not block.
	TookOver func(from HeldError)
}

// HeldError says that another process holds the Lease and is alive: it was seen to renew.
type HeldError struct {
	Namespace, Name string
	Holder          string
	// Since, Renewed and Expires are by the holder's clock; for people, not for decisions.
	Since, Renewed, Expires time.Time
}

func (e *HeldError) Error() string {
	return fmt.Sprintf("another release holds the lock (Lease %s in namespace %s): %s, since %s; wait until it ends, or stop it there and try again (the lock is free %v after its last sign of life)",
		e.Name, e.Namespace, e.Holder, e.Since.UTC().Format(time.RFC3339), e.Expires.Sub(e.Renewed))
}

// LostError says that this process no longer holds the Lease, or can no longer prove that it does.
type LostError struct {
	Namespace, Name string
	// By is who holds it now; empty when it is unknown (the API server could not be reached) or nobody does.
	By  string
	Err error
}

func (e *LostError) Error() string {
	s := fmt.Sprintf("the lock (Lease %s in namespace %s) is lost", e.Name, e.Namespace)
	if e.By != "" {
		s += " to " + e.By
	}
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s + "; this process makes no further changes"
}

// Unwrap returns the cause.
func (e *LostError) Unwrap() error { return e.Err }

// Lock is a held Lease. It renews itself every third of its duration until [Lock.Release], or until it is lost.
//
// Guarantee: while [Lock.Lost] is open, no other process that follows this protocol holds the Lease, provided that
// clocks run at about the same speed. [Lock.Lost] closes after 4/5 of the duration without a successful renewal, before
// anybody else may take over. Not guaranteed: that a request sent before the loss arrives before the next holder's;
// writes should carry [Lock.Fence] where the object can hold it. If a person deletes the Lease, the fence goes on
// from [LockOptions.After].
type Lock struct {
	kube  kubernetes.Interface
	opt   LockOptions
	fence int64

	stop    context.CancelFunc
	stopped chan struct{}
	lost    chan struct{}

	mu      sync.Mutex
	err     error
	renewed time.Time // when the last renewal that succeeded was sent
}

// Identity is "user@host/pid/uuid" of this process, new at each call.
func Identity() string {
	name := "unknown"
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	return fmt.Sprintf("%s@%s/%d/%s", name, host, os.Getpid(), uuid.NewString())
}

// Acquire takes the Lease. A Lease that does not exist, or that was released, is taken at once. One that another holder
// has is watched: as soon as that holder is seen to renew, the error is *[HeldError]; when it has not changed for the
// Lease's own duration, measured on this process's clock, it is taken over. So Acquire answers after at most one duration
// and the time the API server takes; it never trusts the holder's time of day. Ending ctx ends the attempt, not the Lease.
func Acquire(ctx context.Context, kube kubernetes.Interface, opt LockOptions) (*Lock, error) {
	l := newLock(kube, opt)
	opt = l.opt
	doing := fmt.Sprintf("taking the lock (Lease %s in namespace %s)", opt.Name, opt.Namespace)

	var (
		first    *coordinationv1.Lease // as the other holder was first seen
		lastRV   string                // its version at the last look
		observed time.Time             // when that look was
	)
	for {
		sent := opt.Clock.Now()
		cur, err := l.leases().Get(ctx, opt.Name, metav1.GetOptions{})
		switch {
		case apierrors.IsNotFound(err):
			cur, err = l.leases().Create(ctx, l.fresh(), metav1.CreateOptions{})
			if apierrors.IsAlreadyExists(err) {
				continue
			}
			if err != nil {
				return nil, Explain(err, doing)
			}
			return l.begin(cur, sent), nil
		case err != nil:
			return nil, Explain(err, doing)
		}
		holder := ptr.Deref(cur.Spec.HolderIdentity, "")
		free := holder == "" || holder == opt.Holder
		switch {
		case free:
		case first == nil || ptr.Deref(first.Spec.HolderIdentity, "") != holder:
			// Nothing is known of this holder yet. A change of holders while we watch is somebody who is alive, but
			// it may be a release right after; only a renewal proves that the holder stays.
			if first == nil && opt.Watching != nil {
				opt.Watching(*held(cur))
			}
			first, lastRV, observed = cur, cur.ResourceVersion, sent
		case cur.ResourceVersion != lastRV:
			return nil, held(cur)
		}
		if free || opt.Clock.Since(observed) >= leaseDuration(cur) {
			next := l.claim(cur)
			sent = opt.Clock.Now()
			got, err := l.leases().Update(ctx, next, metav1.UpdateOptions{})
			if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
				continue // somebody was faster: look again
			}
			if err != nil {
				return nil, Explain(err, doing)
			}
			if !free && opt.TookOver != nil {
				opt.TookOver(*held(cur))
			}
			return l.begin(got, sent), nil
		}
		if err := sleep(ctx, opt.Clock, leaseDuration(cur)/15); err != nil {
			return nil, fmt.Errorf("%s: %w", doing, err)
		}
	}
}

func newLock(kube kubernetes.Interface, opt LockOptions) *Lock {
	if opt.Duration < time.Second {
		opt.Duration = DefaultLockDuration
	}
	if opt.Clock == nil {
		opt.Clock = clock.RealClock{}
	}
	if opt.Holder == "" {
		opt.Holder = Identity()
	}
	return &Lock{kube: kube, opt: opt, stopped: make(chan struct{}), lost: make(chan struct{})}
}

// Fence is the fencing token: it rises with each new holder of the Lease, so a write that carries a lower one is stale.
func (l *Lock) Fence() int64 { return l.fence }

// Held is nil while this process may change things under the Lock, asked right before each change: a process that was stopped
// (SIGSTOP, a suspended laptop, a migrated machine) and wakes up late is told so before its renewal has had time to find out.
func (l *Lock) Held() error {
	if err := l.Err(); err != nil {
		return err
	}
	l.mu.Lock()
	renewed := l.renewed
	l.mu.Unlock()
	if give := l.opt.Duration * 4 / 5; since(l.opt.Clock, renewed) >= give {
		return l.lostError("", fmt.Errorf("it could not be renewed for %v", give))
	}
	return nil
}

// since is how long ago t was, by whichever of the monotonic and the wall clock says longer: the monotonic clock stands still while a
// machine is suspended. A wall clock that is set forward loses the lock early, which is safe.
func since(c clock.PassiveClock, t time.Time) time.Duration {
	now := c.Now()
	return max(now.Sub(t), now.Round(0).Sub(t.Round(0)))
}

// Holder is the identity this Lock is held under.
func (l *Lock) Holder() string { return l.opt.Holder }

// Lost is closed when the Lock is no longer held, or when that can no longer be proved. It stays open after Release.
func (l *Lock) Lost() <-chan struct{} { return l.lost }

// Err is nil while the Lock is held and *[LostError] once [Lock.Lost] is closed.
func (l *Lock) Err() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

// Verify asks the API server whether this process still holds the Lease: *[LostError] if not. It is a look, not a
// promise: the Lease may be lost right after.
func (l *Lock) Verify(ctx context.Context) error {
	if err := l.Err(); err != nil {
		return err
	}
	cur, err := l.leases().Get(ctx, l.opt.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return l.lostError("", errors.New("the Lease was deleted"))
	}
	if err != nil {
		return Explain(err, "verifying the lock")
	}
	if !l.ours(cur) {
		return l.lostError(ptr.Deref(cur.Spec.HolderIdentity, ""), nil)
	}
	return nil
}

// Release stops renewing and clears the holder, so that the next Acquire succeeds at once. A Lease that is no longer ours
// is left as it is, without an error. If Release fails, the Lease frees itself after its duration.
func (l *Lock) Release(ctx context.Context) error {
	l.stop()
	<-l.stopped
	for {
		cur, err := l.leases().Get(ctx, l.opt.Name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) || err == nil && !l.ours(cur) {
			return nil
		}
		if err == nil {
			next := cur.DeepCopy()
			next.Spec.HolderIdentity = ptr.To("")
			_, err = l.leases().Update(ctx, next, metav1.UpdateOptions{})
		}
		if apierrors.IsConflict(err) {
			continue
		}
		if err != nil {
			return Explain(err, fmt.Sprintf("releasing the lock (Lease %s in namespace %s; it frees itself after %v)",
				l.opt.Name, l.opt.Namespace, l.opt.Duration))
		}
		return nil
	}
}

// begin starts the renewal of a Lease that was just written; sent is when the request was made, the earliest instant at
// which the API server can have accepted it.
func (l *Lock) begin(lease *coordinationv1.Lease, sent time.Time) *Lock {
	l.fence = int64(ptr.Deref(lease.Spec.LeaseTransitions, 0))
	l.renewed = sent
	ctx, cancel := context.WithCancel(context.Background())
	l.stop = cancel
	go l.renew(ctx, lease, sent)
	return l
}

func (l *Lock) renew(ctx context.Context, lease *coordinationv1.Lease, renewed time.Time) {
	defer close(l.stopped)
	every, retry, give := l.opt.Duration/3, l.opt.Duration/15, l.opt.Duration*4/5
	wait := every
	for {
		if sleep(ctx, l.opt.Clock, wait) != nil {
			return
		}
		left := give - since(l.opt.Clock, renewed)
		if left <= 0 {
			l.lose(l.lostError("", fmt.Errorf("it could not be renewed for %v", give)))
			return
		}
		sent := l.opt.Clock.Now()
		next := lease.DeepCopy()
		next.Spec.RenewTime = &metav1.MicroTime{Time: sent}
		got, err := l.call(ctx, min(every, left), func(ctx context.Context) (*coordinationv1.Lease, error) {
			return l.leases().Update(ctx, next, metav1.UpdateOptions{})
		})
		if err == nil {
			lease, renewed, wait = got, sent, every
			l.mu.Lock()
			l.renewed = sent
			l.mu.Unlock()
			continue
		}
		wait = retry
		if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
			got, err = l.call(ctx, min(every, left), func(ctx context.Context) (*coordinationv1.Lease, error) {
				return l.leases().Get(ctx, l.opt.Name, metav1.GetOptions{})
			})
			switch {
			case apierrors.IsNotFound(err):
				l.lose(l.lostError("", errors.New("the Lease was deleted")))
				return
			case err == nil && !l.ours(got):
				l.lose(l.lostError(ptr.Deref(got.Spec.HolderIdentity, ""), nil))
				return
			case err == nil:
				// An annotation was changed, or our own renewal arrived although its answer did not.
				lease, wait = got, 0
			}
		}
		wait = min(wait, max(0, give-since(l.opt.Clock, renewed)))
	}
}

func (l *Lock) call(ctx context.Context, most time.Duration, f func(context.Context) (*coordinationv1.Lease, error)) (*coordinationv1.Lease, error) {
	ctx, cancel := context.WithTimeout(ctx, most)
	defer cancel()
	return f(ctx)
}

func (l *Lock) lose(err error) {
	l.mu.Lock()
	l.err = err
	l.mu.Unlock()
	close(l.lost)
}

func (l *Lock) lostError(by string, err error) error {
	return &LostError{Namespace: l.opt.Namespace, Name: l.opt.Name, By: by, Err: err}
}

func (l *Lock) leases() leaseClient { return l.kube.CoordinationV1().Leases(l.opt.Namespace) }

func (l *Lock) ours(cur *coordinationv1.Lease) bool {
	return ptr.Deref(cur.Spec.HolderIdentity, "") == l.opt.Holder && int64(ptr.Deref(cur.Spec.LeaseTransitions, 0)) == l.fence
}

func (l *Lock) fresh() *coordinationv1.Lease {
	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{
		Name: l.opt.Name, Namespace: l.opt.Namespace,
		Labels: map[string]string{"app.kubernetes.io/managed-by": "slipway"},
	}}
	return l.claim(lease)
}

// claim is cur with us as the holder and the next fence.
func (l *Lock) claim(cur *coordinationv1.Lease) *coordinationv1.Lease {
	now := metav1.MicroTime{Time: l.opt.Clock.Now()}
	next := cur.DeepCopy()
	next.Spec.HolderIdentity = ptr.To(l.opt.Holder)
	next.Spec.LeaseDurationSeconds = ptr.To(int32(l.opt.Duration / time.Second))
	next.Spec.AcquireTime, next.Spec.RenewTime = &now, &now
	next.Spec.LeaseTransitions = ptr.To(max(ptr.Deref(cur.Spec.LeaseTransitions, 0), int32(l.opt.After)) + 1)
	return next
}
