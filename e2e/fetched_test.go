//go:build e2e

package e2e

import (
	"strings"
	"testing"
	"time"
)

// External Secrets fetches what Slipway may not read; a release goes on when the Secrets are there, and not before.
func externalSecretsFetches(t *testing.T) {
	undefine(t, externalSecretDefinition, secretStoreDefinition)
	l := newLeakSite(t, "external")
	vaultURL, caFile := readerVault(t)
	const by = "{ externalSecrets: { store: team-vault } }"
	project := l.fetchedProject("good", by, vaultURL, caFile, "2m")
	hasty := l.fetchedProject("hasty", by, vaultURL, caFile, "6s")
	l.setMarks(project)
	refused := func(says ...string) {
		t.Helper()
		out := l.run(2, "", "release", "-f", project, "--env", "canary", "--version", "external-v1")
		for _, s := range says {
			if !strings.Contains(out, s) {
				t.Errorf("should say %q:\n%s", s, out)
			}
		}
		l.empty()
	}
	refused("this cluster does not know externalsecrets.external-secrets.io", "helm install external-secrets")
	define(t, externalSecretDefinition, secretStoreDefinition)
	refused("secretstore/"+l.namespace+"/team-vault does not exist", "make it")
	store := makeStore(t, l.namespace, "team-vault", vaultURL)
	refused("has no condition Ready")
	ready := func(status, reason, message string) {
		t.Helper()
		if err := setReady(t.Context(), secretStores, store, status, reason, message); err != nil {
			t.Fatal(err)
		}
	}
	ready("False", "InvalidProviderConfig", "unable to create client")
	refused("is not ready: unable to create client (InvalidProviderConfig)")
	ready("True", "Valid", "store validated")

	operator := startOperator(t, l.namespace)
	l.run(0, "", "vault", "check", "-f", project, "--env", "canary")
	if out := l.run(0, "", "doctor", "-f", project, "--env", "canary"); !strings.Contains(out, "list the vault") || !strings.Contains(out, "have the cluster fetch secrets") {
		t.Errorf("the doctor should look at who fetches:\n%s", out)
	}
	l.run(0, "", "release", "-f", project, "--env", "canary", "--version", "external-v1", "-v")
	one := onlyOne(t, l.names(externalSecrets), "blue")
	if s := l.holds(one, "first", l.marks["first"]); s.Immutable == nil || !*s.Immutable || s.OwnerReferences[0].Kind != "ExternalSecret" {
		t.Errorf("the Secret: immutable %v, of %v", s.Immutable, s.OwnerReferences)
	}
	l.lookAtCluster()

	// What fails is told in the operator's words, and nothing of it stays.
	back := func(project string, says ...string) {
		t.Helper()
		out := l.run(3, "", "release", "-f", project, "--env", "canary", "--version", "external-bad")
		for _, s := range says {
			if !strings.Contains(out, s) {
				t.Errorf("should say %q:\n%s", s, out)
			}
		}
		if names := l.names(externalSecrets); len(names["green"]) != 0 || onlyOne(t, names, "blue") != one {
			t.Errorf("after going back there are %v", names)
		}
	}
	operator.feel("fails")
	back(hasty, "could not get secret data from provider", "Caller is not authorized")
	operator.feel("dead")
	back(hasty, "was not synced within 6s: External Secrets has not looked at it yet")

	// A changed variable makes another Secret; the old slot's goes with it.
	operator.feel("")
	l.run(0, "another value", "vault", "set", "-f", project, "--env", "canary", "leak-"+runID+"-second")
	l.run(0, "", "release", "-f", project, "--env", "canary", "--version", "external-v2", "-o", "json")
	names := l.names(externalSecrets)
	l.holds(onlyOne(t, names, "green"), "second", "another value")
	if len(names["blue"]) != 0 {
		t.Errorf("the old slot's are left: %v", names)
	}
	eventually(t, 30*time.Second, "the old slot's Secret to go", func() (bool, string) {
		left := l.names(secretsResource())
		return len(left["blue"]) == 0 && len(left["green"]) == 1, strings.Join(left["blue"], " ")
	})
	l.lookAtCluster()
	l.hunt.lookAtFiles(l.temp)
	if len(l.hunt.secretsSeen) == 0 {
		t.Error("no Kubernetes Secret held the marks, so nothing was tested")
	}
}

