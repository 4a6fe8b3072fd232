package config

import (
	"bytes"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

func TestDefaultsAreTheSandboxsAddresses(t *testing.T) {
	o, err := Parse([]string{"--kubeconfig", "/k"}, &bytes.Buffer{})
	if err != nil {
		t.Fatal(err)
	}
	want := Options{
		Kubeconfig: "/k", HTTP: "127.0.0.1:8080", Metrics: "127.0.0.1:8082",
		LogLevel: zerolog.InfoLevel, Grace: time.Second, Throttle: 20 * time.Millisecond,
	}
	if o != want {
		t.Errorf("got %+v, want %+v", o, want)
	}
}

func TestEveryFlagIsRead(t *testing.T) {
	o, err := Parse(strings.Fields("--kubeconfig /k --http 10.0.0.1:80 --metrics [::1]:81 --log-level DEBUG --grace 5s --throttle 0"), &bytes.Buffer{})
	if err != nil {
		t.Fatal(err)
	}
	want := Options{Kubeconfig: "/k", HTTP: "10.0.0.1:80", Metrics: "[::1]:81", LogLevel: zerolog.DebugLevel, Grace: 5 * time.Second}
	if o != want {
		t.Errorf("got %+v, want %+v", o, want)
	}
}

func TestWrongUsageNamesTheFlagAndTheReason(t *testing.T) {
	for _, c := range []struct{ args, want string }{
		{"", "--kubeconfig is missing"},
		{"--bogus", "-bogus"},
		{"--kubeconfig", "needs an argument"},
		{"--kubeconfig /k serve", `"serve" is not a flag`},
		{"--kubeconfig /k --http 8080", `--http "8080" is not host:port`},
		{"--kubeconfig /k --http :8080", `"" is not an IP address`},
		{"--kubeconfig /k --http localhost:8080", `"localhost" is not an IP address`},
		{"--kubeconfig /k --http 127.0.0.1:0", `"0" is not a port`},
		{"--kubeconfig /k --metrics 127.0.0.1:70000", `--metrics "127.0.0.1:70000": "70000" is not a port`},
		{"--kubeconfig /k --http 127.0.0.1:1 --metrics 127.0.0.1:1", "give each its own port"},
		{"--kubeconfig /k --log-level loud", `--log-level "loud"`},
		{"--kubeconfig /k --log-level trace", `--log-level "trace"`},
		{"--kubeconfig /k --grace -1s", "cannot be negative"},
		{"--kubeconfig /k --throttle soon", "throttle"},
	} {
		t.Run(c.args, func(t *testing.T) {
			var out bytes.Buffer
			_, err := Parse(strings.Fields(c.args), &out)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want an error with %q", err, c.want)
			}
			if out.Len() > 0 {
				t.Errorf("wrote %q besides the error", out.String())
			}
		})
	}
}

func TestHelpShowsAnExampleAndEveryFlag(t *testing.T) {
	var out bytes.Buffer
	if _, err := Parse([]string{"--help"}, &out); !errors.Is(err, ErrHelp) {
		t.Fatalf("got %v, want ErrHelp", err)
	}
	for _, want := range []string{"Example:", "-kubeconfig", "-http", "-metrics", "-log-level", "-grace", "-throttle", "-version"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("help does not mention %q", want)
		}
	}
}

func TestVersionNeedsNoOtherFlag(t *testing.T) {
	if o, err := Parse([]string{"--version"}, &bytes.Buffer{}); err != nil || !o.Version {
		t.Errorf("got %+v, %v", o, err)
	}
}
