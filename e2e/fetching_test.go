//go:build e2e

package e2e

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/yaml"

	"github.com/slipway-cd/slipway/internal/azure"
	"github.com/slipway-cd/slipway/internal/vault"
)

// The identity that the sandbox's stand-ins know.
const (
	tenant = "00000000-0000-4000-8000-000000000010"
	client = "00000000-0000-4000-8000-000000000050"
)

const sandboxVaultURL = "https://10.123.0.1:5094"

// sandboxVault is the Key Vault stand-in, for those who fetch in place of the cluster.
func sandboxVault(t *testing.T) *vault.KeyVault {
	t.Helper()
	cloud, err := azure.NewCloud("", azure.Endpoints{Authority: "https://10.123.0.1:5093"})
	if err != nil {
		t.Fatal(err)
	}
	options, err := cloud.ClientOptions(authority)
	if err != nil {
		t.Fatal(err)
	}
	cred, _, err := azure.Credential(azure.Options{Cloud: cloud, Client: options, Tenant: tenant, ClientID: client, TokenFile: sandboxDir + "/azure/federated-token", Getenv: func(string) string { return "" }})
	if err != nil {
		t.Fatal(err)
	}
	v, err := vault.NewKeyVault(vault.KeyVaultOptions{URL: sandboxVaultURL, Credential: cred, Client: options, AnyHost: true})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// value is a request for a secret's value, not for its versions.
var value = regexp.MustCompile(`^/secrets/[^/]+/?([0-9a-f]{32})?$`)

// readerVault is the vault stand-in as somebody sees it who has the role "Key Vault Reader": names and versions, but no
// values. It gives its URL and the authorities to trust, and fails the test if a value is asked for.
func readerVault(t *testing.T) (vaultURL, caFile string) {
	t.Helper()
	return standBefore(t, sandboxVaultURL, func(w http.ResponseWriter, r *http.Request, vault http.Handler) {
		if r.Method != http.MethodGet || !value.MatchString(r.URL.Path) {
			vault.ServeHTTP(w, r)
			return
		}
		t.Errorf("a value was asked for: %s", r.URL.Path)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `{"error":{"code":"Forbidden","message":"Caller is not authorized to perform action on resource.","innererror":{"code":"ForbiddenByRbac"}}}`)
	})
}

// fetchedProject writes a project whose secrets the cluster fetches.
func (l *leakSite) fetchedProject(name, by, vaultURL, caFile, ready string) string {
	l.t.Helper()
	redis := `{ existingSecret: "${secret:redis}" }`
	if strings.Contains(by, "csi") {
		redis = `{ existingSecret: "${secret:redis}", csi: true }`
	}
	head, _, _ := strings.Cut(leakYAML, "environments:\n")
	text := strings.NewReplacer(`{ existingSecret: "${secret:redis}" }`, redis, "caFile: "+authority, "caFile: "+caFile, "ROOT", suite.root, "FAULTS", "{}").Replace(head) +
		"environments:\n"
	for env, strategy := range map[string]string{"canary": "canary: { steps: [50, 100], deadline: 20s }", "in-place": "rolling: {}"} {
		text += "  " + env + ": { strategy: { " + strategy + " }, readyTimeout: " + ready + ", secretsBy: " + by + ",\n    " +
			strings.Replace(leakWhere, sandboxVaultURL, vaultURL, 1) + ",\n    " + strings.ReplaceAll(leakSecrets, "MARK", "leak-"+runID) + " }\n"
	}
	path := filepath.Join(l.dir, name+".yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		l.t.Fatal(err)
	}
	return path
}

