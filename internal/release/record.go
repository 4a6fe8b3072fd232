package release

import (
	"encoding/json"
	"strings"
	"time"

	"github.com/slipway-cd/slipway/internal/traffic"
)

// Schema is the version of the record's layout.
const Schema = 1

// Record is everything that is kept about a service in an environment. It is one object in the cluster, so that
// production and journal never disagree.
type Record struct {
	Schema      int    `json:"schema"`
	Service     string `json:"service"`
	Environment string `json:"environment"`
	// Namespace and Ready are those of the newest release, for going back when none is open.
	Namespace string        `json:"namespace,omitempty"`
	Ready     time.Duration `json:"readyTimeout,omitempty"`
	// Production is the slot that users reach, "" before the first release.
	Production string          `json:"production,omitempty"`
	Slots      map[string]Slot `json:"slots,omitempty"`
	// Vacated says when a slot was last emptied: the names of what it held may be remembered for a while.
	Vacated map[string]time.Time `json:"vacated,omitempty"`
	// Last is the number of the newest release.
	Last int `json:"last"`
	// Fence is the fencing token of the record's last writer, kept after a release has ended: who reads a higher one than its own is
	// not in charge any more.
	Fence int64 `json:"fence,omitempty"`
	// Open is the release that has not ended, nil if there is none.
	Open *Journal `json:"open,omitempty"`
	// History has the newest ended releases, newest first, at most [HistoryKept].
	History []Summary `json:"history,omitempty"`

	// Version is the store's own mark for optimistic locking.
	Version string `json:"-"`
}

// HistoryKept bounds the history, so that the record stays far below the 1 MiB an object may have.
const HistoryKept = 50

// Slot is what is installed in a slot.
type Slot struct {
	HelmRelease string          `json:"helmRelease"`
	Backend     traffic.Backend `json:"backend"`
	Number      int             `json:"number"` // of the Slipway release that put it there, 0 if adopted
	Bundle      string          `json:"bundle,omitempty"`
	Version     string          `json:"version,omitempty"`
	Since       time.Time       `json:"since"`
	// Variables are what its release read from the vault.
	Variables []Variable `json:"variables,omitempty"`
	// Leaving says that its removal has begun: it must never get traffic again.
	Leaving bool `json:"leaving,omitempty"`
	// Before is what an in-place release replaced: what `slipway rollback` goes back to. One level is kept.
	Before *Earlier `json:"before,omitempty"`
}

// Earlier is a revision of a slot's Helm release.
type Earlier struct {
	HelmRevision int             `json:"helmRevision"`
	Backend      traffic.Backend `json:"backend"`
	Number       int             `json:"number"`
	Bundle       string          `json:"bundle,omitempty"`
	Version      string          `json:"version,omitempty"`
	Variables    []Variable      `json:"variables,omitempty"`
}

// Plan is the resolved configuration of a release: with the bundle, all that another process needs to continue it.
type Plan struct {
	Service     string        `json:"service"`
	Environment string        `json:"environment"`
	Namespace   string        `json:"namespace"`
	Host        string        `json:"host"`
	Endpoint    string        `json:"endpoint"`
	Bundle      string        `json:"bundle"` // repository@digest
	Version     string        `json:"version"`
	Strategy    string        `json:"strategy"` // rolling, blue-green, canary
	Router      string        `json:"router"`   // gateway, nginx
	Steps       []int         `json:"steps"`    // percent
	Hold        time.Duration `json:"hold"`
	Deadline    time.Duration `json:"deadline"`
	Bake        time.Duration `json:"bake"`
	Keep        bool          `json:"keep,omitempty"`
	Ready       time.Duration `json:"readyTimeout"`
	Gates       []string      `json:"gates,omitempty"`
	// Variables are what was read from the environment's vault: names and versions, never values.
	Variables []Variable `json:"variables,omitempty"`
	// Settings are what going back needs of the environment's configuration beside the plan; the engine does not look into them.
	Settings json.RawMessage `json:"settings,omitempty"`
}

