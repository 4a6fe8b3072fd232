//go:build linux

package host

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/slipway-cd/slipway/sandbox/internal/layout"
	"github.com/slipway-cd/slipway/sandbox/internal/proc"
	"github.com/slipway-cd/slipway/sandbox/internal/supervisor"
)

// stopOrder says who goes first; parts that are not named go last, together.
// The supervisor would start the others again, the kubelet would start pods.
var stopOrder = [][]string{
	{"supervisor"},
	{"kubelet", "kube-controller-manager", "kube-scheduler", "kube-proxy"},
}

// StopProcesses ends everything that carries the sandbox's mark, and the pods'
// processes. Each is verified to be ours at the moment it is signalled.
func (h Host) StopProcesses(ctx context.Context, grace time.Duration) error {
	for _, names := range append(stopOrder, nil) {
		all, err := proc.Find(h.Layout.Dir)
		if err != nil {
			return err
		}
		if names == nil {
			// With the kubelet gone nothing starts them again.
			if err := h.stopPods(ctx, grace); err != nil {
				return err
			}
		}
		all = slices.DeleteFunc(all, func(p proc.Process) bool {
			return p.PID == os.Getpid() || names != nil && !slices.Contains(names, p.Mark.Part)
		})
		if err := stopAll(ctx, all, grace); err != nil {
			return err
		}
	}
	return nil
}

func stopAll(ctx context.Context, all []proc.Process, grace time.Duration) error {
	errs := make(chan error)
	for _, p := range all {
		go func() { errs <- supervisor.Stop(ctx, p, grace) }()
	}
	var err error
	for range all {
		err = errors.Join(err, <-errs)
	}
	return err
}

// stopPods ends all processes in the sandbox's cgroups: SIGTERM, and SIGKILL after grace.
func (h Host) stopPods(ctx context.Context, grace time.Duration) error {
	deadline := time.Now().Add(grace)
	sig := unix.SIGTERM
	for start := time.Now(); ; {
		pids := h.podProcesses()
		if len(pids) == 0 {
			return nil
		}
		if time.Since(start) > grace+10*time.Second {
			return fmt.Errorf("%d pod processes do not end, not even by SIGKILL: %v", len(pids), pids)
		}
		if sig != 0 {
			for _, pid := range pids {
				// The cgroup is ours, so its members are; one that ended since
				// is no error, and a pid is not used anew that fast.
				_ = unix.Kill(pid, sig)
			}
			sig = 0
		}
		if !deadline.IsZero() && time.Now().After(deadline) {
			sig, deadline = unix.SIGKILL, time.Time{}
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (h Host) podProcesses() []int {
	seen := map[int]bool{}
	for _, root := range h.cgroupDirs() {
		// Errors are cgroups that went away while we looked.
		_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.IsDir() {
				return nil
			}
			raw, err := os.ReadFile(filepath.Join(path, "cgroup.procs"))
			if err != nil {
				return nil
			}
			for f := range strings.FieldsSeq(string(raw)) {
				if pid, err := strconv.Atoi(f); err == nil {
					seen[pid] = true
				}
			}
			return nil
		})
	}
	pids := make([]int, 0, len(seen))
	for pid := range seen {
		pids = append(pids, pid)
	}
	slices.Sort(pids)
	return pids
}

// Restore undoes what the sandbox did to the machine, except for its
// processes, which must have ended, and its data directory. It goes on after an error
// and returns all of them.
func (h Host) Restore(ctx context.Context, before Before) error {
	errs := []error{h.Unmount(), removeLinks(), cleanFilter(ctx), removeEmptyTables(before.NFTTables), h.removeCgroups()}
	if err := h.removeOutside(before); err != nil {
		errs = append(errs, err)
	}
	for _, name := range sysctls {
		old, ok := before.Sysctls[name]
		if now, err := readSysctl(name); !ok || err != nil || now == old {
			continue
		}
		if err := os.WriteFile(filepath.Join("/proc/sys", name), []byte(old), 0o644); err != nil {
			errs = append(errs, fmt.Errorf("set the kernel setting %s back to %s: %w", name, old, err))
		}
	}
	return errors.Join(errs...)
}

// Unmount unmounts everything under the data directory, the deepest first.
func (h Host) Unmount() error {
	// Unmounting can uncover another mount at the same place: go on until none is left.
	for range 10 {
		raw, err := os.ReadFile("/proc/self/mountinfo")
		if err != nil {
			return fmt.Errorf("list mounts: %w", err)
		}
		points := mountsUnder(string(raw), h.Layout.Dir)
		if len(points) == 0 {
			return nil
		}
		for _, p := range points {
			if err := unix.Unmount(p, unix.MNT_DETACH); err != nil && !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENOENT) {
				return fmt.Errorf("unmount %s: %w", p, err)
			}
		}
	}
	return fmt.Errorf("mounts under %s keep coming back: something else mounts there", h.Layout.Dir)
}

