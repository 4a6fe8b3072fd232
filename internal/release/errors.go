package release

import (
	"errors"
	"fmt"
)

// ErrNoneOpen says that no release is open.
var ErrNoneOpen = errors.New("no release is open")

// RolledBackError says that the release was gated out and the environment is safe (exit code 3).
type RolledBackError struct{ Reason string }

func (e *RolledBackError) Error() string { return "rolled back: " + e.Reason }

// UnsafeError says that a safe state could not be restored (exit code 4): a person is needed.
type UnsafeError struct {
	Reason string   // why the release was being taken back
	State  string   // what is known of the state now
	ByHand []string // what to do
	Err    error
}

func (e *UnsafeError) Error() string {
	return fmt.Sprintf("could not restore a safe state: %v (was going back because: %s); %s", e.Err, e.Reason, e.State)
}

func (e *UnsafeError) Unwrap() error { return e.Err }

// UndecidedError says that there was no evidence in time and that the environment wants a person to decide (exit code 4): the
// release stays open, the traffic where it is.
type UndecidedError struct {
	Number      int
	Environment string
	Weight      int // the candidate's, in percent
	Gate        string
	Reason      string
}

func (e *UndecidedError) Error() string {
	return fmt.Sprintf("release %d is held at %d %% and nobody watches it now: gate %s: %s", e.Number, e.Weight, e.Gate, e.Reason)
}

// Next is what a person can do.
func (e *UndecidedError) Next() []string {
	return []string{"slipway promote --env " + e.Environment + " asks the gates again and goes on", "slipway rollback --env " + e.Environment + " takes it back"}
}

// RefusedError says that nothing was touched because something is not as it must be (exit code 2).
type RefusedError struct {
	Err  error
	Next []string
}

func (e *RefusedError) Error() string { return e.Err.Error() }
func (e *RefusedError) Unwrap() error { return e.Err }

// OpenError says that another release has not ended (exit code 5).
type OpenError struct{ Journal Journal }

func (e *OpenError) Error() string {
	j := e.Journal
	s := fmt.Sprintf("release %d (version %s) of %s in %s is still open: in phase %s at %d %%, begun %s by %s",
		j.Number, j.Plan.Version, j.Plan.Service, j.Plan.Environment, j.Phase, j.Weight, j.Started.UTC().Format("2006-01-02 15:04:05Z"), j.Holder)
	if j.Stuck != "" {
		s += "; it could not be taken back: " + j.Stuck
	}
	return s
}

// StaleError says that somebody else has changed the record: this process is not in charge any more.
type StaleError struct{ Object string }

func (e *StaleError) Error() string {
	return e.Object + " was changed by another process: this one is no longer in charge of the release and stops"
}

// HeldError says that another process, which is alive, holds the lock. It wraps the Locker's own error.
type HeldError struct{ Err error }

func (e *HeldError) Error() string { return e.Err.Error() }
func (e *HeldError) Unwrap() error { return e.Err }
