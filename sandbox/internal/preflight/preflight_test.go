package preflight

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/slipway-cd/slipway/sandbox/internal/layout"
)

var lay = layout.Layout{Dir: layout.DefaultDir, Bin: "/opt/slipway/bin"}

func good() Facts {
	return Facts{OS: "linux", Root: true, CNIBin: "/usr/lib/cni", Free: 10 << 30, Controllers: []string{"cpu", "cpuset", "memory", "pids", "blkio"}}
}

func TestAGoodMachineHasNoProblem(t *testing.T) {
	f := good()
	f.Listeners = []Listener{
		{Addr: netip.MustParseAddrPort("10.123.0.1:6443"), PID: 5, Command: "slipway-cluster", Ours: true},
		{Addr: netip.MustParseAddrPort("192.0.2.1:8080"), PID: 6, Command: "elsewhere"},
	}
	if p := Check(lay, f); len(p) > 0 {
		t.Errorf("problems: %q", p)
	}
}

func TestEachWrongMachineGetsItsOwnSentence(t *testing.T) {
	long := layout.Layout{Dir: "/" + strings.Repeat("d", 60)}
	for _, c := range []struct {
		name   string
		layout layout.Layout
		spoil  func(*Facts)
		want   []string
	}{
		{"not Linux", lay, func(f *Facts) { f.OS = "darwin" }, []string{"needs Linux", "darwin"}},
		{"not root", lay, func(f *Facts) { f.Root = false; f.Free = 0 }, []string{"as root", "sudo"}},
		{"long directory", long, func(*Facts) {}, []string{"too long", "--dir"}},
		{"no containerd", lay, func(f *Facts) { f.Missing = []string{"containerd", "ctr", "runc"} },
			[]string{"Not installed: containerd, ctr, runc", "apt-get install --no-install-recommends containerd runc`"}},
		{"no CNI plugins", lay, func(f *Facts) { f.CNIBin = "" }, []string{"the CNI plugins", "containernetworking-plugins"}},
		{"not built", lay, func(f *Facts) { f.MissingBinaries = []string{"slipway-cluster"} }, []string{"slipway-cluster", "/opt/slipway/bin", "make sandbox"}},
		{"port taken", lay, func(f *Facts) {
			f.Listeners = []Listener{{Addr: netip.MustParseAddrPort("[::]:8080"), PID: 42, Command: "nginx"}}
		}, []string{"127.0.0.1:8080", "nginx (pid 42)", "[::]:8080"}},
		{"port taken by nobody we see", lay, func(f *Facts) {
			f.Listeners = []Listener{{Addr: netip.MustParseAddrPort("127.0.0.1:5080")}}
		}, []string{"127.0.0.1:5080", "cannot be seen"}},
		{"disk full", lay, func(f *Facts) { f.Free = 100 << 20 }, []string{"Only 100 MiB", "2048"}},
		{"no cgroups", lay, func(f *Facts) { f.Controllers = []string{"cpu", "cpuset"} }, []string{"memory, pids"}},
		{"another Kubernetes", lay, func(f *Facts) { f.ForeignChains = []string{"KUBE-SERVICES", "KUBE-MARK-MASQ"} }, []string{"KUBE-SERVICES and 1 more"}},
		{"bridge taken", lay, func(f *Facts) { f.ForeignBridge = true }, []string{layout.Bridge}},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := good()
			c.spoil(&f)
			got := Check(c.layout, f)
			if len(got) != 1 {
				t.Fatalf("want one sentence, got %q", got)
			}
			for _, w := range c.want {
				if !strings.Contains(got[0], w) {
					t.Errorf("%q does not say %q", got[0], w)
				}
			}
		})
	}
}

func TestAllProblemsAreToldAtOnce(t *testing.T) {
	f := good()
	f.Missing, f.Free, f.MissingBinaries = []string{"runc"}, 0, []string{"slipway-pause"}
	if got := Check(lay, f); len(got) != 3 {
		t.Errorf("want three sentences, got %q", got)
	}
}