// mountsUnder lists the mount points below dir in /proc/self/mountinfo, last mounted first.
func mountsUnder(mountinfo, dir string) []string {
	var points []string
	unescape := strings.NewReplacer(`\040`, " ", `\011`, "\t", `\012`, "\n", `\134`, `\`)
	for line := range strings.Lines(mountinfo) {
		f := strings.Fields(line)
		if len(f) < 5 {
			continue
		}
		if p := unescape.Replace(f[4]); strings.HasPrefix(p, dir+"/") {
			points = append(points, p)
		}
	}
	slices.Reverse(points)
	return points
}

// removeLinks deletes the pods' bridge, what is attached to it, and the node's address.
func removeLinks() error {
	var errs []error
	if br, err := netlink.LinkByName(layout.Bridge); err == nil {
		links, err := netlink.LinkList()
		if err != nil {
			errs = append(errs, fmt.Errorf("list network interfaces: %w", err))
		}
		for _, l := range append(links, br) {
			if l.Attrs().MasterIndex != br.Attrs().Index && l.Attrs().Index != br.Attrs().Index {
				continue
			}
			// It may go by itself, with the pod at its other end.
			if err := netlink.LinkDel(l); err != nil && !errors.Is(err, unix.ENODEV) {
				errs = append(errs, fmt.Errorf("delete the network interface %s: %w", l.Attrs().Name, err))
			}
		}
	}
	lo, err := netlink.LinkByName("lo")
	if err != nil {
		return errors.Join(append(errs, fmt.Errorf("find the loopback interface: %w", err))...)
	}
	a, err := nodeAddr()
	if err == nil {
		err = netlink.AddrDel(lo, a)
	}
	if err != nil && !errors.Is(err, unix.EADDRNOTAVAIL) {
		errs = append(errs, fmt.Errorf("take the node's address %s off the loopback interface: %w", layout.NodeIP, err))
	}
	return errors.Join(errs...)
}

// removeCgroups removes the sandbox's cgroups, the deepest first.
func (h Host) removeCgroups() error {
	var errs []error
	for _, root := range h.cgroupDirs() {
		var dirs []string
		_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err == nil && d.IsDir() {
				dirs = append(dirs, path)
			}
			return nil
		})
		for _, d := range slices.Backward(dirs) {
			if err := rmdirBusy(d); err != nil {
				errs = append(errs, fmt.Errorf("remove the cgroup: %w", err))
			}
		}
	}
	return errors.Join(errs...)
}

// rmdirBusy removes a cgroup, which stays busy for a moment after its last process ended.
func rmdirBusy(dir string) error {
	var err error
	for range 50 {
		err = unix.Rmdir(dir)
		if err == nil || errors.Is(err, unix.ENOENT) {
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return &fs.PathError{Op: "rmdir", Path: dir, Err: err}
}

// removeOutside removes what parts left at places fixed in their source.
func (h Host) removeOutside(before Before) error {
	var errs []error
	// The kubelet links each container's log here.
	logs, _ := os.ReadDir("/var/log/containers")
	for _, e := range logs {
		path := filepath.Join("/var/log/containers", e.Name())
		if to, err := os.Readlink(path); err == nil && strings.HasPrefix(to, h.Layout.Dir+"/") {
			errs = append(errs, os.Remove(path))
		}
	}
	// libcni remembers each attachment, with the path of its network namespace.
	results, _ := filepath.Glob("/var/lib/cni/results/*")
	for _, path := range results {
		if raw, err := os.ReadFile(path); err == nil && bytes.Contains(raw, []byte(h.Layout.Dir+"/")) {
			errs = append(errs, os.Remove(path))
		}
	}
	// Shims that were killed leave their sockets. Those that came since, and at
	// which nobody listens, are of no use to anyone.
	listening, err := os.ReadFile("/proc/net/unix")
	sockets, _ := filepath.Glob(shimSockets)
	for _, path := range sockets {
		if err == nil && !bytes.Contains(listening, []byte(path)) && !slices.Contains(before.ShimSockets, path) {
			errs = append(errs, removeIfThere(path))
		}
	}
	for _, path := range []string{"/var/lib/kubelet/device-plugins/kubelet.sock", "/var/lib/kubelet/device-plugins/DEPRECATION", "/var/lib/kubelet/device-plugins/kubelet_internal_checkpoint"} {
		if !slices.Contains(before.Dirs, filepath.Dir(path)) {
			errs = append(errs, removeIfThere(path))
		}
	}
	// The directories themselves, the deepest first, when they were not there
	// before and are empty now.
	dirs := slices.Clone(outside)
	slices.SortFunc(dirs, func(a, b string) int { return len(b) - len(a) })
	for _, dir := range dirs {
		if slices.Contains(before.Dirs, dir) {
			continue
		}
		if err := unix.Rmdir(dir); err != nil && !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ENOTEMPTY) {
			errs = append(errs, &fs.PathError{Op: "rmdir", Path: dir, Err: err})
		}
	}
	return errors.Join(errs...)
}

func removeIfThere(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
