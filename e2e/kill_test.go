//go:build e2e

package e2e

import (
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// point is an instant in a release at which its runner may die: the intent of an effect has been recorded and nothing is made yet, or
// the effect has been made and that is not recorded.
type point struct {
	effect int
	made   bool
	name   string
}

func (p point) String() string {
	if p.made {
		return fmt.Sprintf("%d %s, made", p.effect, p.name)
	}
	return fmt.Sprintf("%d %s, intended", p.effect, p.name)
}

// at calls do at each point of the release that is written through a proxy: when an intent has been recorded, and when the record of a
// completion is on its way. What do returns for the latter is whether that is let through.
func (p *proxy) at(do func(point) bool) {
	var mu sync.Mutex
	intended, made := 0, 0
	p.before = func(r *http.Request, body []byte) bool {
		j := journal(r, body)
		if j == nil {
			return true
		}
		mu.Lock()
		defer mu.Unlock()
		for ; made < len(j.Effects) && j.Effects[made].Done != nil; made++ {
			if !do(point{made, true, j.Effects[made].Name}) {
				return false
			}
		}
		return true
	}
	p.after = func(r *http.Request, body []byte) {
		j := journal(r, body)
		if j == nil {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		for ; intended < len(j.Effects); intended++ {
			do(point{intended, false, j.Effects[intended].Name})
		}
	}
}

// short is an environment and a variant in a name of a namespace.
func short(env, name string) string {
	return strings.NewReplacer("guarded", "g", "switch", "s", "place", "p", "nginx", "n", "failing", "bad").Replace(env + "-" + name)
}

// points are those of a release of a variant, as it comes to them by itself: an effect that is new is among them.
func points(t *testing.T, env, name string, code int) []point {
	t.Helper()
	s := newSite(t, "points-"+short(env, name))
	s.release(t, env, v1, 0)
	var all []point
	var mu sync.Mutex
	p := newProxy(t)
	p.at(func(at point) bool {
		mu.Lock()
		defer mu.Unlock()
		all = append(all, at)
		return true
	})
	s.kubeconfig = p.kubeconfig
	s.release(t, env, name, code)
	mu.Lock()
	defer mu.Unlock()
	if len(all) < 6 {
		t.Fatalf("a release has more effects than these: %v", all)
	}
	return all
}

// TestARunnerKilledAtAnyEffectLeavesAllTrafficOnOneHealthyVersion is the kill matrix. It tries a sample of the points; with SLIPWAY_FAULTS=all
// all of them, for every strategy and router.
func TestARunnerKilledAtAnyEffectLeavesAllTrafficOnOneHealthyVersion(t *testing.T) {
	t.Parallel()
	all := os.Getenv("SLIPWAY_FAULTS") == "all"
	for _, c := range []struct {
		env, name string
		code      int
		sampled   int // of its points; 0: only with all
	}{
		{"guarded", v2, 0, 3}, {"guarded", failing, 3, 0}, {"guarded-nginx", v2, 0, 0}, {"guarded-nginx", failing, 3, 2},
		{"guarded-switch", v2, 0, 0}, {"guarded-switch", failing, 3, 0}, {"guarded-switch-nginx", v2, 0, 0}, {"guarded-switch-nginx", failing, 3, 0},
		{"guarded-place", v2, 0, 1}, {"guarded-place", failing, 3, 0}, {"guarded-place-nginx", v2, 0, 0}, {"guarded-place-nginx", failing, 3, 0},
	} {
		if !all && c.sampled == 0 {
			continue
		}
		t.Run(c.env+"/"+c.name, func(t *testing.T) {
			t.Parallel()
			at := points(t, c.env, c.name, c.code)
			step := 1
			if !all {
				step = len(at)/c.sampled + 1
			}
			for i := step / 2; i < len(at); i += step {
				t.Run(strings.ReplaceAll(at[i].String(), "/", " "), func(t *testing.T) {
					t.Parallel()
					killedAt(t, c.env, c.name, at[i])
				})
			}
		})
	}
}

// killedAt kills the runner at a point, with nobody helping.
func killedAt(t *testing.T, env, name string, at point) {
	s := newSite(t, fmt.Sprintf("kill-%s-%d-%v", short(env, name), at.effect, at.made))
	s.release(t, env, v1, 0)
	v := visit(t, calculate(s.host))
	p := newProxy(t)
	var mu sync.Mutex
	var runner *process
	var killed time.Time
	mu.Lock() // until the runner is known
	p.at(func(now point) bool {
		mu.Lock()
		defer mu.Unlock()
		if !killed.IsZero() || now.effect != at.effect || now.made != at.made {
			return killed.IsZero() // a dead process sends nothing
		}
		_ = runner.cmd.Process.Signal(syscall.SIGKILL)
		killed = time.Now()
		return false
	})
	direct := s.kubeconfig
	s.kubeconfig = p.kubeconfig
	runner = s.start(t, name, "release", "--env", env, "--bundle", variant(t, name).bundle, "-o", "json")
	mu.Unlock()
	runner.wait(t).mustExit(t, -1)
	s.kubeconfig = direct

	took := time.Duration(0)
	eventually(t, lockLasts+restTakes-time.Since(killed), "the release has ended, or had touched nothing", func() (bool, string) {
		st := s.status(t, env)
		took = time.Since(killed)
		return st.Open == nil || at.effect == 0 && !at.made, s.kubectl("logs", "-l", "app.kubernetes.io/component=guardian", "--tail", "20")
	})
	st := s.status(t, env)
	version := st.Slots[st.Production].Version
	if version != v1 && version != name || name == failing && version != v1 {
		t.Errorf("production is %q", version)
	}
	v.nowSeesOnly(t, version)
	if name != failing {
		v.sawNoFailure(t)
	}
	s.unguarded(t)
	if left := s.helmReleases(t); len(left) != 1 {
		t.Errorf("helm list has %v, want one release", left)
	}
	t.Logf("%s/%s, killed at %s: ended after %s, users on %s", env, name, at, took.Round(100*time.Millisecond), version)
	other := map[string]string{v1: v2, v2: v1, failing: v1}[version]
	if r := s.run(t, other, "release", "--env", env, "--bundle", variant(t, other).bundle, "-o", "json"); r.code != 0 {
		t.Errorf("the next release: %s", r)
	}
	v.nowSeesOnly(t, other)
	if name != failing {
		v.sawNoFailure(t)
	}
}
