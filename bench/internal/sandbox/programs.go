// Package sandbox runs the programs that are measured and the sandbox's own, and watches the cluster through
// `kubectl proxy`, so that the benchmark needs no Kubernetes library.
package sandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// Programs are the built programs and the sandbox that they run against.
type Programs struct {
	// Root is the checkout; the programs are in its bin directory.
	Root string
	// Dir is the sandbox's data directory.
	Dir string
	// Env is added to the environment of every program.
	Env []string
}

// Path of a program.
func (p Programs) Path(name string) string { return filepath.Join(p.Root, "bin", name) }

// Kubeconfig of the sandbox.
func (p Programs) Kubeconfig() string { return filepath.Join(p.Dir, "kubeconfig") }

// Ran is a program that has ended.
type Ran struct {
	Began, Ended   time.Time
	Code           int
	Stdout, Stderr string
}

// Took is the wall time of the whole process, its start and its end included.
func (r Ran) Took() time.Duration { return r.Ended.Sub(r.Began) }

// Command prepares a program of bin/. When ctx ends it is interrupted first and killed 30 s later: an interrupted release
// takes itself back.
func (p Programs) Command(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, p.Path(name), args...)
	cmd.Env = append(append(os.Environ(), "KUBECONFIG="+p.Kubeconfig()), p.Env...)
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGINT) }
	cmd.WaitDelay = 30 * time.Second
	return cmd
}

// Run runs a program to its end. An exit code is no error, not being able to run it is.
func (p Programs) Run(ctx context.Context, name string, args ...string) (Ran, error) {
	var out, errs bytes.Buffer
	cmd := p.Command(ctx, name, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	r := Ran{Began: time.Now()}
	err := cmd.Run()
	r.Ended = time.Now()
	r.Stdout, r.Stderr, r.Code = out.String(), errs.String(), cmd.ProcessState.ExitCode()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		return r, fmt.Errorf("running %s %s: %w", name, strings.Join(args, " "), err)
	}
	return r, ctx.Err()
}

// Must runs a program that has to end with the exit code want.
func (p Programs) Must(ctx context.Context, want int, name string, args ...string) (Ran, error) {
	r, err := p.Run(ctx, name, args...)
	if err == nil && r.Code != want {
		err = fmt.Errorf("%s %s: exit code %d, not %d:\n%s%s", name, strings.Join(args, " "), r.Code, want, tail(r.Stdout), tail(r.Stderr))
	}
	return r, err
}

// Kubectl runs kubectl against the sandbox; it must succeed.
func (p Programs) Kubectl(ctx context.Context, args ...string) (Ran, error) {
	return p.Must(ctx, 0, "slipway-cluster", append([]string{"kubectl", "--kubeconfig", p.Kubeconfig()}, args...)...)
}

// Apply hands a manifest to kubectl apply.
func (p Programs) Apply(ctx context.Context, manifest string) error {
	cmd := p.Command(ctx, "slipway-cluster", "kubectl", "--kubeconfig", p.Kubeconfig(), "apply", "-f", "-")
	cmd.Stdin = strings.NewReader(manifest)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("kubectl apply: %w: %s", err, tail(string(out)))
	}
	return nil
}

// tail keeps what a person needs of a long output: its last 20 lines.
func tail(s string) string {
	lines := strings.SplitAfter(s, "\n")
	return strings.Join(lines[max(0, len(lines)-20):], "")
}
