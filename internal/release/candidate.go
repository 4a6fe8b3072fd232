package release

// Candidate is the slot, and the Helm release in it, that a release of p would install into.
func Candidate(p Plan, rec *Record) Deployment {
	slot := "blue"
	switch {
	case p.InPlace() && rec.Production != "":
		slot = rec.Production
	case rec.Production != "":
		slot = other(rec.Production)
	}
	if !p.InPlace() {
		return Deployment{Release: p.Service + "-" + slot, Slot: slot}
	}
	if s, ok := rec.Slots[slot]; ok {
		return Deployment{Release: s.HelmRelease, Slot: slot}
	}
	return Deployment{Release: p.Service, Slot: slot}
}
