package vault

import (
	"fmt"
	"slices"
	"strings"

	"github.com/agnivade/levenshtein"
)

// Reason is why a variable could not be read.
type Reason string

// The reasons.
const (
	BadName     Reason = "bad name"
	Missing     Reason = "missing"
	Deleted     Reason = "deleted" // but recoverable
	Disabled    Reason = "disabled"
	Expired     Reason = "expired"
	NotYetValid Reason = "not yet valid"
	Forbidden   Reason = "forbidden"
	Refused     Reason = "refused" // for a reason that the store gives in its own words
)

// Problem is one variable that could not be read.
type Problem struct {
	Ref    Ref    `json:"ref"`
	Reason Reason `json:"reason"`
	// Detail is a sentence without a full stop: what is wrong and what to do.
	Detail string `json:"detail"`
}

// ReadError says which variables of a store could not be read: all of them, not the first only. Nothing was changed.
type ReadError struct {
	// Store is its URL or file.
	Store    string
	Asked    int
	Problems []Problem
}

func (e *ReadError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d of %d variables cannot be read from %s:", len(e.Problems), e.Asked, e.Store)
	for _, p := range e.Problems {
		fmt.Fprintf(&b, "\n  - %s", p.Detail)
	}
	return b.String()
}

// readError sorts the problems; no problem is no error.
func readError(store string, asked int, problems []Problem) error {
	if len(problems) == 0 {
		return nil
	}
	slices.SortFunc(problems, func(a, b Problem) int { return strings.Compare(a.Ref.String(), b.Ref.String()) })
	return &ReadError{Store: store, Asked: asked, Problems: problems}
}

// Trouble is why a store did not answer as it should.
type Trouble string

// The troubles.
const (
	Unreachable  Trouble = "unreachable"  // no answer: name, network, TLS, firewall
	Unauthorized Trouble = "unauthorized" // it does not take our token
	Denied       Trouble = "denied"       // it takes it, and we may not do this at all
	Throttled    Trouble = "throttled"
	Failed       Trouble = "failed" // an error of its own
	Broken       Trouble = "broken" // a file that is not what it should be
)

// StoreError says that a store did not do what it was asked. Nothing was changed, unless it was asked to change something:
// then look before trying again.
type StoreError struct {
	Store   string
	Trouble Trouble
	// Message is a sentence without a full stop: what happened and what to do.
	Message string
	Err     error
}

func (e *StoreError) Error() string { return e.Store + ": " + e.Message }
func (e *StoreError) Unwrap() error { return e.Err }

// missing is the problem of a variable that is not there, with the names that may have been meant.
func missing(ref Ref, known []string) Problem {
	detail := ref.Name + " does not exist"
	if slices.ContainsFunc(known, func(k string) bool { return strings.EqualFold(k, ref.Name) }) {
		detail = fmt.Sprintf("%s has no version %s", ref.Name, ref.Version)
	} else if near := nearest(ref.Name, known); len(near) > 0 {
		detail += "; did you mean " + strings.Join(near, " or ") + "?"
	}
	return Problem{Ref: ref, Reason: Missing, Detail: detail}
}

// nearest are at most three known names that the given one was probably meant to be, the nearest first.
func nearest(given string, known []string) []string {
	type candidate struct {
		name     string
		distance int
	}
	var all []candidate
	for _, name := range known {
		if d := levenshtein.ComputeDistance(strings.ToLower(given), strings.ToLower(name)); d <= max(2, len(given)/3) {
			all = append(all, candidate{name, d})
		}
	}
	slices.SortFunc(all, func(a, b candidate) int {
		if a.distance != b.distance {
			return a.distance - b.distance
		}
		return strings.Compare(a.name, b.name)
	})
	var names []string
	for _, c := range all[:min(3, len(all))] {
		names = append(names, c.name)
	}
	return names
}
