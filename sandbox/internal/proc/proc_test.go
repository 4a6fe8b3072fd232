//go:build linux

package proc

import (
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// sleeper starts a process that carries a mark and waits for ever.
func sleeper(t *testing.T, m Mark) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("sleep", "infinity")
	cmd.Env = []string{Marker + "=" + m.String()}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()
	})
	return cmd
}

func TestAProcessIsFoundByItsMarkAndOnlyThen(t *testing.T) {
	m := Mark{t.TempDir(), "part", "hash"}
	cmd := sleeper(t, m)
	sleeper(t, Mark{"/elsewhere", "part", "hash"})
	found, err := Find(m.Dir)
	if err != nil {
		t.Fatal(err)
	}
	if len(found) != 1 || found[0].PID != cmd.Process.Pid || found[0].Mark != m {
		t.Fatalf("found %+v", found)
	}
	if sleep, err := exec.LookPath("sleep"); err != nil || !found[0].Runs(sleep) || !found[0].Runs("/another/checkout/bin/"+filepath.Base(found[0].Exe)) || found[0].Runs("/bin/true") {
		t.Errorf("it runs %s", found[0].Exe)
	}
	if mem, err := ReadMemory(cmd.Process.Pid); err != nil || mem.RSS == 0 {
		t.Errorf("its memory is %+v, %v", mem, err)
	}
}

func TestASignalNeverReachesAProcessWithAnotherMark(t *testing.T) {
	m := Mark{t.TempDir(), "part", "hash"}
	cmd := sleeper(t, m)
	other := Process{PID: cmd.Process.Pid, Mark: Mark{m.Dir, "part", "an earlier one"}}
	if err := other.Signal(unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	if done, err := other.Exited(); err != nil {
		t.Fatal(err)
	} else {
		<-done // what we meant is gone
	}
	p, ok := Read(cmd.Process.Pid)
	if !ok {
		t.Fatal("the process was killed")
	}
	done, err := p.Exited()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Signal(unix.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-done
}
