package multicall

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

// record returns two applets and what was run, in order, as their arguments.
func record() ([]Applet, *[][]string) {
	var ran [][]string
	run := func(code int) func([]string) int {
		return func(args []string) int { ran = append(ran, args); return code }
	}
	return []Applet{
		{Name: "kubectl", Summary: "the client", Run: run(7)},
		{Name: "etcd", Summary: "the store", Run: run(0)},
	}, &ran
}

func TestRunsTheAppletThatIsNamed(t *testing.T) {
	for _, tt := range []struct {
		name string
		argv []string
		args []string
		code int
	}{
		{"first argument", []string{"slipway-cluster", "kubectl", "get", "pods"}, []string{"kubectl", "get", "pods"}, 7},
		{"first argument, program by path", []string{"/opt/bin/slipway-cluster", "etcd"}, []string{"etcd"}, 0},
		{"first argument, program renamed", []string{"./cluster-2", "etcd", "--version"}, []string{"etcd", "--version"}, 0},
		{"link", []string{"kubectl", "get", "pods"}, []string{"kubectl", "get", "pods"}, 7},
		{"link by path, no arguments", []string{"/usr/local/bin/kubectl"}, []string{"kubectl"}, 7},
		{"link wins over an argument that is an applet too", []string{"kubectl", "etcd"}, []string{"kubectl", "etcd"}, 7},
		{"flags of the applet are its own", []string{"slipway-cluster", "kubectl", "--help"}, []string{"kubectl", "--help"}, 7},
	} {
		t.Run(tt.name, func(t *testing.T) {
			applets, ran := record()
			given := slices.Clone(tt.argv)
			var errw bytes.Buffer
			if code := Run("slipway-cluster", applets, tt.argv, &errw); code != tt.code {
				t.Errorf("exit code %d, want the applet's own, %d", code, tt.code)
			}
			if len(*ran) != 1 || !slices.Equal((*ran)[0], tt.args) {
				t.Errorf("ran %q, want exactly one run with %q", *ran, tt.args)
			}
			if errw.Len() != 0 {
				t.Errorf("wrote %q of its own", errw.String())
			}
			if !slices.Equal(tt.argv, given) {
				t.Errorf("changed the caller's arguments to %q", tt.argv)
			}
		})
	}
}

func TestRunsNothingAndListsTheAppletsOtherwise(t *testing.T) {
	for _, tt := range []struct {
		name  string
		argv  []string
		code  int
		wants string
	}{
		{"unknown applet", []string{"slipway-cluster", "kubeadm", "init"}, ExitUsage, `unknown applet "kubeadm"; nothing was started`},
		{"empty name", []string{"slipway-cluster", ""}, ExitUsage, `unknown applet ""`},
		{"part of a name", []string{"slipway-cluster", "kube"}, ExitUsage, `unknown applet "kube"`},
		{"applet after a flag", []string{"slipway-cluster", "-v", "etcd"}, ExitUsage, `unknown applet "-v"`},
		{"no applet", []string{"slipway-cluster"}, ExitUsage, "no applet named; nothing was started"},
		{"no arguments at all", nil, ExitUsage, "no applet named"},
		{"help", []string{"slipway-cluster", "help"}, 0, "usage: slipway-cluster APPLET"},
		{"--help", []string{"slipway-cluster", "--help"}, 0, "usage: slipway-cluster APPLET"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			applets, ran := record()
			var errw bytes.Buffer
			if code := Run("slipway-cluster", applets, tt.argv, &errw); code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
			if len(*ran) != 0 {
				t.Errorf("ran %q", *ran)
			}
			for _, want := range []string{tt.wants, "kubectl  the client", "etcd     the store"} {
				if !strings.Contains(errw.String(), want) {
					t.Errorf("output lacks %q:\n%s", want, errw.String())
				}
			}
		})
	}
}
