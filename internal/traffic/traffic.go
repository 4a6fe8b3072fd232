// Package traffic shifts traffic between the two slots of a service and sees for itself that it has moved.
//
// A router writes a [Split] (Gateway API HTTPRoute weights, or ingress-nginx canary annotations); a [Verifier] asks the
// gateway until it answers accordingly. An accepted API write alone never counts as moved traffic.
package traffic

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// FieldManager is the server-side-apply field manager of everything Slipway writes.
const FieldManager = "slipway"

// Header and HeaderAlways reach the candidate through the gateway whatever its weight.
const (
	Header       = "canary"
	HeaderAlways = "always"
	HeaderNever  = "never"
)

// Backend is a Service port that takes traffic.
type Backend struct {
	Slot    string `json:"slot"`
	Service string `json:"service"`
	Port    int    `json:"port"`
}

// Split says who gets which share. Production gets 100 − Weight percent, Candidate gets Weight percent and every
// request with the header `canary: always`. Production is nil only in a first release.
type Split struct {
	Production *Backend `json:"production,omitempty"`
	Candidate  *Backend `json:"candidate,omitempty"`
	Weight     int      `json:"weight"`
}

// Share is what a slot gets of the requests without the header, in percent.
func (s Split) Share(slot string) int {
	share := 0
	if s.Production != nil && s.Production.Slot == slot {
		share += 100 - s.Weight
	}
	if s.Candidate != nil && s.Candidate.Slot == slot {
		share += s.Weight
	}
	return share
}

// Target names the route that belongs to a service in an environment.
type Target struct {
	Service, Environment string
	Namespace            string
	Host                 string
}

// Name is the name of the objects that a router owns.
func (t Target) Name() string { return t.Service + "-slipway" }

// Written is what a router has written, for the verifier.
type Written struct {
	Split Split
	// Before is the split that the write replaced, nil if there was none.
	Before *Split
	// Epoch identifies this very write; answers that were routed by it carry it in the header [EpochHeader].
	// Empty when the router cannot mark answers.
	Epoch string
}

// Names of the response headers by which the gateway router marks answers.
const (
	SlotHeader  = "Slipway-Slot"
	EpochHeader = "Slipway-Route"
)

// Fence guards writes: a router refuses to write over an object that a holder with a higher token has written.
type Fence int64

// StaleError says that another holder has written since; nothing was changed.
type StaleError struct {
	Object      string
	Ours, Found int64
}

func (e *StaleError) Error() string {
	return fmt.Sprintf("%s was written by a later holder of the lock (token %d, ours is %d): this process is no longer in charge and has changed nothing", e.Object, e.Found, e.Ours)
}

// AbsentError says that something the router needs is not in the cluster.
type AbsentError struct {
	Object string // kind/namespace/name
	Hint   string
}

func (e *AbsentError) Error() string { return e.Object + " does not exist: " + e.Hint }

// TakenError says that somebody else's object routes the host already.
type TakenError struct {
	Host, Object string
}

func (e *TakenError) Error() string {
	return fmt.Sprintf("host %s is already routed by %s, which Slipway did not make: remove the host there, or give this environment another host", e.Host, e.Object)
}

// SharedError says that another environment of the same service is routed by the object of that name.
type SharedError struct {
	Object, Environment string
}

func (e *SharedError) Error() string {
	return fmt.Sprintf("%s belongs to environment %s of the same service: two environments of a service need a namespace each", e.Object, e.Environment)
}

// NotVerifiedError says that the gateway did not answer as the split says within the time allowed.
type NotVerifiedError struct {
	Weight  int
	Waited  time.Duration
	Last    string // what was seen last
	Control string // what the control plane says (route conditions), may be empty
}

func (e *NotVerifiedError) Error() string {
	s := fmt.Sprintf("weight %d %% was written but not seen at the gateway within %s: %s", e.Weight, e.Waited.Round(time.Millisecond), e.Last)
	if e.Control != "" {
		s += "; " + e.Control
	}
	return s
}

// ErrBlind says that the gateway's answers do not tell the slots apart, so a weight cannot be verified by asking.
var ErrBlind = errors.New("the gateway's answers do not tell the slots apart")

// Router writes splits. Implementations are safe for use by one release at a time and idempotent: writing the same
// split again changes nothing that a user can see.
type Router interface {
	// Check finds out, changing nothing, whether the target can be routed: *AbsentError, *TakenError or an API error.
	Check(ctx context.Context) error
	// Write makes the split the routing of the target; it returns once the API server has accepted it.
	Write(ctx context.Context, s Split, f Fence) (Written, error)
	// Read gives the split as it stands in the cluster, false if there is none.
	Read(ctx context.Context) (Split, bool, error)
	// Describe says in words what the control plane reports about the route (conditions), for error messages.
	Describe(ctx context.Context) string
	// Remove deletes what the router made; nothing there is no error.
	Remove(ctx context.Context, f Fence) error
}
