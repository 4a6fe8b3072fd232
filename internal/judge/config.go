package judge

import (
	"errors"
	"fmt"
	"math"
	"strings"
	"time"

	"github.com/slipway-cd/slipway/internal/seqtest"
)

// Kind says what a gate's events are.
type Kind string

// The kinds.
const (
	// Rate is for few events per trial, or more than one: failures, exceptions per request.
	Rate Kind = "rate"
	// Share is for at most one event per trial, however common: requests slower than a threshold.
	Share Kind = "share"
)

// Gate is one question about the candidate: does an event happen more often than in production?
type Gate struct {
	Name string `json:"name"`
	Kind Kind   `json:"kind"`
	// Phrase says in a sentence what a rate of events means, with %s for the rate: "fails %s of requests".
	Phrase string `json:"phrase"`
	// Measure names the events in the batches, for both arms.
	Measure string `json:"measure"`
	// Weight is the gate's part of alpha, in proportion to the other gates'; 0 means 1.
	Weight float64 `json:"weight,omitempty"`

	// Fail is how much worse the candidate may be before that counts against it; nil: not at all. Pass is how much worse it
	// must surely not be to pass, no less than Fail; nil: the gate has no say in a pass. For a Rate only. With Relative 0 both are
	// objectives that production has no part in; it need not have traffic then.
	Fail *seqtest.Tolerance `json:"fail,omitempty"`
	Pass *seqtest.Tolerance `json:"pass,omitempty"`
	// Objective is the rate, events per trial, that a candidate must keep where production turns out to have no traffic to
	// compare with; 0: there is none, and the candidate is held. For a Rate that compares; a Share goes by Expected then.
	Objective float64 `json:"objective,omitempty"`

	// FailMeasure and PassMeasure say the same for a Share, as what is counted for the candidate while Measure is counted for
	// production: with Measure "requests slower than 500 ms", a PassMeasure "requests slower than 600 ms" passes a candidate
	// that is surely not 20 % slower. FailMeasure defaults to Measure.
	FailMeasure string `json:"failMeasure,omitempty"`
	PassMeasure string `json:"passMeasure,omitempty"`
	// Expected is a Share's share in production before any was seen: 0.05 for a threshold at the 95th percentile.
	Expected float64 `json:"expected,omitempty"`
}

// Config is what a judge is told before data arrive.
type Config struct {
	// Alpha is the probability, for the whole release, of failing a candidate that is as good as the gates want: over all
	// gates and all looks. In (0, 0.5); default 0.01.
	Alpha float64 `json:"alpha"`
	// Beta is the probability of passing a candidate that is worse than a gate's Pass tolerance. In (0, 0.5); default 0.05.
	Beta float64 `json:"beta"`
	// MinBake is the least time of candidate traffic before a pass: no data so far speaks of what starts later.
	MinBake time.Duration `json:"minBake"`
	// MinTrials is how many trials of the candidate every gate that has a say in a pass must have seen before.
	MinTrials float64 `json:"minTrials,omitempty"`
	Gates     []Gate  `json:"gates"`
	// AtOnce is the part of alpha that is for trouble from the start, in (0, 1]; the rest is for what begins later. Default 0.95.
	AtOnce float64 `json:"atOnce,omitempty"`
	// UnlearnedWidth is how much (standard deviation of the logarithm of the ratio of the arms) candidate and production are
	// taken to differ by their pods alone while there are too few pods to learn it from; default 0.1. Negative: 0.
	UnlearnedWidth float64 `json:"unlearnedWidth,omitempty"`
}

// The defaults of [Config].
const (
	DefaultAlpha          = 0.01
	DefaultBeta           = 0.05
	DefaultAtOnce         = 0.95
	DefaultUnlearnedWidth = 0.1
)

func (c Config) withDefaults() Config {
	if c.Alpha == 0 {
		c.Alpha = DefaultAlpha
	}
	if c.Beta == 0 {
		c.Beta = DefaultBeta
	}
	if c.AtOnce == 0 {
		c.AtOnce = DefaultAtOnce
	}
	switch {
	case c.UnlearnedWidth == 0:
		c.UnlearnedWidth = DefaultUnlearnedWidth
	case c.UnlearnedWidth < 0:
		c.UnlearnedWidth = 0
	}
	return c
}