// Variable names what was read from a vault.
type Variable struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
}

// Deployment is what the release puts into its candidate's slot.
func (j *Journal) Deployment(rec *Record) Deployment {
	if s, ok := rec.Slots[j.Candidate]; ok { // a slot's Helm release keeps its name, whatever made it
		return Deployment{Release: s.HelmRelease, Slot: j.Candidate}
	}
	return Deployment{Release: j.Plan.helmRelease(j.Candidate), Slot: j.Candidate}
}

// helmRelease is the name of a slot's Helm release that Slipway makes.
func (p Plan) helmRelease(slot string) string {
	if p.InPlace() {
		return p.Service
	}
	return p.Service + "-" + slot
}

// InPlace says whether the release has one slot only.
func (p Plan) InPlace() bool { return p.Strategy == "rolling" }

// Journal records an open release: what was intended before it is made, and what was completed.
type Journal struct {
	Number  int       `json:"number"`
	Plan    Plan      `json:"plan"`
	Holder  string    `json:"holder"`
	Fence   int64     `json:"fence"`
	Started time.Time `json:"started"`
	// Phase runs or was last completed; Done says which.
	Phase Phase `json:"phase"`
	Done  bool  `json:"done"`
	// Candidate and Previous are the slots of this release; Previous is "" in a first release.
	Candidate string `json:"candidate"`
	Previous  string `json:"previous,omitempty"`
	// Weight is the candidate's last verified weight in percent, Step the number of steps passed.
	Weight int `json:"weight"`
	Step   int `json:"step"`
	// Routed says that a route may have named the candidate; it is recorded before the first write of one.
	Routed bool `json:"routed,omitempty"`
	// Return is set when this is a return to the version before without an open release: "slot" or "helm". It goes only
	// forward: the candidate is the good version, and HelmBefore the Helm revision that is left.
	Return string `json:"return,omitempty"`
	// HelmBefore is the Helm revision an in-place release goes back to, 0 for none.
	HelmBefore int `json:"helmBefore,omitempty"`
	// Replaced is what the slot of an in-place release held before, to be entered again when it is taken back.
	Replaced *Slot `json:"replaced,omitempty"`
	// Back is set once the release is being taken back, with the reason.
	Back string `json:"back,omitempty"`
	// Stuck says why going back did not succeed: a person is needed.
	Stuck string `json:"stuck,omitempty"`
	// Held says why the release waits for a person's decision, with the traffic where it is: there was no evidence in time.
	Held    string   `json:"held,omitempty"`
	Effects []Effect `json:"effects,omitempty"`
}

// untouched says that nothing has been made for the release but its guardian.
func (j *Journal) untouched() bool {
	for _, e := range j.Effects {
		if !strings.HasPrefix(e.Name, startGuardian) {
			return false
		}
	}
	return !j.Routed && j.Return == "" && j.Back == "" && j.Phase == PhaseDeploy
}

// Effect is one change to the world: its intent is recorded before it is made.
type Effect struct {
	Name   string     `json:"name"`
	Intent time.Time  `json:"intent"`
	Done   *time.Time `json:"done,omitempty"`
}

// Outcomes of an ended release.
const (
	Promoted   = "promoted"
	RolledBack = "rolled-back"
	Failed     = "failed"
)

// Summary is an ended release.
type Summary struct {
	Number   int       `json:"number"`
	Bundle   string    `json:"bundle"`
	Version  string    `json:"version"`
	Strategy string    `json:"strategy"`
	Outcome  string    `json:"outcome"`
	Reason   string    `json:"reason,omitempty"`
	Holder   string    `json:"holder"`
	Started  time.Time `json:"started"`
	Ended    time.Time `json:"ended"`
}

// Request is what another process asks of the one that holds the lock.
type Request struct {
	Kind string    `json:"kind"` // "rollback"
	By   string    `json:"by"`
	At   time.Time `json:"at"`
}

// other is the slot that is not s.
func other(s string) string {
	if s == "blue" {
		return "green"
	}
	return "blue"
}
