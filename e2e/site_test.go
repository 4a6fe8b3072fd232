//go:build e2e

package e2e

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
)

// runID tells the namespaces of this run from those of another.
var runID = func() string {
	b := make([]byte, 3)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}()

// site is one test's own namespace and host.
type site struct {
	namespace, host string
	kubeconfig      string
	hold            string // of each step in the environment "slow"
	deadline        string // of those in the environment "seen"
	workspace       string // of Log Analytics, which is asked at logs and trusted by ca
	logs, ca        string
	metrics         string // of the gateway
}

// environ is the environment of the commands of a site: what its environments refer to.
func (s *site) environ() []string {
	or := func(value, standard string) string {
		if value == "" {
			return standard
		}
		return value
	}
	return append(os.Environ(), "E2E_KUBECONFIG="+s.kubeconfig, "E2E_NAMESPACE="+s.namespace, "E2E_HOST="+s.host, "E2E_HOLD="+or(s.hold, "0s"),
		"E2E_DEADLINE="+or(s.deadline, "1m"), "E2E_WORKSPACE="+or(s.workspace, workspace), "E2E_LOGS="+or(s.logs, logs+"/v1"), "E2E_CA="+or(s.ca, authority),
		"E2E_METRICS="+or(s.metrics, gatewayMetrics))
}

// newSite makes the namespace of a test. It is deleted at the end, after its state was shown if the test failed.
func newSite(t *testing.T, name string) *site {
	t.Helper()
	s := &site{namespace: "e2e-" + name + "-" + runID, kubeconfig: sandboxKubeconfig()}
	s.host = s.namespace + ".test"
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: s.namespace, Labels: map[string]string{namespaceLabel: runID}}}
	if _, err := suite.kube.CoreV1().Namespaces().Create(t.Context(), ns, metav1.CreateOptions{}); err != nil {
		t.Fatal(err)
	}
	s.complete(t)
	t.Cleanup(func() {
		if t.Failed() {
			for _, what := range []string{"events", "pods,deployments,httproutes,ingresses", "configmap -o yaml"} {
				t.Logf("kubectl get %s:\n%s", what, s.kubectl(append([]string{"get"}, strings.Fields(what)...)...))
			}
		}
		err := suite.kube.CoreV1().Namespaces().Delete(context.Background(), s.namespace, metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			t.Errorf("cleaning up: %v", err)
		}
	})
	return s
}

// complete waits for what a cluster puts into every new namespace by itself, so that no test takes it for its own doing.
func (s *site) complete(t *testing.T) {
	t.Helper()
	err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		_, err := suite.kube.CoreV1().ConfigMaps(s.namespace).Get(ctx, "kube-root-ca.crt", metav1.GetOptions{})
		if err == nil {
			_, err = suite.kube.CoreV1().ServiceAccounts(s.namespace).Get(ctx, "default", metav1.GetOptions{})
		}
		if apierrors.IsNotFound(err) {
			return false, nil
		}
		return err == nil, err
	})
	if err != nil {
		t.Fatalf("waiting for what every namespace begins with: %v", err)
	}
}

// record is what the tests read of `slipway status -o json`, summary of `slipway history -o json`: the fields that a
// script would read.
type record struct {
	Production string `json:"production"`
	Slots      map[string]struct {
		HelmRelease string `json:"helmRelease"`
		Version     string `json:"version"`
	} `json:"slots"`
	Open *struct {
		Number int `json:"number"`
	} `json:"open"`
}

type summary struct {
	Number                   int
	Version, Outcome, Reason string
}

// kubectl runs it in the site's namespace and gives what it said.
func (s *site) kubectl(args ...string) string {
	cmd := exec.Command(sandboxDir+"/bin/kubectl", append([]string{"--kubeconfig", sandboxKubeconfig(), "-n", s.namespace}, args...)...)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return string(out) + err.Error()
	}
	return string(out)
}

// helm runs bin/helm3 or bin/helm4 in the site's namespace; it must succeed.
func (s *site) helm(t *testing.T, program string, args ...string) string {
	t.Helper()
	cmd := exec.Command(bin(program), append([]string{"--namespace", s.namespace}, args...)...)
	cmd.Env = append(os.Environ(), "KUBECONFIG="+sandboxKubeconfig())
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// helmReleases are the names of what is installed, as Helm 4 lists it.
func (s *site) helmReleases(t *testing.T) []string {
	t.Helper()
	return strings.Fields(s.helm(t, "helm4", "list", "--short"))
}

// status is what `slipway status` knows.
func (s *site) status(t *testing.T, env string) record {
	t.Helper()
	r := s.run(t, v1, "status", "--env", env, "-o", "json")
	r.mustExit(t, 0)
	var view struct {
		Record record `json:"record"`
	}
	if err := json.Unmarshal([]byte(r.stdout), &view); err != nil {
		t.Fatalf("slipway status -o json: %v\n%s", err, r.stdout)
	}
	return view.Record
}

// history is what `slipway history` tells, newest first.
func (s *site) history(t *testing.T, env string) []summary {
	t.Helper()
	r := s.run(t, v1, "history", "--env", env, "-o", "json")
	r.mustExit(t, 0)
	var list []summary
	if err := json.Unmarshal([]byte(r.stdout), &list); err != nil || len(list) == 0 {
		t.Fatalf("slipway history -o json: %v\n%s", err, r.stdout)
	}
	return list
}

// release brings a variant into an environment of the site; it must exit with the code.
func (s *site) release(t *testing.T, env, name string, code int) result {
	t.Helper()
	r := s.run(t, name, "release", "--env", env, "--bundle", variant(t, name).bundle, "-o", "json")
	r.mustExit(t, code)
	return r
}
