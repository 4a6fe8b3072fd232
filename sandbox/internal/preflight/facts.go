//go:build linux

package preflight

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"

	"github.com/slipway-cd/slipway/sandbox/internal/host"
	"github.com/slipway-cd/slipway/sandbox/internal/layout"
	"github.com/slipway-cd/slipway/sandbox/internal/proc"
)

// Collect looks at the machine and changes nothing.
func Collect(ctx context.Context, l layout.Layout) (Facts, error) {
	f := Facts{OS: runtime.GOOS, Root: os.Geteuid() == 0, CNIBin: FindCNI()}
	if !f.Root {
		return f, nil
	}
	for c := range Commands {
		if _, err := exec.LookPath(c); err != nil {
			f.Missing = append(f.Missing, c)
		}
	}
	slices.Sort(f.Missing)
	for _, b := range []string{l.Cluster(), l.GatewayBin(), l.Pause()} {
		if info, err := os.Stat(b); err != nil || info.Mode()&0o111 == 0 {
			f.MissingBinaries = append(f.MissingBinaries, filepath.Base(b))
		}
	}
	var err error
	if f.Free, err = free(l.Dir); err != nil {
		return f, err
	}
	if f.Controllers, err = controllers(); err != nil {
		return f, err
	}
	if f.Listeners, err = listeners(l.Dir); err != nil {
		return f, err
	}
	// Once we have changed the machine, such chains and the bridge are ours.
	if _, err := (host.Host{Layout: l}).Recall(); errors.Is(err, os.ErrNotExist) {
		_, err := netlink.LinkByName(layout.Bridge)
		f.ForeignBridge = err == nil
		if len(f.Missing) == 0 {
			if f.ForeignChains, err = host.ForeignChains(ctx); err != nil {
				return f, err
			}
		}
	}
	return f, nil
}

// FindCNI returns the directory that has all needed CNI plugins, or "".
func FindCNI() string {
	for _, dir := range CNIDirs {
		if !slices.ContainsFunc(CNIPlugins, func(p string) bool {
			_, err := os.Stat(filepath.Join(dir, p))
			return err != nil
		}) {
			return dir
		}
	}
	return ""
}

// free is the free space on the file system of dir, or of its nearest existing parent.
func free(dir string) (uint64, error) {
	for {
		var s unix.Statfs_t
		err := unix.Statfs(dir, &s)
		if err == nil {
			return s.Bavail * uint64(s.Bsize), nil
		}
		if !errors.Is(err, unix.ENOENT) || dir == "/" {
			return 0, fmt.Errorf("ask for the free space at %s: %w", dir, err)
		}
		dir = filepath.Dir(dir)
	}
}

func controllers() ([]string, error) {
	if raw, err := os.ReadFile("/sys/fs/cgroup/cgroup.controllers"); err == nil {
		return strings.Fields(string(raw)), nil
	}
	entries, err := os.ReadDir("/sys/fs/cgroup")
	if err != nil {
		return nil, fmt.Errorf("look for cgroups: %w", err)
	}
	var out []string
	for _, e := range entries {
		out = append(out, e.Name())
	}
	return out, nil
}

// listeners lists the listening sockets on the ports that we need.
func listeners(dir string) ([]Listener, error) {
	wanted := map[uint16]bool{}
	for _, a := range Addresses {
		wanted[netip.MustParseAddrPort(a).Port()] = true
	}
	inodes := map[string]Listener{}
	for _, table := range []string{"tcp", "tcp6", "udp", "udp6"} {
		if strings.HasPrefix(table, "udp") {
			wanted = map[uint16]bool{netip.MustParseAddrPort(layout.DNS).Port(): true}
		}
		if err := readSockets(table, wanted, inodes); err != nil {
			return nil, err
		}
	}
	if len(inodes) == 0 {
		return nil, nil
	}
	fds, err := filepath.Glob("/proc/[0-9]*/fd/*")
	if err != nil {
		return nil, err
	}
	for _, fd := range fds {
		target, err := os.Readlink(fd)
		if err != nil {
			continue
		}
		inode, ok := strings.CutPrefix(strings.TrimSuffix(target, "]"), "socket:[")
		l, known := inodes[inode]
		if !ok || !known || l.PID != 0 {
			continue
		}
		l.PID, _ = strconv.Atoi(strings.Split(fd, "/")[2])
		p, marked := proc.Read(l.PID)
		l.Ours = marked && p.Mark.Dir == dir
		name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", l.PID))
		l.Command = strings.TrimSpace(string(name))
		inodes[inode] = l
	}
	var out []Listener
	for _, l := range inodes {
		out = append(out, l)
	}
	return out, nil
}

// readSockets adds the listening sockets of one table of /proc/net, by inode.
func readSockets(table string, wanted map[uint16]bool, into map[string]Listener) error {
	f, err := os.Open("/proc/net/" + table)
	if errors.Is(err, os.ErrNotExist) {
		return nil // no IPv6
	}
	if err != nil {
		return fmt.Errorf("list sockets: %w", err)
	}
	defer f.Close()
	listening := "0A" // TCP_LISTEN
	if strings.HasPrefix(table, "udp") {
		listening = "07" // unconnected
	}
	for s := bufio.NewScanner(f); s.Scan(); {
		c := strings.Fields(s.Text())
		if len(c) < 10 || c[3] != listening {
			continue
		}
		if a, ok := parseHexAddr(c[1]); ok && wanted[a.Port()] {
			into[c[9]] = Listener{Addr: a}
		}
	}
	return nil
}

// parseHexAddr reads an address as /proc/net prints it: 32-bit words in the
// machine's byte order, which is little-endian wherever the sandbox is built.
func parseHexAddr(s string) (netip.AddrPort, bool) {
	ip, port, ok := strings.Cut(s, ":")
	raw, err := hex.DecodeString(ip)
	n, err2 := strconv.ParseUint(port, 16, 16)
	if !ok || err != nil || err2 != nil || len(raw)%4 != 0 {
		return netip.AddrPort{}, false
	}
	for i := 0; i < len(raw); i += 4 {
		slices.Reverse(raw[i : i+4])
	}
	a, ok := netip.AddrFromSlice(raw)
	return netip.AddrPortFrom(a, uint16(n)), ok
}
