//go:build e2e

package e2e

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestTheChartThatHelmCreateMakesIsReleasedAsItIs(t *testing.T) {
	t.Parallel()
	const env = "canary"
	s := newSite(t, "stock")
	s.release(t, env, stock, 0)
	v := visit(t, page(s.host))
	if got := only(v.next(t, 50), func(a answer) bool { return a.failed() || a.slot != "blue" }); len(got) > 0 {
		t.Fatalf("the first release should answer from slot blue: %s", got[0])
	}
	s.release(t, env, stock2, 0)
	if got := only(v.next(t, 50), func(a answer) bool { return a.failed() || a.slot != "green" }); len(got) > 0 {
		t.Errorf("after the release only slot green should answer: %s", got[0])
	}
	v.sawNoFailure(t)
	if got, want := s.helmReleases(t), []string{"web-green"}; !slices.Equal(got, want) {
		t.Errorf("helm list has %v, want %v", got, want)
	}
}

func TestHelmStaysUsableOnWhatSlipwayInstalled(t *testing.T) {
	t.Parallel()
	for _, helm := range []string{"helm3", "helm4"} {
		t.Run(helm, func(t *testing.T) {
			t.Parallel()
			const env = "rolling"
			s := newSite(t, helm)
			s.release(t, env, v1, 0)
			s.release(t, env, v2, 0)
			v := visit(t, calculate(s.host))
			v.soonSeesOnly(t, v2)
			for _, c := range []struct {
				args []string
				want []string
			}{
				{[]string{"list"}, []string{"calculator", "deployed"}},
				{[]string{"history", "calculator"}, []string{"superseded", "deployed", "slipway sha256:"}},
				{[]string{"get", "values", "calculator"}, []string{"version: v2", variant(t, v2).images["calculator-frontend"]}},
				{[]string{"get", "manifest", "calculator"}, []string{"kind: Deployment", "calculator-backend"}},
				{[]string{"status", "calculator"}, []string{"REVISION: 2"}},
				{[]string{"rollback", "calculator", "1", "--wait"}, []string{"Rollback was a success"}},
			} {
				out := s.helm(t, helm, c.args...)
				for _, want := range c.want {
					if !strings.Contains(out, want) {
						t.Errorf("%s %s should say %q, but says:\n%s", helm, strings.Join(c.args, " "), want, out)
					}
				}
			}
			v.soonSeesOnly(t, v1)
			v.sawNoFailure(t)

			s.release(t, env, v2, 0) // Slipway goes on from what Helm did
			v.soonSeesOnly(t, v2)
			v.sawNoFailure(t)
			v.end()
			s.helm(t, helm, "uninstall", "calculator")
			if got := s.helmReleases(t); len(got) != 0 {
				t.Errorf("helm list has %v after uninstall, want nothing", got)
			}
		})
	}
}

// install installs the sample with plain Helm, as version "by-hand".
func (s *site) install(t *testing.T, helm string, more ...string) {
	t.Helper()
	images := variant(t, v1).images
	s.helm(t, helm, append([]string{"install", "calculator", filepath.Join(suite.root, "charts/calculator"), "--wait", "--set",
		"version=by-hand,frontend.image=" + images["calculator-frontend"] + ",backend.image=" + images["calculator-backend"] + ",backend.replicas=1"}, more...)...)
}

func TestACanaryAdoptsWhatHelmInstalled(t *testing.T) {
	t.Parallel()
	for _, env := range []string{"adopting", "adopting-nginx"} {
		t.Run(env, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, env)
			s.install(t, "helm4")

			bad := s.release(t, env, failing, 3) // adopted, and gone back to
			bad.says(t, "adopting Helm release "+s.namespace+"/calculator")
			if got, want := s.helmReleases(t), []string{"calculator"}; !slices.Equal(got, want) {
				t.Fatalf("helm list has %v after the bad release, want %v", got, want)
			}
			v := visit(t, calculate(s.host))
			v.nowSeesOnly(t, "by-hand")

			s.release(t, env, v2, 0)
			v.nowSeesOnly(t, v2)
			v.sawNoFailure(t)
			if got, want := s.helmReleases(t), []string{"calculator-green"}; !slices.Equal(got, want) {
				t.Errorf("helm list has %v after the bake, want %v: the adopted release should be gone", got, want)
			}
		})
	}
}

func TestARollingReleaseGoesOnFromWhatHelm3Installed(t *testing.T) {
	t.Parallel()
	const env = "rolling-nginx"
	s := newSite(t, "helm3-made")
	s.install(t, "helm3")
	s.release(t, env, failing, 3)
	v := visit(t, calculate(s.host))
	v.soonSeesOnly(t, "by-hand")
	begun := time.Now()
	s.release(t, env, v2, 0)
	v.soonSeesOnly(t, v2)
	if later := only(v.all(), func(a answer) bool { return a.sent.After(begun) && a.failed() }); len(later) > 0 {
		t.Errorf("%d requests failed during the good release, want 0: %s", len(later), later[0])
	}
	if out := s.helm(t, "helm3", "history", "calculator"); strings.Count(out, "slipway sha256:") != 2 {
		t.Errorf("helm3 history should tell Slipway's two upgrades: %s", out)
	}
}
