package release

import (
	"context"
	"time"

	"github.com/slipway-cd/slipway/internal/gate"
	"github.com/slipway-cd/slipway/internal/traffic"
)

// Deployment is the bundle's chart under a Helm release's name.
type Deployment struct {
	Release string // Helm release name
	Slot    string // blue, green, or "" for an in-place release
}

// Charts installs and removes the bundle's chart. None of its calls waits for pods.
type Charts interface {
	// Install installs or, if the release exists already (a re-played effect), upgrades it to the bundle.
	Install(ctx context.Context, d Deployment) error
	// Rollback brings a Helm release back to a revision.
	Rollback(ctx context.Context, release string, revision int) error
	// Uninstall removes a Helm release; nothing there is no error.
	Uninstall(ctx context.Context, release string) error
	// Revision is the deployed Helm revision, 0 if there is no such release.
	Revision(ctx context.Context, release string) (int, error)
	// Backend is the Service that takes the traffic of the bundle's chart under that release.
	Backend(ctx context.Context, d Deployment) (traffic.Backend, error)
	// Adopt finds the Service that takes the traffic of an existing Helm release which Slipway did not install.
	Adopt(ctx context.Context, release string) (traffic.Backend, error)
}

// Readiness waits for pods and endpoints.
type Readiness interface {
	// Wait returns when the release's workloads are ready and its Service has a ready endpoint; an error says why
	// that is not so: at once when it cannot heal, at the deadline otherwise.
	Wait(ctx context.Context, d Deployment, b traffic.Backend, since time.Time, timeout time.Duration) error
	// Endpoints is how many endpoints of a Service are ready now.
	Endpoints(ctx context.Context, b traffic.Backend) (int, error)
}

// Alarm tells whoever looks at the cluster that a person is needed.
type Alarm interface {
	// Raise attaches a message to the Service that users reach.
	Raise(ctx context.Context, service, message string) error
}

// Stages at which gates are asked; a gate may be for one of them or for both.
const (
	StageSmoke = "smoke"
	StageSteps = "steps"
)

// Gates asks the environment's gates.
type Gates interface {
	// Ask asks every gate of the stage ([StageSmoke] or [StageSteps]) again and again: at least once, at least for hold,
	// at most for deadline. Its events carry the phase.
	Ask(ctx context.Context, stage, phase string, c gate.Candidate, hold, deadline time.Duration) (Decision, error)
}

// Decision is what all gates of a stage said together.
type Decision struct {
	Pass bool
	// Undecided, where Pass is false, says that there was no evidence in time and that a person shall decide.
	Undecided bool
	// Weight, where Pass is false, is the next weight in percent at which the same questions go on.
	Weight int
	Gate   string // the gate that failed, "" on a pass
	Reason string // its evidence, in one sentence
}

// Verifier sees at the gateway whether a split is in force.
type Verifier interface {
	Verify(ctx context.Context, w traffic.Written) error
}

// Preflight checks everything that can be known without touching anything.
type Preflight interface {
	Check(ctx context.Context) error
}

// Lock is a held lock.
type Lock interface {
	// Fence rises with each take-over.
	Fence() int64
	// Lost is closed when the lock was lost.
	Lost() <-chan struct{}
	// Held is nil while changes may be made under the lock; it may know of a loss before Lost is closed.
	Held() error
	Release(ctx context.Context) error
}

// Locker takes the lock of a service in an environment. Its error is, or wraps, *HeldError when another process that is
// alive holds it.
type Locker interface {
	// Acquire takes the lock with a fence above after.
	Acquire(ctx context.Context, after int64) (Lock, error)
	// Succeed waits, for as long as it takes, until a holder has died, and takes the lock from it. One that nobody holds is taken
	// only if left says that there is work left.
	Succeed(ctx context.Context, left func() bool) (Lock, error)
}

// Guardian is the process in the cluster that finishes a release whose runner has died. Its calls may be repeated.
type Guardian interface {
	// Start puts it in place for the release of that number; it returns before the guardian watches.
	Start(ctx context.Context, number int) error
	// Ready returns when it watches; an error says why it does not.
	Ready(ctx context.Context, number int) error
	// Stop removes it and all that belongs to it; nothing there is no error.
	Stop(ctx context.Context, number int) error
}

// Store keeps the record. Save refuses (*StaleError) when somebody else has saved since Load.
type Store interface {
	Load(ctx context.Context) (*Record, error)
	Save(ctx context.Context, rec *Record) error
	// Requests delivers what other processes ask of the running release, until ctx ends.
	Requests(ctx context.Context) <-chan Request
	// Ask leaves a request for the process that holds the lock.
	Ask(ctx context.Context, q Request) error
	// ClearRequests removes all requests.
	ClearRequests(ctx context.Context) error
}
