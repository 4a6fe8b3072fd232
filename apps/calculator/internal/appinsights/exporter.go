// Package appinsights sends OpenTelemetry spans and metrics to Application Insights: as items posted
// to /v2.1/track, which become rows of AppRequests, AppDependencies, AppExceptions, AppEvents,
// AppTraces and AppMetrics.
//
// It never makes a caller wait. Telemetry that cannot be kept is dropped and counted.
package appinsights

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"

	"go.opentelemetry.io/otel"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

const (
	maxQueue    = 4096        // spans that wait to be encoded
	maxBatch    = 512 << 10   // bytes at which a batch is packed
	batchEvery  = time.Second // a batch that is smaller is packed after this long
	reportEvery = time.Minute // how often the log is told of losses
)

// Options say whose telemetry an Exporter sends.
type Options struct {
	Role         string            // column AppRoleName, for example calculator-frontend
	RoleInstance string            // column AppRoleInstance: the pod's name
	Version      string            // column AppVersion
	Properties   map[string]string // put into the column Properties of every row
	// SampleRate is the share of spans that are recorded, in percent, above 0 to 100: the service
	// counts each of them as 100/SampleRate. Metrics are never sampled.
	SampleRate float64
	Client     *http.Client // posts the items
	Log        *slog.Logger
}

// Exporter sends telemetry. It is safe for concurrent use. Make one with New, end it with Shutdown.
//
// Spans and metrics go through a bounded queue to a goroutine that encodes and packs them, and these
// batches through a bounded backlog to a goroutine that posts them, one at a time and in order.
// Whoever fills queue or backlog never waits: what does not fit is lost, and counted.
type Exporter struct {
	key        string // instrumentation key
	prefix     string // of the envelopes' names
	tags       tags
	properties map[string]string
	sampleRate float64
	log        *slog.Logger

	queue    chan item
	flushes  chan chan<- error
	sender   *sender
	losses   *losses
	reported Losses // those that the log was told of

	stop    func()        // may be called again
	stopped chan struct{} // no more telemetry is taken
	giveUp  context.CancelFunc
	ended   chan struct{} // both goroutines have
}

// item is what goes through the queue: a span, or envelopes that are made already.
type item struct {
	span      sdktrace.ReadOnlySpan
	envelopes []envelope
}

// New returns an Exporter for c and starts its goroutines. Nothing is contacted until there is
// telemetry; a wrong endpoint shows in the log then.
func New(c Connection, o Options) *Exporter {
	ctx, giveUp := context.WithCancel(context.Background())
	stopped := make(chan struct{})
	lost := &losses{}
	e := &Exporter{
		key:        c.key,
		prefix:     "Microsoft.ApplicationInsights." + strings.ReplaceAll(c.key, "-", "") + ".",
		tags:       tags{SDK: "go:otel" + otel.Version(), Role: o.Role, RoleInstance: o.RoleInstance, Version: o.Version},
		properties: maps.Clone(o.Properties),
		sampleRate: o.SampleRate,
		log:        o.Log,
		queue:      make(chan item, maxQueue),
		flushes:    make(chan chan<- error),
		sender:     newSender(c.endpoint+"/v2.1/track", o.Client, o.Log, lost, stopped),
		losses:     lost,
		stop:       sync.OnceFunc(func() { close(stopped) }),
		stopped:    stopped,
		giveUp:     giveUp,
		ended:      make(chan struct{}),
	}
	go func() {
		defer close(e.sender.batches)
		e.encode()
	}()
	go func() {
		defer close(e.ended)
		e.sender.run(ctx)
	}()
	return e
}

// Spans returns the processor to give to a TracerProvider.
func (e *Exporter) Spans() sdktrace.SpanProcessor { return spanProcessor{e} }

// Metrics returns the exporter to give to a reader of metrics.
func (e *Exporter) Metrics() sdkmetric.Exporter { return metricExporter{e} }

// Losses returns how many items were lost since the start.
func (e *Exporter) Losses() Losses { return e.losses.now() }

