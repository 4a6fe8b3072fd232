//go:build linux

// Package host changes the machine for the sandbox, and changes it back. What
// it was like before is written down first, so that another process can undo
// the changes, also after a crash.
package host

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/slipway-cd/slipway/sandbox/internal/layout"
)

// sysctls are the kernel settings that a part of the sandbox may change: the
// kubelet, kube-proxy and the CNI plugins each set some.
var sysctls = []string{
	"kernel/keys/root_maxbytes", "kernel/keys/root_maxkeys", "kernel/panic", "kernel/panic_on_oops",
	"vm/overcommit_memory", "vm/panic_on_oom",
	"net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding", "net/ipv4/conf/all/route_localnet",
	"net/bridge/bridge-nf-call-iptables", "net/bridge/bridge-nf-call-ip6tables",
	"net/netfilter/nf_conntrack_max", "net/netfilter/nf_conntrack_tcp_be_liberal",
	"net/netfilter/nf_conntrack_tcp_timeout_established", "net/netfilter/nf_conntrack_tcp_timeout_close_wait",
	"net/netfilter/nf_conntrack_udp_timeout", "net/netfilter/nf_conntrack_udp_timeout_stream",
}

// outside are directories outside the data directory in which a part leaves
// things because their place is fixed in its source.
var outside = []string{
	"/var/log/containers", "/var/lib/cni/results", "/var/lib/cni/cache", "/var/lib/cni",
	"/var/lib/kubelet/device-plugins", "/var/lib/kubelet", "/run/containerd/s", "/run/containerd",
	"/run/containerd/runc", "/run/containerd/runc/k8s.io", "/etc/cni/net.d", "/etc/cni", "/run/mount",
}

// shimSockets is where containerd's shims listen, whatever containerd's own directories are.
const shimSockets = "/run/containerd/s/*"

// Before is what the machine was like before the sandbox changed it.
type Before struct {
	// BootID tells this boot from another.
	BootID string `json:"bootID"`
	// Sysctls has the value of each kernel setting that existed.
	Sysctls map[string]string `json:"sysctls"`
	// Dirs lists those of the fixed directories that existed.
	Dirs []string `json:"dirs"`
	// NFTTables lists the nftables tables that existed.
	NFTTables []string `json:"nftTables"`
	// ShimSockets lists the sockets of containerd's shims that existed.
	ShimSockets []string `json:"shimSockets"`
}

// Host prepares and restores one machine for one sandbox.
type Host struct{ Layout layout.Layout }

func (h Host) beforeFile() string { return h.Layout.Path("before.json") }

// Remember writes down what the machine is like, unless that was done already
// during this boot. It is called before anything is changed.
func (h Host) Remember() (Before, error) {
	boot, err := bootID()
	if err != nil {
		return Before{}, err
	}
	old, err := h.Recall()
	if err == nil && old.BootID == boot {
		return old, nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return Before{}, err
	}
	b := Before{BootID: boot, Sysctls: map[string]string{}, NFTTables: nftTables()}
	b.ShimSockets, _ = filepath.Glob(shimSockets) // the pattern is good
	for _, name := range sysctls {
		if v, err := readSysctl(name); err == nil {
			b.Sysctls[name] = v
		}
	}
	for _, dir := range outside {
		if _, err := os.Stat(dir); err == nil {
			b.Dirs = append(b.Dirs, dir)
		}
	}
	data, err := json.MarshalIndent(b, "", "  ")
	if err != nil {
		return b, err
	}
	tmp := h.beforeFile() + ".new"
	if err := os.WriteFile(tmp, data, 0o600); err != nil {
		return b, fmt.Errorf("write down what the machine is like: %w", err)
	}
	if err := os.Rename(tmp, h.beforeFile()); err != nil {
		return b, fmt.Errorf("write down what the machine is like: %w", err)
	}
	return b, nil
}

// Recall reads what Remember wrote. The error wraps os.ErrNotExist when there is nothing.
func (h Host) Recall() (Before, error) {
	var b Before
	raw, err := os.ReadFile(h.beforeFile())
	if err != nil {
		return b, fmt.Errorf("recall what the machine was like: %w", err)
	}
	if err := json.Unmarshal(raw, &b); err != nil {
		return b, fmt.Errorf("recall what the machine was like (%s): %w", h.beforeFile(), err)
	}
	return b, nil
}

