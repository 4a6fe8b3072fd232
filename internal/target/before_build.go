package target

import (
	"context"

	"golang.org/x/sync/errgroup"

	"github.com/slipway-cd/slipway/internal/cluster"
	"github.com/slipway-cd/slipway/internal/config"
	"github.com/slipway-cd/slipway/internal/event"
	"github.com/slipway-cd/slipway/internal/vault"
)

// BeforeBuild checks what can be known of a release before its bundle is built: that its variables can be read, and that cluster,
// permissions, router and telemetry are as it needs them. It changes nothing and gives the variables, for [Options.Known].
func BeforeBuild(ctx context.Context, cfg *config.Config, o Options) (vault.Values, error) {
	o.Sink = event.Discard // the release itself warns
	_, values, err := resolve(ctx, cfg, o.Environment, whole, o)
	if err != nil {
		return nil, err
	}
	if values == nil {
		values = vault.Values{}
	}
	o.Known = values
	t, err := Open(ctx, cfg, nil, o)
	if err != nil {
		return nil, err
	}
	defer t.Close()
	if err := t.gates.connect(o.Getenv); err != nil {
		return nil, err
	}
	group, all := errgroup.WithContext(ctx)
	group.Go(func() error { return t.permissions(all) })
	group.Go(func() error { return cluster.Explain(t.Engine.Router.Check(all), "checking before the build") })
	group.Go(func() error { return t.gates.check(all) })
	return values, group.Wait()
}
