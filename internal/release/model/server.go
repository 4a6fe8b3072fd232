package model

// What the API server does with a request. Each function answers whether it was accepted.

// save writes the record; fresh says that it carries the resourceVersion that is there.
func (c *Config) save(s *state, content record, fence uint8, fresh bool) bool {
	if !fresh && c.Mutation != NoRecordVersion {
		return false
	}
	for sl := blue; sl <= green; sl++ { // the object to hang on is made beside the intent to install, under a name that nobody else has
		if e := content.slots[sl]; c.Anchor && e.there && !e.leaving && !s.rec.slots[sl].there {
			s.slots[sl].owner = e.number + 1
		}
	}
	s.overruled = s.overruled || fence < s.recFence
	s.rec, s.recFence = content, max(s.recFence, fence)
	for i := range s.actors {
		s.actors[i].fresh = false
	}
	for i := range s.bag {
		s.bag[i].fresh = false
	}
	return true
}

// apply writes a part of the route, or removes it.
func (c *Config) apply(s *state, m message) bool {
	p := &s.route[m.part]
	switch {
	case m.remove && !p.there:
		return true
	case !m.found && p.there && c.Create:
		return false
	case m.found && (!p.there || !m.same) && c.Mutation != NoRouteVersion:
		return false
	}
	s.overruled = s.overruled || m.fence < s.routeFence[m.part]
	s.routeFence[m.part] = max(s.routeFence[m.part], m.fence)
	*p = m.content
	for i := range s.actors {
		if a := &s.actors[i]; a.pc == write && a.part == m.part {
			a.same = false
		}
	}
	for i := range s.bag {
		if b := &s.bag[i]; b.kind == write && b.part == m.part {
			b.same = false
		}
	}
	return true
}

// helm does one of the requests that a Helm operation is made of. They carry no fence.
func (c *Config) helm(s *state, m message) bool {
	at := &s.slots[m.slot]
	if c.Mutation == InstallFirst && m.kind == helm1 {
		at.owner = m.version
	}
	if c.Anchor {
		return anchored(at, m)
	}
	switch m.kind {
	case helm1:
		at.helm = pending
	case helm2:
		at.version = m.version
	case helm3:
		if at.helm == noRecord {
			return false
		}
		at.helm = deployed
	case helm5:
		at.version = 0
	case helm6:
		at.helm = noRecord
	}
	return true
}

// anchored is helm where all that it makes hangs on an object of its release. That one is removed first: what is made after it is
// collected, and what a later release has made is not found by its UID.
func anchored(at *installed, m message) bool {
	ours := at.owner == m.version
	switch {
	case m.kind == helm1 && ours:
		at.helm = pending
	case m.kind == helm2 && ours:
		at.version = m.version
	case m.kind == helm3 && ours && at.helm != noRecord:
		at.helm = deployed
	case m.kind == helm5 && ours:
		at.owner, at.version = 0, 0
	case m.kind == helm6 && at.owner == 0:
		at.helm = noRecord
	default:
		return m.kind == helm5 || m.kind == helm6
	}
	return true
}

// deliver does a request whose sender does not wait for the answer.
func (c *Config) deliver(s *state, m message) bool {
	switch m.kind {
	case write:
		return c.apply(s, m)
	case helm1, helm2, helm3, helm5, helm6:
		return c.helm(s, m)
	default:
		return c.save(s, m.rec, m.fence, m.fresh)
	}
}

// share is what a slot gets of the traffic without the header, in percent.
func (c *Config) share(s *state, of slot) uint8 {
	main, canary := s.route[0], s.route[1]
	split := main
	if c.Router == Nginx && canary.there && canary.cand != nowhere {
		split = object{there: main.there, prod: main.prod, cand: canary.cand, weight: canary.weight}
	}
	var share uint8
	if split.there && split.prod == of {
		share += 100 - split.weight
	}
	if split.there && split.cand == of {
		share += split.weight
	}
	return share
}

// names says whether the route names a slot, if only for requests with the header.
func (c *Config) names(s *state, of slot) bool {
	for _, p := range s.route {
		if p.there && (p.prod == of || p.cand == of) {
			return true
		}
	}
	return false
}
