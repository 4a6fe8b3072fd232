package target

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/dynamic"
	dynamicfake "k8s.io/client-go/dynamic/fake"
	"k8s.io/client-go/kubernetes/fake"
	clienttesting "k8s.io/client-go/testing"

	"github.com/slipway-cd/slipway/internal/chart"
	"github.com/slipway-cd/slipway/internal/cluster"
	"github.com/slipway-cd/slipway/internal/clustersecret"
	"github.com/slipway-cd/slipway/internal/config"
	"github.com/slipway-cd/slipway/internal/event"
	"github.com/slipway-cd/slipway/internal/release"
	"github.com/slipway-cd/slipway/internal/vault"
)

// nothingElse is a cluster that knows no kinds but the built-in ones.
func nothingElse() dynamic.Interface {
	client := dynamicfake.NewSimpleDynamicClientWithCustomListKinds(runtime.NewScheme(), map[schema.GroupVersionResource]string{
		{Group: "secrets-store.csi.x-k8s.io", Version: "v1", Resource: "secretproviderclasses"}: "SecretProviderClassList",
		{Group: "external-secrets.io", Version: "v1", Resource: "externalsecrets"}:              "ExternalSecretList",
		{Group: "external-secrets.io", Version: "v1beta1", Resource: "externalsecrets"}:         "ExternalSecretList",
	})
	client.PrependReactor("*", "*", func(a clienttesting.Action) (bool, runtime.Object, error) {
		return true, nil, apierrors.NewNotFound(a.GetResource().GroupResource(), "")
	})
	return client
}

// recorder is a way of bringing secrets that only writes down what it is asked.
type recorder struct {
	by    string
	asked []string
	fails map[string]error
}

func (r *recorder) did(what string) error {
	r.asked = append(r.asked, what)
	return r.fails[what]
}
func (r *recorder) By() string                  { return r.by }
func (r *recorder) Check(context.Context) error { return r.did("check") }
func (r *recorder) Apply(_ context.Context, s clustersecret.Secret, dry bool) error {
	if dry {
		return r.did("dry run of " + s.Logical)
	}
	return r.did("apply " + s.Logical)
}
func (r *recorder) Wait(_ context.Context, names []string, timeout time.Duration) error {
	return r.did("wait " + timeout.String() + " for " + strings.Join(names, " "))
}
func (r *recorder) Prune(_ context.Context, release string, _ func(string) bool) error {
	return r.did("prune " + release)
}

// twoSecrets are declared, and read but for their values.
func twoSecrets(r *recorder) *secrets {
	a, b := vault.Ref{Name: "a"}, vault.Ref{Name: "b"}
	return &secrets{injector: r, environment: "dev1", ready: time.Minute, declared: map[string]map[string]string{"z": {"k": "a"}, "y": {"k": "b"}},
		values: vault.Values{a: {Ref: vault.Ref{Name: "a", Version: "1"}}, b: {Ref: vault.Ref{Name: "b", Version: "2"}}}}
}

func TestSecretsAreThereBeforeTheChartIs(t *testing.T) {
	d := release.Deployment{Release: "svc-blue", Slot: "blue"}
	r := &recorder{by: "csi"}
	s := twoSecrets(r)
	if err := s.check(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	if err := s.inject(t.Context(), d); err != nil {
		t.Fatal(err)
	}
	names, err := s.names(d.Release)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"check", "dry run of y", "dry run of z", "apply y", "apply z", "wait 1m0s for " + strings.Join(names, " ")}
	if !slices.Equal(r.asked, want) {
		t.Errorf("asked %q, want %q", r.asked, want)
	}
	// Secrets that do not come keep Helm from being asked: it is nil here.
	r.fails = map[string]error{want[5]: &clustersecret.NotSyncedError{Object: "externalsecret/shop/x", After: time.Minute, Why: "nobody looks"}}
	c := &charts{pulled: pulled(), chart: &chart.Chart{}, secrets: s}
	if err := c.Install(t.Context(), d); err == nil || !strings.Contains(err.Error(), "was not synced within 1m0s: nobody looks") {
		t.Errorf("got %v", err)
	}
}

