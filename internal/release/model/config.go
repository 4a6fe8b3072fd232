package model

// Router is how traffic is shifted.
type Router uint8

// The routers.
const (
	Gateway Router = iota // one object, an HTTPRoute
	Nginx                 // two objects, Ingresses
)

// Start is what is there when the first runner comes.
type Start uint8

// The beginnings.
const (
	Production Start = iota // an earlier release's, and the route that names it
	First                   // nothing
	Adopted                 // a Helm release that is production, and no route of ours yet
)

// Third is the third actor.
type Third uint8

// What a third actor is.
const (
	Nobody Third = iota
	Resumer
	NextRunner
)

// Config is one search.
type Config struct {
	Name   string
	Router Router
	Start  Start
	Third  Third
	// Faults is how many may happen, of any kind.
	Faults uint8
	// Prompt: an actor that wakes notices that it has lost the Lease before it sends anything. Without it, it goes on for as long
	// as it likes.
	Prompt bool
	Remedies
	Mutation Mutation
}

// Remedies are changes of the protocol that the search has shown to be wanted. Without them the model is the code as it was
// when the model was written. Since then the code has got Fence, Claim and Create, and notices a lost Lease before each request
// (Prompt; package cluster, Guard). It has neither Keep nor Anchor: what that leaves open is in docs/safety.md.
type Remedies struct {
	// Fence: the record carries the fence of its last writer, and a holder that reads a higher one than its own stops.
	Fence bool
	// Claim: a process that goes on with another's release saves the record under its own fence before it decides anything,
	// and reads it again if that is refused.
	Claim bool
	// Create: a route that was not found is created, which is refused if it has come meanwhile, and not applied, which is not.
	Create bool
	// Keep: a part of the route that is not wanted is emptied, not deleted, so that its fence stays.
	Keep bool
	// Anchor: all objects of a Helm release hang on one that the record names and that is removed with it, so that what is
	// made too late is collected; and objects are deleted by their UID, so that those of a later release are not.
	Anchor bool
}

// All are all remedies.
var All = Remedies{Fence: true, Claim: true, Create: true, Keep: true, Anchor: true}

// Mutation is one thing done wrong.
type Mutation uint8

// The mutations.
const (
	Unmutated       Mutation = iota
	NoRouteFence             // the route is written without looking at its fence
	NoRouteVersion           // the route is written without its resourceVersion
	NoRecordVersion          // the record is saved without its resourceVersion
	IntentAfter              // the intent to route is saved after the write, not before
	InstallFirst             // the intent to install is saved after the installation
	NoWait                   // the Lease is taken without waiting until it has expired
	SameFence                // taking the Lease does not raise its fence
	TrustsWeight             // going back trusts the record's weight, and leaves the route as it is if that is 0
	RemoveFirst              // a slot is removed before the route names only the other
	ForgetsLeaving           // a slot that is leaving is gone back to
	NotRestarted             // nobody begins the guardian again when it has died
	NotTakenBack             // the guardian closes the release without taking it back
	Stubborn                 // a save that was refused is made again, without reading the record
	DeafBake                 // a failed gate of the bake does not take the release back
)

// weights of a release's steps.
func (r *record) weights() []uint8 {
	if r.prev == nowhere {
		return []uint8{100}
	}
	return []uint8{50, 100}
}
