//go:build linux

// Command slipway-sandbox runs a real Kubernetes cluster with a registry, a
// gateway and Redis on one Linux machine. `slipway sandbox` runs it.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/slipway-cd/slipway/sandbox/internal/app"
	"github.com/slipway-cd/slipway/sandbox/internal/azure"
	"github.com/slipway-cd/slipway/sandbox/internal/layout"
	"github.com/slipway-cd/slipway/sandbox/internal/registry"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := root().ExecuteContext(ctx)
	if err == nil {
		return
	}
	fmt.Fprintf(os.Stderr, "slipway sandbox: %v\n", err)
	code := app.ExitInternal
	var coded *app.Error
	if errors.As(err, &coded) {
		code = coded.Code
	}
	stop()
	os.Exit(code)
}

func root() *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use:   "slipway-sandbox",
		Short: "A real Kubernetes cluster, registry, gateway and Redis on this machine",
		Long: `Runs a real Kubernetes cluster (API server, etcd, controllers, scheduler, kubelet on containerd), cluster DNS,
an OCI registry, a gateway (Traefik) and Redis on this machine, without Docker. Everything listens on loopback or
on addresses that the sandbox makes. Needs Linux and root.`,
		Example: `  slipway sandbox up
  slipway sandbox status
  slipway sandbox kubectl -- get pods -A
  slipway sandbox down`,
		SilenceUsage: true, SilenceErrors: true,
		// Under its own name it is "slipway-sandbox", but users type "slipway sandbox".
		Annotations: map[string]string{cobra.CommandDisplayNameAnnotation: "slipway sandbox"},
		Args:        usageArgs(cobra.NoArgs),
		RunE:        func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	c.CompletionOptions.DisableDefaultCmd = true
	c.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error { return usage(cmd, err) })
	c.PersistentFlags().StringVar(&dir, "dir", layout.DefaultDir, "data directory")
	c.AddCommand(up(&dir), down(&dir), status(&dir), kubectl(&dir), supervise(&dir), serveRegistry(), serveAzure())
	return c
}

func usage(cmd *cobra.Command, err error) error {
	return &app.Error{Code: app.ExitUsage, Err: fmt.Errorf("%w (see `%s --help`)", err, cmd.CommandPath())}
}

func usageArgs(check cobra.PositionalArgs) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := check(cmd, args); err != nil {
			return usage(cmd, err)
		}
		return nil
	}
}

func up(dir *string) *cobra.Command {
	var timeout time.Duration
	c := &cobra.Command{
		Use:   "up",
		Short: "Start the sandbox, or repair it; does nothing when it is up",
		Long: `Starts the sandbox and returns when pods can run and the gateway answers. Run again it repairs what is not as it
should be; when all is well it says so and changes nothing. A machine that cannot run it is told so first (exit 2),
and nothing is started then.`,
		Example: "  slipway sandbox up\n  slipway sandbox up --timeout 5m",
		Args:    usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			a, err := app.New(*dir, cmd.OutOrStdout())
			if err != nil {
				return err
			}
			return a.Up(cmd.Context(), timeout)
		},
	}
	c.Flags().DurationVar(&timeout, "timeout", 2*time.Minute, "give up waiting after this time; the parts go on starting")
	return c
}

func down(dir *string) *cobra.Command {
	var keep bool
	c := &cobra.Command{
		Use:   "down",
		Short: "Stop the sandbox and leave nothing behind",
		Long: `Stops every pod and process of the sandbox, removes its mounts, network interfaces, packet filter rules, cgroups
and data, and sets kernel settings back to what they were.`,
		Example: "  slipway sandbox down\n  slipway sandbox down --keep   # the next up continues with the same objects and images",
		Args:    usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			a, err := app.New(*dir, cmd.OutOrStdout())
			if err != nil {
				return err
			}
			return a.Down(cmd.Context(), keep)
		},
	}
	c.Flags().BoolVar(&keep, "keep", false, "keep the data directory: cluster objects, images, certificates")
	return c
}

func status(dir *string) *cobra.Command {
	var output string
	c := &cobra.Command{
		Use:     "status",
		Short:   "Say what runs, where and with how much memory",
		Long:    "Asks every part whether it does its job. Exit code 0 when all do, 1 when one does not.",
		Example: "  slipway sandbox status\n  slipway sandbox status -o json",
		Args:    usageArgs(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if output != "" && output != "wide" && output != "json" {
				return usage(cmd, fmt.Errorf("unknown output format %q: use wide or json", output))
			}
			a, err := app.New(*dir, cmd.OutOrStdout())
			if err != nil {
				return err
			}
			s, err := a.Status(cmd.Context())
			if err != nil {
				return err
			}
			if err := a.PrintStatus(s, output); err != nil {
				return err
			}
			if !s.Up {
				return app.ErrDown
			}
			return nil
		},
	}
	c.Flags().StringVarP(&output, "output", "o", "", "wide or json")
	return c
}

func kubectl(dir *string) *cobra.Command {
	return &cobra.Command{
		Use:     "kubectl -- ARGS",
		Short:   "Run kubectl against the sandbox",
		Example: "  slipway sandbox kubectl -- get pods -A",
		RunE: func(cmd *cobra.Command, args []string) error {
			a, err := app.New(*dir, cmd.OutOrStdout())
			if err != nil {
				return err
			}
			return a.Kubectl(args)
		},
	}
}

func supervise(dir *string) *cobra.Command {
	return &cobra.Command{
		Use: "supervise", Hidden: true, Args: cobra.NoArgs,
		Short: "Keep the parts running (started by up)",
		RunE: func(cmd *cobra.Command, _ []string) error {
			a, err := app.New(*dir, cmd.OutOrStdout())
			if err != nil {
				return err
			}
			return a.Supervise(cmd.Context())
		},
	}
}

func serveRegistry() *cobra.Command {
	var config string
	c := &cobra.Command{
		Use: "registry", Hidden: true, Args: cobra.NoArgs,
		Short: "Serve the registry (started by the supervisor)",
		RunE:  func(cmd *cobra.Command, _ []string) error { return registry.Serve(cmd.Context(), config) },
	}
	c.Flags().StringVar(&config, "config", "", "configuration file")
	return c
}

func serveAzure() *cobra.Command {
	var config string
	c := &cobra.Command{
		Use: "azure", Hidden: true, Args: cobra.NoArgs,
		Short: "Serve the stand-ins for Azure (started by the supervisor)",
		RunE: func(cmd *cobra.Command, _ []string) error {
			return azure.Serve(cmd.Context(), config, slog.New(slog.NewTextHandler(os.Stderr, nil)))
		},
	}
	c.Flags().StringVar(&config, "config", "", "configuration file")
	return c
}
