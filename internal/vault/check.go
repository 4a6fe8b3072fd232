package vault

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Findings are what [Check] found out.
type Findings struct {
	// Problems are variables that a release could not read.
	Problems []Problem `json:"problems,omitempty"`
	// Expiring are sentences about variables that end within 30 days.
	Expiring []string `json:"expiring,omitempty"`
	// Unused are names that nothing asks for. They may belong to somebody else.
	Unused []string `json:"unused,omitempty"`
}

// Check compares what is asked for with what a store lists, without reading a value. Versions are not looked at, because a
// list has the newest only.
func Check(used []Ref, listed []Info, now time.Time) Findings {
	var f Findings
	byName := map[string]Info{}
	var known []string
	for _, info := range listed {
		byName[strings.ToLower(info.Name)] = info // Key Vault does not tell cases apart
		known = append(known, info.Name)
	}
	used, f.Problems = distinct(used)
	asked := map[string]bool{}
	for _, ref := range used {
		key := strings.ToLower(ref.Name)
		info, ok := byName[key]
		if asked[key] || CheckName(ref.Name) != nil {
			continue // said already
		}
		asked[key] = true
		switch value := (Value{Ref: ref, Expires: info.Expires}); {
		case !ok:
			f.Problems = append(f.Problems, missing(ref, known))
		case !info.Enabled:
			f.Problems = append(f.Problems, disabled(ref))
		default:
			if problem := expired(ref, value, now); problem != nil {
				f.Problems = append(f.Problems, *problem)
			} else if warning := value.warning(now); warning != "" {
				f.Expiring = append(f.Expiring, warning)
			}
		}
	}
	for _, name := range known {
		if !asked[strings.ToLower(name)] {
			f.Unused = append(f.Unused, name)
		}
	}
	slices.Sort(f.Unused)
	return f
}

// Compare gives the names that only one of two stores has.
func Compare(a, b []Info) (onlyA, onlyB []string) {
	return lacking(a, b), lacking(b, a)
}

// lacking are the names of a that b does not have.
func lacking(a, b []Info) []string {
	var names []string
	for _, info := range a {
		if !slices.ContainsFunc(b, func(other Info) bool { return strings.EqualFold(other.Name, info.Name) }) {
			names = append(names, info.Name)
		}
	}
	slices.Sort(names)
	return names
}

// probe is a name that no vault has, it is hoped; if one has it, all the better.
const probe = "slipway-doctor-asks-for-nothing"

// CanRead says whether this identity may read values, without reading one: Key Vault says "forbidden" before it says "not
// found". The error is as that of [KeyVault.Read].
func (k *KeyVault) CanRead(ctx context.Context) error {
	_, err := k.client.GetSecret(ctx, probe, "", nil)
	problem, fatal := k.classify(ctx, Ref{Name: probe}, err)
	switch {
	case fatal != nil:
		return fatal
	case problem == nil || problem.Reason == Missing || problem.Reason == Disabled:
		return nil
	}
	return &StoreError{Store: "the vault " + k.url, Trouble: Denied, Message: strings.TrimPrefix(problem.Detail, probe+" "), Err: errors.New(string(problem.Reason))}
}

func disabled(ref Ref) Problem {
	return Problem{Ref: ref, Reason: Disabled, Detail: fmt.Sprintf("%s is disabled: enable it, or set a new value", ref)}
}
