package cluster

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
)

// succeed begins to wait for the lock's holder to die; what it got is sent.
func succeed(ctx context.Context, s *server, holder string) <-chan *Lock {
	got := make(chan *Lock, 1)
	go func() {
		l, err := Succeed(ctx, s, opts(holder), func() bool { return false })
		if err == nil {
			got <- l
		}
		close(got)
	}()
	return got
}

func TestAGuardianTakesTheLockFromAHolderThatDiedAndFromNoOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		ctx, cancel := context.WithCancel(t.Context())
		got := succeed(ctx, s, "guardian")
		time.Sleep(time.Hour) // nobody holds it
		for range 3 {         // alive, then given back
			a := mustAcquire(t, s, opts("a"))
			time.Sleep(time.Hour)
			if err := a.Release(t.Context()); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Hour)
		}
		select {
		case <-got:
			t.Fatal("the guardian took the lock from a holder that was alive, or that had given it back")
		default:
		}
		b := mustAcquire(t, s, opts("b"))
		time.Sleep(time.Minute)
		b.stop()
		died := time.Now()
		g := <-got
		if took := time.Since(died); took > 17*time.Second || took < 10*time.Second || g.Fence() != b.Fence()+1 {
			t.Errorf("taken over %v after the holder died, with fence %d after %d", took, g.Fence(), b.Fence())
		}
		time.Sleep(time.Minute)
		if isLost(g) {
			t.Error("the guardian does not renew what it took")
		}
		if err := g.Release(t.Context()); err != nil {
			t.Error(err)
		}
		cancel()
	})
}

func TestAGuardianTakesALockThatNobodyHoldsOnlyIfThereIsWorkLeft(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		a := mustAcquire(t, s, opts("a"))
		if err := a.Release(t.Context()); err != nil {
			t.Fatal(err)
		}
		since := time.Now()
		g, err := Succeed(t.Context(), s, opts("guardian"), func() bool { return time.Since(since) > time.Minute })
		if err != nil || time.Since(since) < time.Minute || time.Since(since) > 62*time.Second || g.Fence() != a.Fence()+1 {
			t.Fatalf("after %v: %v", time.Since(since), err)
		}
		if err := g.Release(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestAnAPIServerThatIsAwayDoesNotMakeAHolderDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		a := mustAcquire(t, s, opts("a"))
		got := succeed(t.Context(), s, "guardian")
		for range 20 { // away for less than what costs the holder its lock, again and again
			s.set(func(string) error { return errors.New("connection refused") })
			time.Sleep(8 * time.Second)
			s.set(nil)
			time.Sleep(7 * time.Second)
		}
		select {
		case <-got:
			t.Fatal("the guardian took over from a holder that was alive")
		default:
		}
		if isLost(a) {
			t.Fatal(a.Err())
		}
		a.stop()
		g := <-got
		if err := g.Release(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

func TestAProcessThatWakesUpLateIsToldBeforeItsRenewalFindsOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newServer()
		a := mustAcquire(t, s, opts("a"))
		if err := a.Held(); err != nil {
			t.Fatal(err)
		}
		a.stop() // as if it was stopped: nothing renews
		<-a.stopped
		time.Sleep(11 * time.Second)
		if err := a.Held(); err != nil {
			t.Errorf("told as lost while nobody could have taken it: %v", err)
		}
		time.Sleep(time.Second)
		var lost *LostError
		if err := a.Held(); !errors.As(err, &lost) {
			t.Errorf("got %v", err)
		}
	})
}

// The test's server says what reached it.
func TestNoChangeIsSentUnderALockThatIsLost(t *testing.T) {
	s := newServer()
	l := mustAcquire(t, s, opts("a"))
	var reached []string
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reached = append(reached, r.Method)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"x"}}`)
	}))
	defer api.Close()
	var g Guard
	c, err := NewClients(g.Wrap(&rest.Config{Host: api.URL}), "test")
	if err != nil {
		t.Fatal(err)
	}
	cms := c.Kube.CoreV1().ConfigMaps("ns")
	change := func() error {
		_, err := cms.Update(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Name: "x"}}, metav1.UpdateOptions{})
		return err
	}
	if err := change(); err != nil {
		t.Fatalf("without a lock: %v", err)
	}
	g.Under(l)
	if err := change(); err != nil {
		t.Fatalf("under the lock: %v", err)
	}
	l.stop()
	<-l.stopped
	l.lose(l.lostError("b", nil))
	var lost *LostError
	if err := change(); !errors.As(err, &lost) || lost.By != "b" {
		t.Errorf("a change after the lock was lost: %v", err)
	}
	if _, err := cms.Get(t.Context(), "x", metav1.GetOptions{}); err != nil {
		t.Errorf("reading is always allowed: %v", err)
	}
	if want := []string{"PUT", "PUT", "GET"}; !slices.Equal(reached, want) {
		t.Errorf("the server saw %v, want %v", reached, want)
	}
}
