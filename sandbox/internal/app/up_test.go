//go:build linux

package app

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/slipway-cd/slipway/sandbox/internal/layout"
	"github.com/slipway-cd/slipway/sandbox/internal/supervisor"
)

func TestATimeoutIsBlamedOnTheFirstPartThatIsNotReady(t *testing.T) {
	a := &App{Layout: layout.Layout{Dir: t.TempDir()}, Out: io.Discard}
	log := a.Layout.Log("kube-apiserver")
	if err := os.MkdirAll(filepath.Dir(log), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(log, []byte(strings.Repeat("old line\n", 5000)+"the last line\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := a.late(supervisor.Report{Units: []supervisor.Status{
		{Name: "etcd", State: supervisor.Ready},
		{Name: "kube-apiserver", State: supervisor.Starting, Error: "connection refused"},
		{Name: "kubelet", State: supervisor.Waiting},
	}}, time.Minute)
	for _, want := range []string{"kube-apiserver is not ready after 1m0s", "connection refused", "| the last line", log, "slipway sandbox down"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error does not say %q:\n%v", want, err)
		}
	}
	var coded *Error
	if !errors.As(err, &coded) || coded.Code != ExitInternal {
		t.Errorf("the exit code is not %d: %v", ExitInternal, err)
	}
	if n := strings.Count(err.Error(), "old line"); n != 11 {
		t.Errorf("%d old log lines, want 11 and the last", n)
	}
}

func TestTheLockIsHeldByOneAtATime(t *testing.T) {
	a := &App{Layout: layout.Layout{Dir: filepath.Join(t.TempDir(), "s")}, Out: io.Discard}
	if _, err := a.lock(false); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("without a directory the error is %v", err)
	}
	unlock, err := a.lock(true)
	if err != nil {
		t.Fatal(err)
	}
	var coded *Error
	if _, err := a.lock(true); !errors.As(err, &coded) || coded.Code != 5 {
		t.Errorf("the second lock: %v", err)
	}
	unlock()
	unlock, err = a.lock(true)
	if err != nil {
		t.Fatal(err)
	}
	unlock()
}

func TestADirectoryOfSomethingElseIsNeverRemoved(t *testing.T) {
	dir := t.TempDir()
	a := &App{Layout: layout.Layout{Dir: dir}, Out: io.Discard}
	if !a.looksLikeOurs() {
		t.Error("an empty directory must be removable: a first up may have ended right after making it")
	}
	if err := os.WriteFile(filepath.Join(dir, "thesis.txt"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if a.looksLikeOurs() {
		t.Error("a directory with someone's file counts as ours")
	}
}
