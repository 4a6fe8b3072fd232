package model

// sweep drops requests that would be refused whenever they arrived: what they carry is not there any more, and will not be again.
func (c *Config) sweep(s *state) {
	k := 0
	for _, m := range s.bag {
		var refused bool
		switch m.kind {
		case off:
			continue
		case write:
			refused = m.found && !m.same && c.Mutation != NoRouteVersion || !m.found && s.route[m.part].there && c.Create && c.Keep
		case helm1, helm2, helm3, helm5:
			refused = c.Anchor && s.slots[m.slot].owner != m.version && c.Mutation != InstallFirst
		case helm6:
		default:
			refused = !m.fresh && c.Mutation != NoRecordVersion
		}
		if !refused {
			s.bag[k] = m
			k++
		}
	}
	for ; k < len(s.bag); k++ {
		s.bag[k] = message{}
	}
}

// renumber gives the fences the lowest numbers that keep their order: nothing else about them matters to anybody.
func (s *state) renumber() {
	var buf [40]*uint8
	all := append(buf[:0], &s.lease.fence, &s.rec.fence, &s.recFence, &s.routeFence[0], &s.routeFence[1], &s.route[0].fence, &s.route[1].fence)
	for i := range s.actors {
		a := &s.actors[i]
		all = append(all, &a.fence, &a.lost, &a.rec.fence)
	}
	for i := range s.bag {
		m := &s.bag[i]
		all = append(all, &m.fence, &m.rec.fence, &m.content.fence)
	}
	var used [16]bool
	for _, f := range all {
		used[*f] = true
	}
	var to [16]uint8
	next := uint8(1)
	for n := 1; n < len(used); n++ {
		if used[n] {
			to[n] = next
			next++
		}
	}
	for _, f := range all {
		*f = to[*f]
	}
}
