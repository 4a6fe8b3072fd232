package model

// Invariant is a promise that is checked: in every state, or where nobody has anything left to do.
type Invariant struct {
	Name  string
	atEnd bool
	holds func(c *Config, s *state) bool
}

// stranded is also broken by live actors that go on for ever.
const stranded = "never stranded"

// Invariants are the promises of the release protocol.
var Invariants = []Invariant{
	{"one writer", false, oneWriter},
	{"traffic only reaches what is there", false, trafficReachesWhatIsThere},
	{stranded, true, neverStranded},
	{"only what passed is production", true, onlyWhatPassed},
	{"nothing is left over", true, nothingIsLeftOver},
	{"one holder", false, oneHolder},
}

// oneWriter: once a holder with a fence has written the route or the record, no write with a lower fence changes it again.
func oneWriter(_ *Config, s *state) bool { return !s.overruled }

// trafficReachesWhatIsThere: the route names no slot, not even for requests with the header, whose objects are not there or are
// being removed.
func trafficReachesWhatIsThere(c *Config, s *state) bool {
	for sl := blue; sl <= green; sl++ {
		if s.slots[sl].version == 0 && c.names(s, sl) {
			return false
		}
	}
	return true
}

// neverStranded: all that live come to an end of what they do, and then the release is closed, the Lease is free, and all traffic is on one
// version that is there: the one that the record calls production.
func neverStranded(c *Config, s *state) bool {
	if s.rec.open {
		return false
	}
	if h := int(s.lease.holder) - 1; h >= 0 && s.actors[h].believes && s.actors[h].life == awake {
		return false
	}
	if s.rec.prod == nowhere || c.Start == Adopted && !s.route[0].there { // nothing was released, and nothing is routed
		return c.share(s, blue) == 0 && c.share(s, green) == 0
	}
	return c.share(s, s.rec.prod) == 100 && c.share(s, s.rec.prod.other()) == 0 && s.slots[s.rec.prod].version != 0
}

// onlyWhatPassed: in the end users reach the version that the record calls production, and that is none whose gates have failed.
func onlyWhatPassed(_ *Config, s *state) bool {
	if s.rec.prod == nowhere {
		return true
	}
	number := s.rec.slots[s.rec.prod].number
	return s.slots[s.rec.prod].version == number+1 && (s.bad == never || number != 1)
}

// nothingIsLeftOver: in the end each slot holds what the record says, and nothing where it says nothing. Helm's own record may say
// that an installation is pending: the next operation unlocks it.
func nothingIsLeftOver(_ *Config, s *state) bool {
	for sl := blue; sl <= green; sl++ {
		e, at := s.rec.slots[sl], s.slots[sl]
		switch {
		case !e.there && (at.helm != noRecord || at.version != 0), e.there && !e.leaving && (at.helm == noRecord || at.version != e.number+1):
			return false
		}
	}
	return true
}

// oneHolder: two processes never both believe that they hold the Lease and both have written, unless one was asleep while the
// other took it; what that one still writes is refused by one writer.
func oneHolder(_ *Config, s *state) bool {
	holders := 0
	for i := range s.actors {
		if a := &s.actors[i]; a.life == awake && a.believes && a.wrote && !a.overslept {
			holders++
		}
	}
	return holders < 2
}
