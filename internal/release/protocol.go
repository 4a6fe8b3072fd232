// Package release is the state machine that brings one bundle into one environment, or takes it back.
//
// It knows only interfaces (interfaces.go). The protocol stands in one place, as the table below.
package release

import "context"

// Phase is a stage of a release; the journal records the one that is running.
type Phase string

// The phases, in order.
const (
	PhaseDeploy  Phase = "deploy"
	PhaseSmoke   Phase = "smoke"
	PhaseSteps   Phase = "steps"
	PhasePromote Phase = "promote"
	PhaseBake    Phase = "bake"
	PhaseCleanup Phase = "cleanup"
)

// event is the phase as events name it: there, each weight is a step.
func (p Phase) event() string {
	if p == PhaseSteps {
		return "step"
	}
	return string(p)
}

// phase is one row of the protocol. Each is idempotent: run again after a crash, it ends the same way.
type phase struct {
	name Phase
	// title is what a person reads.
	title string
	// run does it; it tells strategies with slots and in-place ones apart.
	run func(r *run, ctx context.Context) error
	// undo says whether a failure here is answered by going back. After clean-up has begun the new version is
	// production and the old one may be gone, so there is nothing to go back to: the clean-up is retried instead.
	undo bool
}

// protocol is the release protocol.
//
//	phase     before it runs            what it does                                         when it fails
//	lock      -                         Lease on service+environment, fencing token          exit 5, nothing touched
//	preflight locked                    everything that can be known without touching        exit 2, nothing touched
//	deploy    journal open              candidate installed, ready with endpoints, the slot's
//	                                    earlier addresses forgotten, weight 0                go back
//	smoke     weight 0, verified        smoke gates through the header                       go back
//	steps     weight w-1 passed         weight w written, verified at the gateway, gates     go back
//	promote   last step passed          production := candidate in the state (one write)     go back
//	bake      production = candidate    old slot warm, gates go on being asked               go back
//	cleanup   bake over                 route names only production; old slot removed; end   retry; traffic is right
//
//	go back:  1. route names only the previous version (the candidate's weight is 0), retried, and verified at the gateway
//	          2. production := previous in the state   3. candidate removed   4. journal closed, exit 3
//	          1 not possible → exit 4, the journal stays open and says what to do by hand
//	          In place, 1 is preceded by a Helm rollback that was waited for.
//
// Another process continues from the journal alone: forward from the phase recorded, or back once Journal.Back is set. A
// slot that is Leaving never gets traffic again; once the previous one is, the only way is forward.
var protocol = []phase{
	{PhaseDeploy, "installing the candidate at weight 0", (*run).deploy, true},
	{PhaseSmoke, "asking the smoke gates before any traffic", (*run).smoke, true},
	{PhaseSteps, "moving the traffic", (*run).steps, true},
	{PhasePromote, "the candidate becomes production", (*run).promote, true},
	{PhaseBake, "keeping the old slot warm, gates still asked", (*run).bake, true},
	{PhaseCleanup, "routing to the new production only, removing the old slot", (*run).cleanup, false},
}

// position of a phase in the protocol.
func position(p Phase) int {
	for i := range protocol {
		if protocol[i].name == p {
			return i
		}
	}
	return 0
}
