//go:build linux

// Package app is what the commands of the sandbox do.
package app

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/slipway-cd/slipway/sandbox/internal/host"
	"github.com/slipway-cd/slipway/sandbox/internal/kube"
	"github.com/slipway-cd/slipway/sandbox/internal/layout"
	"github.com/slipway-cd/slipway/sandbox/internal/parts"
	"github.com/slipway-cd/slipway/sandbox/internal/pause"
	"github.com/slipway-cd/slipway/sandbox/internal/pki"
	"github.com/slipway-cd/slipway/sandbox/internal/preflight"
	"github.com/slipway-cd/slipway/sandbox/internal/supervisor"
)

// Exit codes, the same as Slipway's.
const (
	ExitInternal = 1
	ExitUsage    = 2
)

// Error is an error with the exit code it leads to.
type Error struct {
	Code int
	Err  error
}

func (e *Error) Error() string { return e.Err.Error() }
func (e *Error) Unwrap() error { return e.Err }

func usageErrorf(format string, args ...any) error {
	return &Error{ExitUsage, fmt.Errorf(format, args...)}
}

// App is one sandbox on this machine.
type App struct {
	Layout layout.Layout
	// Out gets what a user reads; errors are returned.
	Out io.Writer
}

// New finds the sandbox at dir, whose executables are beside this one.
func New(dir string, out io.Writer) (*App, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this executable: %w", err)
	}
	if self, err = filepath.EvalSymlinks(self); err != nil {
		return nil, fmt.Errorf("find this executable: %w", err)
	}
	if dir, err = filepath.Abs(dir); err != nil {
		return nil, fmt.Errorf("find the data directory: %w", err)
	}
	if strings.ContainsAny(dir, "|\n\"\\") || dir == "/" {
		return nil, usageErrorf("%q cannot be the data directory: choose a directory of its own, with a plain name", dir)
	}
	return &App{Layout: layout.Layout{Dir: dir, Bin: filepath.Dir(self)}, Out: out}, nil
}

func (a *App) host() host.Host { return host.Host{Layout: a.Layout} }

func (a *App) runner() supervisor.Linux {
	return supervisor.Linux{Dir: a.Layout.Dir, Log: a.Layout.Log}
}

// lock keeps other commands from changing the sandbox until unlock is called.
// Without make, a missing directory is fs.ErrNotExist.
func (a *App) lock(mk bool) (unlock func(), err error) {
	if mk {
		if err := os.MkdirAll(a.Layout.Dir, 0o700); err != nil {
			return nil, fmt.Errorf("make the data directory: %w", err)
		}
		if err := os.Chmod(a.Layout.Dir, 0o700); err != nil {
			return nil, fmt.Errorf("close the data directory to others: %w", err)
		}
	}
	f, err := os.Open(a.Layout.Dir)
	if err != nil {
		return nil, fmt.Errorf("open the data directory: %w", err)
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, &Error{5, fmt.Errorf("another `slipway sandbox up` or `down` works on %s at this moment: wait for it to end", a.Layout.Dir)}
		}
		return nil, fmt.Errorf("lock the data directory: %w", err)
	}
	return func() { f.Close() }, nil
}

// check runs the preflight.
func (a *App) check(ctx context.Context) error {
	facts, err := preflight.Collect(ctx, a.Layout)
	if err != nil {
		return fmt.Errorf("look at the machine: %w", err)
	}
	if problems := preflight.Check(a.Layout, facts); len(problems) > 0 {
		return usageErrorf("this machine cannot run the sandbox yet; nothing was started or changed:\n  %s", strings.Join(problems, "\n  "))
	}
	return nil
}

// prepare writes everything that the supervisor needs.
func (a *App) prepare() error {
	l := a.Layout
	for _, dir := range []string{
		l.Path("bin"), l.Path("conf"), l.Path("logs"), l.Path("logs", "pods"), l.Path("redis"), l.Path("cni"), l.Path("etcd"),
		l.Path("registry"), l.Path("azure"), l.Path("kubelet"), l.Path("volume-plugins"), l.Run(),
	} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("make a directory: %w", err)
		}
	}
	store := pki.Store{Dir: l.Path("pki")}
	if _, err := store.Ensure(parts.Certificates()); err != nil {
		return err
	}
	if err := store.EnsureKey("sa"); err != nil {
		return err
	}
	password := l.Path("redis", "password")
	if _, err := os.Stat(password); errors.Is(err, os.ErrNotExist) {
		if err := parts.Write([]parts.File{{Path: password, Data: []byte(rand.Text()), Mode: 0o600}}); err != nil {
			return err
		}
	}
	m, err := a.machine()
	if err != nil {
		return err
	}
	files, err := parts.Configs(l, m)
	if err != nil {
		return err
	}
	kubeconfigs, err := parts.Kubeconfigs(l)
	if err != nil {
		return err
	}
	ca, err := os.ReadFile(l.PKI("ca.crt"))
	if err != nil {
		return fmt.Errorf("read the authority's certificate: %w", err)
	}
	files = append(append(files, kubeconfigs...), parts.File{Path: l.Path("redis", "ca.crt"), Data: ca, Mode: 0o644})
	if err := parts.Write(files); err != nil {
		return err
	}
	return link(l.Cluster(), l.Path("bin", "kubectl"))
}

