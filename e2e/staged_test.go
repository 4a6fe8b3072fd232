//go:build e2e

package e2e

import (
	"net/http"
	"strconv"
	"testing"
)

func itoa(n int) string { return strconv.Itoa(n) }

// shareOf is the share of a version in the next answers, in percent.
func (v *visitor) shareOf(t *testing.T, version string) float64 {
	t.Helper()
	got := v.next(t, 200)
	return float64(len(only(got, byVersion(version)))) / float64(len(got)) * 100
}

func TestTheStagesOfAPipelineAreProcessesOfTheirOwn(t *testing.T) {
	t.Parallel()
	for _, env := range []string{"staged", "staged-nginx"} {
		t.Run(env, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, env)
			s.release(t, env, v1, 0)
			v := visit(t, calculate(s.host))
			stage := func(args ...string) {
				t.Helper()
				s.run(t, v2, append(args, "--env", env, "-o", "json")...).mustExit(t, 0)
			}

			stage("deploy", "--bundle", variant(t, v2).bundle)
			v.nowSeesOnly(t, v1)
			req := calculate(s.host)()
			req.Header.Set("canary", "always")
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			_ = resp.Body.Close()
			if got := resp.Header.Get("X-Version"); got != v2 {
				t.Errorf("the header `canary: always` reaches version %q, want v2", got)
			}
			second := s.run(t, v2, "release", "--env", env, "--bundle", variant(t, v2).bundle)
			second.mustExit(t, 5)
			second.says(t, "release 2 (version v2) of calculator in "+env+" is still open")

			stage("route", "--weight", "25")
			if got := v.shareOf(t, v2); got < 19 || got > 31 {
				t.Errorf("at 25 %% the candidate gets %.1f %% of the answers", got)
			}
			stage("route")
			v.nowSeesOnly(t, v2)
			stage("promote")
			v.nowSeesOnly(t, v2)

			stage("deploy", "--bundle", variant(t, v1).bundle)
			stage("route", "--weight", "25")
			if got := v.shareOf(t, v1); got < 19 || got > 31 {
				t.Errorf("at 25 %% the candidate gets %.1f %% of the answers", got)
			}
			stage("rollback")
			v.nowSeesOnly(t, v2)
			v.sawNoFailure(t)
			if h := s.history(t, env); h[0].Outcome != "rolled-back" || h[1].Outcome != "promoted" {
				t.Errorf("the history should say promoted, then rolled back, but has %+v", h)
			}
			none := s.run(t, v2, "route", "--env", env)
			none.mustExit(t, 2)
			none.says(t, "no release of calculator is open in "+env)
		})
	}
}
