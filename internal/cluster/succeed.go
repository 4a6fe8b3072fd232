package cluster

import (
	"context"
	"fmt"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/ptr"
)

// Succeed waits, for as long as it takes, until a holder of the Lease stops renewing, and takes the Lease over: it is how a
// guardian acquires. That a holder has stopped is seen as [Acquire] sees it, by a Lease that has not changed for its own duration on
// this process's clock. A Lease that nobody holds is left alone, for whoever held it has given it back, unless left says that there is
// work left all the same. An API server that does not answer proves nothing of the holder; it is asked again. The only error is that
// of ctx.
func Succeed(ctx context.Context, kube kubernetes.Interface, opt LockOptions, left func() bool) (*Lock, error) {
	l := newLock(kube, opt)
	version, observed := "", time.Time{}
	for {
		sent := l.opt.Clock.Now()
		cur, err := l.leases().Get(ctx, l.opt.Name, metav1.GetOptions{})
		free := err == nil && ptr.Deref(cur.Spec.HolderIdentity, "") == ""
		switch {
		case err != nil:
		case free && !left():
			version = ""
		case !free && cur.ResourceVersion != version:
			version, observed = cur.ResourceVersion, sent
		case free || l.opt.Clock.Since(observed) >= leaseDuration(cur):
			sent = l.opt.Clock.Now()
			got, err := l.leases().Update(ctx, l.claim(cur), metav1.UpdateOptions{})
			if err == nil {
				if !free && l.opt.TookOver != nil {
					l.opt.TookOver(*held(cur))
				}
				return l.begin(got, sent), nil
			}
		}
		if err := sleep(ctx, l.opt.Clock, l.opt.Duration/30); err != nil {
			return nil, fmt.Errorf("watching the lock (Lease %s in namespace %s): %w", l.opt.Name, l.opt.Namespace, err)
		}
	}
}
