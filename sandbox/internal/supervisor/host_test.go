//go:build linux

package supervisor

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/slipway-cd/slipway/sandbox/internal/proc"
)

// linuxHost is a host with a directory of its own; what it started ends with the test.
func linuxHost(t *testing.T) Linux {
	t.Helper()
	dir := t.TempDir()
	t.Cleanup(func() {
		left, err := proc.Find(dir)
		if err != nil {
			t.Error(err)
		}
		for _, p := range left {
			if err := p.Signal(unix.SIGKILL); err != nil {
				t.Error(err)
			}
		}
	})
	return Linux{Dir: dir, Log: func(unit string) string { return filepath.Join(dir, unit+".log") }}
}

func find(t *testing.T, command string) string {
	t.Helper()
	path, err := exec.LookPath(command)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOnlyAProcessStartedTheSameWayIsAdopted(t *testing.T) {
	h := linuxHost(t)
	config := filepath.Join(h.Dir, "config")
	write := func(text string) {
		if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("one")
	u := Unit{Name: "sleeper", Path: find(t, "sleep"), Args: []string{"infinity"}, Inputs: []string{config}}
	if p, err := h.Adopt(t.Context(), u); p != nil || err != nil {
		t.Fatalf("adopted %v, %v before anything runs", p, err)
	}
	p, err := h.Start(t.Context(), u)
	if err != nil {
		t.Fatal(err)
	}
	again, err := h.Adopt(t.Context(), u)
	if err != nil || again == nil || again.PID() != p.PID() {
		t.Fatalf("adopted %v, %v instead of process %d", again, err, p.PID())
	}
	write("two") // its configuration changed: it is stopped, so that it can be started anew
	if other, err := h.Adopt(t.Context(), u); other != nil || err != nil {
		t.Fatalf("adopted %v, %v with an old configuration", other, err)
	}
	<-p.Done()
	<-again.Done()
	if got := p.Outcome(); got != "signal: terminated" {
		t.Errorf("it ended by %q", got)
	}
}

func TestAProcessWritesToItsLogAndSaysHowItEnded(t *testing.T) {
	h := linuxHost(t)
	u := Unit{Name: "talker", Path: find(t, "sh"), Args: []string{"-c", "echo out; echo err >&2; echo $SETTING; exit 3"}, Env: []string{"SETTING=set"}}
	p, err := h.Start(t.Context(), u)
	if err != nil {
		t.Fatal(err)
	}
	<-p.Done()
	if p.Outcome() != "exit status 3" {
		t.Errorf("the outcome is %q", p.Outcome())
	}
	log, err := os.ReadFile(h.Log("talker"))
	if err != nil || string(log) != "out\nerr\nset\n" {
		t.Errorf("the log is %q, %v", log, err)
	}
}

func TestAProcessInheritsNoFileThatItsStarterHadOpen(t *testing.T) {
	h := linuxHost(t)
	fd, err := unix.Open(os.DevNull, unix.O_RDONLY, 0) // as a shell's, it is not closed when another program begins
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	p, err := h.Start(t.Context(), Unit{Name: "lister", Path: find(t, "readlink"), Args: []string{fmt.Sprintf("/proc/self/fd/%d", fd)}})
	if err != nil {
		t.Fatal(err)
	}
	<-p.Done()
	if log, err := os.ReadFile(h.Log("lister")); err != nil || string(log) != "" {
		t.Errorf("it has %q open, %v", log, err)
	}
}

func TestAMissingExecutableIsNamed(t *testing.T) {
	h := linuxHost(t)
	_, err := h.Start(t.Context(), Unit{Name: "ghost", Path: "/nonexistent/ghost"})
	if err == nil || !strings.Contains(err.Error(), "/nonexistent/ghost") {
		t.Errorf("the error is %v", err)
	}
}

func TestTheSupervisorTellsItsClientsWhatItKnows(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "s")
	// What an earlier supervisor that was killed leaves.
	if err := os.WriteFile(socket, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s := served(t, socket)
	r, err := NewClient(socket).Status(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if r.PID != os.Getpid() || r.Hash != "hash" || len(r.Units) != len(s.Status()) || r.AllReady() {
		t.Errorf("the report is %+v", r)
	}
}
