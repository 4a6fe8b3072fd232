package reaper

import (
	"errors"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// endedChild starts a child and returns when it has ended but not been reaped.
func endedChild(t *testing.T) int {
	t.Helper()
	p, err := os.StartProcess("/bin/true", []string{"true"}, &os.ProcAttr{})
	if err != nil {
		t.Fatal(err)
	}
	pid := p.Pid
	for {
		err = unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		t.Fatalf("waiting for child %d to end: %v", pid, err)
	}
	return pid
}

func isZombie(pid int) bool {
	err := unix.Waitid(unix.P_PID, pid, nil, unix.WEXITED|unix.WNOWAIT|unix.WNOHANG, nil)
	return !errors.Is(err, unix.ECHILD)
}

func TestReapsEveryChildThatHasEnded(t *testing.T) {
	a, b := endedChild(t), endedChild(t)
	reap()
	if isZombie(a) || isZombie(b) {
		t.Error("a child is still a zombie")
	}
	reap() // without children it returns, too
}

func TestDoesNotWaitForAChildThatStillRuns(t *testing.T) {
	cat := exec.Command("/bin/cat")
	input, err := cat.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cat.Start(); err != nil {
		t.Fatal(err)
	}
	reap() // would block for ever here if it waited, since cat's input is open
	if err := input.Close(); err != nil {
		t.Error(err)
	}
	if err := cat.Wait(); err != nil {
		t.Errorf("the running child was taken away: %v", err)
	}
}

func TestReapsAtTheStartAndAtEachSignalUntilStopped(t *testing.T) {
	stop, child := make(chan os.Signal), make(chan os.Signal)
	reaped, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		wait(stop, child, func() { reaped <- struct{}{} })
	}()
	<-reaped
	for range 3 {
		child <- syscall.SIGCHLD
		<-reaped
	}
	stop <- syscall.SIGTERM
	<-done
}
