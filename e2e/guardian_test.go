//go:build e2e

package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slipway-cd/slipway/internal/event"
)

// Bounds of what happens by itself when a runner dies: its lock lasts so long, and the rest may take this.
const (
	lockLasts = 15 * time.Second
	restTakes = 15 * time.Second
	// podReplaced is how long Kubernetes waits before it replaces a Job's pod that was deleted.
	podReplaced = 10 * time.Second
)

// guards are the pods of guardians that are in a site, and whatever else belongs to one.
func (s *site) guards(t *testing.T) []string {
	t.Helper()
	out := s.kubectl("get", "jobs,pods,serviceaccounts,roles,rolebindings", "-l", "app.kubernetes.io/component=guardian", "-o", "name")
	if strings.HasPrefix(out, "No resources") {
		return nil
	}
	return strings.Fields(out)
}

// restored checks, after the runner of release 2 was killed and with nobody helping, that production is the first version again in
// time, that nothing is left, and that the next release works.
func (s *site) restored(t *testing.T, env string, v *visitor, killed time.Time, within time.Duration) {
	t.Helper()
	eventually(t, within-time.Since(killed), "the release was taken back", func() (bool, string) {
		st := s.status(t, env)
		return st.Open == nil, s.kubectl("logs", "-l", "app.kubernetes.io/component=guardian", "--tail", "20")
	})
	took := time.Since(killed)
	v.nowSeesOnly(t, v1)
	v.sawNoFailure(t)
	t.Logf("%s: the last answer of the killed release was asked for %s after the kill, the release was closed after %s", env, v.lastOf(v2, killed).Round(time.Millisecond), took.Round(time.Millisecond))
	if h := s.history(t, env)[0]; h.Outcome != "rolled-back" || h.Version != v2 || !strings.Contains(h.Reason, "has died") {
		t.Errorf("the history should say that v2 was taken back because its runner had died, but has %+v", h)
	}
	s.unguarded(t)
	if left := s.helmReleases(t); len(left) != 1 {
		t.Errorf("helm list has %v, want one release", left)
	}
	s.hold = "0s"
	s.release(t, env, v2, 0)
	v.nowSeesOnly(t, v2)
	v.sawNoFailure(t)
}

func TestAKilledRunnerLeavesAllTrafficOnOneHealthyVersionByItself(t *testing.T) {
	t.Parallel()
	for env, at := range map[string]func(event.Event) bool{
		"guarded":       func(e event.Event) bool { return e.Kind == event.Verified && weighs(50)(e) },
		"guarded-nginx": func(e event.Event) bool { return e.Kind == event.Verified && weighs(50)(e) },
		"guarded-place": func(e event.Event) bool { return e.Kind == event.Phase && e.Phase == "step" },
	} {
		t.Run(env, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, env)
			s.release(t, env, v1, 0)
			if left := s.guards(t); len(left) > 0 && !slices.ContainsFunc(left, func(o string) bool { return strings.HasPrefix(o, "pod") }) {
				t.Errorf("the guardian of a release that has ended is left: %v", left)
			}
			v := visit(t, calculate(s.host))
			s.hold = "10m"
			p := s.start(t, v2, "release", "--env", env, "--bundle", variant(t, v2).bundle, "-o", "json")
			p.await(t, "the candidate in front of users", at)
			p.signal(t, syscall.SIGKILL)
			killed := time.Now()
			p.wait(t).mustExit(t, -1)
			s.restored(t, env, v, killed, lockLasts+restTakes)
		})
	}
}

func TestAGuardianThatIsKilledTooIsReplacedAndTakesTheReleaseBack(t *testing.T) {
	t.Parallel()
	for what, c := range map[string]struct {
		kill   func(*testing.T, *site)
		within time.Duration
	}{
		"process": {killGuardian, lockLasts + restTakes},
		"pod":     {deleteGuardian, lockLasts + podReplaced + restTakes},
	} {
		t.Run("its "+what, func(t *testing.T) {
			t.Parallel()
			const env = "guarded"
			s := newSite(t, "both-"+what)
			s.release(t, env, v1, 0)
			v := visit(t, calculate(s.host))
			s.hold = "10m"
			p := s.start(t, v2, "release", "--env", env, "--bundle", variant(t, v2).bundle, "-o", "json")
			p.await(t, "half of the traffic", func(e event.Event) bool { return e.Kind == event.Verified && weighs(50)(e) })
			p.signal(t, syscall.SIGKILL)
			killed := time.Now()
			p.wait(t).mustExit(t, -1)
			c.kill(t, s)
			s.restored(t, env, v, killed, c.within)
		})
	}
}

