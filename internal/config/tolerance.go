package config

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Percent is a share, written "0.5%": 0.005.
type Percent float64

// String writes the share as slipway.yaml does.
func (p Percent) String() string { return number(float64(p)*100) + "%" }

// MarshalText writes the share as [Percent.String] does.
func (p Percent) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

var percent = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?) ?%$`)

// UnmarshalText reads a share from 0% to 100%.
func (p *Percent) UnmarshalText(text []byte) error {
	m := percent.FindSubmatch(text)
	if m == nil {
		return fmt.Errorf(`is %q; write a percentage such as "0.5%%"`, text)
	}
	v, err := strconv.ParseFloat(string(m[1]), 64)
	if err != nil || v > 100 {
		return fmt.Errorf("is %q, but a share is 0%% to 100%%", text)
	}
	*p = Percent(v / 100)
	return nil
}

// Tolerance is how much worse than production a candidate may be: by a factor, by an addend, or both.
type Tolerance struct {
	// Factor on production's value, at least 1; 0 stands for 1.
	Factor float64
	// Add is a share: percentage points of a rate, or a share of a latency.
	Add float64
}

// Multiple is the factor, 1 where none is set.
func (t Tolerance) Multiple() float64 {
	if t.Factor == 0 {
		return 1
	}
	return t.Factor
}

// String writes the tolerance as slipway.yaml does.
func (t Tolerance) String() string {
	var parts []string
	if t.Factor != 0 {
		parts = append(parts, number(t.Factor)+"x")
	}
	if t.Add != 0 || t.Factor == 0 {
		parts = append(parts, Percent(t.Add).String())
	}
	return strings.Join(parts, " + ")
}

// MarshalText writes the tolerance as [Tolerance.String] does.
func (t Tolerance) MarshalText() ([]byte, error) { return []byte(t.String()), nil }

var factor = regexp.MustCompile(`^([0-9]+(?:\.[0-9]+)?) ?[x×]$`)

// UnmarshalText reads "0.5%", "1.25x" or "1.25x + 0.1%".
func (t *Tolerance) UnmarshalText(text []byte) error {
	const want = `write "0.5%" (added), "1.25x" (a factor) or "1.25x + 0.1%"`
	var read Tolerance
	seen := map[string]bool{}
	for _, part := range strings.Split(string(text), "+") {
		part = strings.TrimSpace(part)
		kind := "percentage"
		if m := factor.FindStringSubmatch(part); m != nil {
			kind = "factor"
			f, err := strconv.ParseFloat(m[1], 64)
			if err != nil || f < 1 || f > 1000 {
				return fmt.Errorf("is %q, but a factor is 1x (no worse) to 1000x", text)
			}
			read.Factor = f
		} else {
			var p Percent
			if !percent.MatchString(part) {
				return fmt.Errorf("is %q; %s", text, want)
			}
			if err := p.UnmarshalText([]byte(part)); err != nil {
				return err
			}
			read.Add = float64(p)
		}
		if seen[kind] {
			return fmt.Errorf("is %q, which has two of a kind; %s", text, want)
		}
		seen[kind] = true
	}
	*t = read
	return nil
}

func number(f float64) string { return strconv.FormatFloat(f, 'f', -1, 64) }
