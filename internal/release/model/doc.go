// Package model checks the release protocol (package release, the Lease of package cluster, the fences of package traffic, the
// versions of package journal) by visiting every state that it can come to, for small numbers of processes and faults. It is used
// by its own tests only.
//
// Actors: a runner that brings release 1; a guardian that takes the lock when its holder has stopped renewing, and settles the open
// release as release.Engine does (back where there is a way back); and, in some searches, a person who resumes or the runner of
// release 2. Each is a program that makes one request after another ([Config.answer]); going back makes two at once, for the record
// is saved beside the first change of the route.
//
// Faults, in any order and at any instant, as many as a search allows: an actor dies (the guardian's Job begins it again, without
// memory); is stopped, and wakes late; is cut off, and gives the lock up; has no answer to a request in time; or is asked to go
// back (Ctrl-C, `slipway rollback` elsewhere). A request that was made may arrive at once, later (after its sender has died, or has
// gone on without the answer), or never. Gates fail at any stage, or at none.
//
// # What is left out, and why that is sound
//
//   - Time. The lock can be taken as soon as its holder is dead or stopped, or knows that it has lost it: whatever the clocks say,
//     a holder that is awake and believes in its lock has renewed it (given up after 4/5, taken after 5/5). One that wakes goes on
//     for as long as it likes before it notices, which is more than any clock allows; [Config.Prompt] makes it notice at once.
//   - What happens inside a process between an answer and the next request. A pause there cannot be told from a slow request.
//   - resourceVersions and the size of fences. Only "is it still what I read" and "which is higher" are ever asked, so that is
//     what a state has: there are finitely many states.
//   - The gateway. A route that is accepted is in force, so verifying it always succeeds; that it fails is like a gate that fails.
//   - Weights between 0 and 100 but one, more than one pod of a version, all objects of a chart but one: they would do the same again.
//   - Reads are linearizable, as those of the API server are that go to etcd (a get without resourceVersion is).
//   - At most two requests outlive their senders. A save that is known to be refused when it comes is forgotten at once.
//   - Going back and cleaning up are tried again for ever; in the code a person is called after a while (exit 4).
//
// Not modelled at all: releases in place, kept slots and the return to them, a slot that still holds something of a release before,
// gates that hold, pipelines that stop between two stages, hands other than Slipway's on the cluster (a deleted Lease among them),
// and an API server that loses what it has accepted.
//
// # What it finds
//
// A search of two faults in any combination is a matter of a second; three were searched once, with the gateway router
// (1.9 million states), and two with a person who resumes (2.3 million) and with the next release (1.9 million): all promises hold.
//
// [Remedies] are what the protocol lacked when the model was written (the code has most of them now): with them all promises ([Invariants]) hold, and the tests show
// for each of them what comes to pass without it. [Mutation] are mistakes that the search must find.
package model