// define makes the cluster know the kinds until the test ends; undefine takes away what an earlier run has left.
func define(t *testing.T, definitions ...string) {
	t.Helper()
	for _, text := range definitions {
		d := definition(t, text)
		if _, err := suite.dynamic.Resource(customResources).Create(t.Context(), d, metav1.CreateOptions{}); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { undefine(t, text) })
		eventually(t, 30*time.Second, d.GetName()+" to be served", func() (bool, string) {
			got, err := suite.dynamic.Resource(customResources).Get(t.Context(), d.GetName(), metav1.GetOptions{})
			if err != nil {
				return false, err.Error()
			}
			conditions, _, _ := unstructured.NestedSlice(got.Object, "status", "conditions")
			for _, c := range conditions {
				if c := c.(map[string]any); c["type"] == "Established" && c["status"] == "True" {
					return true, ""
				}
			}
			return false, "not established"
		})
	}
}

func undefine(t *testing.T, definitions ...string) {
	t.Helper()
	for _, text := range definitions {
		name := definition(t, text).GetName()
		err := suite.dynamic.Resource(customResources).Delete(context.Background(), name, metav1.DeleteOptions{})
		if err != nil && !apierrors.IsNotFound(err) {
			t.Fatal(err)
		}
		eventually(t, 30*time.Second, name+" to go", func() (bool, string) {
			_, err := suite.dynamic.Resource(customResources).Get(context.Background(), name, metav1.GetOptions{})
			return apierrors.IsNotFound(err), "it is there"
		})
	}
}

var customResources = schema.GroupVersionResource{Group: "apiextensions.k8s.io", Version: "v1", Resource: "customresourcedefinitions"}

func definition(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	d := &unstructured.Unstructured{}
	raw, err := yaml.YAMLToJSON([]byte(text))
	if err == nil {
		err = d.UnmarshalJSON(raw)
	}
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// empty fails the test if a release has left anything in the namespace but its lock.
func (l *leakSite) empty() {
	l.t.Helper()
	for _, kind := range []string{"secrets", "configmaps -l app.kubernetes.io/managed-by=slipway", "deployments"} {
		if out := l.kubectl(append([]string{"get", "-o", "name"}, strings.Fields(kind)...)...); strings.TrimSpace(out) != "" {
			l.t.Errorf("there are %s: %s", kind, out)
		}
	}
}

// names of the objects of a kind in the site's namespace, by slot.
func (l *leakSite) names(r schema.GroupVersionResource) map[string][]string {
	l.t.Helper()
	list, err := suite.dynamic.Resource(r).Namespace(l.namespace).List(l.t.Context(), metav1.ListOptions{LabelSelector: "slipway.dev/secret=redis"})
	if err != nil {
		l.t.Fatal(err)
	}
	names := map[string][]string{}
	for _, o := range list.Items {
		slot := o.GetLabels()["slipway.dev/slot"]
		names[slot] = append(names[slot], o.GetName())
	}
	return names
}

// holds fails the test unless a Secret has the value that was set.
func (l *leakSite) holds(name, key, want string) *corev1.Secret {
	l.t.Helper()
	var s *corev1.Secret
	eventually(l.t, 30*time.Second, "the Secret "+name, func() (bool, string) {
		var err error
		s, err = suite.kube.CoreV1().Secrets(l.namespace).Get(l.t.Context(), name, metav1.GetOptions{})
		return err == nil, "not there"
	})
	if string(s.Data[key]) != want {
		l.t.Errorf("the Secret %s does not hold the value of %s", name, key)
	}
	return s
}

// onlyOne is the one name of a slot.
func onlyOne(t *testing.T, names map[string][]string, slot string) string {
	t.Helper()
	if len(names[slot]) != 1 {
		t.Fatalf("slot %s should have one: %v", slot, names)
	}
	return names[slot][0]
}

// decode reads an object into a Go value.
func decode(o *unstructured.Unstructured, into any) error {
	raw, err := o.MarshalJSON()
	if err != nil {
		return err
	}
	return json.Unmarshal(raw, into)
}

func secretsResource() schema.GroupVersionResource {
	return corev1.SchemeGroupVersion.WithResource("secrets")
}