// link makes path a symbolic link to target.
func link(target, path string) error {
	if to, err := os.Readlink(path); err == nil && to == target {
		return nil
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("replace the link %s: %w", path, err)
	}
	if err := os.Symlink(target, path); err != nil {
		return fmt.Errorf("make the link %s: %w", path, err)
	}
	return nil
}

func (a *App) importer() pause.Importer {
	return pause.Importer{Program: a.Layout.Pause(), Socket: a.Layout.ContainerdSocket(), Scratch: a.Layout.Run()}
}

// machine finds out what the configuration depends on.
func (a *App) machine() (parts.Machine, error) {
	var m parts.Machine
	var err error
	if m.Containerd, err = exec.LookPath("containerd"); err != nil {
		return m, fmt.Errorf("find containerd: %w", err)
	}
	if m.Redis, err = exec.LookPath("redis-server"); err != nil {
		return m, fmt.Errorf("find Redis: %w", err)
	}
	if m.PauseImage, err = a.importer().Reference(); err != nil {
		return m, err
	}
	password, err := os.ReadFile(a.Layout.Path("redis", "password"))
	if err != nil {
		return m, fmt.Errorf("read the password of Redis: %w", err)
	}
	m.RedisPassword = strings.TrimSpace(string(password))
	m.CNIBin = preflight.FindCNI()
	m.Snapshotter = snapshotter(a.Layout.Dir)
	return m, nil
}

// snapshotter is overlayfs, unless the kernel lacks it or dir itself is on
// one, as in a container: those do not stack.
func snapshotter(dir string) string {
	var s unix.Statfs_t
	known, err := os.ReadFile("/proc/filesystems")
	if err == nil && strings.Contains(string(known), "\toverlay\n") &&
		unix.Statfs(dir, &s) == nil && s.Type != unix.OVERLAYFS_SUPER_MAGIC {
		return "overlayfs"
	}
	return "native"
}

// units are the parts of this sandbox.
func (a *App) units() ([]supervisor.Unit, error) {
	m, err := a.machine()
	if err != nil {
		return nil, err
	}
	k := kube.New(a.Layout.Kubeconfig())
	tasks := parts.Tasks{
		Pause: a.importer().Import, PauseReady: a.importer().Present,
		Base: k.ApplyBase, BaseReady: k.BaseReady,
		NodeReady: k.NodeReady(layout.NodeName), RoutesReady: k.RoutesReady,
	}
	return parts.Units(a.Layout, m, tasks, parts.RealProbes(a.Layout, m.RedisPassword)), nil
}

// supervisorUnit is the supervisor as a process. Its hash covers all that its
// units depend on, so that `up` after an upgrade replaces what changed.
func (a *App) supervisorUnit() (supervisor.Unit, error) {
	u := supervisor.Unit{
		Name: "supervisor", What: "keeps the others running", Path: a.Layout.Self(),
		Args: []string{"supervise", "--dir", a.Layout.Dir}, Env: []string{"GOGC=50"},
	}
	for _, path := range []string{a.Layout.Cluster(), a.Layout.GatewayBin(), a.Layout.Pause()} {
		info, err := os.Stat(path)
		if err != nil {
			return u, fmt.Errorf("look at an executable: %w", err)
		}
		u.Env = append(u.Env, "SLIPWAY_"+strings.ToUpper(strings.ReplaceAll(filepath.Base(path), "-", "_"))+
			"="+strconv.FormatInt(info.ModTime().UnixNano(), 36))
	}
	err := filepath.WalkDir(a.Layout.Path("conf"), func(path string, d os.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			u.Inputs = append(u.Inputs, path)
		}
		return err
	})
	if err != nil {
		return u, fmt.Errorf("list the configuration: %w", err)
	}
	return u, nil
}

// Supervise runs the units until ctx ends.
func (a *App) Supervise(ctx context.Context) error {
	units, err := a.units()
	if err != nil {
		return err
	}
	s, err := supervisor.New(a.runner(), units, slog.New(slog.NewTextHandler(os.Stderr, nil)))
	if err != nil {
		return err
	}
	self, err := a.supervisorUnit()
	if err != nil {
		return err
	}
	mark, err := a.runner().Mark(self)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	served := make(chan error, 1)
	go func() {
		served <- s.Serve(ctx, a.Layout.SupervisorSocket(), mark.Hash)
		cancel()
	}()
	s.Run(ctx)
	return <-served
}

// Kubectl becomes kubectl with the sandbox's kubeconfig. It returns only on an error.
func (a *App) Kubectl(args []string) error {
	if _, err := os.Stat(a.Layout.Kubeconfig()); err != nil {
		return usageErrorf("there is no cluster to talk to (%v): `slipway sandbox up` makes one", err)
	}
	argv := append([]string{a.Layout.Cluster(), "kubectl", "--kubeconfig", a.Layout.Kubeconfig()}, args...)
	if err := unix.Exec(argv[0], argv, os.Environ()); err != nil {
		return fmt.Errorf("run %s: %w; `make sandbox` builds it", argv[0], err)
	}
	return nil
}
