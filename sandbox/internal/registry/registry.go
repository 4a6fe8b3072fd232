// Package registry serves the sandbox's OCI registry: the reference
// implementation, embedded, on the local file system.
package registry

import (
	"context"
	"fmt"
	"os"

	"github.com/distribution/distribution/v3/configuration"
	"github.com/distribution/distribution/v3/registry"
	_ "github.com/distribution/distribution/v3/registry/storage/driver/filesystem" // the storage that the configuration names
)

// Serve answers registry requests as the configuration file says, until the
// process gets SIGTERM. Whoever reaches its address may push and delete: it
// must be bound to loopback.
func Serve(ctx context.Context, configFile string) error {
	f, err := os.Open(configFile)
	if err != nil {
		return fmt.Errorf("open the registry's configuration: %w", err)
	}
	defer f.Close()
	cfg, err := configuration.Parse(f)
	if err != nil {
		return fmt.Errorf("read the registry's configuration %s: %w", configFile, err)
	}
	r, err := registry.NewRegistry(ctx, cfg)
	if err != nil {
		return fmt.Errorf("set the registry up: %w", err)
	}
	if err := r.ListenAndServe(); err != nil {
		return fmt.Errorf("serve the registry at %s: %w", cfg.HTTP.Addr, err)
	}
	return nil
}
