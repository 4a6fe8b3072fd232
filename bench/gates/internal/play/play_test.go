package play_test

import (
	"testing"

	"github.com/slipway-cd/slipway/bench/gates/internal/play"
	"github.com/slipway-cd/slipway/bench/gates/internal/sim"
)

// A short form of what `make bench-gates` shows with many runs.
func TestTheJudgeKeepsItsPromises(t *testing.T) {
	const runs = 100
	row := func(s sim.Scenario, questions ...play.Question) []play.Result {
		t.Helper()
		r, err := play.Row(t.Context(), s, []play.Columns{play.Slipway(play.Config(), questions...)}, runs, 42)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	for _, i := range []int{2, 8} { // A/A at 1 %, lasting pod bias
		s := sim.Nulls()[i]
		if r := row(s, play.RollsBack)[0]; r.Share() > 0.03 { // more than 3 of 100 at 1 % are one in 50
			t.Errorf("%s: %v of good candidates are rolled back", s.Name, r.Share())
		}
	}
	for i, within := range map[int]float64{0: 110, 1: 280, 2: 60, 3: 90, 4: 90, 5: 50, 6: 180, 7: 90} {
		s := sim.Effects()[i]
		r := row(s, play.Stops, play.RollsBack)
		if stops, back := r[0].After(0.5), r[1].After(0.5); stops > within || back > 1.5*within {
			t.Errorf("%s: the median stop is after %v s, the rollback after %v s; wanted within %v s", s.Name, stops, back, within)
		}
	}
	if s := sim.Passes()[1]; row(s, play.Promotes)[0].After(0.5) > 300 {
		t.Errorf("%s: the median pass is after more than 300 s", s.Name)
	}
}

func TestTheSameSeedGivesTheSameFigures(t *testing.T) {
	s := sim.Effects()[2]
	columns := []play.Columns{play.Slipway(play.Config(), play.Stops, play.RollsBack)}
	one, err := play.Row(t.Context(), s, columns, 20, 1)
	if err != nil {
		t.Fatal(err)
	}
	other, err := play.Row(t.Context(), s, columns, 20, 1)
	if err != nil {
		t.Fatal(err)
	}
	for i := range one {
		for n := range one[i].Runs {
			if one[i].Runs[n] != other[i].Runs[n] {
				t.Fatalf("%s, run %d: %+v and %+v", one[i].Name, n, one[i].Runs[n], other[i].Runs[n])
			}
		}
	}
}
