// Package supervisor starts the parts of the sandbox in order, and keeps them
// running. It knows nothing about Kubernetes: parts are described by Units and
// reach the operating system through a Host.
package supervisor

import (
	"context"
	"fmt"
	"time"
)

// Unit is one part: a process that is kept alive, or a task that is done once.
type Unit struct {
	// Name is unique.
	Name string
	// What says in a few words what it is, for people.
	What string
	// Where is the address it serves at, if any.
	Where string
	// After names the units that must have been ready once before this one starts.
	After []string

	// Path, Args and Env start a process. Env is added to a minimal
	// environment. Inputs are files whose content is part of its identity: when
	// they, the executable or the arguments change, the process is replaced.
	Path   string
	Args   []string
	Env    []string
	Inputs []string

	// Run makes the unit a task. It must be idempotent.
	Run func(context.Context) error

	// Ready returns nil when the unit does its job at this moment. nil means
	// that a process is ready when it runs and a task when Run has returned.
	Ready func(context.Context) error
}

// Task says whether the unit is a task and not a process.
func (u Unit) Task() bool { return u.Run != nil }

// State is where a unit stands.
type State string

// The states of a unit.
const (
	Waiting    State = "waiting"    // for the units it comes after
	Starting   State = "starting"   // runs, not ready yet
	Ready      State = "ready"      // was ready when last asked
	Restarting State = "restarting" // ended, will be started again
)

// Status is a snapshot of one unit.
type Status struct {
	Name  string `json:"name"`
	What  string `json:"what,omitempty"`
	Where string `json:"where,omitempty"`
	Task  bool   `json:"task,omitempty"`
	State State  `json:"state"`
	PID   int    `json:"pid,omitempty"`
	// Started is when the process started.
	Started time.Time `json:"started,omitzero"`
	// Adopted is true for a process that an earlier supervisor started.
	Adopted bool `json:"adopted,omitempty"`
	// Took is how long it took from start to ready.
	Took time.Duration `json:"took,omitempty"`
	// Failures counts ends and errors since it was last ready.
	Failures int `json:"failures,omitempty"`
	// Restarts counts all starts after the first.
	Restarts int `json:"restarts,omitempty"`
	// Error is the last one; empty once ready.
	Error string `json:"error,omitempty"`
}

// Process is a running process that the supervisor watches.
type Process interface {
	PID() int
	Started() time.Time
	// Done is closed when the process is gone.
	Done() <-chan struct{}
	// Outcome says how it ended, once Done is closed.
	Outcome() string
}

// Host starts and finds processes.
type Host interface {
	// Adopt returns the running process of the unit, if there is one that was
	// started as the unit would be now. Others of the same unit are stopped first.
	Adopt(context.Context, Unit) (Process, error)
	Start(context.Context, Unit) (Process, error)
}

// checkUnits refuses duplicate names, unknown dependencies and cycles.
func checkUnits(units []Unit) error {
	known := map[string]bool{}
	for _, u := range units {
		if known[u.Name] {
			return fmt.Errorf("unit %s is there twice", u.Name)
		}
		for _, a := range u.After {
			// Units are listed in an order that could be started one by one;
			// that rules out cycles.
			if !known[a] {
				return fmt.Errorf("unit %s comes after %s, which is not listed before it", u.Name, a)
			}
		}
		known[u.Name] = true
	}
	return nil
}
