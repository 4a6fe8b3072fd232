package model

import "testing"

// without gives all remedies but one.
func without(leave func(r *Remedies)) Remedies {
	r := All
	leave(&r)
	return r
}

func TestThePromisesHoldWithTheRemedies(t *testing.T) {
	// An actor that wakes and looks at a clock which ran meanwhile needs neither of the two that concern the record.
	noRecordFence := without(func(r *Remedies) { r.Fence, r.Claim = false, false })
	for _, c := range []Config{
		{Name: "gateway", Faults: 2, Remedies: All},
		{Name: "gateway, first release", Start: First, Faults: 2, Remedies: All},
		{Name: "gateway, adopted production", Start: Adopted, Faults: 1, Remedies: All},
		{Name: "gateway, the loss of the lock is noticed at once", Prompt: true, Faults: 2, Remedies: noRecordFence},
		{Name: "nginx", Router: Nginx, Faults: 2, Remedies: All},
		{Name: "nginx, first release", Router: Nginx, Start: First, Faults: 1, Remedies: All},
		{Name: "nginx, adopted production", Router: Nginx, Start: Adopted, Faults: 1, Remedies: All},
		{Name: "a person resumes", Third: Resumer, Faults: 1, Remedies: All},
		{Name: "the next release", Third: NextRunner, Faults: 1, Remedies: All},
	} {
		t.Run(c.Name, func(t *testing.T) {
			res := Search(c)
			t.Log(res)
			if res.Broken != "" {
				t.Error(res.Story())
			}
		})
	}
}

func TestTheSearchIsTheSameEveryTime(t *testing.T) {
	c := Config{Faults: 1}
	a, b := Search(c), Search(c)
	if a.String() != b.String() || a.Story() != b.Story() {
		t.Errorf("%v, then %v", a.Story(), b.Story())
	}
}

func TestWithoutFaultsAGoodVersionIsPromotedAndABadOneTakenBack(t *testing.T) {
	for _, start := range []Start{Production, First, Adopted} {
		ends := map[string]bool{}
		c := Config{Start: start}
		var walk func(s state)
		walk = func(s state) {
			live := false
			c.moves(&s, func(m move, after *state) {
				live = live || m.kind.fair()
				walk(*after)
			})
			switch {
			case live:
			case s.bad == never && s.rec.slots[s.rec.prod].number == 1:
				ends["promoted"] = true
			case s.bad != never && s.rec.slots[blue].number != 1 && s.rec.slots[green].number != 1:
				ends["taken back"] = true
			default:
				ends[c.picture(&s)] = true
			}
		}
		walk(*c.begin())
		if len(ends) != 2 || !ends["promoted"] || !ends["taken back"] {
			t.Errorf("start %v: %v", start, ends)
		}
	}
}
