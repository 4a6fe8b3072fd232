package release

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/slipway-cd/slipway/internal/gate"
	"github.com/slipway-cd/slipway/internal/traffic"
)

// scenario is a world in which v2 is about to be released.
type scenario struct {
	strategy string // rolling, blue-green, canary
	start    string // first, production, adopted, kept, leftover
	bad      string // phase in which a gate fails v2; "" for none, "ready" when its pods never get ready
}

func (s scenario) String() string {
	name := s.strategy + "/" + s.start
	if s.bad != "" {
		name += "/bad at " + s.bad
	}
	return name
}

func (s scenario) plan(version string) Plan {
	p := Plan{
		Service: "svc", Environment: "prod", Namespace: "ns", Host: "h", Endpoint: "http://gw", Bundle: version, Version: version,
		Strategy: s.strategy, Router: "gateway", Steps: []int{100}, Deadline: time.Minute, Ready: 20 * time.Second,
	}
	if s.strategy == "canary" {
		p.Steps = []int{5, 50, 100}
	}
	if s.strategy != "rolling" {
		p.Bake, p.Keep = time.Minute, s.start == "kept"
	}
	return p
}

// prepared has the world in which each scenario begins, made once: thousands of runs start from it.
var prepared sync.Map

// world of the scenario, v2 not yet begun.
func (s scenario) world(t *testing.T) *world {
	t.Helper()
	from, ok := prepared.Load(s)
	if !ok {
		from = s.prepare(t)
		prepared.Store(s, from)
	}
	p, w := from.(*world), newWorld()
	w.fence, w.epoch, w.route, w.version, w.lockFence = p.fence, p.epoch, p.route, p.version, p.lockFence
	w.unready, w.stored, w.gates = maps.Clone(p.unready), p.stored, p.gates
	for name, revisions := range p.helm {
		w.helm[name] = slices.Clone(revisions)
	}
	w.before, w.reached = string(w.stored), s.previous()
	return w
}

func (s scenario) prepare(t *testing.T) *world {
	t.Helper()
	w := newWorld()
	must := func(err error) {
		if err != nil {
			t.Fatalf("preparing %s: %v", s, err)
		}
	}
	switch s.start {
	case "adopted":
		w.helm["svc"] = []string{"v1"}
	case "production":
		must(w.process("v1").Release(t.Context(), s.plan("v1"), Until{}))
	case "kept":
		must(w.process("v0").Release(t.Context(), s.plan("v0"), Until{}))
		must(w.process("v1").Release(t.Context(), s.plan("v1"), Until{}))
	case "leftover":
		must(w.process("v1").Release(t.Context(), s.plan("v1"), Until{}))
		w.unready["bad"] = true
		p := w.process("bad")
		w.hook = func(_ *process, _ int, name string) fault {
			if name == "uninstall svc-green" {
				return failBefore
			}
			return none
		}
		var rb *RolledBackError
		if err := p.Release(t.Context(), s.plan("bad"), Until{}); !errors.As(err, &rb) {
			t.Fatalf("preparing %s: %v", s, err)
		}
		w.hook = nil
		if s.strategy != "rolling" && len(w.helm["svc-green"]) == 0 {
			t.Fatal("nothing was left over")
		}
	}
	w.check(t)
	switch s.bad {
	case "":
	case "ready":
		w.unready["v2"] = true
	default:
		w.gates = func(_, phase string, c gate.Candidate) Decision {
			if phase == s.bad {
				return Decision{Gate: "answers", Reason: "20 % of the answers were failures"}
			}
			return Decision{Pass: true}
		}
	}
	return w
}

// good scenarios, and each of them with each way to be bad.
func scenarios() []scenario {
	var all []scenario
	for _, strategy := range []string{"rolling", "blue-green", "canary"} {
		for _, start := range []string{"first", "production", "adopted", "kept", "leftover"} {
			if strategy == "rolling" && start == "leftover" {
				continue
			}
			for _, bad := range []string{"", "ready", "smoke", "step", "bake"} {
				if rare := start == "adopted" || start == "leftover"; rare && bad != "" && bad != "step" {
					continue // differs from "production" in how it begins, not in how it fails
				}
				if bad == "bake" && (strategy == "rolling" || start == "first") {
					continue
				}
				all = append(all, scenario{strategy, start, bad})
			}
		}
	}
	return all
}

// inBubble runs f for every scenario, each in a world with a clock of its own.
func inBubble(t *testing.T, all []scenario, f func(t *testing.T, s scenario)) {
	for _, s := range all {
		t.Run(s.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { f(t, s) })
		})
	}
}

// safe wants all traffic on one healthy version that the record knows, nothing left over, and the record closed. It
// returns the version that users reach, "" for none.
func (w *world) safe(t *testing.T) string {
	t.Helper()
	w.check(t)
	if string(w.stored) == w.before && len(w.splits) == 0 { // it has not begun
		return w.reached
	}
	version, problem := w.settled()
	if problem != "" {
		t.Error(problem)
	}
	return version
}

func (w *world) settled() (version, problem string) {
	rec := w.record()
	state := fmt.Sprintf(" (record: %s)", w.stored)
	if rec.Open != nil {
		return "", "the record is still open" + state
	}
	var want []string
	for slot, s := range rec.Slots {
		if s.Backend.Slot != slot {
			return "", "a slot's backend names another slot" + state
		}
		if earlier := s.Bundle == "bad" && len(w.helm[s.HelmRelease]) > 0; earlier || !s.Leaving { // left over from before this release
			want = append(want, s.HelmRelease)
		}
	}
	slices.Sort(want)
	if have := slices.Sorted(maps.Keys(w.helm)); !slices.Equal(have, want) {
		return "", fmt.Sprintf("installed are %v, but recorded are %v%s", have, want, state)
	}
	if rec.Production == "" {
		if w.route != nil {
			return "", "a route is left though nothing is released" + state
		}
		return "", ""
	}
	prod := rec.Slots[rec.Production]
	if prod.Bundle != "" && prod.Bundle != w.bundleOf(prod.HelmRelease) {
		return "", fmt.Sprintf("production is %s, but recorded as %s%s", w.bundleOf(prod.HelmRelease), prod.Bundle, state)
	}
	if !w.ready(prod.HelmRelease) {
		return "", "production is not ready" + state
	}
	if w.route == nil {
		if prod.Number != 0 { // users of an adopted one may come by another way
			return "", "no route leads to production" + state
		}
	} else if shares(*w.route)[prod.Backend.Service] != 100 {
		return "", fmt.Sprintf("production does not get all traffic: %s%s", words(*w.route), state)
	}
	return w.bundleOf(prod.HelmRelease), ""
}

func words(s traffic.Split) string {
	return fmt.Sprintf("production %v, candidate %v, weight %d", s.Production, s.Candidate, s.Weight)
}

// previous is what users reach before v2.
func (s scenario) previous() string {
	if s.start == "first" {
		return ""
	}
	return "v1"
}
