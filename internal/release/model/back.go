package model

// goBack takes the release back: traffic first, and the record beside it.
func (c *Config) goBack(a *actor) {
	r := &a.rec
	r.back = true
	if r.slots[r.cand].there && r.slots[r.cand].number == r.number {
		r.slots[r.cand].leaving = true
		if c.Mutation == RemoveFirst {
			a.pc = toRemove
			return
		}
	}
	c.trafficBack(a)
}

// trafficBack brings all traffic to the previous version, if a route may have named the candidate.
func (c *Config) trafficBack(a *actor) {
	if !a.rec.routed || c.Mutation == TrustsWeight && a.rec.weight == 0 {
		c.isBack(a)
		return
	}
	a.side = sideSent
	c.writes(a)
}

// isBack goes on once the traffic is back: the candidate is removed, and the release closed.
func (c *Config) isBack(a *actor) {
	r := &a.rec
	r.prod, r.weight = r.prev, 0
	if a.pc = closing; r.slots[r.cand].leaving {
		a.pc = toRemove
	}
}