// killGuardian kills the process in the guardian's container, which the sandbox's node runs on this machine.
func killGuardian(t *testing.T, s *site) {
	t.Helper()
	killed := 0
	processes, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range processes {
		args, err := os.ReadFile(file)
		if err != nil || !strings.HasPrefix(string(args), "/slipway\x00guard\x00--namespace\x00"+s.namespace+"\x00") {
			continue // it may have ended meanwhile
		}
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if err != nil {
			t.Fatal(err)
		}
		if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		killed++
	}
	if killed != 1 {
		t.Fatalf("%d processes of the guardian were found", killed)
	}
}

func deleteGuardian(t *testing.T, s *site) {
	t.Helper()
	now := int64(0)
	err := suite.kube.CoreV1().Pods(s.namespace).DeleteCollection(t.Context(), metav1.DeleteOptions{GracePeriodSeconds: &now},
		metav1.ListOptions{LabelSelector: "app.kubernetes.io/component=guardian"})
	if err != nil {
		t.Fatal(err)
	}
}

// unguarded waits until nothing of a guardian is left.
func (s *site) unguarded(t *testing.T) {
	t.Helper()
	eventually(t, restTakes, "nothing of the guardian is left", func() (bool, string) {
		left := s.guards(t)
		return len(left) == 0, strings.Join(left, " ")
	})
}

func TestARunnerThatComesBackTooLateChangesNothingAndTellsWhatItsGuardianHasDone(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		away, back func(*testing.T, *process, *proxy)
	}{
		"cut off from the API server": {
			func(_ *testing.T, _ *process, p *proxy) { p.cutOff(true) },
			func(_ *testing.T, _ *process, p *proxy) { p.cutOff(false) },
		},
		"stopped": {
			func(t *testing.T, r *process, _ *proxy) { r.signal(t, syscall.SIGSTOP) },
			func(t *testing.T, r *process, _ *proxy) { r.signal(t, syscall.SIGCONT) },
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			const env = "guarded"
			s := newSite(t, "late-"+strings.Fields(name)[0])
			s.release(t, env, v1, 0)
			v := visit(t, calculate(s.host))
			s.hold = "10m"
			p := newProxy(t)
			direct := s.kubeconfig
			s.kubeconfig = p.kubeconfig
			runner := s.start(t, v2, "release", "--env", env, "--bundle", variant(t, v2).bundle, "-o", "json")
			s.kubeconfig = direct
			runner.await(t, "half of the traffic", func(e event.Event) bool { return e.Kind == event.Verified && weighs(50)(e) })
			c.away(t, runner, p)
			away := time.Now()
			eventually(t, lockLasts+restTakes, "the guardian has taken the release back", func() (bool, string) {
				return s.status(t, env).Open == nil, s.kubectl("logs", "-l", "app.kubernetes.io/component=guardian", "--tail", "20")
			})
			v.nowSeesOnly(t, v1)
			t.Logf("%s: the release was taken back after %s", name, time.Since(away).Round(100*time.Millisecond))
			s.unguarded(t)
			before := s.objects(t)
			c.back(t, runner, p)
			r := runner.wait(t)
			r.mustExit(t, 3)
			r.says(t, "has died", "guardian ")
			s.unchangedSince(t, before)
			v.nowSeesOnly(t, v1)
			v.sawNoFailure(t)
		})
	}
}

func TestResumeGoesOnWithWhatAKilledRunnerHasBegun(t *testing.T) {
	t.Parallel()
	const env = "slow" // without a guardian
	s := newSite(t, "resumed")
	r := s.run(t, v1, "resume", "--env", env)
	r.mustExit(t, 0)
	r.says(t, "no release of calculator is open in slow")
	s.release(t, env, v1, 0)
	v := visit(t, calculate(s.host))
	s.hold = "15s" // which the journal keeps
	p := s.start(t, v2, "release", "--env", env, "--bundle", variant(t, v2).bundle, "-o", "json")
	p.await(t, "30 %", func(e event.Event) bool { return e.Kind == event.Verified && weighs(30)(e) })
	alive := s.run(t, v2, "resume", "--env", env)
	alive.mustExit(t, 5)
	p.signal(t, syscall.SIGKILL)
	p.wait(t).mustExit(t, -1)
	said := s.run(t, v1, "status", "--env", env)
	said.mustExit(t, 0)
	said.says(t, "release 2 (v2) is open, in phase steps at 30 %", "lock: held by", "last renewed", "last effect: route: weight 30 %", "ahead: step 1 of 2: 30 % of the traffic to the candidate", "slipway resume --env "+env)
	s.run(t, v1, "resume", "--env", env).mustExit(t, 0)
	v.nowSeesOnly(t, v2)
	v.sawNoFailure(t)
	done := s.run(t, v1, "resume", "--env", env)
	done.mustExit(t, 0)
	done.says(t, "takes all traffic")
}
