// Package fault makes a service fail on demand, the same way each time: what
// fails is decided by counting requests, never by chance.
package fault

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"
)

// MaxDelay bounds how slow a rule can make an answer.
const MaxDelay = 15 * time.Minute

// Duration is a time.Duration that is written as "1m30s" in JSON.
type Duration time.Duration

// MarshalText writes d as time.Duration does.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText reads what time.ParseDuration takes.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("%q is not a duration: use a form like 500ms, 2s or 3m", text)
	}
	*d = Duration(v)
	return nil
}

// Rule says what goes wrong. The zero Rule is none.
type Rule struct {
	// Rate is the share of requests that the rule meets, from 0 to 1: with
	// 0.5 it is every second one, beginning with the second.
	Rate float64 `json:"rate"`
	// Times ends the rule after so many requests that met it; 0 is no end.
	Times int `json:"times,omitempty"`
	// Status is the HTTP status of the answer; 0 leaves the answer alone.
	Status int `json:"status,omitempty"`
	// RetryAfter is sent with a status, in whole seconds.
	RetryAfter Duration `json:"retryAfter,omitzero"`
	// Delay comes before the answer.
	Delay Duration `json:"delay,omitzero"`
	// Partial makes the answer to a query a part of it, with an error.
	Partial bool `json:"partial,omitempty"`
}

// Check refuses a rule that makes no sense.
func (r Rule) Check() error {
	switch {
	case !(r.Rate >= 0 && r.Rate <= 1):
		return fmt.Errorf("rate is %v: it must be from 0 to 1", r.Rate)
	case r.Times < 0:
		return fmt.Errorf("times is %d: it cannot be negative", r.Times)
	case r.Status != 0 && (r.Status < 400 || r.Status > 599):
		return fmt.Errorf("status is %d: it must be from 400 to 599", r.Status)
	case r.RetryAfter < 0 || r.RetryAfter != 0 && r.Status == 0:
		return fmt.Errorf("retryAfter is %s: it must be positive and needs a status", time.Duration(r.RetryAfter))
	case r.Delay < 0 || time.Duration(r.Delay) > MaxDelay:
		return fmt.Errorf("delay is %s: it must be from 0 to %s", time.Duration(r.Delay), MaxDelay)
	case r.Rate > 0 && r.Status == 0 && r.Delay == 0 && !r.Partial:
		return fmt.Errorf("the rule does nothing: give it a status, a delay or partial")
	}
	return nil
}

// Injector applies one rule to the requests of one service. The zero value
// has no rule. Its methods may be called from several goroutines.
type Injector struct {
	mu   sync.Mutex
	rule Rule
	seen int
	met  int
}

// Set replaces the rule and starts counting again.
func (i *Injector) Set(r Rule) error {
	if err := r.Check(); err != nil {
		return err
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.rule, i.seen, i.met = r, 0, 0
	return nil
}

// Next counts a request and gives the rule if it meets this one.
func (i *Injector) Next() (Rule, bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.seen++
	if i.rule.Rate == 0 || i.rule.Times > 0 && i.met >= i.rule.Times {
		return Rule{}, false
	}
	// A small allowance, so that ten times 0.1 is 1.
	if int(float64(i.seen)*i.rule.Rate+1e-9) == int(float64(i.seen-1)*i.rule.Rate+1e-9) {
		return Rule{}, false
	}
	i.met++
	return i.rule, true
}

// State is the rule and what it did.
type State struct {
	Rule Rule `json:"rule"`
	// Requests counts those since the rule was set, Met those that met it.
	Requests int `json:"requests"`
	Met      int `json:"met"`
}

// State gives the rule and its counters.
func (i *Injector) State() State {
	i.mu.Lock()
	defer i.mu.Unlock()
	return State{i.rule, i.seen, i.met}
}

// ServeHTTP is the injector's control: PUT sets the rule, DELETE removes it,
// GET shows it.
func (i *Injector) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodPut:
		var rule Rule
		d := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16))
		d.DisallowUnknownFields()
		err := d.Decode(&rule)
		if err == nil {
			err = i.Set(rule)
		}
		if err != nil {
			http.Error(w, "the rule is not set: "+err.Error(), http.StatusBadRequest)
			return
		}
	case http.MethodDelete:
		_ = i.Set(Rule{}) // the empty rule is always right
	case http.MethodGet:
	default:
		w.Header().Set("Allow", "GET, PUT, DELETE")
		http.Error(w, "use GET, PUT or DELETE", http.StatusMethodNotAllowed)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(i.State()) // the client is gone
}
