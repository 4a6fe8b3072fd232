//go:build linux

package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/slipway-cd/slipway/sandbox/internal/layout"
	"github.com/slipway-cd/slipway/sandbox/internal/supervisor"
)

// tooOften is how many ends in a row make a part that never became ready a failure.
const tooOften = 7

// Up brings the sandbox up, or repairs it, and returns when it is ready for use.
func (a *App) Up(ctx context.Context, timeout time.Duration) error {
	began := time.Now()
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	if err := a.check(ctx); err != nil {
		return err
	}
	unlock, err := a.lock(true)
	if err != nil {
		return err
	}
	defer unlock()
	if err := a.afterReboot(); err != nil {
		return err
	}
	if _, err := a.host().Remember(); err != nil {
		return err
	}
	if err := a.host().Prepare(); err != nil {
		return fmt.Errorf("prepare the machine: %w; `slipway sandbox down` undoes what was done", err)
	}
	if err := a.prepare(); err != nil {
		return fmt.Errorf("prepare %s: %w", a.Layout.Dir, err)
	}
	u, err := a.supervisorUnit()
	if err != nil {
		return err
	}
	running, err := a.runner().Adopt(ctx, u)
	if err != nil {
		return fmt.Errorf("look for a running supervisor: %w", err)
	}
	client := supervisor.NewClient(a.Layout.SupervisorSocket())
	if running != nil {
		if r, err := client.Probe(ctx); err == nil && r.AllReady() {
			fmt.Fprintf(a.Out, "The sandbox is already up: %d parts, asked in %.1f s.\n", len(r.Units), time.Since(began).Seconds())
			a.hints()
			return nil
		}
		fmt.Fprintln(a.Out, "Repairing the sandbox:")
	} else {
		fmt.Fprintln(a.Out, "Starting the sandbox:")
		if running, err = a.runner().Start(ctx, u); err != nil {
			return fmt.Errorf("start the supervisor: %w", err)
		}
	}
	if err := a.follow(ctx, client, running, began, timeout); err != nil {
		return err
	}
	fmt.Fprintf(a.Out, "The sandbox is up after %.1f s.\n", time.Since(began).Seconds())
	a.hints()
	return nil
}

func (a *App) hints() {
	fmt.Fprintf(a.Out, "  gateway   http://%s, and for pods http://%s\n  registry  %s, and behind ACR's log-in %s\n  azure     %s\n  use it    export KUBECONFIG=%s\n",
		layout.Gateway, layout.GatewayPods, layout.Registry, layout.AzureRegistry, a.Layout.Path("azure", "azure.json"), a.Layout.Kubeconfig())
}

// afterReboot clears runtime state that an earlier boot left: its sockets,
// mounts and containers are gone, and only confuse.
func (a *App) afterReboot() error {
	before, err := a.host().Recall()
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("%w; `slipway sandbox down` removes all of it", err)
	}
	same, err := a.host().SameBoot(before)
	if err != nil || same {
		return err
	}
	if err := a.host().Unmount(); err != nil {
		return err
	}
	for _, dir := range []string{a.Layout.Run(), a.Layout.Path("cni"), a.Layout.Path("kubelet", "pods")} {
		if err := os.RemoveAll(dir); err != nil {
			return fmt.Errorf("clear what the last boot left: %w", err)
		}
	}
	return nil
}

// follow prints each part as it becomes ready, until all are.
func (a *App) follow(ctx context.Context, client *supervisor.Client, running supervisor.Process, began time.Time, timeout time.Duration) error {
	told := map[string]bool{}
	var last supervisor.Report
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		r, err := client.Status(ctx)
		if err == nil {
			last = r
			a.tell(r, told, began)
			if r.AllReady() {
				// What was ready first may have ended since: ask all of them once more.
				if r, err = client.Probe(ctx); err == nil && r.AllReady() {
					return nil
				}
			}
			for _, u := range r.Units {
				if u.Failures >= tooOften && u.State != supervisor.Ready && !u.Task {
					return a.failure(u, fmt.Sprintf("%s ended %d times in a row and is not ready", u.Name, u.Failures))
				}
			}
		}
		select {
		case <-tick.C:
		case <-running.Done():
			return a.failure(supervisor.Status{Name: "supervisor", Error: running.Outcome()}, "the supervisor ended")
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.DeadlineExceeded) {
				return a.late(last, timeout)
			}
			return fmt.Errorf("interrupted; the parts go on starting: `slipway sandbox status` shows them, `slipway sandbox down` stops them")
		}
	}
}

func (a *App) tell(r supervisor.Report, told map[string]bool, began time.Time) {
	for _, u := range r.Units {
		if u.State != supervisor.Ready || told[u.Name] {
			continue
		}
		told[u.Name] = true
		kept := ""
		if u.Adopted {
			kept = "  (was running)"
		}
		fmt.Fprintf(a.Out, "  %5.1f s  %-24s %s%s\n", time.Since(began).Seconds(), u.Name, u.What, kept)
	}
}

// late explains a timeout by the first part that is not ready: those after it wait for it.
func (a *App) late(r supervisor.Report, timeout time.Duration) error {
	i := slices.IndexFunc(r.Units, func(u supervisor.Status) bool { return u.State != supervisor.Ready })
	if i < 0 {
		return a.failure(supervisor.Status{Name: "supervisor"}, fmt.Sprintf("the supervisor did not answer within %s", timeout))
	}
	return a.failure(r.Units[i], fmt.Sprintf("%s is not ready after %s", r.Units[i].Name, timeout))
}

// failure says which part failed, what it wrote last and what to do.
func (a *App) failure(u supervisor.Status, what string) error {
	var b strings.Builder
	b.WriteString(what)
	if u.Error != "" {
		b.WriteString(": " + u.Error)
	}
	if lines := tail(a.Layout.Log(u.Name), 12); len(lines) > 0 {
		fmt.Fprintf(&b, "\nIts last log lines (%s):\n  | %s", a.Layout.Log(u.Name), strings.Join(lines, "\n  | "))
	} else if u.Task {
		fmt.Fprintf(&b, "\nIt is a task of the supervisor, whose log is %s.", a.Layout.Log("supervisor"))
	}
	b.WriteString("\nThe other parts go on running. `slipway sandbox up` tries again; `slipway sandbox down` removes everything.")
	return &Error{ExitInternal, errors.New(b.String())}
}

// tail returns the last n lines of a file, shortened; none when it cannot be read.
func tail(path string, n int) []string {
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	buf := make([]byte, 16<<10)
	if info, err := f.Stat(); err == nil && info.Size() > int64(len(buf)) {
		if _, err := f.Seek(-int64(len(buf)), 2); err != nil {
			return nil
		}
	}
	k, _ := f.Read(buf)
	text := strings.TrimSpace(string(buf[:k]))
	if text == "" {
		return nil
	}
	lines := strings.Split(text, "\n")
	lines = lines[max(0, len(lines)-n):]
	for i, l := range lines {
		if r := []rune(l); len(r) > 300 {
			lines[i] = string(r[:300]) + " …"
		}
	}
	return lines
}
