package model

// Who is who.
const (
	runner = iota
	guardian
	third
)

// answer does the request that an actor has made, and what the actor does with the answer up to its next request.
func (c *Config) answer(s *state, i int) {
	a := &s.actors[i]
	switch a.pc {
	case off, watch, relook:
		c.acquire(s, i)
	case load:
		a.rec, a.fresh = s.rec, true
		c.decide(s, i)
	case helm1, helm2, helm3, helm4, helm5, helm6:
		c.helmAnswer(s, i)
	case look:
		c.looked(s, i)
	case write:
		if !c.apply(s, c.message(a, i)) { // a conflict: it looks again
			a.pc, a.found, a.same = look, false, false
			return
		}
		a.wrote = true
		c.nextPart(s, i)
	case unlock:
		if s.lease == (lease{uint8(i + 1), a.fence}) {
			s.lease.holder = 0
		}
		c.end(s, i)
	default:
		switch got := c.saveAnswer(s, i, a.pc); {
		case got == sideSaved:
			c.saved(s, i)
		case got == sideSent || c.Mutation == Stubborn: // again
		case a.pc == claim:
			a.pc = load
		default:
			a.pc = unlock
		}
	}
}

// free says whether an actor may take the Lease: nobody has it, or whoever has it has stopped renewing. A holder that is awake
// has given up by then (4/5 of the duration); one that is asleep, dead or cut off does not renew.
func (c *Config) free(s *state, i int) bool {
	h := int(s.lease.holder) - 1
	if h < 0 || h == i || c.Mutation == NoWait {
		return true
	}
	return s.actors[h].life != awake || !s.actors[h].believes
}

func (c *Config) acquire(s *state, i int) {
	a := &s.actors[i]
	if !c.free(s, i) { // another holds it and is alive
		c.end(s, i)
		return
	}
	if h := int(s.lease.holder) - 1; h >= 0 && h != i && s.actors[h].life == asleep {
		s.actors[h].overslept = s.actors[h].believes
	}
	if c.Mutation != SameFence {
		s.lease.fence++
	}
	s.lease.holder = uint8(i + 1)
	a.pc, a.believes, a.fence = load, true, s.lease.fence
}

// end is the end of a process. The guardian's Job begins it again.
func (c *Config) end(s *state, i int) {
	if s.actors[i] = (actor{life: ended, pc: over}); i == guardian {
		s.actors[i] = actor{pc: watch}
	}
}

// decide is what an actor does once it has read the record.
func (c *Config) decide(s *state, i int) {
	a := &s.actors[i]
	r, begins := &a.rec, a.lost == 0 && c.begins(i)
	switch {
	case c.Fence && r.fence > a.fence:
		a.pc = unlock
	case begins && !r.open:
		*r = record{open: true, number: r.number + 1, prod: r.prod, prev: r.prod, cand: blue, slots: r.slots}
		if r.prod != nowhere {
			r.cand = r.prod.other()
		}
		r.holder, r.fence = uint8(i+1), a.fence
		a.pc = opening
	case begins, !r.open, a.lost != 0 && (r.fence != a.lost || int(r.holder) != i+1): // nothing to do, or another has been here
		a.pc = unlock
	default:
		r.holder, r.fence = uint8(i+1), a.fence
		if c.Claim {
			a.pc = claim
			return
		}
		c.goOn(s, i)
	}
}

// begins says whether an actor begins a release of its own.
func (c *Config) begins(i int) bool { return i == runner || i == third && c.Third == NextRunner }

// goOn continues another's release, or one's own after the Lease was lost. `slipway resume` goes forward where it can, all
// others go back where they can.
func (c *Config) goOn(s *state, i int) {
	a := &s.actors[i]
	r := &a.rec
	old := r.slots[r.prev]
	wayBack := r.phase != cleanup || old.there && (!old.leaving || c.Mutation == ForgetsLeaving)
	resumes := i == third && c.Third == Resumer && a.lost == 0
	a.lost = 0
	switch {
	case c.Mutation == NotTakenBack && i == guardian:
		a.pc = closing
	case wayBack && (r.back || !resumes):
		c.goBack(a)
	case r.phase != deploy && r.phase != cleanup && s.slots[r.cand].version == 0: // its pods are gone
		c.goBack(a)
	default:
		c.forward(s, i)
	}
}

// forward begins the phase that the record names.
func (c *Config) forward(s *state, i int) {
	a := &s.actors[i]
	r := &a.rec
	switch r.phase {
	case deploy:
		r.slots[r.cand] = entry{there: true, number: r.number}
		if a.pc = toInstall; c.Mutation == InstallFirst {
			a.pc = helm1
		}
	case steps:
		c.routes(a)
	case promote:
		r.prod, a.pc = r.cand, promoting
	case bake:
		a.pc = baking
	case cleanup:
		if c.Mutation == RemoveFirst && r.slots[r.prev].there {
			c.removes(a)
			return
		}
		c.routes(a)
	}
}

// enter goes on with the next phase.
func (c *Config) enter(s *state, i int, p phase) {
	s.actors[i].rec.phase = p
	c.forward(s, i)
}

