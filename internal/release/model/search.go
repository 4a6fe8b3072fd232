package model

import (
	"fmt"
	"slices"
	"strings"
)

// Result is what a search found.
type Result struct {
	States, Transitions, Depth int
	// Broken is the first invariant that does not hold, "" if all do; Trace is how it comes to that, what each actor did, in
	// as few steps as possible.
	Broken string
	Trace  []string
}

func (r Result) String() string {
	return fmt.Sprintf("%d states, %d transitions, depth %d", r.States, r.Transitions, r.Depth)
}

// Story is the counterexample.
func (r Result) Story() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%q does not hold (%v):\n", r.Broken, r)
	for n, line := range r.Trace {
		fmt.Fprintf(&b, "%3d. %s\n", n+1, line)
	}
	return b.String()
}

// origin says how a state was first reached.
type origin struct {
	from int32 // -1: a beginning
	by   move
}

// edge is a move of a live actor, between the numbers of two states.
type edge struct{ from, to int32 }

// Search visits every state that can be reached, breadth first, and checks the invariants of these names; all, if none is named.
func Search(c Config, names ...string) Result {
	var check []Invariant
	for _, inv := range Invariants {
		if len(names) == 0 || slices.Contains(names, inv.Name) {
			check = append(check, inv)
		}
	}
	var (
		res     Result
		seen    = map[state]int32{}
		origins []origin
		fair    []edge
		level   []*state
	)
	visit := func(s *state, from origin) (int32, bool) {
		n, old := seen[*s]
		if old {
			return n, false
		}
		n = int32(len(origins))
		seen[*s] = n
		origins = append(origins, from)
		return n, true
	}
	found := func(n int32, what string) Result {
		res.States, res.Broken, res.Trace = len(origins), what, c.trace(origins, n)
		return res
	}
	visit(c.begin(), origin{from: -1})
	level = append(level, c.begin())
	first := int32(0) // the number of the level's first state
	for ; len(level) > 0; res.Depth++ {
		var next []*state
		for k, s := range level {
			n := first + int32(k)
			live := false
			c.moves(s, func(m move, after *state) {
				after.renumber()
				res.Transitions++
				to, isNew := visit(after, origin{n, m})
				if isNew {
					kept := *after
					next = append(next, &kept)
				}
				if m.kind.fair() {
					live = true
					fair = append(fair, edge{n, to})
				}
			})
			for _, inv := range check {
				if (!inv.atEnd || !live) && !inv.holds(&c, s) {
					return found(n, inv.Name)
				}
			}
		}
		first += int32(len(level))
		level = next
	}
	if n, endless := cycle(len(origins), fair); endless && slices.ContainsFunc(check, func(i Invariant) bool { return i.Name == stranded }) {
		res = found(n, stranded)
		res.Trace = append(res.Trace, "and so on, for ever")
	}
	res.States = len(origins)
	return res
}

// cycle finds a state from which live actors can go on for ever and come to no end: what remains when all states from which
// they cannot go on are taken away, again and again.
func cycle(states int, edges []edge) (int32, bool) {
	out, start := make([]int32, states), make([]int32, states+1)
	for _, e := range edges {
		out[e.from]++
		start[e.to]++
	}
	for n := range states {
		start[n+1] += start[n]
	}
	into := make([]int32, len(edges)) // where edges come from, by where they lead to; a state's begin at start
	for _, e := range edges {
		start[e.to]--
		into[start[e.to]] = e.from
	}
	var ends []int32
	for n := range states {
		if out[n] == 0 {
			ends = append(ends, int32(n))
		}
	}
	for len(ends) > 0 {
		n := ends[len(ends)-1]
		ends = ends[:len(ends)-1]
		for _, from := range into[start[n]:start[n+1]] {
			if out[from]--; out[from] == 0 {
				ends = append(ends, from)
			}
		}
	}
	for n := len(out) - 1; n >= 0; n-- { // the last that was found: the way to it is well under way
		if out[n] > 0 {
			return int32(n), true
		}
	}
	return 0, false
}

// begin gives the first state.
func (c *Config) begin() *state {
	s := &state{faults: c.Faults}
	s.actors[guardian].pc = watch
	if c.Start != First {
		s.rec.prod, s.rec.slots[blue] = blue, entry{there: true}
		s.slots[blue] = installed{helm: deployed, version: 1, owner: 1}
	}
	if c.Start == Production {
		s.route[0] = object{there: true, prod: blue}
	}
	return s
}