func bootID() (string, error) {
	raw, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return "", fmt.Errorf("read the boot id: %w", err)
	}
	return strings.TrimSpace(string(raw)), nil
}

func readSysctl(name string) (string, error) {
	raw, err := os.ReadFile(filepath.Join("/proc/sys", name))
	return strings.TrimSpace(string(raw)), err
}

// Prepare makes the machine ready: the node's address, forwarding, cgroups.
// It is idempotent.
func (h Host) Prepare() error {
	if err := addAddress(); err != nil {
		return err
	}
	for name, value := range map[string]string{
		"net/ipv4/ip_forward": "1", "net/bridge/bridge-nf-call-iptables": "1",
	} {
		if v, err := readSysctl(name); err != nil || v == value {
			continue // bridge-nf-call is missing where the kernel filters bridges anyway or not at all
		}
		if err := os.WriteFile(filepath.Join("/proc/sys", name), []byte(value), 0o644); err != nil {
			return fmt.Errorf("set the kernel setting %s: %w", name, err)
		}
	}
	for _, dir := range h.cgroupDirs() {
		if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, os.ErrExist) {
			return fmt.Errorf("make the cgroup %s: %w", dir, err)
		}
		if err := fillCpuset(dir); err != nil {
			return err
		}
	}
	return nil
}

// fillCpuset copies the parent's processors and memory nodes: in version 1 a
// new cpuset is empty and takes no process.
func fillCpuset(dir string) error {
	for _, f := range []string{"cpuset.cpus", "cpuset.mems"} {
		if v, err := os.ReadFile(filepath.Join(dir, f)); err != nil || strings.TrimSpace(string(v)) != "" {
			continue
		}
		v, err := os.ReadFile(filepath.Join(filepath.Dir(dir), f))
		if err != nil || strings.TrimSpace(string(v)) == "" {
			continue // version 2 inherits
		}
		if err := os.WriteFile(filepath.Join(dir, f), v, 0o644); err != nil {
			return fmt.Errorf("fill the cgroup %s: %w", dir, err)
		}
	}
	return nil
}

// cgroupDirs lists the sandbox's cgroup in each hierarchy.
func (h Host) cgroupDirs() []string {
	const root = "/sys/fs/cgroup"
	if _, err := os.Stat(filepath.Join(root, "cgroup.controllers")); err == nil {
		return []string{filepath.Join(root, h.Layout.CgroupRoot())}
	}
	entries, err := os.ReadDir(root)
	if err != nil {
		return nil
	}
	var dirs []string
	for _, e := range entries {
		// Links such as cpu → cpu,cpuacct lead to a directory that is listed itself.
		if e.IsDir() {
			dirs = append(dirs, filepath.Join(root, e.Name(), h.Layout.CgroupRoot()))
		}
	}
	return dirs
}

func nodeAddr() (*netlink.Addr, error) {
	a, err := netlink.ParseAddr(layout.NodeIP + "/32")
	if err != nil {
		return nil, fmt.Errorf("read the node's address: %w", err)
	}
	a.Scope = unix.RT_SCOPE_UNIVERSE
	return a, nil
}

// addAddress gives the node's address to the loopback interface, which every
// machine has; a dummy interface would need a kernel module.
func addAddress() error {
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return fmt.Errorf("find the loopback interface: %w", err)
	}
	a, err := nodeAddr()
	if err != nil {
		return err
	}
	if err := netlink.AddrAdd(lo, a); err != nil && !errors.Is(err, unix.EEXIST) {
		return fmt.Errorf("add the node's address %s to the loopback interface: %w", layout.NodeIP, err)
	}
	return nil
}

// SameBoot says whether before was written during this boot.
func (h Host) SameBoot(before Before) (bool, error) {
	boot, err := bootID()
	return boot == before.BootID, err
}

// Forget removes what Remember wrote, after Restore.
func (h Host) Forget() error {
	if err := os.Remove(h.beforeFile()); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("forget what the machine was like: %w", err)
	}
	return nil
}
