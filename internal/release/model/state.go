package model

// slot is where a version stands.
type slot uint8

const (
	nowhere slot = iota
	blue
	green
)

func (s slot) other() slot { return blue + green - s }

// phase is the stage that the record of an open release names.
type phase uint8

const (
	deploy phase = iota
	steps
	promote
	bake
	cleanup
)

// record is release.Record with its open journal, as far as anybody decides by it.
type record struct {
	open   bool
	holder uint8 // who has it open, or closed it: 1 + the actor's index
	fence  uint8
	number uint8 // of the newest release
	phase  phase
	step   uint8
	weight uint8 // the candidate's, when it was last known to be in force
	routed bool
	back   bool
	prod   slot
	prev   slot
	cand   slot
	slots  [3]entry // by slot; the first is not used
}

// entry is what the record says of a slot.
type entry struct {
	there, leaving bool
	number         uint8
}

// object is one of a route's objects. The gateway router has one, which names both slots; the nginx router has two: the
// main Ingress, and the canary Ingress, which has only a candidate and its weight.
type object struct {
	there      bool
	fence      uint8
	prod, cand slot
	weight     uint8
}

// installed is what stands in a slot: Helm's own record of it, and the chart's objects.
type installed struct {
	helm    helmRecord
	version uint8 // of the objects, 1 + the number of the release that made them; 0: there are none
	owner   uint8 // likewise, of the object that all of a Helm release's objects hang on (see Remedies.Anchor)
}

type helmRecord uint8

const (
	noRecord helmRecord = iota
	pending
	deployed
)

// lease is the Lease: who holds it (1 + the actor's index, 0 for nobody), and its leaseTransitions.
type lease struct{ holder, fence uint8 }

// life of an actor.
type life uint8

const (
	awake life = iota
	asleep
	dead
	ended
)

// actor is one process: where it is in the protocol, and what it has in its memory.
type actor struct {
	life life
	pc   pc
	// late says of an actor that is asleep which of its requests have been sent and not been answered.
	late outstanding
	// believes that it holds the Lease.
	believes bool
	// overslept: it was asleep while another took the Lease, and does not know yet.
	overslept bool
	// wrote: a write was accepted since it took the Lease.
	wrote bool
	fence uint8
	lost  uint8  // the fence that it lost the Lease with, when it looks again
	rec   record // as it has it in memory
	fresh bool   // nobody has saved the record since it was read or saved by this actor
	// part of the route that is being written; found and same are what the look at it gave: whether it is there, and
	// whether nobody has written it since.
	part        uint8
	found, same bool
	side        side // the save beside the first change of going back
}

type outstanding uint8

const (
	request outstanding = 1 << iota
	beside
)

type side uint8

const (
	noSide side = iota
	sideSent
	sideSaved
	sideStale
)

// pc is the request that an actor makes next, or has made and awaits the answer of.
type pc uint8

const (
	off       pc = iota // a runner or a person that has not come yet
	watch               // the guardian, watching
	relook              // the Lease was lost; is it free?
	load                // reads the record
	claim               // saves it under its own fence (see Remedies.Claim)
	opening             // saves the beginning of a release
	toInstall           // saves the intent to install
	helm1               // Helm: its own record, pending
	helm2               // Helm: the chart's objects
	helm3               // Helm: its own record, deployed
	toRoute             // saves the intent to route
	look                // reads a part of the route
	write               // writes it
	sideWait            // the route is written; the save beside it is awaited
	promoting           // saves that the candidate is production
	baking              // saves that the bake has begun
	toRemove            // saves the intent to remove a slot
	helm4               // Helm: looks for its own record
	helm5               // Helm: removes the chart's objects
	helm6               // Helm: removes its own record
	closing             // saves the end
	unlock              // gives the Lease back
	over
)

// message is a request whose sender has gone, or has given it up; the network may still deliver it.
type message struct {
	kind  pc // off: no message
	by    uint8
	fence uint8
	// of a save
	rec   record
	fresh bool
	// of a write of the route
	part        uint8
	remove      bool
	content     object
	found, same bool
	// of Helm
	slot    slot
	version uint8
}

const actors = 3

// state is everything there is. It is comparable: two states are the same if nobody can ever tell them apart. So there are no
// resourceVersions in it, which would only grow: each reader has instead whether what it read is still what is there.
type state struct {
	lease  lease
	rec    record
	route  [2]object
	slots  [3]installed
	actors [actors]actor
	bag    [2]message
	faults uint8 // that may still happen
	bad    stage // the gates that the candidate of release 1 fails at; never: none yet
	passed stage // the last gates that have passed

	// What the invariants look at, and no actor.
	recFence   uint8    // highest fence that the record was ever written with
	routeFence [2]uint8 // likewise of the route's parts
	overruled  bool     // a write with a lower fence was accepted after one with a higher
}

// stage at which gates are asked.
type stage uint8

const (
	never stage = iota
	smoke
	firstStep
	lastStep
	baked
)
