package dns

import (
	"os"
	"path/filepath"
	"testing"
)

func TestStartsNothingWhenItCannotServe(t *testing.T) {
	corefile := func(text string) string {
		path := filepath.Join(t.TempDir(), "Corefile")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, tt := range []struct {
		name string
		args []string
		code int
	}{
		{"unknown flag", []string{"-no-such-flag"}, 2},
		{"argument", []string{"-conf", corefile(".:0 {\n}\n"), "extra"}, 2},
		{"no such Corefile", []string{"-conf", filepath.Join(t.TempDir(), "none")}, 2},
		{"Corefile that does not parse", []string{"-conf", corefile(".:0 {\n")}, 1},
		{"plug-in that is not built in", []string{"-conf", corefile(".:0 {\n\troute53 example.org.:Z\n}\n")}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if code := Main(append([]string{"coredns"}, tt.args...)); code != tt.code {
				t.Errorf("exit code %d, want %d", code, tt.code)
			}
		})
	}
}