// routes begins a change of the route: its intent is saved, then it is made.
func (c *Config) routes(a *actor) {
	a.rec.routed = true
	if a.pc = toRoute; c.Mutation == IntentAfter {
		c.writes(a)
	}
}

// removes begins the removal of the slot that is left: the candidate's in going back, the old one's in clean-up.
func (c *Config) removes(a *actor) {
	a.rec.slots[a.rec.leaves()].leaving = true
	a.pc = toRemove
}

// leaves is the slot that is left.
func (r *record) leaves() slot {
	if r.back {
		return r.cand
	}
	return r.prev
}

// saved goes on after a save that was accepted.
func (c *Config) saved(s *state, i int) {
	a := &s.actors[i]
	r := &a.rec
	switch a.pc {
	case claim:
		c.goOn(s, i)
	case opening:
		c.enter(s, i, deploy)
	case toInstall:
		if a.pc = helm1; c.Mutation == InstallFirst {
			c.installed(s, i)
		}
	case toRoute:
		if c.Mutation == IntentAfter {
			c.routed(s, i)
			return
		}
		c.writes(a)
	case promoting:
		c.enter(s, i, bake)
	case baking:
		if c.fails(s, r, baked) && c.Mutation != DeafBake {
			c.goBack(a)
			return
		}
		c.enter(s, i, cleanup)
	case toRemove:
		a.pc = helm4
	case closing:
		a.pc = unlock
	}
}

// fails says whether the gates fail at a stage. They find the same evidence whoever asks.
func (c *Config) fails(s *state, r *record, at stage) bool {
	if r.number != 1 {
		return false
	}
	if s.bad != never && at >= s.bad {
		return true
	}
	s.passed = max(s.passed, at)
	return false
}

// asks is the stage whose gates are asked with the answer of the request that an actor has made, if it is accepted.
func (c *Config) asks(a *actor) stage {
	r := &a.rec
	parts := c.parts(r)
	routed := a.pc == write || a.pc == look
	if c.Mutation == IntentAfter {
		routed = a.pc == toRoute
	}
	switch {
	case r.number != 1 || r.back:
		return never
	case a.pc == baking:
		return baked
	case !routed || a.part != parts[len(parts)-1] && c.Mutation != IntentAfter:
		return never
	case r.phase == deploy:
		return smoke
	case r.phase == steps && int(r.step) < len(r.weights())-1:
		return firstStep
	case r.phase == steps:
		return lastStep
	default:
		return never
	}
}

// helmAnswer makes one request of a Helm operation and goes on.
func (c *Config) helmAnswer(s *state, i int) {
	a := &s.actors[i]
	r := &a.rec
	if a.pc == helm4 { // Helm removes what its own record names; without one there is nothing
		if a.pc = helm5; s.slots[r.leaves()].helm == noRecord && !c.Anchor {
			c.removed(s, i)
		}
		return
	}
	done := c.helm(s, c.message(a, i))
	switch {
	case !done:
		c.goBack(a) // only an installation can be refused
	case a.pc == helm3 && c.Mutation == InstallFirst:
		a.pc = toInstall
	case a.pc == helm3:
		c.installed(s, i)
	case a.pc == helm6:
		c.removed(s, i)
	default:
		a.pc++
	}
}

// installed waits until the candidate can answer, and makes it reachable at weight 0.
func (c *Config) installed(s *state, i int) {
	a := &s.actors[i]
	if s.slots[a.rec.cand].version != a.rec.number+1 {
		c.goBack(a)
		return
	}
	c.routes(a)
}

// removed goes on after the removal of the slot that is left.
func (c *Config) removed(s *state, i int) {
	a := &s.actors[i]
	a.rec.slots[a.rec.leaves()] = entry{}
	switch {
	case c.Mutation != RemoveFirst:
		a.pc = closing
	case a.rec.back:
		c.trafficBack(a)
	default:
		c.routes(a)
	}
}

// routed goes on after a change of the route.
func (c *Config) routed(s *state, i int) {
	a := &s.actors[i]
	r := &a.rec
	switch {
	case r.back && a.side == sideSent:
		a.pc = sideWait
	case r.back && a.side == sideStale:
		a.side, a.pc = noSide, unlock
	case r.back:
		a.side = noSide
		c.isBack(a)
	case r.phase == deploy:
		if c.fails(s, r, smoke) {
			c.goBack(a)
			return
		}
		c.enter(s, i, steps)
	case r.phase == steps:
		if c.Mutation == TrustsWeight {
			r.weight = r.weights()[r.step]
		}
		last := int(r.step) == len(r.weights())-1
		switch {
		case last && !c.fails(s, r, lastStep):
			c.enter(s, i, promote)
		case !last && !c.fails(s, r, firstStep):
			r.step++
			c.routes(a)
		default:
			c.goBack(a)
		}
	case r.slots[r.prev].there && c.Mutation != RemoveFirst:
		c.removes(a)
	default:
		a.pc = closing
	}
}
