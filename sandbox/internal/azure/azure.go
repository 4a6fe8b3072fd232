package azure

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/slipway-cd/slipway/sandbox/internal/azure/acr"
	"github.com/slipway-cd/slipway/sandbox/internal/azure/arm"
	"github.com/slipway-cd/slipway/sandbox/internal/azure/entra"
	"github.com/slipway-cd/slipway/sandbox/internal/azure/insights"
	"github.com/slipway-cd/slipway/sandbox/internal/azure/insights/store"
	"github.com/slipway-cd/slipway/sandbox/internal/azure/keyvault"
)

// Serve reads the configuration file and serves until ctx ends.
func Serve(ctx context.Context, configFile string, log *slog.Logger) error {
	c, err := LoadConfig(configFile)
	if err != nil {
		return err
	}
	a, err := Listening(c, log)
	if err != nil {
		return err
	}
	return a.Serve(ctx)
}

// Azure is the process's services, bound to their addresses.
type Azure struct {
	config    Config
	log       *slog.Logger
	listeners listeners
	store     *store.Store
	insights  *insights.Server
	entra     *entra.Server
	vault     *keyvault.Vault
	clusters  *arm.Server
	registry  *acr.Server // nil where there is none
}

// Listening makes the services and binds their addresses, but serves nothing
// yet. Port 0 is replaced by the port that was found, see [Azure.Addresses].
func Listening(c Config, log *slog.Logger) (*Azure, error) {
	a := &Azure{config: c, log: log}
	if err := a.setUp(); err != nil {
		return nil, errors.Join(err, a.close())
	}
	return a, nil
}

func (a *Azure) setUp() error {
	c := a.config
	for _, dir := range []string{"entra", "vault"} {
		if err := os.MkdirAll(c.path(dir), 0o700); err != nil {
			return fmt.Errorf("make a directory: %w", err)
		}
	}
	var err error
	if a.listeners, err = listen(&a.config.Listen); err != nil {
		return err
	}
	if a.entra, err = entra.New(entra.Options{
		Tenant: c.Tenant, URL: "https://" + a.config.Listen.Entra, Dir: c.path("entra"),
		Apps: []entra.App{{ClientID: c.ClientID, ObjectID: c.ObjectID, Federated: []entra.Federated{{Subject: "slipway-sandbox"}}}},
	}); err != nil {
		return fmt.Errorf("set Entra up: %w", err)
	}
	if a.vault, err = keyvault.New(keyvault.Options{
		Name: "sandbox", URL: "https://" + a.config.Listen.Vault, Authority: "https://" + a.config.Listen.Entra, Tenant: c.Tenant,
		Verifier: a.entra.Verifier(), Roles: map[string]keyvault.Role{c.ObjectID: keyvault.Officer}, Dir: c.path("vault"),
	}); err != nil {
		return fmt.Errorf("set the vault up: %w", err)
	}
	if err := a.setUpResources(); err != nil {
		return err
	}
	began := time.Now()
	if a.store, err = store.Open(store.Options{Tables: tables(), Dir: c.path("telemetry")}); err != nil {
		return err
	}
	if took := time.Since(began); took > time.Second {
		a.log.Info("the telemetry of earlier is read", "seconds", took.Seconds())
	}
	a.insights = insights.New(insights.Options{
		InstrumentationKey: c.InstrumentationKey, Component: c.Component, Workspace: c.Workspace,
		Store: a.store, Verify: a.verify(entra.LogsAudience), VerifyARM: a.verify(entra.ARMAudience, entra.CoreARMAudience), Log: a.log,
	})
	return nil
}

// verify checks tokens for one of the audiences (Resource Manager has an old one and a new one) and says whose they are.
func (a *Azure) verify(audiences ...string) func(string) (string, error) {
	v := a.entra.Verifier()
	return func(token string) (string, error) {
		claims, err := v.Read(token, audiences[0])
		for _, other := range audiences[1:] {
			if errors.Is(err, entra.ErrAudience) {
				claims, err = v.Read(token, other)
			}
		}
		switch {
		case errors.Is(err, entra.ErrExpired), errors.Is(err, entra.ErrRevoked):
			return "", fmt.Errorf("%w: %w", insights.ErrExpired, err)
		case errors.Is(err, entra.ErrAudience):
			return "", fmt.Errorf("%w: %w", insights.ErrAudience, err)
		case err != nil:
			return "", err
		}
		return claims.ObjectID, nil
	}
}

// handlers are what is served where.
func (a *Azure) handlers() []service {
	l := a.config.Listen
	return []service{
		{l.Ingest, false, a.insights.Ingestion()},
		{l.IngestTLS, true, a.insights.Ingestion()},
		{l.Query, true, a.insights.Query()},
		{l.Entra, true, a.entra.Handler()},
		{l.Vault, true, a.vault.Handler()},
		{l.ARM, true, a.arm()},
		{l.Registry, true, a.door()},
		{l.Control, false, a.control()},
	}
}

// arm is Azure Resource Manager: what is asked of resources, not of services.
func (a *Azure) arm() http.Handler {
	mux := http.NewServeMux()
	mux.Handle(arm.Path, a.clusters.Handler())
	mux.Handle("/", a.insights.Annotations())
	return mux
}

// door is the container registry, or nothing.
func (a *Azure) door() http.Handler {
	if a.registry == nil {
		return http.NotFoundHandler()
	}
	return a.registry.Handler()
}

// control changes how the services behave.
func (a *Azure) control() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/control/", a.insights.Control())
	mux.Handle("/control/entra", a.entra.Control())
	mux.Handle("/control/entra/", a.entra.Control())
	mux.Handle("/control/vault/fault", &a.vault.Faults)
	mux.Handle("/control/arm/fault", &a.clusters.Faults)
	if a.registry != nil {
		mux.Handle("/control/registry/fault", &a.registry.Faults)
	}
	return mux
}

// Addresses are where the services are served.
func (a *Azure) Addresses() Listen { return a.config.Listen }

// Serve serves until ctx ends, and then lets requests end for a moment.
func (a *Azure) Serve(ctx context.Context) error {
	if err := a.writeClientFiles(); err != nil {
		return errors.Join(err, a.close())
	}
	if err := a.seed(); err != nil {
		return errors.Join(err, a.close())
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		return a.entra.KeepSubjectToken(ctx, a.config.path("federated-token"), a.config.ClientID)
	})
	for _, s := range a.handlers() {
		ln := a.listeners[s.addr]
		if ln == nil {
			continue
		}
		server := &http.Server{
			Handler: s.handler, ReadHeaderTimeout: 10 * time.Second, ReadTimeout: time.Minute, IdleTimeout: 2 * time.Minute,
			ErrorLog: slog.NewLogLogger(a.log.Handler(), slog.LevelDebug),
		}
		g.Go(func() error {
			serve := server.Serve
			if s.tls {
				serve = a.serveTLS(server)
			}
			if err := serve(ln); !errors.Is(err, http.ErrServerClosed) {
				return fmt.Errorf("serve at %s: %w", s.addr, err)
			}
			return nil
		})
		g.Go(func() error {
			<-ctx.Done()
			grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			defer cancel()
			if server.Shutdown(grace) != nil {
				return server.Close()
			}
			return nil
		})
	}
	return errors.Join(g.Wait(), a.close())
}

func (a *Azure) close() error {
	err := a.listeners.close()
	if a.store != nil {
		err = errors.Join(err, a.store.Close())
	}
	return err
}
