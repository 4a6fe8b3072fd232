package release

import (
	"slices"
	"testing"
)

func TestTheRecordNamesTheVariablesOfWhatRuns(t *testing.T) {
	inBubble(t, []scenario{{"canary", "production", ""}, {"rolling", "production", ""}}, func(t *testing.T, s scenario) {
		w := s.world(t)
		p := s.plan("v2")
		p.Variables = []Variable{{Name: "redis-access", Version: "0123"}}
		if err := w.process("v2").Release(t.Context(), p, Until{}); err != nil {
			t.Fatal(err)
		}
		rec := w.record()
		if got := rec.Slots[rec.Production].Variables; !slices.Equal(got, p.Variables) {
			t.Errorf("the record names %v of what runs, want %v", got, p.Variables)
		}
	})
}
