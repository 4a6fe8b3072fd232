//go:build e2e && linux

// Package e2e brings a whole sandbox up, breaks it, and takes it down again.
// It needs root, the Debian packages and the binaries that `make sandbox`
// builds; run it with -tags e2e.
package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"golang.org/x/sys/unix"

	"github.com/slipway-cd/slipway/sandbox/internal/app"
	"github.com/slipway-cd/slipway/sandbox/internal/layout"
	"github.com/slipway-cd/slipway/sandbox/internal/pause"
	"github.com/slipway-cd/slipway/sandbox/internal/proc"
)

const dataDir = "/srv/slipway-e2e"

var cgroupName = layout.Layout{Dir: dataDir}.CgroupRoot()

// sandbox runs one command of the sandbox and returns its exit code and output.
func sandbox(ctx context.Context, t *testing.T, args ...string) (int, string) {
	t.Helper()
	bin := os.Getenv("SLIPWAY_BIN")
	if bin == "" {
		bin = filepath.Join("..", "..", "bin")
	}
	cmd := exec.CommandContext(ctx, filepath.Join(bin, "slipway-sandbox"), append([]string{"--dir", dataDir}, args...)...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	began := time.Now()
	err := cmd.Run()
	t.Logf("slipway sandbox %s (%.1f s):\n%s", strings.Join(args, " "), time.Since(began).Seconds(), out.String())
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String()
}

func mustSandbox(ctx context.Context, t *testing.T, args ...string) string {
	t.Helper()
	code, out := sandbox(ctx, t, args...)
	if code != 0 {
		t.Fatalf("slipway sandbox %v: exit code %d\n%s", args, code, out)
	}
	return out
}

func status(ctx context.Context, t *testing.T) (app.Status, map[string]int) {
	t.Helper()
	_, out := sandbox(ctx, t, "status", "-o", "json")
	var s app.Status
	if err := json.NewDecoder(strings.NewReader(out)).Decode(&s); err != nil {
		t.Fatal(err)
	}
	pids := map[string]int{}
	for _, p := range s.Parts {
		if p.PID != 0 {
			pids[p.Part] = p.PID
		}
	}
	return s, pids
}

// kill9 kills the processes of the named parts, or all of the sandbox's without names.
func kill9(t *testing.T, names ...string) {
	t.Helper()
	all, err := proc.Find(dataDir)
	if err != nil {
		t.Fatal(err)
	}
	wanted := map[string]bool{}
	for _, n := range names {
		wanted[n] = true
	}
	n := 0
	for _, p := range all {
		shim := filepath.Base(p.Exe) == "containerd-shim-runc-v2"
		if len(names) > 0 && (!wanted[p.Mark.Part] || shim) {
			continue
		}
		done, err := p.Exited()
		if err != nil {
			t.Fatal(err)
		}
		if err := p.Signal(unix.SIGKILL); err != nil {
			t.Fatal(err)
		}
		<-done
		n++
	}
	t.Logf("killed %d processes of %v", n, names)
	if n < max(1, len(names)) {
		t.Fatalf("wanted to kill %v and found only %d processes", names, n)
	}
}

func TestSandboxComesUpHealsAndLeavesNothingBehind(t *testing.T) {
	ctx := t.Context()
	mustSandbox(ctx, t, "down") // of a test that was killed
	before := look(ctx, t)
	t.Cleanup(func() {
		if code, _ := sandbox(context.WithoutCancel(ctx), t, "down"); code != 0 {
			t.Error("the final down failed")
		}
	})
	mustSandbox(ctx, t, "up")

	t.Run("up again changes nothing", func(t *testing.T) {
		_, first := status(ctx, t)
		if out := mustSandbox(ctx, t, "up"); !strings.Contains(out, "already up") {
			t.Error("the second up does not say that the sandbox is already up")
		}
		_, second := status(ctx, t)
		if fmt.Sprint(first) != fmt.Sprint(second) {
			t.Errorf("processes changed:\n%v\n%v", first, second)
		}
	})
	image := pushProbe(ctx, t)
	sendTelemetry(ctx, t)
	t.Run("a pod finds names and reaches the API server", func(t *testing.T) { runProbe(ctx, t, image, "first") })
	t.Run("it all fits into 1.2 GiB", func(t *testing.T) {
		s, _ := status(ctx, t)
		if s.PSS > 1200<<20 {
			t.Errorf("%d MiB are resident", s.PSS>>20)
		}
	})
	for _, names := range [][]string{
		{"etcd", "kube-apiserver"}, {"containerd", "kubelet"}, {"coredns", "gateway", "registry", "redis", "azure"},
		{"supervisor"}, {"supervisor", "kube-proxy", "kube-controller-manager", "kube-scheduler"}, nil,
	} {
		t.Run("up repairs after kill -9 of "+fmt.Sprint(names), func(t *testing.T) {
			kill9(t, names...)
			mustSandbox(ctx, t, "up")
			if s, _ := status(ctx, t); !s.Up {
				t.Error("the status is not up")
			}
		})
	}
	t.Run("telemetry from before is still there", func(t *testing.T) { hasTelemetry(ctx, t) })
	t.Run("pods work after all that", func(t *testing.T) { runProbe(ctx, t, image, "second") })

	t.Run("after a reboot it comes up with what it had", func(t *testing.T) {
		mustSandbox(ctx, t, "down", "--keep")
		feignReboot(t)
		mustSandbox(ctx, t, "up")
		mustSandbox(ctx, t, "kubectl", "--", "wait", "pod/second", "--for=condition=Ready", "--timeout=60s")
		runProbe(ctx, t, image, "third")
	})

	t.Run("a part that cannot start is named, with its log", func(t *testing.T) {
		mustSandbox(ctx, t, "down", "--keep")
		// A file where etcd wants a directory.
		if err := errors.Join(os.RemoveAll(filepath.Join(dataDir, "etcd", "member")),
			os.WriteFile(filepath.Join(dataDir, "etcd", "member"), nil, 0o600)); err != nil {
			t.Fatal(err)
		}
		code, out := sandbox(ctx, t, "up", "--timeout", "60s")
		log := filepath.Join(dataDir, "logs", "etcd.log")
		if code != 1 || !strings.Contains(out, "etcd ended") || !strings.Contains(out, log) || !strings.Contains(out, "slipway sandbox down") {
			t.Errorf("exit code %d, or the message lacks the part, its log or what to do", code)
		}
	})

	mustSandbox(ctx, t, "down")
	if left := different(before, look(ctx, t)); len(left) > 0 {
		t.Errorf("the machine is not what it was before:\n%s", strings.Join(left, "\n"))
	}
	if out := mustSandbox(ctx, t, "down"); !strings.Contains(out, "nothing to take down") {
		t.Error("down without a sandbox does not say so")
	}
	if code, _ := sandbox(ctx, t, "status"); code != 1 {
		t.Errorf("status without a sandbox exits with %d", code)
	}
}

// feignReboot leaves, in a data directory that is down, what a machine that
// was switched off would: the note of another boot, and sockets of nobody.
func feignReboot(t *testing.T) {
	t.Helper()
	l := layout.Layout{Dir: dataDir}
	if err := os.WriteFile(l.Path("before.json"), []byte(`{"bootID": "another"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(l.Run("containerd"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{l.SupervisorSocket(), l.ContainerdSocket()} {
		ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
		if err != nil {
			t.Fatal(err)
		}
		ln.SetUnlinkOnClose(false)
		if err := ln.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// pushProbe builds the program of testdata/probe into an image and returns its
// reference by digest.
func pushProbe(ctx context.Context, t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "probe")
	build := exec.CommandContext(ctx, "go", "build", "-o", bin, "./testdata/probe")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the probe: %v\n%s", err, out)
	}
	program, err := os.ReadFile(bin)
	if err != nil {
		t.Fatal(err)
	}
	img, err := pause.Image(program) // one static program, whatever it does
	if err != nil {
		t.Fatal(err)
	}
	repo, err := name.NewRepository(layout.Registry+"/e2e/probe", name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(repo.Tag("test"), img, remote.WithContext(ctx)); err != nil {
		t.Fatalf("push the probe: %v", err)
	}
	digest, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return repo.Digest(digest.String()).String()
}

func runProbe(ctx context.Context, t *testing.T, image, pod string) {
	t.Helper()
	mustSandbox(ctx, t, "kubectl", "--", "run", pod, "--image="+image)
	code, _ := sandbox(ctx, t, "kubectl", "--", "wait", "pod/"+pod, "--for=condition=Ready", "--timeout=60s")
	logs := ""
	// The pod counts as ready as soon as it runs: follow its log to the verdict.
	follow := exec.CommandContext(ctx, filepath.Join(dataDir, "bin", "kubectl"), "--kubeconfig", filepath.Join(dataDir, "kubeconfig"), "logs", "-f", "pod/"+pod)
	pipe, err := follow.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := follow.Start(); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 4096)
	for !strings.Contains(logs, "probe ok") && !strings.Contains(logs, "probe failed") {
		n, err := pipe.Read(buf)
		logs += string(buf[:n])
		if err != nil {
			break
		}
	}
	_ = follow.Process.Kill() // it follows for ever
	_ = follow.Wait()
	if code != 0 || !strings.Contains(logs, "probe ok") {
		sandbox(ctx, t, "kubectl", "--", "describe", "pod", pod)
		t.Fatalf("the pod does not work:\n%s", logs)
	}
}
