package model

import "testing"

func TestEachMutationIsFound(t *testing.T) {
	for _, test := range []struct {
		name     string
		mutation Mutation
		faults   uint8
		broken   string
	}{
		{"the route is written without the fence check", NoRouteFence, 1, "one writer"},
		{"the route is written without its resourceVersion", NoRouteVersion, 1, "one writer"},
		{"the record is saved without its resourceVersion", NoRecordVersion, 1, "one writer"},
		{"the intent to route is saved after the write", IntentAfter, 1, "traffic only reaches what is there"},
		{"the intent to install is saved after the installation", InstallFirst, 1, "nothing is left over"},
		{"the lock is taken without waiting until it has expired", NoWait, 0, "one holder"},
		{"taking the lock does not raise its fence", SameFence, 1, "traffic only reaches what is there"},
		{"going back trusts the record's weight and skips the route", TrustsWeight, 0, "traffic only reaches what is there"},
		{"a slot is removed before the route names only the other", RemoveFirst, 0, "traffic only reaches what is there"},
		{"a slot that is leaving is gone back to", ForgetsLeaving, 1, "traffic only reaches what is there"},
		{"the guardian is not begun again when it has died", NotRestarted, 2, "never stranded"},
		{"the guardian closes the release without taking it back", NotTakenBack, 1, "never stranded"},
		{"a save that was refused is made again without reading the record", Stubborn, 1, "never stranded"},
		{"a failed gate of the bake is not heard", DeafBake, 0, "only what passed is production"},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := Config{Faults: test.faults, Remedies: All, Mutation: test.mutation}
			res := Search(c, test.broken)
			if res.Broken != test.broken {
				t.Fatalf("not found: %v", res)
			}
			if len(res.Trace) == 0 {
				t.Error("no counterexample")
			}
			t.Log(res.Story())
			if test.faults == 2 { // without the mutation it holds: see TestThePromisesHoldWithTheRemedies
				return
			}
			c.Mutation = Unmutated
			if res := Search(c, test.broken); res.Broken != "" {
				t.Error("it is the same without the mutation: " + res.Story())
			}
		})
	}
}