// Validate says everything that is wrong with a configuration, one error for each.
func (c Config) Validate() error {
	c = c.withDefaults()
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	if !(c.Alpha > 0 && c.Alpha < 0.5) {
		bad("alpha is %v; give a probability of a false alarm above 0 and below 0.5", c.Alpha)
	}
	if !(c.Beta > 0 && c.Beta < 0.5) {
		bad("beta is %v; give a probability of a wrong pass above 0 and below 0.5", c.Beta)
	}
	if !(c.AtOnce > 0 && c.AtOnce <= 1) {
		bad("the part of alpha at once is %v; give one above 0, at most 1", c.AtOnce)
	}
	if c.MinBake < 0 {
		bad("the minimum bake is %v; give 0 or more", c.MinBake)
	}
	if !(c.MinTrials >= 0) || math.IsInf(c.MinTrials, 0) {
		bad("the minimum of trials is %v; give 0 or more", c.MinTrials)
	}
	if len(c.Gates) == 0 {
		bad("there are no gates to judge by; give at least one")
	}
	seen, passes := map[string]bool{}, false
	for _, g := range c.Gates {
		if seen[g.Name] {
			bad("two gates are named %q; give each its own name", g.Name)
		}
		seen[g.Name] = true
		passes = passes || g.Pass != nil || g.PassMeasure != ""
		if err := g.validate(); err != nil {
			errs = append(errs, fmt.Errorf("gate %q: %w", g.Name, err))
		}
	}
	if len(c.Gates) > 0 && !passes {
		bad("no gate says how much worse the candidate must not be to pass; give at least one a tolerance for passing")
	}
	return errors.Join(errs...)
}

func (g Gate) validate() error {
	switch {
	case g.Name == "" || g.Measure == "":
		return errors.New("it needs a name and a measure")
	case g.Kind != Rate && g.Kind != Share:
		return fmt.Errorf("its kind is %q; give %q or %q", g.Kind, Rate, Share)
	case !(g.Weight >= 0) || math.IsInf(g.Weight, 0):
		return fmt.Errorf("its weight is %v; give 0 or more", g.Weight)
	case g.Kind == Rate && (g.FailMeasure != "" || g.PassMeasure != ""):
		return errors.New("a rate's tolerance is a number; other measures for fail or pass belong to a share")
	case g.Phrase != "" && strings.Count(g.Phrase, "%s") != 1:
		return fmt.Errorf("its phrase is %q; it needs one %%s, for the rate", g.Phrase)
	case g.Kind == Share && (g.Fail != nil || g.Pass != nil):
		return errors.New("a share's tolerance is another measure of the candidate; numbers for fail or pass belong to a rate")
	case g.Kind == Share && !(g.Expected > 0 && g.Expected < 1):
		return fmt.Errorf("the share expected in production is %v; give one above 0 and below 1", g.Expected)
	}
	if g.Kind == Share {
		return nil
	}
	fail, pass := g.failTolerance(), g.failTolerance()
	if g.Pass != nil {
		pass = *g.Pass
		if pass == (seqtest.Tolerance{Relative: 1}) {
			return errors.New("pass has no tolerance: a candidate as good as production could never pass; give it some")
		}
	}
	for _, x := range [...]float64{fail.Relative, fail.Absolute, pass.Relative, pass.Absolute} {
		if !(x >= 0) || math.IsInf(x, 0) {
			return fmt.Errorf("a tolerance is %v; give 0 or more", x)
		}
	}
	if !(g.Objective >= 0) || math.IsInf(g.Objective, 0) {
		return fmt.Errorf("its objective is %v; give a rate above 0, or 0 for none", g.Objective)
	}
	switch {
	case fail.Relative == 0 && fail.Absolute == 0 || pass.Relative == 0 && pass.Absolute == 0:
		return errors.New("no candidate is within a tolerance of 0 times production plus 0; give a factor of 1 or more, or an objective above 0")
	case (fail.Relative == 0) != (pass.Relative == 0):
		return errors.New("fail and pass contradict each other: one compares with production, the other with an objective")
	case pass.Relative < fail.Relative || pass.Absolute < fail.Absolute:
		return errors.New("fail and pass contradict each other: a candidate that fails must not pass; make pass at least as tolerant as fail")
	case pass.Relative > 0 && pass.Relative < 1:
		return fmt.Errorf("a relative tolerance is %v, better than production; give 1 or more, or 0 for an objective", pass.Relative)
	case fail.Relative > 0 && fail.Relative < 1:
		return fmt.Errorf("a relative tolerance is %v, better than production; give 1 or more, or 0 for an objective", fail.Relative)
	}
	return nil
}

// failTolerance is Fail, or no tolerance.
func (g Gate) failTolerance() seqtest.Tolerance {
	if g.Fail == nil {
		return seqtest.Tolerance{Relative: 1}
	}
	return *g.Fail
}
