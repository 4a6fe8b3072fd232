package release

import "fmt"

// Ahead says what comes next in the open release, whoever does it: the process that holds the lock, or one that takes it over.
// It is "" if none is open.
func (r *Record) Ahead() string {
	j := r.Open
	switch {
	case j == nil:
		return ""
	case j.Return == returnHelm:
		return "bring the Helm release back to the revision of version " + j.Plan.Version
	case j.Return != "":
		return fmt.Sprintf("move all traffic to slot %s (version %s)", j.Candidate, j.Plan.Version)
	case j.Back != "" || j.Stuck != "":
		return "take it back: " + r.wayOf(j)
	case j.Held != "":
		return "ask the gates again at the same weight"
	}
	i := position(j.Phase)
	if j.Done && i+1 < len(protocol) {
		i++
	}
	if protocol[i].name == PhaseSteps && j.Step < len(j.Plan.Steps) {
		weight := j.Plan.Steps[j.Step]
		if j.Routed && j.Weight == weight {
			return fmt.Sprintf("the gates of step %d of %d, at %d %%", j.Step+1, len(j.Plan.Steps), weight)
		}
		return fmt.Sprintf("step %d of %d: %d %% of the traffic to the candidate", j.Step+1, len(j.Plan.Steps), weight)
	}
	return protocol[i].title
}

// wayOf is the way back in words.
func (r *Record) wayOf(j *Journal) string {
	switch {
	case !wayBack(r):
		return "the version before is gone, so its clean-up is finished instead"
	case j.Plan.InPlace() && j.Previous != "":
		return fmt.Sprintf("helm rollback to revision %d", j.HelmBefore)
	case !j.Routed:
		return "no traffic has moved; remove the candidate"
	case j.Previous == "":
		return "remove the route, then the candidate"
	}
	return fmt.Sprintf("all traffic to production in slot %s, then remove the candidate", j.Previous)
}
