package cli

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/slipway-cd/slipway/internal/cluster"
	"github.com/slipway-cd/slipway/internal/event"
	"github.com/slipway-cd/slipway/internal/guardian"
	"github.com/slipway-cd/slipway/internal/release"
	"github.com/slipway-cd/slipway/internal/target"
)

func (a *app) guardCommand() *cobra.Command {
	var namespace, service, env string
	var number int
	cmd := &cobra.Command{
		Use:   "guard",
		Short: "In the cluster: take a release back when the process that runs it has died",
		Long: `What the guardian of a release runs, a Job that a release puts beside its candidate: it watches the lock of the release, and takes the
release back when whoever holds the lock has stopped renewing it. It needs the journal and nothing else, and ends when the release
has ended. There is no need to call it.`,
		Example: "  slipway guard --namespace shop --service web --env prod1 --release 12",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if number < 1 {
				return &usageError{err: fmt.Errorf("--release %d is no number of a release: they begin with 1", number)}
			}
			ctx, c, done := a.stage(cmd.Context())
			defer done()
			return a.guard(ctx, c, namespace, service, env, number)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&namespace, "namespace", "", "namespace of the release")
	flags.StringVar(&service, "service", "", "service that is released")
	flags.StringVarP(&env, "env", "e", "", "environment that it is released into")
	flags.IntVar(&number, "release", 0, "number of the release")
	for _, name := range []string{"namespace", "service", "env", "release"} {
		_ = cmd.MarkFlagRequired(name)
	}
	return cmd
}

// guard settles the release when its runner dies. Nothing but the end of ctx or of the release ends it: the cluster may be away when
// it begins, and for as long as it likes.
func (a *app) guard(ctx context.Context, sink event.Sink, namespace, service, env string, number int) error {
	say := func(format string, args ...any) {
		sink.Emit(event.Event{Time: time.Now().UTC(), Kind: event.Progress, Message: fmt.Sprintf(format, args...)})
	}
	for {
		t, err := target.OpenJournal(ctx, namespace, service, env, target.Options{Program: a.Version, Sink: sink, Getenv: a.Getenv,
			Learn: a.learn, Redact: a.masker.String, Log: a.log(), Holder: "guardian " + cluster.Identity()})
		switch {
		case errors.Is(err, release.ErrNoneOpen):
			say("release %d of %s in %s has ended; there is nothing to guard", number, service, env)
			return nil
		case as[*cluster.ConfigError](err): // this is no pod, and will be none
			return err
		case err == nil:
			defer t.Close()
			if t.Untouched { // later, going back must not wait for this
				if err := reaches(ctx, t.Environment.Endpoint, t.Environment.Host); err != nil {
					return err
				}
			}
			stop, err := watching()
			if err != nil {
				return err
			}
			defer stop()
			say("watching the lock of release %d of %s in %s", number, service, env)
			err = t.Engine.Guard(ctx, number)
			if as[*release.RolledBackError](err) {
				say("release %d was taken back: %v", number, err)
				return nil
			}
			if err == nil {
				say("release %d has ended", number)
			}
			return err
		}
		say("trying again: %v", err)
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(time.Second):
		}
	}
}

// reachFor bounds the guardian's look whether the gateway can be reached from where it runs.
const reachFor = 10 * time.Second

// reaches says why the gateway cannot be reached, at which a weight is to be seen. Any answer will do.
func reaches(ctx context.Context, endpoint, host string) error {
	ctx, cancel := context.WithTimeout(ctx, reachFor)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, endpoint, http.NoBody)
	if err != nil {
		return fmt.Errorf("the guardian's endpoint %q: %w", endpoint, err)
	}
	req.Host = host
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return &usageError{err: fmt.Errorf("the gateway cannot be reached from the guardian's pod, so it could not see there that traffic has gone back: %w", err),
			next: []string{"set guardian.endpoint to the URL at which pods reach the gateway"}}
	}
	return resp.Body.Close()
}

// watching tells the kubelet that the guardian watches.
func watching() (stop func(), err error) {
	l, err := net.Listen("tcp", ":"+strconv.Itoa(guardian.ProbePort))
	if err != nil {
		return nil, fmt.Errorf("listening for the kubelet's question whether the guardian is ready: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "watching") })
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() { _ = server.Serve(l) }()
	return func() { _ = server.Close() }, nil
}
