package insights

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"sync"
	"time"

	"github.com/slipway-cd/slipway/sandbox/internal/azure/insights/envelope"
	"github.com/slipway-cd/slipway/sandbox/internal/azure/insights/fault"
)

// DefaultDelay is how long rows take to become visible if nothing is set.
const DefaultDelay = 2 * time.Second

// MaxIngestionDelay bounds every delay.
const MaxIngestionDelay = 10 * time.Minute

// Delay says how long rows take to become visible.
type Delay struct {
	// Default is for rows that no rule matches.
	Default fault.Duration `json:"default"`
	// Jitter is added, from 0 to this, so that rows overtake each other. Its
	// sequence depends on Seed alone.
	Jitter fault.Duration `json:"jitter,omitzero"`
	Seed   uint64         `json:"seed,omitempty"`
	// Rules give some rows another delay; the first that matches counts.
	Rules []DelayRule `json:"rules,omitempty"`
}

// DelayRule is the delay of the rows that match all of what it names.
type DelayRule struct {
	// Role is AppRoleName.
	Role string `json:"role,omitempty"`
	// Properties are custom properties, such as slot.
	Properties map[string]string `json:"properties,omitempty"`
	Delay      fault.Duration    `json:"delay"`
}

// Check refuses delays that make no sense.
func (d Delay) Check() error {
	check := func(name string, v fault.Duration) error {
		if v < 0 || time.Duration(v) > MaxIngestionDelay {
			return fmt.Errorf("%s is %s: it must be from 0 to %s", name, time.Duration(v), MaxIngestionDelay)
		}
		return nil
	}
	if err := check("default", d.Default); err != nil {
		return err
	}
	if err := check("jitter", d.Jitter); err != nil {
		return err
	}
	for i, r := range d.Rules {
		if r.Role == "" && len(r.Properties) == 0 {
			return fmt.Errorf("rule %d matches every row: set default instead, or give it a role or properties", i+1)
		}
		if err := check(fmt.Sprintf("the delay of rule %d", i+1), r.Delay); err != nil {
			return err
		}
	}
	return nil
}

// lag decides the delay of each row.
type lag struct {
	mu     sync.Mutex
	delay  Delay
	random *rand.Rand
	bags   map[string]map[string]string // parsed properties; they repeat
}

func newLag(d Delay) *lag {
	l := &lag{}
	l.set(d)
	return l
}

func (l *lag) set(d Delay) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.delay, l.random, l.bags = d, rand.New(rand.NewPCG(d.Seed, 0)), map[string]map[string]string{}
}

func (l *lag) get() Delay {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.delay
}

// of is the delay of a row.
func (l *lag) of(r *envelope.Row) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	d := time.Duration(l.delay.Default)
	for i := range l.delay.Rules {
		if l.matches(&l.delay.Rules[i], r) {
			d = time.Duration(l.delay.Rules[i].Delay)
			break
		}
	}
	if l.delay.Jitter > 0 {
		d += time.Duration(l.random.Int64N(int64(l.delay.Jitter) + 1))
	}
	return d
}

func (l *lag) matches(rule *DelayRule, r *envelope.Row) bool {
	if rule.Role != "" {
		if c, _ := r.Get(envelope.AppRoleName); c.Text != rule.Role {
			return false
		}
	}
	if len(rule.Properties) == 0 {
		return true
	}
	c, _ := r.Get(envelope.Properties)
	bag, ok := l.bags[c.Text]
	if !ok {
		_ = json.Unmarshal([]byte(c.Text), &bag) // the envelope's parser wrote it; none is no match
		if len(l.bags) < 1000 {
			l.bags[c.Text] = bag
		}
	}
	for k, v := range rule.Properties {
		if bag[k] != v {
			return false
		}
	}
	return true
}

// ServeHTTP is the control of the delay: PUT sets it, DELETE brings the
// default back, GET shows it. Rows that were accepted before keep theirs.
func (l *lag) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodPut:
		var d Delay
		j := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16))
		j.DisallowUnknownFields()
		err := j.Decode(&d)
		if err == nil {
			err = d.Check()
		}
		if err != nil {
			http.Error(w, "the delay is not set: "+err.Error(), http.StatusBadRequest)
			return
		}
		l.set(d)
	case http.MethodDelete:
		l.set(Delay{Default: fault.Duration(DefaultDelay)})
	case http.MethodGet:
	default:
		w.Header().Set("Allow", "GET, PUT, DELETE")
		http.Error(w, "use GET, PUT or DELETE", http.StatusMethodNotAllowed)
		return
	}
	writeJSON(w, http.StatusOK, l.get())
}
