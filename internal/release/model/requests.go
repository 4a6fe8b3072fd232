package model

// writes begins the writing of the route.
func (c *Config) writes(a *actor) { a.part, a.pc = c.parts(&a.rec)[0], look }

// looked reads a part of the route: whether a later holder has written it, and whether it is there.
func (c *Config) looked(s *state, i int) {
	a := &s.actors[i]
	p := s.route[a.part]
	switch {
	case p.there && p.fence > a.fence && c.Mutation != NoRouteFence:
		if a.side == sideSent { // its answer is waited for a while, and changes nothing
			c.leave(s, c.sideMessage(a, i))
		}
		a.side, a.pc = noSide, unlock
	case !p.there && c.message(a, i).remove:
		c.nextPart(s, i)
	default:
		a.pc, a.found, a.same = write, p.there, p.there
	}
}

// nextPart goes on with the next part of the route, or with what follows the route.
func (c *Config) nextPart(s *state, i int) {
	a := &s.actors[i]
	a.found, a.same = false, false
	parts := c.parts(&a.rec)
	if last := parts[len(parts)-1]; a.part != last {
		a.part, a.pc = last, look
		return
	}
	a.part = 0
	if c.Mutation == IntentAfter && !a.rec.back {
		a.pc = toRoute
		return
	}
	c.routed(s, i)
}

// content is what an actor writes as a part of the route; remove says that the part is to be deleted.
func (c *Config) content(a *actor) (o object, remove bool) {
	r := &a.rec
	split := object{there: true, fence: a.fence}
	switch {
	case r.back:
		split.prod = r.prev
	case r.phase == cleanup:
		split.prod = r.cand
	default:
		split.prod, split.cand = r.prev, r.cand
		if r.phase == steps {
			split.weight = r.weights()[r.step]
		}
	}
	o = split
	if c.Router == Nginx && a.part == 0 {
		if o.cand, o.weight = nowhere, 0; o.prod == nowhere { // a canary Ingress alone serves nobody
			o.prod = split.cand
		}
	}
	if c.Router == Nginx && a.part == 1 {
		if o.prod = nowhere; split.prod == nowhere {
			o.cand, o.weight = nowhere, 0
		}
	}
	if o.prod != nowhere || o.cand != nowhere || c.Keep {
		return o, false
	}
	return object{}, true
}

// parts of the route in the order in which they are written.
func (c *Config) parts(r *record) []uint8 {
	switch {
	case c.Router == Gateway:
		return []uint8{0}
	case r.back && r.prev == nowhere: // the route is removed
		return []uint8{1, 0}
	default:
		return []uint8{0, 1}
	}
}

// message is the request that an actor has made, as far as the network may deliver it after the actor has gone. Reading and
// what concerns the Lease changes nothing that late.
func (c *Config) message(a *actor, i int) message {
	m := message{kind: a.pc, by: uint8(i + 1), fence: a.fence}
	switch a.pc {
	case write, look:
		m.part, m.found, m.same = a.part, a.found, a.same
		m.content, m.remove = c.content(a)
	case helm1, helm2, helm3:
		m.slot, m.version = a.rec.cand, a.rec.number+1
	case helm5, helm6:
		m.slot = a.rec.leaves()
		m.version = a.rec.slots[m.slot].number + 1
	case claim, opening, toInstall, toRoute, promoting, baking, toRemove, closing:
		m.rec, m.fresh = saves(a.rec, a.pc), a.fresh
	default:
		return message{}
	}
	return m
}

// sideMessage is the save beside the first change of going back.
func (c *Config) sideMessage(a *actor, i int) message {
	return message{kind: sideWait, by: uint8(i + 1), fence: a.fence, rec: saves(a.rec, sideWait), fresh: a.fresh}
}

// saves is the record as it is saved by a request.
func saves(r record, by pc) record {
	if by != closing {
		return r
	}
	return record{holder: r.holder, fence: r.fence, number: r.number, prod: r.prod, slots: r.slots}
}

// saveAnswer makes a save. One that is refused because an earlier one of the same holder, whose answer was lost, had arrived is
// made again.
func (c *Config) saveAnswer(s *state, i int, by pc) side {
	a := &s.actors[i]
	content := saves(a.rec, by)
	if c.save(s, content, a.fence, a.fresh) {
		a.fresh, a.wrote = true, true
		return sideSaved
	}
	own := s.rec.holder == a.rec.holder && s.rec.fence == a.rec.fence && s.rec.number == a.rec.number
	switch {
	case own && s.rec.open:
		a.fresh = true
		return sideSent
	case own && by == closing:
		return sideSaved
	default:
		return sideStale
	}
}

// sideAnswer makes the save beside the first change of going back.
func (c *Config) sideAnswer(s *state, i int) {
	a := &s.actors[i]
	got := c.saveAnswer(s, i, sideWait)
	if a.side = got; a.pc == sideWait && got != sideSent {
		c.routed(s, i)
	}
}

// leave leaves a request in the network. At most two outlive their senders; of more, none is delivered.
func (c *Config) leave(s *state, m message) {
	if m.kind == off || m.kind == look {
		return
	}
	for k := range s.bag {
		if s.bag[k].kind == off {
			s.bag[k] = m
			return
		}
	}
}
