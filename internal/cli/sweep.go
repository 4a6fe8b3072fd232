package cli

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/slipway-cd/slipway/internal/config"
	"github.com/slipway-cd/slipway/internal/target"
)

// setting is one combination of what is to be tried; the zero value is what the configuration says.
type setting struct {
	named       map[string]string
	alpha, beta float64 // 0: as configured
	tolerances  target.Tolerances
}

func (s setting) String() string {
	if len(s.named) == 0 {
		return "as configured"
	}
	var parts []string
	for _, k := range slices.Sorted(maps.Keys(s.named)) {
		parts = append(parts, k+"="+s.named[k])
	}
	return strings.Join(parts, ", ")
}

// with is the setting with one more value.
func (s setting) with(key, value string) (setting, error) {
	out := setting{named: maps.Clone(s.named), alpha: s.alpha, beta: s.beta, tolerances: maps.Clone(s.tolerances)}
	if out.named == nil {
		out.named, out.tolerances = map[string]string{}, target.Tolerances{}
	}
	out.named[key] = value
	switch gate, tolerance := strings.CutSuffix("."+key, ".worseBy"); {
	case key == "alpha" || key == "beta":
		p, err := strconv.ParseFloat(value, 64)
		if err != nil || !(p > 0 && p < 0.5) {
			return out, fmt.Errorf("--sweep %s=%s is no probability above 0 and below 0.5", key, value)
		}
		if key == "alpha" {
			out.alpha = p
		} else {
			out.beta = p
		}
	case tolerance:
		var t config.Tolerance
		if err := t.UnmarshalText([]byte(value)); err != nil {
			return out, fmt.Errorf("--sweep %s %w", key, err)
		}
		out.tolerances[strings.TrimPrefix(gate, ".")] = t
	default:
		return out, fmt.Errorf("--sweep knows no %s: it is alpha, beta, worseBy or GATE.worseBy", key)
	}
	return out, nil
}

// mostSettings bounds what a sweep can take: each costs a fraction of a second.
const mostSettings = 200

// sweep reads "alpha=0.005,0.01,worseBy=0.5%" and combines each with each.
func sweep(texts []string) ([]setting, error) {
	if len(texts) == 0 {
		return nil, nil
	}
	all := []setting{{}}
	for _, text := range texts {
		var keys []string
		values := map[string][]string{}
		for _, part := range strings.Split(text, ",") {
			key, value, named := strings.Cut(strings.TrimSpace(part), "=")
			if !named {
				if len(keys) == 0 {
					return nil, fmt.Errorf("--sweep %s names no setting; write alpha=0.005,0.01", text)
				}
				key, value = keys[len(keys)-1], key
			} else if slices.Contains(keys, key) {
				return nil, fmt.Errorf("--sweep names %s twice; write %s=A,B", key, key)
			} else {
				keys = append(keys, key)
			}
			values[key] = append(values[key], strings.TrimSpace(value))
		}
		for _, key := range keys {
			var next []setting
			for _, s := range all {
				for _, v := range values[key] {
					more, err := s.with(key, v)
					if err != nil {
						return nil, err
					}
					next = append(next, more)
				}
			}
			all = next
		}
		if len(all) > mostSettings {
			return nil, fmt.Errorf("--sweep makes %d combinations, at most %d are tried", len(all), mostSettings)
		}
	}
	return all, nil
}
