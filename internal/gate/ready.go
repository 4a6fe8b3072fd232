package gate

import (
	"context"
	"errors"
	"fmt"
	"time"

	"k8s.io/utils/clock"

	"github.com/slipway-cd/slipway/internal/event"
	"github.com/slipway-cd/slipway/internal/telemetry/kube"
)

// ReadyOptions say how [WaitReady] waits.
type ReadyOptions struct {
	// Timeout bounds the wait; default 5 m.
	Timeout time.Duration
	// Sink takes a Progress event whenever the pods' state reads differently; default: none.
	Sink  event.Sink
	Phase string
	Clock clock.Clock // default: the real one
}

// NotReadyError says that the candidate did not get ready.
type NotReadyError struct {
	Release string
	// Final says that it could not have by waiting longer; else the time was up.
	Final bool
	After time.Duration
	// Report is the last state that was seen.
	Report kube.Report
}

func (e *NotReadyError) Error() string {
	if e.Final {
		f, _ := e.Report.Final()
		return fmt.Sprintf("release %s cannot get ready: %s", e.Release, f)
	}
	return fmt.Sprintf("release %s is not ready after %v: %s", e.Release, e.After.Round(time.Second), e.Report.Summary())
}

var errTimeUp = errors.New("time is up")

// WaitReady waits until every workload of the candidate's release is ready in its newest revision and its Service, if one
// is named, has a ready endpoint. It follows the cluster's own notifications, so it returns within milliseconds of the
// last of them. It ends at once with *[NotReadyError] on what cannot heal, and at the timeout with the last known reason.
// Other errors are the context's, or the cluster's refusal to be watched.
func WaitReady(ctx context.Context, pods Pods, c Candidate, o ReadyOptions) (kube.Report, error) {
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	if o.Timeout <= 0 {
		o.Timeout = DefaultDeadline
	}
	if o.Sink == nil {
		o.Sink = event.Discard
	}
	wctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	start := o.Clock.Now()
	timer := o.Clock.NewTimer(o.Timeout)
	defer timer.Stop()
	go func() {
		select {
		case <-timer.C():
			cancel(errTimeUp)
		case <-wctx.Done():
		}
	}()

	var last kube.Report
	told := ""
	err := pods.Watch(wctx, c.target(), func(r kube.Report) bool {
		last = r
		if s := r.Summary(); s != told {
			told = s
			o.Sink.Emit(event.Event{Time: o.Clock.Now().UTC(), Kind: event.Progress, Phase: o.Phase, Message: s,
				Object: "release/" + c.Namespace + "/" + c.Release})
		}
		_, final := r.Final()
		return r.Done || final
	})
	after := o.Clock.Since(start)
	_, final := last.Final()
	switch {
	case err == nil && final:
		return last, &NotReadyError{Release: c.Release, Final: true, After: after, Report: last}
	case err == nil && last.Done:
		return last, nil
	case ctx.Err() != nil:
		return last, fmt.Errorf("waiting for release %s to get ready: %w", c.Release, ctx.Err())
	case errors.Is(context.Cause(wctx), errTimeUp):
		return last, &NotReadyError{Release: c.Release, After: after, Report: last}
	case err == nil:
		return last, fmt.Errorf("waiting for release %s to get ready: the watch ended before anything was decided", c.Release)
	}
	return last, fmt.Errorf("waiting for release %s to get ready: %w", c.Release, err)
}
