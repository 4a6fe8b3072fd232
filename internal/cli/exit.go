package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/slipway-cd/slipway/internal/azure"
	"github.com/slipway-cd/slipway/internal/azure/acr"
	"github.com/slipway-cd/slipway/internal/azure/aks"
	"github.com/slipway-cd/slipway/internal/build"
	"github.com/slipway-cd/slipway/internal/bundle"
	"github.com/slipway-cd/slipway/internal/chart"
	"github.com/slipway-cd/slipway/internal/cluster"
	"github.com/slipway-cd/slipway/internal/config"
	"github.com/slipway-cd/slipway/internal/release"
	"github.com/slipway-cd/slipway/internal/target"
	"github.com/slipway-cd/slipway/internal/telemetry/loganalytics"
	"github.com/slipway-cd/slipway/internal/vault"
)

// Exit codes of the program.
const (
	exitDone       = 0
	exitInternal   = 1
	exitUsage      = 2
	exitRolledBack = 3
	exitUnsafe     = 4
	exitLocked     = 5
)

// usageError is wrong usage of the command line.
type usageError struct {
	err  error
	next []string
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

// saidError was shown already; only its exit code matters.
type saidError struct{ err error }

func (e *saidError) Error() string { return e.err.Error() }
func (e *saidError) Unwrap() error { return e.err }

// as reports whether err is or wraps a T.
func as[T error](err error) bool {
	var t T
	return errors.As(err, &t)
}

// ExitCode is the program's exit code for an error.
func ExitCode(err error) int {
	switch {
	case err == nil:
		return exitDone
	case as[*release.RolledBackError](err):
		return exitRolledBack
	case as[*release.UnsafeError](err), as[*release.UndecidedError](err):
		return exitUnsafe
	case as[*cluster.HeldError](err), as[*release.OpenError](err):
		return exitLocked
	case as[*release.RefusedError](err), as[*usageError](err), as[*config.Error](err), as[*build.UsageError](err),
		as[*cluster.ConfigError](err), as[*cluster.UnreachableError](err), as[*cluster.Error](err), as[*target.DeniedError](err),
		as[*azure.NoIdentityError](err), as[*azure.SetupError](err), as[*azure.IdentityError](err),
		as[*bundle.ReferenceError](err), as[*bundle.NotFoundError](err), as[*bundle.NotABundleError](err), as[*chart.BrokenError](err),
		as[*vault.ReadError](err), as[*vault.StoreError](err), as[*target.VaultError](err), as[*checkError](err), as[*acr.Error](err), as[*aks.Error](err),
		errors.Is(err, target.ErrNoTelemetry), errors.Is(err, target.ErrNoVault), isCobraUsage(err):
		return exitUsage
	}
	var child *childExit
	if errors.As(err, &child) {
		return child.code
	}
	var q *loganalytics.QueryError
	if errors.As(err, &q) && q.Final() {
		return exitUsage
	}
	var re *bundle.RegistryError
	if errors.As(err, &re) && !as[*build.PushError](err) {
		return exitUsage // the bundle could not be read: nothing was touched
	}
	return exitInternal
}

// isCobraUsage recognises the errors that cobra makes without a type.
func isCobraUsage(err error) bool {
	for _, p := range []string{"unknown command", "required flag", "accepts ", "unknown flag", "unknown shorthand", "if any flags in the group", "at least one of the flags", "invalid argument"} {
		if strings.HasPrefix(err.Error(), p) {
			return true
		}
	}
	return false
}

// next gathers what a person may do about an error.
func next(err error) []string {
	var out []string
	var u *usageError
	if errors.As(err, &u) {
		out = append(out, u.next...)
	}
	if err != nil && strings.HasPrefix(err.Error(), `required flag(s) "env"`) {
		out = append(out, "name the environment with --env NAME; slipway.yaml has them under environments")
	}
	var r *release.RefusedError
	if errors.As(err, &r) {
		out = append(out, r.Next...)
	}
	var un *release.UnsafeError
	if errors.As(err, &un) {
		out = append(out, un.ByHand...)
	}
	if as[*vault.ReadError](err) || as[*vault.StoreError](err) || as[*acr.Error](err) || as[*aks.Error](err) || as[*azure.IdentityError](err) {
		out = append(out, "slipway doctor says which identity this is, and what it can do")
	}
	var adviser interface{ Next() []string }
	if errors.As(err, &adviser) {
		out = append(out, adviser.Next()...)
	}
	if as[*release.OpenError](err) {
		out = append(out, "slipway resume --env … goes on with it", "slipway rollback --env … takes it back")
	}
	if as[*cluster.HeldError](err) {
		out = append(out, "wait for it, or ask it to go back: slipway rollback --env …")
	}
	return out
}

// printError writes an error as every error is written: what happened, then what to do next.
func printError(w io.Writer, err error) {
	if errors.Is(err, context.Canceled) && !as[*build.PushError](err) {
		err = errors.New("stopped")
	}
	fmt.Fprintf(w, "slipway: %s\n", strings.TrimRight(err.Error(), "\n"))
	for _, n := range next(err) {
		fmt.Fprintf(w, "  next: %s\n", n)
	}
}
