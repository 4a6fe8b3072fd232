package clustersecret

import (
	"errors"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	clienttesting "k8s.io/client-go/testing"
	"sigs.k8s.io/yaml"

	"github.com/slipway-cd/slipway/internal/config"
)

func TestWhoeverBringsASecretItHasTheSameNameAndLabels(t *testing.T) {
	c := newCluster(t, providerClasses, external1)
	for resource, b := range map[schema.GroupVersionResource]injector{
		providerClasses: CSI{Cluster: c.Cluster, Vault: "dev1-vault"}, external1: External{Cluster: c.Cluster, Store: "team-vault", Kind: config.SecretStore},
	} {
		for range 2 { // an effect that is made again
			if err := b.Apply(t.Context(), redis(), false); err != nil {
				t.Fatal(err)
			}
		}
		o := c.get(t, resource, redis().Name)
		for label, want := range map[string]string{releaseLabel: "web-blue", slotLabel: "blue", secretLabel: "redis", managedLabel: "slipway", "slipway.dev/service": "web"} {
			if o.GetLabels()[label] != want {
				t.Errorf("%s has the labels %v", o.GetKind(), o.GetLabels())
			}
		}
	}
	if err := (Direct{c.Cluster}).Apply(t.Context(), known(), false); err != nil {
		t.Fatal(err)
	}
	s, err := c.kube.CoreV1().Secrets("shop").Get(t.Context(), known().Name, metav1.GetOptions{})
	if err != nil || s.Immutable == nil || !*s.Immutable || string(s.Data["password"]) != "swordfish" || s.Labels[releaseLabel] != "web-blue" {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestWhoBringsASecretIsInItsName(t *testing.T) {
	seen := map[string]bool{}
	for _, b := range []injector{
		Direct{}, CSI{Vault: "a", ClientID: "i", Tenant: "t"}, CSI{Vault: "b", ClientID: "i", Tenant: "t"}, CSI{Vault: "a", ClientID: "j", Tenant: "t"},
		External{Store: "s", Kind: config.SecretStore, VaultURL: "https://a"}, External{Store: "s", Kind: config.ClusterSecretStore, VaultURL: "https://a"}, External{Store: "s", Kind: config.SecretStore, VaultURL: "https://b"},
	} {
		if seen[b.By()] {
			t.Errorf("%#v is not told apart: %q", b, b.By())
		}
		seen[b.By()] = true
	}
}

func TestTheDriverIsToldToFetchExactVersions(t *testing.T) {
	c := newCluster(t, providerClasses)
	b := CSI{Cluster: c.Cluster, ClientID: "00000000-0000-4000-8000-000000000050", Tenant: "00000000-0000-4000-8000-000000000010", Vault: "dev1-vault", Cloud: "china"}
	if err := b.Apply(t.Context(), redis(), true); err != nil || c.dry != 1 {
		t.Fatalf("%d dry runs, %v", c.dry, err)
	}
	if list, _ := c.dynamic.Resource(providerClasses).List(t.Context(), metav1.ListOptions{}); len(list.Items) != 0 {
		t.Fatal("a dry run made something")
	}
	if err := b.Apply(t.Context(), redis(), false); err != nil {
		t.Fatal(err)
	}
	var class struct {
		Spec struct {
			Provider      string
			Parameters    map[string]string
			SecretObjects []struct {
				SecretName, Type string
				Labels           map[string]string
				Data             []struct{ Key, ObjectName string }
			}
		}
	}
	read(t, c.get(t, providerClasses, redis().Name), &class.Spec)
	p := class.Spec.Parameters
	if class.Spec.Provider != "azure" || p["keyvaultName"] != "dev1-vault" || p["tenantId"] != b.Tenant || p["clientID"] != b.ClientID || p["cloudName"] != "AzureChinaCloud" {
		t.Errorf("%+v", class.Spec)
	}
	var objects struct{ Array []string }
	if err := yaml.UnmarshalStrict([]byte(p["objects"]), &objects); err != nil || len(objects.Array) != 2 {
		t.Fatalf("%v in %s", err, p["objects"])
	}
	want := map[string][2]string{"host": {"redis-host", "1234567890123456789012345678901e"}, "password": {"redis-access", "00000000000000000000000000000012"}}
	for _, text := range objects.Array {
		var o struct{ ObjectName, ObjectType, ObjectVersion, ObjectAlias string } // as text, as the provider reads them: a version is no number
		if err := yaml.UnmarshalStrict([]byte(text), &o); err != nil || o.ObjectType != "secret" || want[o.ObjectAlias] != [2]string{o.ObjectName, o.ObjectVersion} {
			t.Errorf("%v in %s", err, text)
		}
	}
	s := class.Spec.SecretObjects
	if len(s) != 1 || s[0].SecretName != redis().Name || s[0].Type != "Opaque" || s[0].Labels[releaseLabel] != "web-blue" || len(s[0].Data) != 2 || s[0].Data[1].Key != "password" || s[0].Data[1].ObjectName != "password" {
		t.Errorf("makes %+v", s)
	}
}

func TestAClusterThatCannotFetchIsToldWhatToInstall(t *testing.T) {
	c := newCluster(t)
	for want, b := range map[string]injector{
		"az aks enable-addons --addons azure-keyvault-secrets-provider": CSI{Cluster: c.Cluster},
		"helm install external-secrets":                                 External{Cluster: c.Cluster},
	} {
		var missing *NotServedError
		if err := b.Check(t.Context()); !errors.As(err, &missing) || !strings.Contains(strings.Join(missing.Next(), "\n"), want) {
			t.Errorf("got %v, want the advice %q", err, want)
		}
	}
	if err := (CSI{Cluster: newCluster(t, providerClasses).Cluster}).Check(t.Context()); err != nil {
		t.Errorf("a cluster with the driver: %v", err)
	}
}

func TestAClusterThatMayNotBeAskedSaysSo(t *testing.T) {
	c := newCluster(t, providerClasses, external1)
	c.forbid("list", "*")
	for _, b := range []injector{CSI{Cluster: c.Cluster}, External{Cluster: c.Cluster}} {
		if err := b.Check(t.Context()); err == nil || !strings.Contains(err.Error(), "refused") {
			t.Errorf("got %v", err)
		}
	}
}

func TestADefinitionThatIsTooOldIsTold(t *testing.T) {
	c := newCluster(t, external1)
	c.dynamic.PrependReactor("patch", "*", func(clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, errors.New(`failed to create typed patch object (shop/x; external-secrets.io/v1, Kind=ExternalSecret): .spec.target.immutable: field not declared in schema`)
	})
	err := (External{Cluster: c.Cluster}).Apply(t.Context(), redis(), true)
	if err == nil || !strings.Contains(err.Error(), "externalsecret/shop/web-blue-redis-0123456789 was not taken") || !strings.Contains(err.Error(), "update it") {
		t.Errorf("got %v", err)
	}
}

func TestEverythingOfASlotGoesWithItWhoeverBroughtIt(t *testing.T) {
	c := newCluster(t, providerClasses, external1)
	other := redis()
	other.Name, other.Release = "web-green-redis-0123456789", "web-green"
	kept := redis()
	kept.Name = "web-blue-redis-kept"
	injectors := []injector{CSI{Cluster: c.Cluster}, External{Cluster: c.Cluster}, Direct{c.Cluster}}
	for _, s := range []Secret{redis(), other, kept} {
		for _, b := range injectors {
			if err := b.Apply(t.Context(), s, false); err != nil {
				t.Fatal(err)
			}
		}
	}
	foreign := &unstructured.Unstructured{Object: map[string]any{"apiVersion": "external-secrets.io/v1", "kind": "ExternalSecret", "metadata": map[string]any{"name": "theirs", "namespace": "shop"}}}
	c.put(t, external1, foreign)
	if err := c.Prune(t.Context(), "web-blue", func(name string) bool { return name == kept.Name }); err != nil {
		t.Fatal(err)
	}
	want := map[schema.GroupVersionResource]int{providerClasses: 2, external1: 3}
	for resource, n := range want {
		list, err := c.dynamic.Resource(resource).Namespace("shop").List(t.Context(), metav1.ListOptions{})
		if err != nil || len(list.Items) != n {
			t.Errorf("%d %s are left, want %d (%v)", len(list.Items), resource.Resource, n, err)
		}
	}
	secrets, err := c.kube.CoreV1().Secrets("shop").List(t.Context(), metav1.ListOptions{})
	if err != nil || len(secrets.Items) != 2 {
		t.Errorf("%d Secrets are left (%v)", len(secrets.Items), err)
	}
}

func TestEmptyingASlotNeedsNothingThatTheClusterLacks(t *testing.T) {
	for name, c := range map[string]*fakeCluster{"nothing is served": newCluster(t), "nothing may be listed": newCluster(t, providerClasses, external1)} {
		for _, resource := range []string{"secretproviderclasses", "externalsecrets"} {
			if name == "nothing may be listed" {
				c.forbid("list", resource)
			}
		}
		if err := (Direct{c.Cluster}).Apply(t.Context(), known(), false); err != nil {
			t.Fatal(err)
		}
		if err := c.Prune(t.Context(), "web-blue", none); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if left, _ := c.kube.CoreV1().Secrets("shop").List(t.Context(), metav1.ListOptions{}); len(left.Items) != 0 {
			t.Errorf("%s: a Secret is left", name)
		}
	}
}
