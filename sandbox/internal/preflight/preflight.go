// Package preflight says why a machine cannot run the sandbox, before
// anything on it is touched. Check is a pure function of Facts.
package preflight

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/slipway-cd/slipway/sandbox/internal/layout"
)

// MinFree is the least free space, in bytes, on the data directory's file system.
const MinFree = 2 << 30

// Facts is what Check needs to know about a machine.
type Facts struct {
	OS   string
	Root bool
	// Missing lists the needed commands that are not in PATH.
	Missing []string
	// CNIBin is the directory that has the CNI plugins, empty when none has.
	CNIBin string
	// MissingBinaries lists the sandbox's own executables that are not there.
	MissingBinaries []string
	// Listeners are the listening TCP and UDP sockets of the machine.
	Listeners []Listener
	// Free is the free space in bytes where the data directory is.
	Free uint64
	// Controllers are the cgroup controllers of the kernel.
	Controllers []string
	// ForeignChains are packet filter chains of a Kubernetes that is not ours.
	ForeignChains []string
	// ForeignBridge is true when an interface with our bridge's name exists and is not ours.
	ForeignBridge bool
}

// Listener is a socket on which a process waits.
type Listener struct {
	Addr netip.AddrPort
	// PID and Command are the process, 0 and empty when it cannot be seen.
	PID     int
	Command string
	// Ours is true for the sandbox's own processes.
	Ours bool
}

// Commands maps each command that must be in PATH to the Debian package that has it.
var Commands = map[string]string{
	"containerd": "containerd", "containerd-shim-runc-v2": "containerd", "ctr": "containerd", "runc": "runc",
	"iptables": "iptables", "iptables-save": "iptables", "iptables-restore": "iptables",
	"conntrack": "conntrack", "redis-server": "redis-server", "mount": "mount",
}

// CNIDirs are where distributions put the CNI plugins; CNIPlugins are those needed.
var (
	CNIDirs    = []string{"/usr/lib/cni", "/opt/cni/bin", "/usr/libexec/cni"}
	CNIPlugins = []string{"bridge", "host-local", "loopback", "portmap"}
)

// Addresses are those that the sandbox listens at.
var Addresses = []string{
	layout.APIServer, layout.EtcdClient, layout.EtcdPeer, layout.DNS, layout.DNSHealth, layout.Kubelet,
	layout.KubeletHealth, layout.ProxyMetrics, layout.ProxyHealth, layout.Controllers, layout.Scheduler,
	layout.Registry, layout.Gateway, layout.GatewayPods, layout.GatewayMetrics, layout.Redis,
	layout.AzureIngest, layout.AzureIngestTLS, layout.AzureQuery, layout.AzureEntra, layout.AzureVault, layout.AzureARM, layout.AzureRegistry, layout.AzureControl,
}

// Controllers are the cgroup controllers that containers need.
var Controllers = []string{"cpu", "cpuset", "memory", "pids"}

// Check returns one sentence for each thing that is in the way, none when the
// machine can run the sandbox.
func Check(l layout.Layout, f Facts) []string {
	if f.OS != "linux" {
		return []string{fmt.Sprintf("The sandbox needs Linux and this is %s: run it in a virtual machine, or use a cluster that you have.", f.OS)}
	}
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if !f.Root {
		say("The sandbox must run as root, because it makes network interfaces and containers: use `sudo slipway sandbox up`.")
		return out // most other facts cannot be seen without it
	}
	if len(l.Dir) > layout.MaxDirLen {
		say("The data directory %s is too long for the sockets in it: choose one of at most %d characters with --dir.", l.Dir, layout.MaxDirLen)
	}
	if packages := packages(f); len(packages) > 0 {
		what := slices.Clone(f.Missing)
		if f.CNIBin == "" {
			what = append(what, "the CNI plugins")
		}
		say("Not installed: %s; on Debian and Ubuntu, `apt-get install --no-install-recommends %s` brings it.", strings.Join(what, ", "), strings.Join(packages, " "))
	}
	if len(f.MissingBinaries) > 0 {
		say("Not found beside slipway-sandbox in %s: %s; `make sandbox` builds it.", l.Bin, strings.Join(f.MissingBinaries, ", "))
	}
	told := map[netip.AddrPort]bool{} // one that listens at all addresses is in the way of several
	for _, a := range Addresses {
		if h := holder(netip.MustParseAddrPort(a), f.Listeners); h != nil && !told[h.Addr] {
			told[h.Addr] = true
			say("The sandbox needs %s, but %s listens at %s: stop it first.", a, h.who(), h.Addr)
		}
	}
	if f.Free < MinFree {
		say("Only %d MiB are free where %s is, and the sandbox needs %d: free some space, or choose another place with --dir.", f.Free>>20, l.Dir, MinFree>>20)
	}
	var lack []string
	for _, c := range Controllers {
		if !slices.Contains(f.Controllers, c) {
			lack = append(lack, c)
		}
	}
	if len(lack) > 0 {
		say("The cgroup controllers %s are not available (mounted at /sys/fs/cgroup), and containers need them: mount them, or enable them in the kernel.", strings.Join(lack, ", "))
	}
	if len(f.ForeignChains) > 0 {
		say("Another Kubernetes or container network seems to use this machine (packet filter chain %s and %d more), and the sandbox would get in its way: use another machine, or remove what it left.", f.ForeignChains[0], len(f.ForeignChains)-1)
	}
	if f.ForeignBridge {
		say("A network interface named %s exists and is not the sandbox's: delete it with `ip link delete %s` if nobody needs it.", layout.Bridge, layout.Bridge)
	}
	return out
}

func packages(f Facts) []string {
	var out []string
	for _, m := range f.Missing {
		out = append(out, Commands[m])
	}
	if f.CNIBin == "" {
		out = append(out, "containernetworking-plugins")
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// holder finds who, other than us, is in the way of listening at addr.
func holder(addr netip.AddrPort, all []Listener) *Listener {
	for i, l := range all {
		if l.Addr.Port() == addr.Port() && !l.Ours && (l.Addr.Addr().IsUnspecified() || l.Addr.Addr().Unmap() == addr.Addr()) {
			return &all[i]
		}
	}
	return nil
}

func (l Listener) who() string {
	if l.PID == 0 {
		return "a process that cannot be seen from here"
	}
	return fmt.Sprintf("%s (pid %d)", l.Command, l.PID)
}