// In place the ExternalSecret of a revision that Helm keeps stays, so that going back finds its Secret.
func goingBackFindsWhatWasFetched(t *testing.T) {
	undefine(t, externalSecretDefinition, secretStoreDefinition)
	define(t, externalSecretDefinition, secretStoreDefinition)
	l := newLeakSite(t, "external-in-place")
	vaultURL, caFile := readerVault(t)
	project := l.fetchedProject("good", "{ externalSecrets: { store: team-vault, kind: SecretStore } }", vaultURL, caFile, "2m")
	l.setMarks(project)
	if err := setReady(t.Context(), secretStores, makeStore(t, l.namespace, "team-vault", vaultURL), "True", "Valid", "store validated"); err != nil {
		t.Fatal(err)
	}
	startOperator(t, l.namespace)
	mounted := func() string {
		return strings.TrimSpace(l.kubectl("get", "deployment", "calculator-frontend", "-o", `jsonpath={.spec.template.spec.volumes[?(@.name=="redis")].secret.secretName}`))
	}
	l.run(0, "", "release", "-f", project, "--env", "in-place", "--version", "external-v1")
	before := mounted()
	l.holds(before, "second", l.marks["second"])
	l.run(0, "another value", "vault", "set", "-f", project, "--env", "in-place", "leak-"+runID+"-second")
	l.run(0, "", "release", "-f", project, "--env", "in-place", "--version", "external-v2")
	after := mounted()
	l.holds(after, "second", "another value")
	if after == before {
		t.Errorf("the pods still mount %s", before)
	}
	l.run(0, "", "rollback", "-f", project, "--env", "in-place")
	if back := mounted(); back != before {
		t.Errorf("after going back the pods mount %q, want %q", back, before)
	}
	l.holds(before, "second", l.marks["second"])
	l.lookAtCluster()
}

// The CSI driver's stand-in mounts for the node's own kubelet; see [driver] for what it does not do.
func theCSIDriverFetches(t *testing.T) {
	undefine(t, providerClassDefinition)
	driver := startDriver(t, "localhost")
	l := newLeakSite(t, "csi")
	vaultURL, caFile := readerVault(t)
	project := l.fetchedProject("good", "{ csi: { clientID: "+client+" } }", vaultURL, caFile, "2m")
	hasty := l.fetchedProject("hasty", "{ csi: { clientID: "+client+" } }", vaultURL, caFile, "20s")
	l.setMarks(project)
	if out := l.run(2, "", "release", "-f", project, "--env", "canary", "--version", "csi-v1"); !strings.Contains(out, "does not know secretproviderclasses") || !strings.Contains(out, "az aks enable-addons --addons azure-keyvault-secrets-provider") {
		t.Errorf("should say what to install:\n%s", out)
	}
	l.empty()
	define(t, providerClassDefinition)

	l.run(0, "", "release", "-f", project, "--env", "canary", "--version", "csi-v1", "-v")
	one := onlyOne(t, l.names(providerClasses), "blue")
	l.holds(one, "third", l.marks["third"])
	driver.mu.Lock()
	for pod, files := range driver.mounted {
		if !strings.HasPrefix(pod, "calculator-blue-frontend-") || files["first"] != l.marks["first"] || files["host"] != "10.123.0.1" {
			t.Errorf("%s mounted %d files", pod, len(files))
		}
	}
	if len(driver.mounted) == 0 {
		t.Error("nothing was mounted")
	}
	driver.mu.Unlock()
	l.lookAtCluster()

	// A pod that cannot mount is told in the driver's own words, and nothing of it stays.
	driver.refuse(true)
	out := l.run(3, "", "release", "-f", hasty, "--env", "canary", "--version", "csi-bad")
	for _, s := range []string{"failed to get objectType:secret", "RESPONSE 403", "Caller is not authorized to perform action on resource"} {
		if !strings.Contains(out, s) {
			t.Errorf("should say %q:\n%s", s, out)
		}
	}
	if names := l.names(providerClasses); len(names["green"]) != 0 || onlyOne(t, names, "blue") != one {
		t.Errorf("after going back there are %v", names)
	}
	driver.refuse(false)

	// A changed variable makes another; the old slot's goes with it.
	l.run(0, "another value", "vault", "set", "-f", project, "--env", "canary", "leak-"+runID+"-second")
	l.run(0, "", "release", "-f", project, "--env", "canary", "--version", "csi-v2", "-o", "json")
	names := l.names(providerClasses)
	l.holds(onlyOne(t, names, "green"), "second", "another value")
	if left := l.names(secretsResource()); len(names["blue"]) != 0 || len(left["blue"]) != 0 {
		t.Errorf("the old slot's are left: %v %v", names, left)
	}
	l.lookAtCluster()
}
