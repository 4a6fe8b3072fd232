package config

import (
	"strings"
	"testing"
)

// automatic is minimal with a gate that auto can go by.
func automatic(auto string) string {
	s := strings.Replace(minimal, "{ rolling: {} }", "{ canary: { auto: "+auto+" } }\n    telemetry: { prometheus: { url: http://p } }", 1)
	return strings.Replace(s, "smoke: { probe: { path: /ping } }", "smoke: { prometheus: { trials: 'n{s=\"$slot\"}', events: 'f{s=\"$slot\"}' } }", 1)
}

func TestAutoHasAStartAndABudget(t *testing.T) {
	c, err := Parse("slipway.yaml", []byte(automatic("{}")), testEnv)
	if err != nil {
		t.Fatal(err)
	}
	e, err := c.Environment("dev1")
	if err != nil {
		t.Fatal(err)
	}
	if got := e.Strategy.Canary; got.Auto == nil || *got.Auto != (Auto{Start: 5, Budget: 20}) || len(got.Steps) != 2 || got.Steps[0] != 5 {
		t.Errorf("%+v", got)
	}
	for auto, says := range map[string]string{
		"{ budget: 0 }":  "auto.budget is 0, but at least 1 request must be risked",
		"{ start: 100 }": "auto.start is 100, but the first weight is 1 to 99 percent",
	} {
		if _, err := Parse("slipway.yaml", []byte(automatic(auto)), testEnv); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v", auto, err)
		}
	}
}
