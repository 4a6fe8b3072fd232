package cluster

import (
	"context"
	"errors"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/kubernetes/fake"
	k8stesting "k8s.io/client-go/testing"
)

// server is the part of an API server that a Lock relies on: one Lease, resource versions and conflicts. The fake clientset
// alone keeps no resource versions.
type server struct {
	*fake.Clientset
	mu    sync.Mutex
	lease *coordinationv1.Lease
	rv    int
	// fail, if set, may refuse a request by its verb.
	fail func(verb string) error
}

func newServer() *server {
	s := &server{Clientset: fake.NewClientset()}
	s.PrependReactor("*", "leases", s.react)
	return s
}

var leasesResource = schema.GroupResource{Group: "coordination.k8s.io", Resource: "leases"}

func (s *server) react(a k8stesting.Action) (bool, runtime.Object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail != nil {
		if err := s.fail(a.GetVerb()); err != nil {
			return true, nil, err
		}
	}
	// The action types of create and update have the same methods, so it is the verb that tells them apart.
	switch a.GetVerb() {
	case "update":
		in := a.(k8stesting.UpdateAction).GetObject().(*coordinationv1.Lease)
		if s.lease == nil {
			return true, nil, apierrors.NewNotFound(leasesResource, in.Name)
		}
		if in.ResourceVersion != s.lease.ResourceVersion {
			return true, nil, apierrors.NewConflict(leasesResource, in.Name, errors.New("the object has been modified"))
		}
		return true, s.store(in), nil
	case "create":
		in := a.(k8stesting.CreateAction).GetObject().(*coordinationv1.Lease)
		if s.lease != nil {
			return true, nil, apierrors.NewAlreadyExists(leasesResource, in.Name)
		}
		return true, s.store(in), nil
	case "get":
		if s.lease == nil {
			return true, nil, apierrors.NewNotFound(leasesResource, a.(k8stesting.GetAction).GetName())
		}
		return true, s.lease.DeepCopy(), nil
	}
	return false, nil, nil
}

func (s *server) store(in *coordinationv1.Lease) *coordinationv1.Lease {
	s.rv++
	s.lease = in.DeepCopy()
	s.lease.ResourceVersion = strconv.Itoa(s.rv)
	return s.lease.DeepCopy()
}

func (s *server) set(f func(verb string) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = f
}

func opts(holder string) LockOptions {
	return LockOptions{Namespace: "shop", Name: "slipway-web-prod1", Holder: holder}
}

func mustAcquire(t *testing.T, s *server, o LockOptions) *Lock {
	t.Helper()
	l, err := Acquire(t.Context(), s, o)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func isLost(l *Lock) bool {
	select {
	case <-l.Lost():
		return true
	default:
		return false
	}
}

func TestAFreeLockIsTakenAtOnceAndKeptByRenewing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		start := time.Now()
		l := mustAcquire(t, s, opts("a"))
		if took := time.Since(start); took != 0 {
			t.Errorf("took %v", took)
		}
		time.Sleep(10 * time.Minute)
		if isLost(l) {
			t.Fatal(l.Err())
		}
		if err := l.Verify(t.Context()); err != nil {
			t.Error(err)
		}
		if got := time.Since(s.lease.Spec.RenewTime.Time); got > 5*time.Second {
			t.Errorf("last renewed %v ago", got)
		}
		if err := l.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		start = time.Now()
		b := mustAcquire(t, s, opts("b"))
		if took := time.Since(start); took != 0 {
			t.Errorf("a released lock was taken only after %v", took)
		}
		if b.Fence() != l.Fence()+1 {
			t.Errorf("fence %d after %d", b.Fence(), l.Fence())
		}
		if err := b.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
	})
}

func TestALivingHolderIsNamedAndKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		a := mustAcquire(t, s, opts("ann@laptop/1/x"))
		defer func() { _ = a.Release(context.Background()) }()
		time.Sleep(time.Minute)
		start := time.Now()
		var watching *HeldError
		o := opts("bob@ci/2/y")
		o.Watching = func(h HeldError) { watching = &h }
		_, err := Acquire(t.Context(), s, o)
		var held *HeldError
		if !errors.As(err, &held) || held.Holder != "ann@laptop/1/x" {
			t.Fatalf("err = %v", err)
		}
		if held.Since.IsZero() || !held.Expires.After(time.Now()) {
			t.Errorf("held = %+v", held)
		}
		if took := time.Since(start); took > 6*time.Second {
			t.Errorf("refused only after %v", took)
		}
		if watching == nil {
			t.Error("nobody was told that the holder is being watched")
		}
		if isLost(a) {
			t.Error("the holder lost the lock")
		}
	})
}

