//go:build e2e && linux

package e2e

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/slipway-cd/slipway/sandbox/internal/layout"
)

// inside is set in the test process that has network and mount namespaces of
// its own. There the test cannot disturb a sandbox that someone uses on the
// same machine, and can compare everything exactly.
const inside = "SLIPWAY_SANDBOX_E2E_INSIDE"

func TestMain(m *testing.M) {
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			fmt.Fprintln(os.Stderr, "the sandbox's end-to-end test needs root, and with CI=true it must run")
			os.Exit(1)
		}
		fmt.Fprintln(os.Stderr, "*** SKIPPED: the sandbox's end-to-end test needs root ***")
		os.Exit(0)
	}
	if os.Getenv(inside) == "" {
		os.Exit(outside())
	}
	if err := furnish(); err != nil {
		fmt.Fprintln(os.Stderr, "set up the test's namespaces:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// outside runs this test again in new namespaces.
func outside() int {
	cmd := exec.Command(os.Args[0], os.Args[1:]...)
	cmd.Env = append(os.Environ(), inside+"=1")
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWNET | unix.CLONE_NEWNS}
	if err := cmd.Run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// furnish gives the namespaces what a machine has.
func furnish() error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("cut mounts off: %w", err)
	}
	for _, dir := range []string{"/run", "/var/log", "/var/lib/cni", "/var/lib/kubelet"} {
		if _, err := os.Stat(dir); err != nil {
			continue
		}
		if err := unix.Mount("tmpfs", dir, "tmpfs", 0, ""); err != nil {
			return fmt.Errorf("mount an empty %s: %w", dir, err)
		}
	}
	// Containers' mounts must reach the kubelet's and containerd's.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, ""); err != nil {
		return fmt.Errorf("share mounts: %w", err)
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	return netlink.LinkSetUp(lo)
}

// machine is what a sandbox could leave behind, each thing as one line.
type machine map[string][]string

var counters = regexp.MustCompile(`\[\d+:\d+\]|^#.*$`)

func look(ctx context.Context, t *testing.T) machine {
	t.Helper()
	m := machine{}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	must(err)
	for line := range strings.Lines(string(mounts)) {
		// A sandbox in use on the machine unmounts what our copy of its mounts hangs on.
		if point := strings.Fields(line)[4]; !strings.HasPrefix(point, layout.DefaultDir+"/") {
			m["mounts"] = append(m["mounts"], point)
		}
	}
	links, err := netlink.LinkList()
	must(err)
	for _, l := range links {
		addrs, err := netlink.AddrList(l, netlink.FAMILY_ALL)
		must(err)
		m["interfaces"] = append(m["interfaces"], fmt.Sprint(l.Attrs().Name, addrs))
	}
	routes, err := netlink.RouteList(nil, netlink.FAMILY_ALL)
	must(err)
	for _, r := range routes {
		m["routes"] = append(m["routes"], r.String())
	}
	for _, save := range []string{"iptables-save", "ip6tables-save"} {
		out, err := exec.CommandContext(ctx, save).Output()
		must(err)
		for line := range strings.Lines(string(out)) {
			m[save] = append(m[save], counters.ReplaceAllString(strings.TrimSpace(line), ""))
		}
	}
	must(filepath.WalkDir("/sys/fs/cgroup", func(path string, d os.DirEntry, err error) error {
		if err == nil && d.IsDir() && filepath.Base(path) == cgroupName {
			m["cgroups"] = append(m["cgroups"], path)
		}
		return nil
	}))
	for _, dir := range []string{"/run", "/var/log", "/var/lib/cni", "/var/lib/kubelet", "/etc/cni", "/opt/containerd", dataDir} {
		_ = filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
			if err == nil {
				m["files"] = append(m["files"], path)
			}
			return nil
		})
	}
	for _, name := range []string{
		"kernel/panic", "kernel/panic_on_oops", "vm/overcommit_memory", "vm/panic_on_oom", "kernel/keys/root_maxkeys", "net/ipv4/ip_forward",
		"net/ipv4/conf/all/route_localnet", "net/bridge/bridge-nf-call-iptables", "net/netfilter/nf_conntrack_max",
	} {
		v, err := os.ReadFile("/proc/sys/" + name)
		must(err)
		m["sysctls"] = append(m["sysctls"], name+"="+strings.TrimSpace(string(v)))
	}
	m["processes"] = processes(t)
	return m
}

// processes lists those in our network namespace, and those that name the
// sandbox in their arguments, environment or cgroup, except for this one.
func processes(t *testing.T) []string {
	t.Helper()
	ours, err := os.Readlink("/proc/self/ns/net")
	if err != nil {
		t.Fatal(err)
	}
	procs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for _, p := range procs {
		net, _ := os.Readlink(p + "/ns/net")
		args, _ := os.ReadFile(p + "/cmdline")
		env, _ := os.ReadFile(p + "/environ")
		cgroup, _ := os.ReadFile(p + "/cgroup")
		if filepath.Base(p) == fmt.Sprint(os.Getpid()) || len(args) == 0 {
			continue
		}
		if net == ours || strings.Contains(string(args)+string(env), dataDir) || strings.Contains(string(cgroup), cgroupName) {
			out = append(out, filepath.Base(p)+" "+strings.ReplaceAll(string(args), "\x00", " "))
		}
	}
	return out
}

// different lists what after has and before has not, and the other way round.
func different(before, after machine) []string {
	var out []string
	for kind := range after {
		for _, line := range after[kind] {
			if !slices.Contains(before[kind], line) {
				out = append(out, kind+": left behind: "+line)
			}
		}
	}
	for kind := range before {
		for _, line := range before[kind] {
			if !slices.Contains(after[kind], line) {
				out = append(out, kind+": gone: "+line)
			}
		}
	}
	slices.Sort(out)
	return out
}
