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
					next = append(next, after)
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
	res.States = len(origins)
	if n, endless := cycle(len(origins), fair); endless {
		return found(n, "never stranded")
	}
	return res
}

// cycle finds a state from which live actors can go on for ever and come to no end.
func cycle(states int, edges []edge) (int32, bool) {
	into := make([]int32, states)
	slices.SortFunc(edges, func(a, b edge) int { return int(a.from) - int(b.from) })
	start := make([]int32, states+1)
	for _, e := range edges {
		into[e.to]++
		start[e.from+1]++
	}
	for i := range states {
		start[i+1] += start[i]
	}
	var free []int32
	for n, in := range into {
		if in == 0 {
			free = append(free, int32(n))
		}
	}
	for len(free) > 0 {
		n := free[len(free)-1]
		free = free[:len(free)-1]
		for _, e := range edges[start[n]:start[n+1]] {
			if into[e.to]--; into[e.to] == 0 {
				free = append(free, e.to)
			}
		}
	}
	for n, in := range into {
		if in > 0 {
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
