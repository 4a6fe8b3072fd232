//go:build linux

package supervisor

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/slipway-cd/slipway/sandbox/internal/proc"
)

// stopGrace is how long a replaced process gets between SIGTERM and SIGKILL.
const stopGrace = 5 * time.Second

// maxLog is the size in bytes from which a log is set aside when its part starts.
const maxLog = 16 << 20

// Linux is the Host that runs real processes. Each runs in a session of its
// own, writes straight to its log file and outlives the supervisor.
type Linux struct {
	// Dir is the data directory, which marks the processes as belonging to it.
	Dir string
	// Log gives the log file of a unit.
	Log func(unit string) string
}

// Mark is the mark a process of u carries when it is started now.
func (l Linux) Mark(u Unit) (proc.Mark, error) {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q %q\n", u.Path, u.Args, u.Env)
	real, err := filepath.EvalSymlinks(u.Path)
	if err != nil {
		return proc.Mark{}, fmt.Errorf("find the executable %s: %w", u.Path, err)
	}
	info, err := os.Stat(real)
	if err != nil {
		return proc.Mark{}, fmt.Errorf("look at the executable %s: %w", real, err)
	}
	fmt.Fprintln(h, info.Size(), info.ModTime().UnixNano())
	for _, path := range u.Inputs {
		f, err := os.Open(path)
		if err != nil {
			return proc.Mark{}, fmt.Errorf("read what %s needs: %w", u.Name, err)
		}
		_, err = io.Copy(h, f)
		f.Close()
		if err != nil {
			return proc.Mark{}, fmt.Errorf("read %s: %w", path, err)
		}
	}
	return proc.Mark{Dir: l.Dir, Part: u.Name, Hash: hex.EncodeToString(h.Sum(nil)[:8])}, nil
}

// Adopt implements Host.
func (l Linux) Adopt(ctx context.Context, u Unit) (Process, error) {
	mark, err := l.Mark(u)
	if err != nil {
		return nil, err
	}
	all, err := proc.Find(l.Dir)
	if err != nil {
		return nil, err
	}
	var same *linuxProcess
	for _, p := range all {
		if p.Mark.Part != u.Name || !p.Runs(u.Path) {
			continue
		}
		done, err := p.Exited()
		if err != nil {
			return nil, err
		}
		if p.Mark == mark && same == nil {
			same = &linuxProcess{pid: p.PID, started: p.Started, done: done, outcome: "it is gone (it was started by an earlier supervisor, which alone could tell how it ended)"}
			continue
		}
		if err := Stop(ctx, p, stopGrace); err != nil {
			return nil, fmt.Errorf("stop the old %s (pid %d): %w", u.Name, p.PID, err)
		}
	}
	if same == nil {
		return nil, nil
	}
	return same, nil
}

// Stop ends p: SIGTERM, and SIGKILL after grace. It returns when p is gone.
func Stop(ctx context.Context, p proc.Process, grace time.Duration) error {
	done, err := p.Exited()
	if err != nil {
		return err
	}
	for _, step := range []struct {
		sig  unix.Signal
		wait time.Duration
	}{{unix.SIGTERM, grace}, {unix.SIGKILL, 10 * time.Second}} {
		if step.wait == 0 {
			continue
		}
		if err := p.Signal(step.sig); err != nil {
			return err
		}
		t := time.NewTimer(step.wait)
		select {
		case <-done:
			t.Stop()
			return nil
		case <-ctx.Done():
			t.Stop()
			return ctx.Err()
		case <-t.C:
		}
	}
	return fmt.Errorf("process %d (%s) does not end, not even by SIGKILL", p.PID, p.Mark.Part)
}

// Start implements Host.
func (l Linux) Start(_ context.Context, u Unit) (Process, error) {
	mark, err := l.Mark(u)
	if err != nil {
		return nil, err
	}
	log, err := openLog(l.Log(u.Name))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	// Not CommandContext: the process must outlive us.
	cmd := exec.Command(u.Path, u.Args...)
	cmd.Env = append([]string{
		"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
		"HOME=/root",
		proc.Marker + "=" + mark.String(),
	}, u.Env...)
	cmd.Dir = l.Dir
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	// Files that our caller left open to us (a lock, a pipe that somebody reads to its end) must not stay open for days.
	if err := unix.CloseRange(3, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC); err != nil {
		return nil, fmt.Errorf("keep open files from %s: %w", u.Name, err)
	}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	done := make(chan struct{})
	p := &linuxProcess{pid: cmd.Process.Pid, started: time.Now(), done: done}
	go func() {
		defer close(done)
		_ = cmd.Wait() // the state says more than the error
		p.outcome = cmd.ProcessState.String()
	}()
	return p, nil
}

func openLog(path string) (*os.File, error) {
	if info, err := os.Stat(path); err == nil && info.Size() > maxLog {
		if err := os.Rename(path, path+".1"); err != nil {
			return nil, fmt.Errorf("set the old log aside: %w", err)
		}
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the log: %w", err)
	}
	return f, nil
}

type linuxProcess struct {
	pid     int
	started time.Time
	done    <-chan struct{}
	outcome string
}

func (p *linuxProcess) PID() int              { return p.pid }
func (p *linuxProcess) Started() time.Time    { return p.started }
func (p *linuxProcess) Done() <-chan struct{} { return p.done }
func (p *linuxProcess) Outcome() string       { return p.outcome }
