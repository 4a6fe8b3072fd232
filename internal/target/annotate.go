package target

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/slipway-cd/slipway/internal/bundle"
	"github.com/slipway-cd/slipway/internal/config"
	"github.com/slipway-cd/slipway/internal/event"
	"github.com/slipway-cd/slipway/internal/telemetry/annotation"
)

// annotateFor bounds the writing of one annotation: a mark on a chart is not worth more.
const annotateFor = 15 * time.Second

// marker writes an annotation.
type marker interface {
	Write(context.Context, annotation.Annotation) error
}

// annotator is a sink that marks the start, the promotion and the taking back of a release, beside the release and without
// holding it up. What fails is a warning.
type annotator struct {
	to      event.Sink
	marks   marker
	subject string // "calculator v2 in prod1"
	facts   map[string]string
	wg      sync.WaitGroup
}

// newAnnotator marks nothing where there is no bundle or no component. Going back must not need an identity, so that one that
// is missing is only told.
func newAnnotator(service, name string, env config.Environment, pulled *bundle.Pulled, o Options) (*annotator, error) {
	a := &annotator{to: o.Sink}
	insights := env.Telemetry.ApplicationInsights
	if pulled == nil || insights == nil || insights.Component == "" {
		return a, nil
	}
	cred, client, err := identity(env.Azure, o.Getenv)
	if err != nil {
		a.to.Emit(event.Event{Time: time.Now().UTC(), Kind: event.Warning, Message: "releases are not annotated in Application Insights: " + err.Error()})
		return a, nil
	}
	a.subject = fmt.Sprintf("%s %s in %s", service, pulled.Bundle.Version, name)
	a.facts = map[string]string{"service": service, "version": pulled.Bundle.Version, "environment": name, "host": env.Host, "bundle": pulled.Reference()}
	a.marks, err = annotation.New(cred, insights.Component, client)
	return a, err
}

// Emit implements [event.Sink].
func (a *annotator) Emit(e event.Event) {
	a.to.Emit(e)
	if a.marks == nil {
		return
	}
	var what string
	switch {
	case e.Kind == event.Started:
		what = "release started"
	case e.Kind == event.Phase && e.Phase == "cleanup":
		what = "promoted"
	case e.Kind == event.RolledBack:
		what = "rolled back"
	default:
		return
	}
	a.wg.Go(func() {
		ctx, cancel := context.WithTimeout(context.Background(), annotateFor)
		defer cancel()
		if err := a.marks.Write(ctx, annotation.Annotation{Name: a.subject + ": " + what, At: e.Time, Properties: a.facts}); err != nil {
			a.to.Emit(event.Event{Time: time.Now().UTC(), Kind: event.Warning, Message: "the release annotation could not be written: " + err.Error()})
		}
	})
}

// Close waits for what is being written.
func (a *annotator) Close() { a.wg.Wait() }
