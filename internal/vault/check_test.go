package vault

import (
	"fmt"
	"testing"
	"time"
)

func TestACheckFindsWhatAReleaseWouldLack(t *testing.T) {
	now := time.Date(2026, 3, 4, 0, 0, 0, 0, time.UTC)
	listed := []Info{
		{Name: "redis-host", Enabled: true},
		{Name: "off"},
		{Name: "over", Enabled: true, Expires: now},
		{Name: "soon", Enabled: true, Expires: now.AddDate(0, 0, 3)},
		{Name: "z-unused", Enabled: true},
		{Name: "a-unused", Enabled: true},
	}
	used := []Ref{{Name: "REDIS-HOST"}, {Name: "redis-host"}, {Name: "redis-hots"}, {Name: "off"}, {Name: "over"}, {Name: "soon"}, {Name: "bad_name"}}
	f := Check(used, listed, now)
	var problems []string
	for _, p := range f.Problems {
		problems = append(problems, p.Ref.Name+" "+string(p.Reason))
	}
	if got, want := fmt.Sprint(problems), "[bad_name bad name redis-hots missing off disabled over expired]"; got != want {
		t.Errorf("problems %s, want %s", got, want)
	}
	if got := fmt.Sprint(f.Expiring); got != "[the variable soon expires on 2026-03-07, in 3 days: set a new value before]" {
		t.Errorf("expiring %s", got)
	}
	if got := fmt.Sprint(f.Unused); got != "[a-unused z-unused]" {
		t.Errorf("unused %s", got)
	}
}

func TestTwoStoresAreComparedByName(t *testing.T) {
	a := []Info{{Name: "both"}, {Name: "z"}, {Name: "a"}}
	b := []Info{{Name: "BOTH"}, {Name: "b"}}
	onlyA, onlyB := Compare(a, b)
	if fmt.Sprint(onlyA, onlyB) != "[a z] [b]" {
		t.Errorf("got %v %v", onlyA, onlyB)
	}
}
