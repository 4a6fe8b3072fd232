//go:build e2e

package e2e

import (
	"net/http"
	"slices"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slipway-cd/slipway/internal/event"
)

// A candidate that does not come up, or fails the smoke gate, is taken back without any visitor having reached it.
func TestNobodySeesACandidateThatDoesNotComeUpOrFailsTheSmokeGate(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		variant, env string
		within       time.Duration // from the deployment to the decision to go back
		says         []string
	}{
		{flawed, "tried", 20 * time.Second, []string{"gate trial"}},
		{neverReady, "impatient", 20 * time.Second, []string{"not ready after 12s"}},                                                       // readyTimeout is 12s
		{crashing, "canary", 2 * time.Minute, []string{"crash"}},                                                                           // readyTimeout is 5m
		{imageless, "canary-nginx", 40 * time.Second, []string{registry + "/calculator-frontend@sha256:0123456789ab", "calculator-green"}}, // readyTimeout is 5m
	} {
		t.Run(c.variant, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, c.variant)
			s.release(t, c.env, v1, 0)
			v := visit(t, calculate(s.host))
			r := s.release(t, c.env, c.variant, 3)
			v.nowSeesOnly(t, v1)
			v.neverSaw(t, c.variant)
			v.sawNoFailure(t)
			r.says(t, c.says...)
			if e, ok := r.first(event.WeightSet, func(e event.Event) bool { return *e.Weight != 0 }); ok {
				t.Errorf("the candidate was given weight: %+v", e)
			}
			begun, _ := r.first(event.Phase, func(e event.Event) bool { return e.Phase == "deploy" })
			back, ok := r.first(event.Phase, func(e event.Event) bool { return e.Phase == "rollback" })
			if took := back.Time.Sub(begun.Time); !ok || took > c.within {
				t.Errorf("it took %s to decide, want at most %s: %s", took, c.within, r)
			} else {
				t.Logf("decided %s after the deployment began: %s", took, r.finished(t).Message)
			}
			if got, want := s.helmReleases(t), []string{"calculator-blue"}; !slices.Equal(got, want) {
				t.Errorf("helm list has %v, want %v: the candidate should be gone", got, want)
			}
		})
	}
}

func TestAFirstReleaseThatDoesNotComeUpLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	for env, name := range map[string]string{"impatient": neverReady, "rolling-nginx": imageless} {
		t.Run(env, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, "first-"+env)
			s.release(t, env, name, 3)
			if got := s.helmReleases(t); len(got) != 0 {
				t.Errorf("helm list has %v, want nothing", got)
			}
			resp, err := http.DefaultClient.Do(calculate(s.host)())
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if resp.StatusCode != http.StatusNotFound {
				t.Errorf("the gateway answers %s for the host, want 404: nothing is released there", resp.Status)
			}
			if h := s.history(t, env)[0]; h.Outcome != "rolled-back" {
				t.Errorf("the history should say rolled-back, but has %+v", h)
			}
			list, err := suite.kube.AppsV1().Deployments(s.namespace).List(t.Context(), metav1.ListOptions{})
			if err != nil || len(list.Items) != 0 {
				t.Errorf("%d deployments are left (%v)", len(list.Items), err)
			}
			s.release(t, env, v1, 0) // and the next one finds a clean place
			visit(t, calculate(s.host)).nowSeesOnly(t, v1)
		})
	}
}
