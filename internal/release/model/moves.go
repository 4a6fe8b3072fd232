package model

// move is one step of the whole: who does what.
type move struct {
	kind  kind
	actor uint8 // or the index of the message
}

type kind uint8

const (
	does       kind = iota // an actor's request is made, and it goes on with the answer
	doesBeside             // likewise the save beside
	wakes
	notices // that the Lease is another's
	// What follows is not in anybody's hands.
	comes       // a person, or the next runner
	sentBefore  // a request of an actor that is asleep arrives
	besideSent  // likewise the save beside
	arrivesLate // a request whose sender has gone arrives
	turnsBad    // the gates that are asked next will fail
	// What follows counts as a fault.
	sleeps
	crashes
	cutOff      // an actor cannot renew the Lease, and gives it up
	unanswered  // a request has no answer in time, and may arrive yet
	sideTimeout // likewise the save beside
	interrupted // the runner is asked to go back: Ctrl-C, or `slipway rollback` elsewhere
)

// fair says that a move is one of a live actor, and so happens sooner or later if it stays possible.
func (k kind) fair() bool { return k <= notices }

// moves calls yield with each move that is possible and the state after it, which is yield's until it returns.
func (c *Config) moves(s *state, yield func(move, *state)) {
	var n state
	try := func(k kind, i int, change func(n *state)) {
		n = *s
		change(&n)
		if k >= sleeps {
			n.faults--
		}
		c.sweep(&n)
		yield(move{k, uint8(i)}, &n)
	}
	for i := range s.actors {
		a := &s.actors[i]
		switch {
		case i == third && c.Third == Nobody, a.life == dead, a.life == ended:
		case a.life == asleep:
			if a.late&request != 0 {
				try(sentBefore, i, func(n *state) { n.actors[i].late &^= request; c.answer(n, i) })
			}
			if a.late&beside != 0 {
				try(besideSent, i, func(n *state) { n.actors[i].late &^= beside; c.sideAnswer(n, i) })
			}
			try(wakes, i, func(n *state) {
				if a.overslept && c.Prompt {
					c.lose(n, i)
					return
				}
				n.actors[i].life, n.actors[i].late = awake, 0
			})
		default:
			c.awake(s, i, try)
		}
		if at := c.asks(a); at > s.passed && s.bad == never {
			try(turnsBad, i, func(n *state) { n.bad = at })
		}
		if s.faults > 0 && a.pc != off && a.pc != watch && a.life != dead && a.life != ended {
			try(crashes, i, func(n *state) { c.crash(n, i) })
		}
	}
	for k := range s.bag {
		if s.bag[k].kind != off {
			try(arrivesLate, k, func(n *state) {
				m := n.bag[k]
				copy(n.bag[k:], n.bag[k+1:])
				n.bag[len(n.bag)-1] = message{}
				c.deliver(n, m)
			})
		}
	}
}

// awake are the moves of an actor that is awake.
func (c *Config) awake(s *state, i int, try func(kind, int, func(*state))) {
	a := &s.actors[i]
	mine := s.lease == lease{uint8(i + 1), a.fence}
	if a.believes && !mine {
		try(notices, i, func(n *state) { c.lose(n, i) })
	}
	switch {
	case a.pc == sideWait:
	case a.pc == watch:
		if s.rec.open && c.free(s, i) {
			try(does, i, func(n *state) { c.answer(n, i) })
		}
	case a.pc == off && i == third:
		if c.free(s, i) && (s.rec.open == (c.Third == Resumer)) && s.rec.number > 0 {
			try(comes, i, func(n *state) { c.answer(n, i) })
		}
	default:
		try(does, i, func(n *state) { c.answer(n, i) })
	}
	if a.side == sideSent {
		try(doesBeside, i, func(n *state) { c.sideAnswer(n, i) })
	}
	if s.faults == 0 || !a.believes {
		return
	}
	try(sleeps, i, func(n *state) { c.sleep(n, i) })
	if mine {
		try(cutOff, i, func(n *state) { c.lose(n, i) })
	}
	if c.message(a, i).kind != off && a.pc != look || a.pc == unlock {
		try(unanswered, i, func(n *state) { c.unanswered(n, i) })
	}
	if a.side == sideSent {
		try(sideTimeout, i, func(n *state) { c.sideUnanswered(n, i) })
	}
	if i == runner && a.pc >= toInstall && a.pc <= baking && a.pc != sideWait && !a.rec.back && a.rec.phase != cleanup {
		try(interrupted, i, func(n *state) {
			a := &n.actors[i]
			c.leave(n, c.message(a, i))
			a.found, a.same, a.part = false, false, 0
			c.goBack(a)
		})
	}
}

// sleep stops an actor; what it has sent may arrive meanwhile, what it would send after does not.
func (c *Config) sleep(s *state, i int) {
	a := &s.actors[i]
	a.life = asleep
	if a.pc != sideWait {
		a.late |= request
	}
	if a.side == sideSent {
		a.late |= beside
	}
}

// abandon leaves an actor's requests in the network.
func (c *Config) abandon(s *state, i int) {
	a := &s.actors[i]
	if a.life == awake || a.late&request != 0 {
		c.leave(s, c.message(a, i))
	}
	if a.side == sideSent && (a.life == awake || a.late&beside != 0) {
		c.leave(s, c.sideMessage(a, i))
	}
}

// crash is the end of an actor; the guardian's Job begins it again, without memory.
func (c *Config) crash(s *state, i int) {
	c.abandon(s, i)
	if s.actors[i] = (actor{life: dead, pc: over}); i == guardian && c.Mutation != NotRestarted {
		s.actors[i] = actor{pc: watch}
	}
}

// lose is what an actor does once it knows that it has lost the Lease, or can no longer prove that it has it: nothing more,
// but to look whether the Lease is free. The guardian watches again, which is the same.
func (c *Config) lose(s *state, i int) {
	c.abandon(s, i)
	a := &s.actors[i]
	lost := a.fence
	if a.lost != 0 {
		lost = a.lost
	}
	*a = actor{pc: relook, lost: lost}
	if i == guardian {
		*a = actor{pc: watch}
	}
}

// unanswered is a request without an answer.
func (c *Config) unanswered(s *state, i int) {
	a := &s.actors[i]
	c.leave(s, c.message(a, i))
	a.found, a.same = false, false
	r := &a.rec
	switch a.pc {
	case unlock:
		c.end(s, i)
	case claim, closing: // again
	case opening:
		a.pc = closing
	case write:
		switch {
		case r.back:
			c.writes(a)
		case r.phase == cleanup:
			c.forward(s, i)
		default:
			a.part = 0
			c.goBack(a)
		}
	default:
		switch {
		case r.back && (a.pc == helm5 || a.pc == helm6 || a.pc == toRemove):
			a.pc = toRemove
		case r.phase == cleanup:
			c.forward(s, i)
		default:
			c.goBack(a)
		}
	}
}

// sideUnanswered is a save beside that has no answer: it is not waited for.
func (c *Config) sideUnanswered(s *state, i int) {
	a := &s.actors[i]
	c.leave(s, c.sideMessage(a, i))
	a.side = sideSaved
	if a.pc == sideWait {
		c.routed(s, i)
	}
}
