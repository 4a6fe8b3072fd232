//go:build e2e

package chart

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// HELM3 and HELM4 name the two command lines.

func helmCommand(t *testing.T, variable, namespace string) func(args ...string) string {
	t.Helper()
	binary := os.Getenv(variable)
	if binary == "" {
		t.Fatalf("these tests need the helm command lines: set %s", variable)
	}
	home := t.TempDir()
	return func(args ...string) string {
		t.Helper()
		cmd := exec.CommandContext(t.Context(), binary, append([]string{"-n", namespace}, args...)...)
		cmd.Env = append(os.Environ(), "HOME="+home)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("helm %v: %v\n%s", args, err, out)
		}
		return string(out)
	}
}

func TestLiveHelmWorksOnWhatWeInstalled(t *testing.T) {
	for _, variable := range []string{"HELM3", "HELM4"} {
		t.Run(variable, func(t *testing.T) {
			client, kube := liveClient(t)
			helm := helmCommand(t, variable, client.Namespace())
			ctx := t.Context()
			opts := InstallOptions{Release: "web", Chart: loadPlain(t), Values: map[string]any{"replicas": 1}}
			if _, err := client.Install(ctx, opts); err != nil {
				t.Fatal(err)
			}
			opts.Values = map[string]any{"replicas": 2}
			if _, err := client.Upgrade(ctx, opts); err != nil {
				t.Fatal(err)
			}
			var listed []struct{ Name, Status, Revision, Chart string }
			if err := json.Unmarshal([]byte(helm("list", "-o", "json")), &listed); err != nil {
				t.Fatal(err)
			}
			if len(listed) != 1 || listed[0].Name != "web" || listed[0].Status != "deployed" || listed[0].Revision != "2" || listed[0].Chart != "plain-1.2.3+build.4" {
				t.Errorf("helm list says %+v", listed)
			}
			if out := helm("history", "web"); !strings.Contains(out, "superseded") || !strings.Contains(out, "Upgrade complete") {
				t.Errorf("helm history says\n%s", out)
			}
			if out := helm("get", "manifest", "web"); !strings.Contains(out, "replicas: 2") {
				t.Errorf("helm get manifest says\n%s", out)
			}
			replicas := func() int32 {
				t.Helper()
				d, err := kube.AppsV1().Deployments(client.Namespace()).Get(ctx, "web", metav1.GetOptions{})
				if err != nil {
					t.Fatal(err)
				}
				return *d.Spec.Replicas
			}
			helm("rollback", "web", "1")
			if replicas() != 1 {
				t.Error("helm rollback did not go back")
			}
			helm("upgrade", "web", "testdata/plain", "--set", "replicas=3")
			if replicas() != 3 {
				t.Error("helm upgrade did not upgrade")
			}
			opts.Values = map[string]any{"replicas": 4}
			if _, err := client.Upgrade(ctx, opts); err != nil {
				t.Errorf("after helm we cannot upgrade any more: %v", err)
			} else if replicas() != 4 {
				t.Error("our upgrade after helm's did not upgrade")
			}
			helm("uninstall", "web")
			if _, err := kube.AppsV1().Deployments(client.Namespace()).Get(ctx, "web", metav1.GetOptions{}); !apierrors.IsNotFound(err) {
				t.Errorf("helm uninstall left the Deployment: %v", err)
			}
		})
	}
}

func TestLiveHelmPullsWhatWePushed(t *testing.T) {
	host := testRegistry(t, nil)
	tgz := packed(t, "testdata/plain")
	if _, err := Push(t.Context(), host+"/charts/plain", tgz, PushOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, variable := range []string{"HELM3", "HELM4"} {
		t.Run(variable, func(t *testing.T) {
			dir := t.TempDir()
			helmCommand(t, variable, "default")("pull", "oci://"+host+"/charts/plain", "--version", "1.2.3+build.4", "--plain-http", "-d", dir)
			got, err := os.ReadFile(filepath.Join(dir, "plain-1.2.3+build.4.tgz"))
			if err != nil || !bytes.Equal(got, tgz) {
				t.Errorf("helm pulled %d bytes of %d, %v", len(got), len(tgz), err)
			}
		})
	}
}

func TestLiveWeAdoptWhatHelmInstalled(t *testing.T) {
	for _, variable := range []string{"HELM3", "HELM4"} {
		t.Run(variable, func(t *testing.T) {
			client, kube := liveClient(t)
			helm := helmCommand(t, variable, client.Namespace())
			ctx := t.Context()
			helm("install", "web", "testdata/plain", "--set", "replicas=1")
			before, err := client.Get(ctx, "web")
			if err != nil || before.Status != Deployed || before.ServerSide != (variable == "HELM4") {
				t.Fatalf("helm's release is %+v, %v", before, err)
			}
			opts := InstallOptions{Release: "web", Chart: loadPlain(t), Values: map[string]any{"replicas": 2}, ForceConflicts: true}
			after, err := client.Upgrade(ctx, opts)
			if err != nil {
				t.Fatal(err)
			}
			if after.ServerSide != before.ServerSide {
				t.Errorf("the way of applying changed: %+v", after)
			}
			helm("upgrade", "web", "testdata/plain", "--set", "replicas=3")
			if _, err := client.Rollback(ctx, "web", 1); err != nil {
				t.Fatal(err)
			}
			d, err := kube.AppsV1().Deployments(client.Namespace()).Get(ctx, "web", metav1.GetOptions{})
			if err != nil || *d.Spec.Replicas != 1 {
				t.Errorf("after our rollback: %v", err)
			}
			if out := helm("status", "web"); !strings.Contains(out, "deployed") {
				t.Errorf("helm status says\n%s", out)
			}
			if err := client.UninstallWith(ctx, "web", UninstallOptions{Wait: true}); err != nil {
				t.Fatal(err)
			}
			if out := helm("list", "-q"); strings.TrimSpace(out) != "" {
				t.Errorf("helm still lists %s", out)
			}
		})
	}
}