func TestADeadHolderIsReplacedAfterItsDurationWhateverItsClockSaid(t *testing.T) {
	for _, skew := range []time.Duration{-24 * time.Hour, 0, 24 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			s := newServer()
			a := mustAcquire(t, s, opts("dead"))
			a.stop() // as if the process were killed
			synctest.Wait()
			s.mu.Lock()
			s.lease.Spec.RenewTime.Time = s.lease.Spec.RenewTime.Add(skew)
			s.mu.Unlock()

			var from *HeldError
			o := opts("next")
			o.TookOver = func(h HeldError) { from = &h }
			start := time.Now()
			b := mustAcquire(t, s, o)
			defer func() { _ = b.Release(context.Background()) }()
			if took := time.Since(start); took < 15*time.Second || took > 16*time.Second {
				t.Errorf("took over after %v", took)
			}
			if from == nil || from.Holder != "dead" {
				t.Errorf("the take-over was told as from %v", from)
			}
			if b.Fence() <= a.Fence() {
				t.Errorf("fence %d after %d", b.Fence(), a.Fence())
			}
			if err := a.Release(t.Context()); err != nil {
				t.Error(err)
			}
			if err := b.Verify(t.Context()); err != nil {
				t.Errorf("a stale holder's release took the lock away: %v", err)
			}
		})
	}
}

func TestOfTwoContendersForADeadHoldersLockExactlyOneWins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		dead := mustAcquire(t, s, opts("dead"))
		dead.stop()
		type res struct {
			l   *Lock
			err error
		}
		got := make(chan res, 2)
		for _, h := range []string{"b", "c"} {
			go func() {
				l, err := Acquire(t.Context(), s, opts(h))
				got <- res{l, err}
			}()
		}
		won, lost := 0, 0
		for range 2 {
			r := <-got
			var held *HeldError
			switch {
			case r.err == nil:
				won++
				defer func() { _ = r.l.Release(context.Background()) }()
			case errors.As(r.err, &held):
				lost++
			default:
				t.Error(r.err)
			}
		}
		if won != 1 || lost != 1 {
			t.Errorf("%d won, %d were refused", won, lost)
		}
	})
}

func TestALockThatCannotBeRenewedIsLostBeforeAnybodyCanTakeIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		a := mustAcquire(t, s, opts("a"))
		time.Sleep(time.Second)
		s.set(func(verb string) error {
			if verb == "update" {
				return apierrors.NewInternalError(errors.New("etcd is away"))
			}
			return nil
		})
		start := time.Now()
		<-a.Lost()
		if took := time.Since(start); took > 12*time.Second {
			t.Errorf("told as lost only after %v", took)
		}
		var lost *LostError
		if !errors.As(a.Err(), &lost) {
			t.Errorf("err = %v", a.Err())
		}
		s.set(nil)
		b := mustAcquire(t, s, opts("b"))
		defer func() { _ = b.Release(context.Background()) }()
		if took := time.Since(start); took < 12*time.Second {
			t.Errorf("taken over after %v, when the first holder still believed to have it", took)
		}
	})
}

func TestAShortOutageDoesNotLoseTheLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		a := mustAcquire(t, s, opts("a"))
		defer func() { _ = a.Release(context.Background()) }()
		s.set(func(string) error { return errors.New("connection refused") })
		time.Sleep(9 * time.Second)
		s.set(nil)
		time.Sleep(time.Minute)
		if isLost(a) {
			t.Error(a.Err())
		}
	})
}

func TestALockThatAnotherTookIsLostAtTheNextRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		a := mustAcquire(t, s, opts("a"))
		s.mu.Lock()
		other := (&Lock{opt: LockOptions{Holder: "thief", Duration: 15 * time.Second, Clock: a.opt.Clock}}).claim(s.lease)
		s.store(other)
		s.mu.Unlock()
		if err := a.Verify(t.Context()); err == nil {
			t.Error("Verify did not notice")
		}
		start := time.Now()
		<-a.Lost()
		var lost *LostError
		if !errors.As(a.Err(), &lost) || lost.By != "thief" || time.Since(start) > 5*time.Second {
			t.Errorf("err = %v after %v", a.Err(), time.Since(start))
		}
	})
}

func TestADeletedLeaseIsALostLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		a := mustAcquire(t, s, opts("a"))
		s.mu.Lock()
		s.lease = nil
		s.mu.Unlock()
		<-a.Lost()
		if err := a.Release(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestARenewalWhoseAnswerWasLostIsNotALostLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		a := mustAcquire(t, s, opts("a"))
		defer func() { _ = a.Release(context.Background()) }()
		time.Sleep(time.Second)
		s.mu.Lock()
		s.store(s.lease) // the version moves on, the holder stays
		s.mu.Unlock()
		time.Sleep(time.Minute)
		if isLost(a) {
			t.Error(a.Err())
		}
	})
}

func TestEndingTheContextEndsTheAttempt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		a := mustAcquire(t, s, opts("a"))
		a.stop()
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		if _, err := Acquire(ctx, s, opts("b")); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("err = %v", err)
		}
	})
}

func TestWhoHoldsTheLockCanBeAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		leases := s.CoordinationV1().Leases("shop")
		if h, err := LockState(t.Context(), leases, "slipway-web-prod1"); h != nil || err != nil {
			t.Errorf("no Lease: %v, %v", h, err)
		}
		a := mustAcquire(t, s, opts("a"))
		if h, err := LockState(t.Context(), leases, "slipway-web-prod1"); err != nil || h == nil || h.Holder != "a" {
			t.Errorf("held: %v, %v", h, err)
		}
		if err := a.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		if h, err := LockState(t.Context(), leases, "slipway-web-prod1"); h != nil || err != nil {
			t.Errorf("released: %v, %v", h, err)
		}
	})
}
