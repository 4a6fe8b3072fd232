package evidence

import (
	"reflect"
	"testing"
	"time"
)

var (
	noon = time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC)
	blue = Key{RequestsFailed, "blue", "b1"}
)

func count(trials, events int64) Count {
	return Count{trials, events, float64(trials), float64(events)}
}

type totals = map[time.Time]map[Key]Count

func TestAnIntervalIsClosedOnlyWhenItIsComplete(t *testing.T) {
	l := Ledger{Length: 10 * time.Second}
	all := totals{noon: {blue: count(5, 1)}, noon.Add(10 * time.Second): {blue: count(3, 0)}}
	if got := l.Close(all, noon.Add(9*time.Second)); len(got) != 0 {
		t.Errorf("closed %+v before its end", got)
	}
	want := []Batch{{From: noon, To: noon.Add(10 * time.Second), Cells: []Cell{{blue, count(5, 1)}}}}
	if got := l.Close(all, noon.Add(19*time.Second)); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v", got)
	}
}

func TestNothingIsCountedTwice(t *testing.T) {
	l := Ledger{Length: 10 * time.Second}
	all := totals{noon: {blue: count(5, 1)}}
	l.Close(all, noon.Add(time.Minute))
	if got := l.Close(all, noon.Add(time.Minute)); len(got) != 0 {
		t.Errorf("%+v", got)
	}
}

func TestWhatComesLateMakesABatchOfItsOwn(t *testing.T) {
	l := Ledger{Length: 10 * time.Second}
	l.Close(totals{noon: {blue: count(5, 1)}}, noon.Add(time.Minute))
	got := l.Close(totals{noon: {blue: count(7, 2)}}, noon.Add(time.Minute))
	if len(got) != 1 || !got[0].Late || got[0].Cells[0].Count != count(2, 1) {
		t.Errorf("%+v", got)
	}
}

func TestALateEventOfACountedTrialIsATrialToo(t *testing.T) {
	l := Ledger{Length: 10 * time.Second}
	l.Close(totals{noon: {blue: count(5, 1)}}, noon.Add(time.Minute))
	got := l.Close(totals{noon: {blue: count(5, 3)}}, noon.Add(time.Minute))
	if len(got) != 1 || got[0].Cells[0].Count != count(2, 2) {
		t.Errorf("%+v", got)
	}
}

func TestATotalThatShrinksTakesNothingBack(t *testing.T) {
	l := Ledger{Length: 10 * time.Second}
	l.Close(totals{noon: {blue: count(5, 1)}}, noon.Add(time.Minute))
	if got := l.Close(totals{noon: {blue: count(4, 0)}}, noon.Add(time.Minute)); len(got) != 0 {
		t.Errorf("%+v", got)
	}
	if got := l.Close(totals{noon: {blue: count(6, 1)}}, noon.Add(time.Minute)); len(got) != 1 || got[0].Cells[0].Trials != 1 {
		t.Errorf("%+v", got)
	}
}

func TestBatchesComeInTimeOrder(t *testing.T) {
	l, all := Ledger{Length: time.Second}, totals{}
	for i := range 50 {
		all[noon.Add(time.Duration(i)*time.Second)] = map[Key]Count{blue: count(1, 0)}
	}
	got := l.Close(all, noon.Add(time.Hour))
	for i := 1; i < len(got); i++ {
		if !got[i-1].From.Before(got[i].From) {
			t.Fatalf("%v before %v", got[i-1].From, got[i].From)
		}
	}
	if len(got) != 50 {
		t.Errorf("%d batches", len(got))
	}
}
