package model

import "fmt"

// trace tells how a state was reached.
func (c *Config) trace(origins []origin, n int32) []string {
	var by []move
	for ; origins[n].from >= 0; n = origins[n].from {
		by = append(by, origins[n].by)
	}
	s := c.begin()
	var lines []string
	for k := len(by) - 1; k >= 0; k-- {
		m := by[k]
		var after *state
		c.moves(s, func(is move, next *state) {
			if is == m {
				kept := *next
				after = &kept
			}
		})
		lines = append(lines, c.tell(s, after, m))
		s = after
	}
	return append(lines, "then: "+c.picture(s))
}

func (c *Config) name(i uint8) string {
	if i == third && c.Third == NextRunner {
		return "next runner"
	}
	return [...]string{"runner", "guardian", "person"}[i]
}

// tell says in words what a move did.
func (c *Config) tell(s, after *state, m move) string {
	if m.kind == turnsBad {
		return "the candidate turns out to be bad: its gates fail " + [...]string{smoke: "before it has traffic", firstStep: "at the first step",
			lastStep: "at the last step", baked: "after it has become production"}[after.bad]
	}
	if m.kind == arrivesLate {
		msg := s.bag[m.actor]
		return fmt.Sprintf("late, of the %s (fence %d): %s%s", c.name(msg.by-1), msg.fence, c.what(msg), result(s, after))
	}
	a := s.actors[m.actor]
	who := fmt.Sprintf("%s (fence %d): ", c.name(m.actor), a.fence)
	switch m.kind {
	case does, comes, sentBefore:
		if m.kind == sentBefore {
			who = fmt.Sprintf("sent before by the %s (fence %d), which is asleep: ", c.name(m.actor), a.fence)
		}
		return who + c.says(&a, m.actor) + result(s, after)
	case doesBeside:
		return who + "beside: " + c.what(c.sideMessage(&a, int(m.actor))) + result(s, after)
	case besideSent:
		return who + "sent before, beside: " + c.what(c.sideMessage(&a, int(m.actor))) + result(s, after)
	case unanswered:
		return who + "no answer in time to: " + c.says(&a, m.actor)
	case sideTimeout:
		return who + "does not wait for the save beside any longer"
	case sleeps:
		return who + "is stopped, having sent: " + c.says(&a, m.actor)
	case crashes:
		return who + "dies, having sent: " + c.says(&a, m.actor)
	default:
		return who + map[kind]string{wakes: "wakes", notices: "notices that the lock is lost", cutOff: "is cut off, and gives the lock up",
			interrupted: "is asked to go back"}[m.kind]
	}
}

// says says what request an actor makes.
func (c *Config) says(a *actor, i uint8) string {
	switch a.pc {
	case off, watch, relook:
		return "takes the lock"
	case load:
		return "reads the record"
	case helm4:
		return "helm looks for its release in " + slots[a.rec.leaves()]
	case look:
		return fmt.Sprintf("reads the route (part %d)", a.part)
	case sideWait:
		return "(waits for the record)"
	case unlock:
		return "gives the lock back"
	default:
		return c.what(c.message(a, int(i)))
	}
}

var slots = [...]string{"nowhere", "blue", "green"}

// what says what a request is about.
func (c *Config) what(m message) string {
	switch m.kind {
	case write:
		if m.remove {
			return fmt.Sprintf("deletes the route (part %d)", m.part)
		}
		return fmt.Sprintf("writes the route (part %d): %s", m.part, split(m.content))
	case helm1, helm2, helm3, helm5, helm6:
		return map[pc]string{helm1: "helm records an installation in ", helm2: "helm creates the objects in ",
			helm3: "helm records the end of the installation in ", helm5: "helm deletes the objects in ",
			helm6: "helm deletes its record in "}[m.kind] + slots[m.slot]
	case off:
		return "nothing"
	}
	return "saves the record: " + m.rec.String()
}

func split(o object) string {
	s := "nobody"
	switch {
	case o.prod != nowhere && o.cand != nowhere:
		s = fmt.Sprintf("%s, and %s at %d %%", slots[o.prod], slots[o.cand], o.weight)
	case o.prod != nowhere:
		s = slots[o.prod]
	case o.cand != nowhere:
		s = fmt.Sprintf("%s at %d %%", slots[o.cand], o.weight)
	}
	return fmt.Sprintf("%s, fence %d", s, o.fence)
}

func (r record) String() string {
	s := "closed, production " + slots[r.prod]
	if r.open {
		s = [...]string{"deploy", "steps", "promote", "bake", "cleanup"}[r.phase] + ", production " + slots[r.prod]
		if r.routed {
			s += ", routed"
		}
		if r.back {
			s += ", going back"
		}
	}
	for sl, e := range r.slots {
		switch {
		case e.leaving:
			s += ", " + slots[sl] + " leaving"
		case e.there:
			s += fmt.Sprintf(", %s of release %d", slots[sl], e.number)
		}
	}
	return s
}

// result says what came of a request at the API server.
func result(s, after *state) string {
	switch {
	case s.lease != after.lease:
		return fmt.Sprintf(" → fence %d", after.lease.fence)
	case s.rec != after.rec, s.route != after.route, s.slots != after.slots:
		return " → accepted"
	default:
		return ""
	}
}

// picture is what stands.
func (c *Config) picture(s *state) string {
	text := "record: " + s.rec.String()
	for k, p := range s.route {
		if p.there {
			text += fmt.Sprintf("; route (part %d): %s", k, split(p))
		}
	}
	for sl := blue; sl <= green; sl++ {
		if at := s.slots[sl]; at.helm != noRecord || at.version != 0 {
			text += fmt.Sprintf("; in %s: helm's record %s, objects of %s", slots[sl], [...]string{"absent", "pending", "deployed"}[at.helm],
				[...]string{"none", "before", "release 1", "release 2"}[at.version])
		}
	}
	return text
}
