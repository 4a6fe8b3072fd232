package gate

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"k8s.io/utils/clock"
)

// Values asks for one number by slot.
type Values func(context.Context, Candidate) (map[string]float64, error)

// ValueOptions of a gate made by [NewValue].
type ValueOptions struct {
	// Max is what the candidate's value must not exceed, Looks how many looks in a row must see it exceeded before that fails.
	Max   float64
	Looks int
	// Interval is the least time between two looks.
	Interval time.Duration
	Clock    clock.PassiveClock
}

type valueGate struct {
	name string
	ask  Values
	o    ValueOptions

	mu     sync.Mutex
	asked  time.Time
	last   Verdict
	err    error
	broken int // looks in a row
}

// NewValue makes a gate that bounds a number. It passes while the candidate's is within the bound, holds when it has none or has
// exceeded it in fewer looks than it takes, and fails after that.
func NewValue(name string, ask Values, o ValueOptions) Gate {
	return &valueGate{name: name, ask: ask, o: o}
}

// Look implements [Gate].
func (g *valueGate) Look(ctx context.Context, c Candidate) (Verdict, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.asked.IsZero() && g.o.Clock.Since(g.asked) < g.o.Interval {
		return g.last, g.err
	}
	values, err := g.ask(ctx, c)
	if ctx.Err() != nil {
		return Verdict{}, ctx.Err()
	}
	g.asked, g.err = g.o.Clock.Now(), err
	if err != nil {
		g.last = Verdict{}
		return g.last, err
	}
	g.last = g.weigh(values, c)
	return g.last, nil
}

func (g *valueGate) weigh(values map[string]float64, c Candidate) Verdict {
	v := Verdict{Gate: g.name, At: g.asked.UTC(), Outcome: Hold}
	value, ok := values[c.Slot]
	if !ok {
		v.Reason = fmt.Sprintf("the query gave no value for the candidate (slot %s)", c.Slot)
		return v
	}
	v.Evidence = []Fact{{"slot " + c.Slot + " (candidate)", short(value)}}
	if production, ok := values[c.Production]; ok && c.Production != "" {
		v.Evidence = append(v.Evidence, Fact{"slot " + c.Production + " (production)", short(production)})
	}
	v.Evidence = append(v.Evidence, Fact{"allowed", short(g.o.Max)})
	if value <= g.o.Max {
		g.broken = 0
		v.Outcome, v.Reason = Pass, fmt.Sprintf("%s, at most %s allowed", short(value), short(g.o.Max))
		return v
	}
	g.broken++
	v.Reason = fmt.Sprintf("%s, at most %s allowed, in %d of %d looks in a row", short(value), short(g.o.Max), g.broken, g.o.Looks)
	if g.broken >= g.o.Looks {
		v.Outcome = Fail
	}
	return v
}

func short(f float64) string { return strconv.FormatFloat(f, 'g', 6, 64) }
