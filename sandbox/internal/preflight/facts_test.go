//go:build linux

package preflight

import "testing"

func TestAddressesOfProcNetAreRead(t *testing.T) {
	for in, want := range map[string]string{
		"0100007F:1F90":                         "127.0.0.1:8080",
		"01007B0A:192B":                         "10.123.0.1:6443",
		"00000000000000000000000000000000:0016": "[::]:22",
		"00000000000000000000000001000000:0050": "[::1]:80",
	} {
		if got, ok := parseHexAddr(in); !ok || got.String() != want {
			t.Errorf("%s is read as %v %t, want %s", in, got, ok, want)
		}
	}
	for _, in := range []string{"", "zz", "0100007F", "0100007F:xx", "01:0050"} {
		if got, ok := parseHexAddr(in); ok {
			t.Errorf("%q is read as %v", in, got)
		}
	}
}
