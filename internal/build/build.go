// Package build makes a service: its images, its chart and the bundle that names them.
//
// A build has three parts. First everything is checked that can be checked without building; then everything is
// built; only then is anything pushed. A mistake in the configuration or in the source therefore never leaves
// anything in a registry. The same source gives the same digests, whenever and wherever it is built with the same
// Go toolchain.
package build

import (
	"context"
	"fmt"
	"io"
	"log"
	"maps"
	"runtime"
	"slices"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/slipway-cd/slipway/internal/bundle"
	"github.com/slipway-cd/slipway/internal/config"
	"github.com/slipway-cd/slipway/internal/event"
)

// Charts packages and pushes Helm charts.
type Charts interface {
	// Package checks the chart in a directory and makes its archive; the same files give the same bytes.
	Package(dir string) (name, version string, tgz []byte, err error)
	// Push writes the archive to ref (REPOSITORY:TAG, without "oci://") and returns the manifest's digest.
	// Its errors name the registry.
	Push(ctx context.Context, ref string, tgz []byte) (digest string, err error)
}

// Options of a build.
type Options struct {
	Config *config.Config
	// ConfigBytes is slipway.yaml as it was read; it goes into the bundle byte for byte.
	ConfigBytes []byte
	// Dir is what the configuration's paths are relative to; default: Config.Dir.
	Dir string
	// Version overrides the version that is made of the commit.
	Version string
	// Builder is recorded in the bundle, for example "slipway v1.2.3". Another builder makes another digest.
	Builder string
	Charts  Charts
	// Program is the file of this program, which becomes the image of the releases' guardian; "" for none.
	Program string
	// Sink takes the events; default: none. A build emits phases, progress and warnings; Started and Finished belong
	// to the command, because a release may begin with a build.
	Sink event.Sink
	// Log takes what the tools below print, for someone who looks for a fault; default: none. While a build runs
	// the standard logger writes here too, because ko uses it.
	Log io.Writer
	// Before is asked when nothing is wrong with source and configuration, before anything is compiled or pushed: what else
	// may make a build useless. Its error ends the build and stays as it is; default: nothing is asked.
	Before func(context.Context) error
	// Jobs bounds how many images are built at once; default: the number of processors.
	Jobs int
	// Remote changes how registries are spoken to (tests).
	Remote []remote.Option
}

// Result of a build.
type Result struct {
	Bundle bundle.Bundle `json:"bundle"`
	// Digest of the bundle, and Reference: the bundle by digest, which is what `slipway release` takes.
	Digest    string `json:"digest"`
	Reference string `json:"reference"`
	// Pushed names what was sent; empty when the registry had everything.
	Pushed []string `json:"pushed"`
	// Took is how long it took, in nanoseconds in JSON.
	Took time.Duration `json:"took"`
}

// Run builds and pushes. A [*UsageError] means that nothing was pushed; a [*PushError] says what was and what was
// not. When the context ends, nothing more is pushed, and no bundle names what was.
func Run(ctx context.Context, o Options) (*Result, error) {
	start := time.Now()
	r := &run{Options: o, events: phases{sink: o.Sink}}
	r.setDefaults()
	restore := redirectStandardLogger(r.Log)
	defer restore()

	p, err := r.plan(ctx)
	if err != nil {
		return nil, err
	}
	if r.Before != nil {
		if err := r.Before(ctx); err != nil {
			return nil, err
		}
	}
	if err := r.hello(ctx, p); err != nil {
		return nil, err
	}
	built, err := r.buildGoImages(ctx, p)
	if err != nil {
		return nil, err
	}
	defer built.release()
	version, err := p.version(o.Version, built)
	if err != nil {
		return nil, err
	}
	result, err := r.push(ctx, p, built, version)
	if err != nil {
		return nil, err
	}
	result.Took = time.Since(start)
	message := fmt.Sprintf("built %s %s", o.Config.Service, version)
	if len(result.Pushed) == 0 {
		message += "; the registry had all of it already"
	}
	r.events.emit(event.Event{Kind: event.Progress, Phase: "build:push", Message: message, Took: result.Took,
		Fields: []event.Field{{Key: "bundle", Value: result.Reference}, {Key: "version", Value: version}}})
	return result, nil
}

// run is one build.
type run struct {
	Options
	events phases
}

func (r *run) setDefaults() {
	if r.Dir == "" {
		r.Dir = r.Config.Dir
	}
	if r.Builder == "" {
		r.Builder = "slipway"
	}
	if r.Log == nil {
		r.Log = io.Discard
	}
	if r.Jobs <= 0 {
		r.Jobs = runtime.GOMAXPROCS(0)
	}
}

// redirectStandardLogger sends what ko logs to w until the returned function is called.
func redirectStandardLogger(w io.Writer) func() {
	previous := log.Writer()
	log.SetOutput(w)
	return func() { log.SetOutput(previous) }
}

// phases makes events of what a build does.
type phases struct {
	sink event.Sink
}

func (p phases) emit(e event.Event) {
	if p.sink == nil {
		return
	}
	e.Time = time.Now().UTC()
	p.sink.Emit(e)
}

func (p phases) begin(phase, message string) {
	p.emit(event.Event{Kind: event.Phase, Phase: phase, Message: message})
}

func (p phases) progress(phase, format string, args ...any) {
	p.emit(event.Event{Kind: event.Progress, Phase: phase, Message: fmt.Sprintf(format, args...)})
}

// alive says every ten seconds that something goes on, until the returned function is called: a first compilation
// takes minutes in which nothing else is said.
func (p phases) alive(phase, message string) (stop func()) {
	const every = 10 * time.Second
	start := time.Now()
	ticker, ended := time.NewTicker(every), make(chan struct{})
	go func() {
		defer ticker.Stop()
		for {
			select {
			case <-ticker.C:
				p.progress(phase, "%s, %s so far", message, time.Since(start).Round(time.Second))
			case <-ended:
				return
			}
		}
	}()
	return func() { close(ended) }
}

func (p phases) warn(message string, next ...string) {
	p.emit(event.Event{Kind: event.Warning, Phase: "build", Message: message, Next: next})
}

// sortedKeys gives every loop over a map one order.
func sortedKeys[V any](m map[string]V) []string {
	return slices.Sorted(maps.Keys(m))
}
