//go:build e2e

package e2e

import (
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/slipway-cd/slipway/internal/event"
)

// fault makes a stand-in (vault, entra, registry) go wrong until the test ends. All tests share it: not for parallel ones.
func fault(t *testing.T, service, rule string) {
	t.Helper()
	controls(t, http.MethodPut, service+"/fault", rule)
	t.Cleanup(func() { controls(t, http.MethodPut, service+"/fault", `{"rate":0}`) })
}

// controls calls the control of the stand-ins and gives its answer.
func controls(t *testing.T, method, path, body string) string {
	t.Helper()
	req, err := http.NewRequest(method, control+"/"+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	said, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("%s %s: %s %s %v", method, path, resp.Status, said, err)
	}
	return string(said)
}

// untouched fails the test if a release has left anything in the namespace.
func (s *site) untouched(t *testing.T) {
	t.Helper()
	secrets, err := suite.kube.CoreV1().Secrets(s.namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil || len(secrets.Items) > 0 {
		t.Errorf("there are Secrets: %v %v", secrets.Items, err)
	}
	maps, err := suite.kube.CoreV1().ConfigMaps(s.namespace).List(t.Context(), metav1.ListOptions{LabelSelector: "app.kubernetes.io/managed-by=slipway"})
	if err != nil || len(maps.Items) > 0 {
		t.Errorf("there is a journal: %v %v", maps.Items, err)
	}
	leases, err := suite.kube.CoordinationV1().Leases(s.namespace).List(t.Context(), metav1.ListOptions{})
	if err != nil || len(leases.Items) > 0 {
		t.Errorf("there is a lock: %v %v", leases.Items, err)
	}
}

// secretNames are the names of the Secrets that are made of the vault, by slot.
func (s *site) secretNames(t *testing.T) map[string][]string {
	t.Helper()
	list, err := suite.kube.CoreV1().Secrets(s.namespace).List(t.Context(), metav1.ListOptions{LabelSelector: "slipway.dev/secret"})
	if err != nil {
		t.Fatal(err)
	}
	names := map[string][]string{}
	for _, found := range list.Items {
		if found.Type != corev1.SecretTypeOpaque || found.Immutable == nil || !*found.Immutable {
			t.Errorf("secret %s is of type %s, immutable %v", found.Name, found.Type, found.Immutable)
		}
		slot := found.Labels["slipway.dev/slot"]
		names[slot] = append(names[slot], found.Name)
	}
	return names
}

// A vault in trouble stops a release before anything is touched, or is waited for; going back does not ask it.
func aVaultInTroubleTouchesNothing(t *testing.T) {
	l := newLeakSite(t, "vault")
	project := l.project("good", "{}")
	l.setMarks(project)
	for name, c := range map[string]struct{ rule, says string }{
		"unauthorized": {`{"rate":1,"status":401}`, "does not take this identity's token"},
		"forbidden":    {`{"rate":1,"status":403}`, "does not let this machine in"},
		"missing":      {`{"rate":1,"status":404}`, "variables cannot be read"},
		"throttled":    {`{"rate":1,"status":429,"retryAfter":"1s"}`, "too many requests"},
		"failing":      {`{"rate":1,"status":500}`, "answered 500"},
		"cut off":      {`{"rate":1,"status":444}`, "cannot be reached"},
	} {
		t.Run(name, func(t *testing.T) {
			fault(t, "vault", c.rule)
			l := &leakSite{site: l.site, t: t, dir: l.dir, temp: l.temp, hunt: l.hunt}
			if out := l.run(2, "", "release", "-f", project, "--env", "canary", "--version", "vault-v1"); !strings.Contains(out, c.says) || !strings.Contains(out, "slipway doctor") {
				t.Errorf("should say %q:\n%s", c.says, out)
			}
			l.untouched(t)
			if name == "forbidden" {
				if out := l.run(2, "", "doctor", "-f", project, "--env", "canary"); !strings.Contains(out, "NO   read the vault") {
					t.Errorf("the doctor should find it:\n%s", out)
				}
			}
		})
	}
	if out := l.run(0, "", "doctor", "-f", project, "--env", "canary"); !strings.HasPrefix(out, "canary: all is right.") {
		t.Errorf("the doctor finds something:\n%s", out)
	}
	t.Run("throttled for a while", func(t *testing.T) {
		fault(t, "vault", `{"rate":1,"status":429,"retryAfter":"1s","times":4}`)
		l.run(0, "", "release", "-f", project, "--env", "canary", "--version", "vault-v1")
	})
	first := l.secretNames(t)
	if len(first["blue"]) != 1 || len(first["green"]) != 0 {
		t.Fatalf("after the first release the Secrets are %v", first)
	}
	t.Run("slow and cut off for a while", func(t *testing.T) {
		fault(t, "vault", `{"rate":1,"status":444,"delay":"300ms","times":6}`)
		l := &leakSite{site: l.site, t: t, dir: l.dir, temp: l.temp, hunt: l.hunt}
		l.endInTheMiddle(project, syscall.SIGKILL)
	})
	if both := l.secretNames(t); len(both["blue"]) != 1 || len(both["green"]) != 1 {
		t.Errorf("with two slots the Secrets are %v", both)
	}
	fault(t, "vault", `{"rate":1,"status":500}`)
	l.run(0, "", "rollback", "-f", project, "--env", "canary")
	if after := l.secretNames(t); len(after["green"]) != 0 || len(after["blue"]) != 1 || after["blue"][0] != first["blue"][0] {
		t.Errorf("after going back the Secrets are %v, want %v", after, first)
	}
}

// A changed variable makes another Secret and rolls the pods; going back finds the values of the revision before.
func goingBackFindsTheSecretBefore(t *testing.T) {
	l := newLeakSite(t, "in-place")
	project := l.project("good", "{}")
	l.setMarks(project)
	mounted := func() string {
		return strings.TrimSpace(l.kubectl("get", "deployment", "calculator-frontend", "-o", `jsonpath={.spec.template.spec.volumes[?(@.name=="redis")].secret.secretName}`))
	}
	l.run(0, "", "release", "-f", project, "--env", "in-place", "--version", "in-place-v1")
	before := mounted()
	if !strings.HasPrefix(before, "calculator-redis-") {
		t.Fatalf("the pods mount %q", before)
	}
	l.run(0, "", "release", "-f", project, "--env", "in-place", "--version", "in-place-v1")
	if same := mounted(); same != before {
		t.Errorf("nothing was changed, but the Secret is %q instead of %q", same, before)
	}
	l.run(0, "another value", "vault", "set", "-f", project, "--env", "in-place", "leak-"+runID+"-second")
	l.run(0, "", "release", "-f", project, "--env", "in-place", "--version", "in-place-v2")
	if after := mounted(); after == before || !strings.HasPrefix(after, "calculator-redis-") {
		t.Errorf("after a change the pods mount %q, before %q", after, before)
	}
	l.run(0, "", "rollback", "-f", project, "--env", "in-place")
	if back := mounted(); back != before {
		t.Errorf("after going back the pods mount %q, want %q", back, before)
	}
	if got := l.kubectl("get", "secret", before, "-o", "jsonpath={.immutable}"); got != "true" {
		t.Errorf("the Secret of the revision before: %s", got)
	}
	if journal := l.kubectl("get", "configmap", "slipway-calculator-in-place", "-o", "yaml"); strings.Contains(journal, l.marks["second"]) || !strings.Contains(journal, "leak-"+runID+"-second") {
		t.Errorf("the journal should name the variable and hold no value:\n%s", journal)
	}
}

// A release that another process goes on with keeps the values that it began with, whatever the vault has by then.
func takenOverKeepsItsValues(t *testing.T) {
	l := newLeakSite(t, "begun")
	project, slow := l.project("good", "{}"), l.project("slow", "{ startDelay: 15s }")
	l.setMarks(project)
	secretOf := func(slot string) (name, second string) {
		names := l.secretNames(t)[slot]
		if len(names) != 1 {
			t.Fatalf("slot %s has the Secrets %v", slot, names)
		}
		found, err := suite.kube.CoreV1().Secrets(l.namespace).Get(t.Context(), names[0], metav1.GetOptions{})
		if err != nil {
			t.Fatal(err)
		}
		return found.Name, string(found.Data["second"])
	}
	mounted := func(slot string) string {
		return strings.TrimSpace(l.kubectl("get", "deployment", "calculator-"+slot+"-frontend", "-o", `jsonpath={.spec.template.spec.volumes[?(@.name=="redis")].secret.secretName}`))
	}
	l.run(0, "", "release", "-f", project, "--env", "canary", "--version", "begun-v1")
	l.endWhen(slow, syscall.SIGKILL, "the candidate was installed", func(e event.Event) bool {
		return e.Kind == event.Progress && e.Phase == "deploy" && e.Object == "release/"+l.namespace+"/calculator-green"
	})
	before, old := secretOf("green")
	if old != l.marks["second"] {
		t.Fatalf("the candidate's Secret does not hold what the vault has")
	}
	const changed = "another value, set while nobody watched"
	l.run(0, changed, "vault", "set", "-f", project, "--env", "canary", "leak-"+runID+"-second")

	l.run(0, "", "promote", "-f", slow, "--env", "canary")
	if after, second := secretOf("green"); after != before || second != old || mounted("green") != before {
		t.Errorf("the release was gone on with as %s, began as %s, and its pods mount %s; the value is the old one: %t", after, before, mounted("green"), second == old)
	}
	l.run(0, "", "release", "-f", project, "--env", "canary", "--version", "begun-v3")
	if _, second := secretOf("blue"); second != changed {
		t.Error("the next release should have read the new value")
	}
}
