//go:build linux

// Package proc finds the processes of a sandbox by a mark in their
// environment, and reads what /proc says about them. There are no pid files,
// so there are no stale ones: a process is ours when it carries our mark and
// runs the executable that the mark's part runs.
package proc

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Marker is the environment variable that marks a process: its value is
// "<data directory>|<part>|<hash of how it was started>". Children of a part
// inherit it; they are told apart by their executable.
const Marker = "SLIPWAY_SANDBOX_PART"

// Mark is a parsed Marker.
type Mark struct{ Dir, Part, Hash string }

func (m Mark) String() string { return m.Dir + "|" + m.Part + "|" + m.Hash }

// ParseMark reads what Mark.String wrote.
func ParseMark(s string) (Mark, bool) {
	f := strings.Split(s, "|")
	if len(f) != 3 {
		return Mark{}, false
	}
	return Mark{f[0], f[1], f[2]}, true
}

// Process is one running process that carries a mark.
type Process struct {
	PID     int
	Mark    Mark
	Exe     string
	Started time.Time
}

// Find lists the live processes that carry a mark of dir, children of parts included.
func Find(dir string) ([]Process, error) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil, fmt.Errorf("list processes: %w", err)
	}
	var found []Process
	for _, e := range entries {
		pid, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if p, ok := Read(pid); ok && p.Mark.Dir == dir {
			found = append(found, p)
		}
	}
	return found, nil
}

// Read looks at one process. It is false for a zombie, a process that is gone
// and one without a mark.
func Read(pid int) (Process, bool) {
	env, err := os.ReadFile(fmt.Sprintf("/proc/%d/environ", pid))
	if err != nil {
		return Process{}, false
	}
	for kv := range bytes.SplitSeq(env, []byte{0}) {
		v, ok := bytes.CutPrefix(kv, []byte(Marker+"="))
		if !ok {
			continue
		}
		m, ok := ParseMark(string(v))
		if !ok {
			return Process{}, false
		}
		exe, err := os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
		if err != nil {
			return Process{}, false
		}
		started, err := startTime(pid)
		if err != nil {
			return Process{}, false
		}
		return Process{PID: pid, Mark: m, Exe: strings.TrimSuffix(exe, " (deleted)"), Started: started}, true
	}
	return Process{}, false
}

// Runs says whether p runs the program at path, or one of that name from
// another directory: the mark says already that it is ours, and a sandbox may be
// taken over by the programs of another checkout. The name tells a part from the
// children that inherit its mark.
func (p Process) Runs(path string) bool {
	if real, err := filepath.EvalSymlinks(path); err == nil {
		path = real
	}
	return filepath.Base(p.Exe) == filepath.Base(path)
}

// Signal sends sig to p, and only to p: it holds the process by a pidfd and
// looks at its mark again, so that a pid used anew is never hit. A process
// that is gone is no error.
func (p Process) Signal(sig unix.Signal) error {
	fd, err := unix.PidfdOpen(p.PID, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("open process %d: %w", p.PID, err)
	}
	defer unix.Close(fd)
	if now, ok := Read(p.PID); !ok || now.Mark != p.Mark {
		return nil
	}
	if err := unix.PidfdSendSignal(fd, sig, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("signal process %d: %w", p.PID, err)
	}
	return nil
}

// Exited returns a channel that is closed when the process is gone. It works
// for processes that are not children of this one.
func (p Process) Exited() (<-chan struct{}, error) {
	done := make(chan struct{})
	fd, err := unix.PidfdOpen(p.PID, 0)
	if errors.Is(err, unix.ESRCH) {
		close(done)
		return done, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open process %d: %w", p.PID, err)
	}
	if now, ok := Read(p.PID); !ok || now.Mark != p.Mark {
		unix.Close(fd)
		close(done)
		return done, nil
	}
	go func() {
		defer close(done)
		defer unix.Close(fd)
		for {
			n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, -1)
			if n > 0 || (err != nil && !errors.Is(err, unix.EINTR)) {
				return
			}
		}
	}()
	return done, nil
}

// startTime reads when a process started, to the hundredth of a second.
func startTime(pid int) (time.Time, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return time.Time{}, err
	}
	// The name may hold spaces and brackets: fields count from the last ')'.
	_, rest, ok := strings.Cut(string(raw[max(0, bytes.LastIndexByte(raw, ')')):]), " ")
	f := strings.Fields(rest)
	if !ok || len(f) < 20 {
		return time.Time{}, fmt.Errorf("process %d: cannot read its stat", pid)
	}
	if f[0] == "Z" || f[0] == "X" {
		return time.Time{}, fmt.Errorf("process %d is dead", pid)
	}
	ticks, err := strconv.ParseInt(f[19], 10, 64)
	if err != nil {
		return time.Time{}, err
	}
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_BOOTTIME, &now); err != nil {
		return time.Time{}, err
	}
	const hz = 100 // USER_HZ, fixed on every platform Go supports
	age := time.Duration(now.Nano()) - time.Duration(ticks)*(time.Second/hz)
	return time.Now().Add(-age), nil
}

// Memory is what a process holds, in bytes. PSS counts shared pages by share.
type Memory struct{ PSS, RSS int64 }

// ReadMemory reads the memory of a process.
func ReadMemory(pid int) (Memory, error) {
	raw, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	if err != nil {
		return Memory{}, fmt.Errorf("read memory of process %d: %w", pid, err)
	}
	var m Memory
	for line := range strings.Lines(string(raw)) {
		f := strings.Fields(line)
		if len(f) < 3 {
			continue
		}
		kib, _ := strconv.ParseInt(f[1], 10, 64)
		switch f[0] {
		case "Pss:":
			m.PSS = kib << 10
		case "Rss:":
			m.RSS = kib << 10
		}
	}
	return m, nil
}
