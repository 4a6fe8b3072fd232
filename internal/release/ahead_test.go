package release

import "testing"

func TestWhatComesNextIsKnownFromTheRecordAlone(t *testing.T) {
	canary := Plan{Strategy: "canary", Version: "v2", Steps: []int{5, 25, 100}}
	slots := map[string]Slot{"blue": {HelmRelease: "svc-blue"}, "green": {HelmRelease: "svc-green"}}
	for _, c := range []struct {
		name, want string
		open       *Journal
	}{
		{"none open", "", nil},
		{"just opened", "installing the candidate at weight 0", &Journal{Plan: canary, Phase: PhaseDeploy}},
		{"deployed", "asking the smoke gates before any traffic", &Journal{Plan: canary, Phase: PhaseDeploy, Done: true}},
		{"smoke passed", "step 1 of 3: 5 % of the traffic to the candidate", &Journal{Plan: canary, Phase: PhaseSmoke, Done: true, Routed: true}},
		{"in a step", "the gates of step 2 of 3, at 25 %", &Journal{Plan: canary, Phase: PhaseSteps, Step: 1, Weight: 25, Routed: true}},
		{"between steps", "step 2 of 3: 25 % of the traffic to the candidate", &Journal{Plan: canary, Phase: PhaseSteps, Step: 1, Weight: 5, Routed: true}},
		{"all steps passed", "the candidate becomes production", &Journal{Plan: canary, Phase: PhaseSteps, Step: 3, Done: true, Routed: true}},
		{"baking", "keeping the old slot warm, gates still asked", &Journal{Plan: canary, Phase: PhaseBake, Routed: true}},
		{"held", "ask the gates again at the same weight", &Journal{Plan: canary, Phase: PhaseSteps, Step: 1, Held: "gate failures: no evidence"}},
		{"going back", "take it back: all traffic to production in slot blue, then remove the candidate",
			&Journal{Plan: canary, Phase: PhaseSteps, Back: "gate failures failed", Routed: true, Previous: "blue", Candidate: "green"}},
		{"going back before any traffic", "take it back: no traffic has moved; remove the candidate",
			&Journal{Plan: canary, Phase: PhaseDeploy, Back: "x", Previous: "blue", Candidate: "green"}},
		{"a first release", "take it back: remove the route, then the candidate", &Journal{Plan: canary, Phase: PhaseSteps, Back: "x", Routed: true, Candidate: "blue"}},
		{"in place", "take it back: helm rollback to revision 4",
			&Journal{Plan: Plan{Strategy: "rolling"}, Phase: PhaseSteps, Back: "x", Previous: "blue", Candidate: "blue", HelmBefore: 4}},
		{"the old slot is gone", "take it back: the version before is gone, so its clean-up is finished instead",
			&Journal{Plan: canary, Phase: PhaseCleanup, Back: "x", Previous: "none", Candidate: "green"}},
		{"to the kept slot", "move all traffic to slot blue (version v2)", &Journal{Plan: canary, Return: returnSlot, Back: "asked for", Candidate: "blue"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := Record{Slots: slots, Open: c.open}
			if got := r.Ahead(); got != c.want {
				t.Errorf("got  %q\nwant %q", got, c.want)
			}
		})
	}
}
