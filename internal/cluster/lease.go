package cluster

import (
	"context"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
)

// leaseClient is what a Lock needs of a client.
type leaseClient interface {
	Get(context.Context, string, metav1.GetOptions) (*coordinationv1.Lease, error)
	Create(context.Context, *coordinationv1.Lease, metav1.CreateOptions) (*coordinationv1.Lease, error)
	Update(context.Context, *coordinationv1.Lease, metav1.UpdateOptions) (*coordinationv1.Lease, error)
}

// LockState says who holds the Lease of that name, or nil if nobody does. Whether the holder is alive is not known.
func LockState(ctx context.Context, leases interface {
	Get(context.Context, string, metav1.GetOptions) (*coordinationv1.Lease, error)
}, name string) (*HeldError, error) {
	cur, err := leases.Get(ctx, name, metav1.GetOptions{})
	if err != nil {
		err = Explain(err, "reading the lock (Lease "+name+")")
		if IsKind(err, NotFound) {
			return nil, nil
		}
		return nil, err
	}
	if ptr.Deref(cur.Spec.HolderIdentity, "") == "" {
		return nil, nil
	}
	return held(cur), nil
}

func held(cur *coordinationv1.Lease) *HeldError {
	e := &HeldError{Namespace: cur.Namespace, Name: cur.Name, Holder: ptr.Deref(cur.Spec.HolderIdentity, "")}
	if t := cur.Spec.AcquireTime; t != nil {
		e.Since = t.Time
	}
	if t := cur.Spec.RenewTime; t != nil {
		e.Renewed = t.Time
		e.Expires = t.Add(leaseDuration(cur))
	}
	return e
}

// leaseDuration is what the holder wrote, for it is the holder's promise that counts.
func leaseDuration(cur *coordinationv1.Lease) time.Duration {
	if s := ptr.Deref(cur.Spec.LeaseDurationSeconds, 0); s > 0 {
		return time.Duration(s) * time.Second
	}
	return DefaultLockDuration
}

// sleep waits for d on c, or returns the context's error.
func sleep(ctx context.Context, c clock.Clock, d time.Duration) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if d <= 0 {
		return nil
	}
	t := c.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C():
		return nil
	}
}
