package config

import (
	"strings"
	"testing"
)

func TestATolerancesTextReadsBackAsItself(t *testing.T) {
	for text, want := range map[string]Tolerance{
		"0.5%":         {Add: 0.005},
		"0%":           {},
		"1.25x":        {Factor: 1.25},
		"1.25x + 0.1%": {Factor: 1.25, Add: 0.001},
		"20%":          {Add: 0.2},
	} {
		var got Tolerance
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
		if got.String() != text {
			t.Errorf("%s is written as %s", text, got)
		}
	}
	var spaced Tolerance
	if err := spaced.UnmarshalText([]byte("0.1 % + 1.25×")); err != nil || spaced != (Tolerance{1.25, 0.001}) {
		t.Errorf("%+v, %v", spaced, err)
	}
}

func TestAToleranceThatIsNoneIsRefused(t *testing.T) {
	for text, says := range map[string]string{
		"": "write", "5": "write", "-1%": "write", "0.9x": "no worse", "1% + 2%": "two of a kind", "1x+1x": "two of a kind", "101%": "0% to 100%", "2000x": "1000x", "1%%": "write", "NaN%": "write",
	} {
		var got Tolerance
		if err := got.UnmarshalText([]byte(text)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %+v, %v", text, got, err)
		}
	}
}