// Flush returns when all that ended before has been accepted, refused or lost. It fails when ctx is
// done before that, when the backlog is full, and after Shutdown.
func (e *Exporter) Flush(ctx context.Context) error {
	reply := make(chan error, 1)
	select {
	case e.flushes <- reply:
	case <-e.stopped:
		return errors.New("flushing telemetry: it has been shut down")
	case <-ctx.Done():
		return fmt.Errorf("flushing telemetry: %w", ctx.Err())
	}
	select {
	case err := <-reply:
		return err
	case <-ctx.Done():
		return fmt.Errorf("flushing telemetry: %w", ctx.Err())
	}
}

// Shutdown takes no more telemetry, sends what there is, and ends the goroutines. Each batch is tried
// at least once, but not again after a failure, and only until ctx is done. The error tells how many
// items were not sent.
func (e *Exporter) Shutdown(ctx context.Context) error {
	before := e.Losses()
	e.stop()
	select {
	case <-e.ended:
	case <-ctx.Done():
	}
	e.giveUp()
	<-e.ended
	e.report()
	if unsent := e.Losses().Late - before.Late; unsent > 0 {
		return fmt.Errorf("shutting down telemetry: %d items were not sent", unsent)
	}
	return nil
}

// offer queues telemetry, or counts it as lost.
func (e *Exporter) offer(i item) {
	n := int64(max(1, len(i.envelopes)))
	select {
	case <-e.stopped:
		e.losses.late.Add(n)
		return
	default:
	}
	select {
	case e.queue <- i:
	default:
		e.losses.full.Add(n)
	}
}

// encode packs what is queued into batches, until the Exporter is stopped and the queue is empty.
func (e *Exporter) encode() {
	b := newBatch()
	tick := time.NewTicker(batchEvery)
	defer tick.Stop()
	report := time.NewTicker(reportEvery)
	defer report.Stop()
	for {
		select {
		case i := <-e.queue:
			e.add(b, i)
		case <-tick.C:
			e.hand(b)
		case reply := <-e.flushes:
			e.drain(b)
			e.sender.mark(reply)
		case <-report.C:
			e.report()
		case <-e.stopped:
			e.drain(b)
			return
		}
	}
}

// drain packs all that is queued now.
func (e *Exporter) drain(b *batch) {
	for {
		select {
		case i := <-e.queue:
			e.add(b, i)
		default:
			e.hand(b)
			return
		}
	}
}

func (e *Exporter) add(b *batch, i item) {
	envelopes := i.envelopes
	if i.span != nil {
		envelopes = e.span(i.span)
	}
	for _, one := range envelopes {
		b.add(one)
	}
	if b.lines.Len() >= maxBatch {
		e.hand(b)
	}
}

// hand gives a batch to the sender, and begins a new one.
func (e *Exporter) hand(b *batch) {
	if b.items > 0 {
		e.sender.offer(b.pack())
	}
}

// report tells the log what was lost since it was told last.
func (e *Exporter) report() {
	now := e.Losses()
	if now == e.reported {
		return
	}
	e.log.Warn("telemetry was lost", "full", now.Full-e.reported.Full, "refused", now.Refused-e.reported.Refused, "late", now.Late-e.reported.Late)
	e.reported = now
}

// spanProcessor is the side of an Exporter that a TracerProvider sees.
type spanProcessor struct{ e *Exporter }

func (spanProcessor) OnStart(context.Context, sdktrace.ReadWriteSpan) {}

// OnEnd queues the span if it is sampled.
func (p spanProcessor) OnEnd(s sdktrace.ReadOnlySpan) {
	if s.SpanContext().IsSampled() {
		p.e.offer(item{span: s})
	}
}

func (p spanProcessor) ForceFlush(ctx context.Context) error { return p.e.Flush(ctx) }

// Shutdown does nothing: the Exporter is ended by whoever made it, when metrics have ended as well.
func (spanProcessor) Shutdown(context.Context) error { return nil }
