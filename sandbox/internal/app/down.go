//go:build linux

package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/slipway-cd/slipway/sandbox/internal/host"
	"github.com/slipway-cd/slipway/sandbox/internal/proc"
)

// podGrace is how long pods and parts get to end before they are killed.
const podGrace = 3 * time.Second

// Down stops the sandbox and undoes what it did to the machine. keep leaves
// the data directory: the next Up continues with the same objects and images.
func (a *App) Down(ctx context.Context, keep bool) error {
	began := time.Now()
	if os.Geteuid() != 0 {
		return usageErrorf("the sandbox runs as root, so only root can take it down: use `sudo slipway sandbox down`")
	}
	unlock, err := a.lock(false)
	if errors.Is(err, os.ErrNotExist) {
		return a.downWithoutData(ctx)
	}
	if err != nil {
		return err
	}
	defer unlock()
	before, err := a.host().Recall()
	known := err == nil
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		fmt.Fprintf(a.Out, "Note: %v. Kernel settings stay as they are.\n", err)
		known = true // the file is there, so the machine was changed
	}
	if err := a.host().StopProcesses(ctx, podGrace); err != nil {
		return fmt.Errorf("stop the processes: %w; nothing else was undone, `slipway sandbox down` tries again", err)
	}
	if known {
		if same, err := a.host().SameBoot(before); err == nil && !same {
			before = host.Before{} // the reboot has restored the settings
		}
		if err := a.host().Restore(ctx, before); err != nil {
			return fmt.Errorf("all processes are stopped, but not everything could be undone: %w\n%s is kept, so that `slipway sandbox down` can try again", err, a.Layout.Dir)
		}
	}
	if keep {
		if err := a.host().Forget(); err != nil {
			return err
		}
		if err := os.RemoveAll(a.Layout.Run()); err != nil {
			return fmt.Errorf("remove runtime files: %w", err)
		}
		fmt.Fprintf(a.Out, "The sandbox is down after %.1f s. Its data is kept in %s.\n", time.Since(began).Seconds(), a.Layout.Dir)
		return nil
	}
	if !known && !a.looksLikeOurs() {
		return usageErrorf("%s is not a sandbox's data directory, so it was left alone: check --dir", a.Layout.Dir)
	}
	if err := os.RemoveAll(a.Layout.Dir); err != nil {
		return fmt.Errorf("everything is stopped, but the data directory is not removed: %w", err)
	}
	fmt.Fprintf(a.Out, "The sandbox is down after %.1f s. Nothing of it is left.\n", time.Since(began).Seconds())
	return nil
}

// looksLikeOurs guards against removing a directory that someone named by mistake.
func (a *App) looksLikeOurs() bool {
	entries, err := os.ReadDir(a.Layout.Dir)
	if err != nil {
		return false
	}
	if len(entries) == 0 {
		return true
	}
	_, err = os.Stat(a.Layout.PKI("ca.crt"))
	return err == nil
}

// downWithoutData handles a data directory that is not there: nothing to do,
// unless it was deleted under running processes.
func (a *App) downWithoutData(ctx context.Context) error {
	left, err := proc.Find(a.Layout.Dir)
	if err != nil {
		return err
	}
	if len(left) == 0 {
		fmt.Fprintf(a.Out, "There is no sandbox in %s: nothing to take down.\n", a.Layout.Dir)
		return nil
	}
	if err := a.host().StopProcesses(ctx, podGrace); err != nil {
		return fmt.Errorf("stop the processes: %w", err)
	}
	if err := a.host().Restore(ctx, host.Before{}); err != nil {
		return fmt.Errorf("all processes are stopped, but not everything could be undone: %w", err)
	}
	fmt.Fprintf(a.Out, "The sandbox is down. Its data directory was missing, so kernel settings stay as they are.\n")
	return nil
}