func TestWhoeverBringsSecretsHasSecretsOfItsOwn(t *testing.T) {
	own, err := twoSecrets(&recorder{}).name("svc-blue", "z")
	if err != nil {
		t.Fatal(err)
	}
	fetched, err := twoSecrets(&recorder{by: "csi"}).name("svc-blue", "z")
	if err != nil || own == fetched || len(own) != len(fetched) {
		t.Errorf("%s and %s, %v", own, fetched, err)
	}
}

func TestWithoutSecretsNothingMustBeInstalledInTheCluster(t *testing.T) {
	r := &recorder{by: "csi"}
	s := twoSecrets(r)
	s.declared = nil
	d := release.Deployment{Release: "svc-blue", Slot: "blue"}
	for _, f := range []func(context.Context, release.Deployment) error{s.check, s.inject} {
		if err := f(t.Context(), d); err != nil || len(r.asked) != 0 {
			t.Errorf("asked %q, %v", r.asked, err)
		}
	}
}

func TestTheConfigurationSaysWhoBringsSecrets(t *testing.T) {
	clients := &cluster.Clients{Kube: fake.NewClientset(), Dynamic: nothingElse()}
	env := config.Environment{Namespace: "shop", Vault: config.Vault{URL: "https://dev1-vault.vault.azure.cn"}, Azure: config.Azure{Cloud: "china"}}
	if _, ok := newInjector(clients, env, event.Discard).(clustersecret.Direct); !ok {
		t.Error("by default it should be Slipway")
	}
	env.SecretsBy.CSI = &config.CSI{ClientID: "i", Tenant: "t"}
	csi, ok := newInjector(clients, env, event.Discard).(clustersecret.CSI)
	if !ok || csi.ClientID != "i" || csi.Tenant != "t" || csi.Vault != "dev1-vault" || csi.Cloud != "china" || csi.Namespace != "shop" {
		t.Errorf("%+v", csi)
	}
	env.Azure.Endpoints.Authority = "https://login.example.org"
	if csi := newInjector(clients, env, event.Discard).(clustersecret.CSI); csi.Cloud != "" {
		t.Errorf("a private cloud is not %s", csi.Cloud)
	}
	env.SecretsBy = config.SecretsBy{ExternalSecrets: &config.ExternalSecrets{Store: "s", Kind: "ClusterSecretStore"}}
	var said []event.Event
	external, ok := newInjector(clients, env, event.SinkFunc(func(e event.Event) { said = append(said, e) })).(clustersecret.External)
	if !ok || external.Store != "s" || external.Kind != config.ClusterSecretStore || external.VaultURL != env.Vault.URL {
		t.Errorf("%+v", external)
	}
	if external.Say("externalsecret/shop/x", "not yet"); len(said) != 1 || said[0].Object != "externalsecret/shop/x" || said[0].Message != "not yet" || said[0].Phase != "deploy" {
		t.Errorf("said %+v", said)
	}
}

func TestOnlyWhatBringsSecretsMustBePermitted(t *testing.T) {
	for want, by := range map[string]config.SecretsBy{
		"patch secrets": {}, "patch secretproviderclasses": {CSI: &config.CSI{}}, "patch externalsecrets": {ExternalSecrets: &config.ExternalSecrets{}},
	} {
		target, asked := permitted("gateway", nil)
		target.Environment.Secrets, target.Environment.SecretsBy = map[string]map[string]string{"redis": {"host": "h"}}, by
		if err := target.Prepare(t.Context()); err != nil {
			t.Fatal(err)
		}
		for _, verb := range []string{"patch secrets", "patch secretproviderclasses", "patch externalsecrets"} {
			if slices.Contains(*asked, verb) != (verb == want) {
				t.Errorf("with %+v it is asked: %s", by, strings.Join(*asked, ", "))
			}
		}
	}
}
