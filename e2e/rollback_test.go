//go:build e2e

package e2e

import (
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/slipway-cd/slipway/internal/event"
)

func baking(e event.Event) bool { return e.Kind == event.Phase && e.Phase == "bake" }

// lastOf is how long after a moment the last answer of a version was asked for.
func (v *visitor) lastOf(version string, after time.Time) time.Duration {
	var last time.Duration
	for _, a := range only(v.all(), byVersion(version)) {
		last = a.sent.Sub(after)
	}
	return last
}

func TestARollbackDuringBakeByAnotherProcessIsOneWeightChange(t *testing.T) {
	t.Parallel()
	const env = "baking"
	s := newSite(t, env)
	s.release(t, env, v1, 0)
	v := visit(t, calculate(s.host))

	p := s.start(t, v2, "release", "--env", env, "--bundle", variant(t, v2).bundle, "-o", "json")
	p.await(t, "the bake", baking)
	v.nowSeesOnly(t, v2)

	asked := time.Now()
	back := s.run(t, v1, "rollback", "--env", env, "-o", "json")
	back.mustExit(t, 0)
	r := p.wait(t)
	r.mustExit(t, 3)
	v.nowSeesOnly(t, v1)
	v.sawNoFailure(t)
	t.Logf("the last answer of the new version was asked for %s after the rollback command began", v.lastOf(v2, asked))
	if e, ok := r.first(event.RolledBack, func(event.Event) bool { return true }); !ok {
		t.Errorf("the release should say that it has rolled back: %s", r)
	} else {
		t.Logf("the running release had all traffic back %s after the rollback command began", e.Time.Sub(asked))
	}
	if h := s.history(t, env)[0]; h.Outcome != "rolled-back" || h.Version != v2 {
		t.Errorf("the history should say that v2 was rolled back, but has %+v", h)
	}
}

func TestARollbackTakesOverFromARunnerThatWasKilled(t *testing.T) {
	t.Parallel()
	const env = "baking"
	s := newSite(t, "killed")
	s.release(t, env, v1, 0)
	v := visit(t, calculate(s.host))
	p := s.start(t, v2, "release", "--env", env, "--bundle", variant(t, v2).bundle, "-o", "json")
	p.await(t, "the bake", baking)
	p.signal(t, syscall.SIGKILL)
	p.wait(t).mustExit(t, -1)
	v.nowSeesOnly(t, v2)

	asked := time.Now()
	s.run(t, v1, "rollback", "--env", env, "-o", "json").mustExit(t, 0)
	v.nowSeesOnly(t, v1)
	v.sawNoFailure(t)
	t.Logf("the last answer of the new version was asked for %s after the rollback command began: a lock is taken over after 15 s", v.lastOf(v2, asked))
	if h := s.history(t, env)[0]; h.Outcome != "rolled-back" || h.Version != v2 {
		t.Errorf("the history should say that v2 was rolled back, but has %+v", h)
	}
}

func TestGoingBackToAKeptSlotInstallsNothing(t *testing.T) {
	t.Parallel()
	const env = "keeping"
	s := newSite(t, env)
	s.release(t, env, v1, 0)
	v := visit(t, calculate(s.host))
	s.release(t, env, v2, 0)
	v.nowSeesOnly(t, v2)
	both := s.helmReleases(t)
	if want := []string{"calculator-blue", "calculator-green"}; !slices.Equal(both, want) {
		t.Fatalf("helm list has %v, want %v: the old slot should be kept", both, want)
	}

	for _, code := range []int{0, 2} { // the second, of a retried pipeline for one, must not undo the first
		asked := time.Now()
		r := s.run(t, v1, "rollback", "--env", env, "-o", "json")
		r.mustExit(t, code)
		v.nowSeesOnly(t, v1)
		t.Logf("the last answer of %s was asked for %s after the rollback command began", v2, v.lastOf(v2, asked))
		if got := s.helmReleases(t); !slices.Equal(got, both) {
			t.Errorf("helm list has %v, want %v as before", got, both)
		}
		if rec := s.status(t, env); rec.Slots[rec.Production].Version != v1 || rec.Open != nil {
			t.Errorf("status should say that %s runs, but has %+v", v1, rec)
		}
	}
	v.sawNoFailure(t)
}

func TestThereIsNothingToGoBackToWithoutAKeptSlot(t *testing.T) {
	t.Parallel()
	const env = "canary"
	s := newSite(t, "unkept")
	r := s.run(t, v1, "rollback", "--env", env)
	r.mustExit(t, 2)
	r.says(t, "nothing has been released")
	s.release(t, env, v1, 0)
	v := visit(t, calculate(s.host))
	before := s.objects(t)
	r = s.run(t, v1, "rollback", "--env", env)
	r.mustExit(t, 2)
	r.says(t, "no earlier revision is kept", "keep: true")
	s.unchangedSince(t, before)
	v.nowSeesOnly(t, v1)
	v.sawNoFailure(t)
}

func TestASecondReleaseIsRefusedAndCtrlCTakesTheFirstBack(t *testing.T) {
	t.Parallel()
	const env = "slow"
	s := newSite(t, env)
	s.release(t, env, v1, 0)
	v := visit(t, calculate(s.host))
	s.hold = "5m"
	p := s.start(t, v2, "release", "--env", env, "--bundle", variant(t, v2).bundle, "-o", "json")
	p.await(t, "30 %", func(e event.Event) bool { return e.Kind == event.Verified && weighs(30)(e) })

	second := s.run(t, v2, "release", "--env", env, "--bundle", variant(t, v2).bundle)
	second.mustExit(t, 5)
	holder := "/" + itoa(p.cmd.Process.Pid) + "/" // user@host/pid/uuid
	second.says(t, "root@", holder, "since "+time.Now().UTC().Format("2006-01-02"))

	shared := v.next(t, 200)
	if n := len(only(shared, byVersion(v2))); n < 40 || n > 80 {
		t.Errorf("the first release should not have been disturbed: %d of %d answers are of the candidate at 30 %%", n, len(shared))
	}

	asked := time.Now()
	p.signal(t, syscall.SIGINT)
	r := p.wait(t)
	r.mustExit(t, 3)
	r.says(t, "interrupted")
	v.nowSeesOnly(t, v1)
	v.sawNoFailure(t)
	t.Logf("the last answer of the candidate was asked for %s after Ctrl-C", v.lastOf(v2, asked))
	if got, want := s.helmReleases(t), []string{"calculator-blue"}; !slices.Equal(got, want) {
		t.Errorf("helm list has %v, want %v: the candidate should be gone", got, want)
	}
}
