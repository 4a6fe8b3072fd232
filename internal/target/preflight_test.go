package target

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	"github.com/google/go-containerregistry/pkg/v1/random"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/fake"
	"k8s.io/client-go/rest"
	clienttesting "k8s.io/client-go/testing"

	"github.com/slipway-cd/slipway/internal/bundle"
	"github.com/slipway-cd/slipway/internal/chart"
	"github.com/slipway-cd/slipway/internal/cluster"
	"github.com/slipway-cd/slipway/internal/config"
	"github.com/slipway-cd/slipway/internal/journal"
	"github.com/slipway-cd/slipway/internal/release"
)

// helmServer is an API server that knows one Helm release in the status.
func helmServer(t *testing.T, name, status string) *chart.Client {
	t.Helper()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		switch {
		case r.URL.Path == "/version":
			_, _ = w.Write([]byte(`{"major":"1","minor":"34","gitVersion":"v1.34.4"}`))
		case strings.HasSuffix(r.URL.Path, "/secrets"):
			list := corev1.SecretList{TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "SecretList"}}
			if strings.Contains(r.URL.Query().Get("labelSelector"), "name="+name+",") || strings.HasSuffix(r.URL.Query().Get("labelSelector"), "name="+name) {
				list.Items = append(list.Items, helmSecret(t, name, status))
			}
			if err := json.NewEncoder(w).Encode(list); err != nil {
				t.Error(err)
			}
		default:
			w.WriteHeader(http.StatusNotFound)
			_, _ = w.Write([]byte(`{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"NotFound","code":404}`))
		}
	}))
	t.Cleanup(srv.Close)
	c, err := chart.New(&rest.Config{Host: srv.URL}, "ns", nil)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func helmSecret(t *testing.T, name, status string) corev1.Secret {
	t.Helper()
	raw, err := json.Marshal(map[string]any{"name": name, "namespace": "ns", "version": 3,
		"info": map[string]any{"status": status, "last_deployed": "2026-01-02T03:04:05Z"}})
	if err != nil {
		t.Fatal(err)
	}
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	if _, err := z.Write(raw); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "sh.helm.release.v1." + name + ".v3", Namespace: "ns", Labels: map[string]string{"owner": "helm", "name": name, "version": "3", "status": status}},
		Type:       "helm.sh/release.v1",
		Data:       map[string][]byte{"release": []byte(base64.StdEncoding.EncodeToString(packed.Bytes()))},
	}
}

func env() config.Environment { return config.Environment{Namespace: "ns", Host: "h"} }

func TestAHelmReleaseLeftPendingIsRefusedWithAWayOut(t *testing.T) {
	kept := &release.Record{Slots: map[string]release.Slot{"blue": {HelmRelease: "adopted"}}}
	for name, refused := range map[string]bool{"svc": true, "svc-blue": true, "svc-green": true, "adopted": true, "other": false} {
		p := &preflight{target: &Target{Config: &config.Config{Service: "svc"}, Environment: env()}, helm: helmServer(t, name, "pending-upgrade")}
		err := p.pending(t.Context(), kept)
		var pending *PendingError
		if errors.As(err, &pending) != refused {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if refused && (pending.Release != name || pending.Revision != 3 || !strings.Contains(strings.Join(pending.Next(), " "), "--unlock")) {
			t.Errorf("%s: %v; next: %v", name, err, pending.Next())
		}
	}
	p := &preflight{target: &Target{Config: &config.Config{Service: "svc"}, Environment: env()}, helm: helmServer(t, "svc", "deployed")}
	if err := p.pending(t.Context(), kept); err != nil {
		t.Errorf("a release that is deployed: %v", err)
	}
}

func TestAnImageThatIsGoneFromItsRegistryIsRefused(t *testing.T) {
	srv := httptest.NewServer(registry.New())
	defer srv.Close()
	host := strings.TrimPrefix(srv.URL, "http://")
	img, err := random.Image(64, 1)
	if err != nil {
		t.Fatal(err)
	}
	ref, err := name.ParseReference(host + "/web:1")
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.Write(ref, img); err != nil {
		t.Fatal(err)
	}
	digest, err := img.Digest()
	if err != nil {
		t.Fatal(err)
	}
	there := bundle.Image{Repository: host + "/web", Digest: digest.String()}
	for what, c := range map[string]struct {
		images map[string]bundle.Image
		want   string
	}{
		"there":                      {map[string]bundle.Image{"web": there}, ""},
		"gone":                       {map[string]bundle.Image{"web": there, "api": {Repository: host + "/api", Digest: digest.String()}}, "image api of the bundle does not exist in its registry any more"},
		"its registry cannot be had": {map[string]bundle.Image{"web": {Repository: "127.0.0.1:1/web", Digest: digest.String()}}, ""},
	} {
		p := &preflight{charts: &charts{pulled: &bundle.Pulled{Bundle: bundle.Bundle{Images: c.images}}}}
		err := p.images(t.Context())
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", what, err)
		}
	}
}

func TestABundleMustHaveBeenPromotedInTheEnvironmentBefore(t *testing.T) {
	b := pulled()
	summary := func(outcome, bundle string) []release.Summary {
		return []release.Summary{{Number: 1, Outcome: outcome, Bundle: bundle}}
	}
	for what, c := range map[string]struct {
		after   string
		history []release.Summary
		want    string
	}{
		"comes after nothing":       {"", nil, ""},
		"promoted":                  {"dev", summary(release.Promoted, b.Reference()), ""},
		"promoted from elsewhere":   {"dev", summary(release.Promoted, "mirror.example.org/svc@"+b.Digest), ""},
		"taken back there":          {"dev", summary(release.RolledBack, b.Reference()), "which has not promoted bundle sha256:0a1b2c3d"},
		"another one promoted":      {"dev", summary(release.Promoted, "r/svc@sha256:"+strings.Repeat("f", 64)), "release it there first (slipway release --env dev"},
		"never released there":      {"dev", nil, "which has not promoted"},
		"no such environment there": {"qa", nil, "qa"},
	} {
		t.Run(what, func(t *testing.T) {
			kube := fake.NewClientset()
			if c.history != nil {
				rec := &release.Record{Schema: release.Schema, Service: "svc", Environment: "dev", History: c.history}
				if err := journal.New(kube, "dev-ns", "svc", "dev", nil).Save(t.Context(), rec); err != nil {
					t.Fatal(err)
				}
			}
			prod := env()
			prod.After = c.after
			p := &preflight{charts: &charts{pulled: b}, target: &Target{Name: "prod", Environment: prod, Clients: &cluster.Clients{Kube: kube},
				Config: &config.Config{Service: "svc", Environments: map[string]config.Environment{"dev": {Namespace: "dev-ns", Host: "d"}, "prod": prod}}}}
			err := p.after(t.Context())
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// permitted is a target whose credentials may do everything but what is denied ("verb resource").
func permitted(router string, denied map[string]bool, objects ...runtime.Object) (*Target, *[]string) {
	kube, asked := fake.NewClientset(objects...), &[]string{}
	kube.PrependReactor("create", "selfsubjectaccessreviews", func(a clienttesting.Action) (bool, runtime.Object, error) {
		r := a.(clienttesting.CreateAction).GetObject().(*authorizationv1.SelfSubjectAccessReview).DeepCopy()
		what := r.Spec.ResourceAttributes.Verb + " " + r.Spec.ResourceAttributes.Resource
		*asked = append(*asked, what) // the fake runs reactors one at a time
		r.Status.Allowed = !denied[what]
		return true, r, nil
	})
	return &Target{Name: "prod", Environment: env(), Clients: &cluster.Clients{Kube: kube}, Plan: release.Plan{Router: router}}, asked
}

func TestWhoMayNotMakeAGuardianIsToldBefore(t *testing.T) {
	target, _ := permitted("gateway", map[string]bool{"create roles": true, "create jobs": true})
	if err := target.Prepare(t.Context()); err != nil {
		t.Errorf("without a guardian: %v", err)
	}
	for what, set := range map[string]func(){
		"the doctor": func() { target.Environment.Guardian.OnLoss = "rollback" },
		"a release":  func() { target.Engine = &release.Engine{Guardian: &guardianJob{}} },
	} {
		set()
		var denied *DeniedError
		if err := target.Prepare(t.Context()); !errors.As(err, &denied) || !slices.Equal(denied.Missing, []string{"create roles.rbac.authorization.k8s.io", "create jobs.batch"}) {
			t.Errorf("%s: got %v", what, err)
		}
		target.Environment.Guardian.OnLoss = ""
	}
}

func TestEveryMissingPermissionIsNamedAtOnce(t *testing.T) {
	target, _ := permitted("gateway", map[string]bool{"create leases": true, "patch httproutes": true, "watch pods": true})
	var denied *DeniedError
	err := target.Prepare(t.Context())
	if !errors.As(err, &denied) || len(denied.Missing) != 3 {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{"namespace ns", "create leases.coordination.k8s.io", "patch httproutes.gateway.networking.k8s.io", "watch pods"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not in: %v", want, err)
		}
	}
	if _, err := target.Clients.Kube.CoreV1().Namespaces().Get(t.Context(), "ns", metav1.GetOptions{}); err == nil {
		t.Error("the namespace was made though permissions are missing")
	}
}

func TestOnlyTheRoutersOwnObjectsMustBePermitted(t *testing.T) {
	for router, resource := range map[string]string{"gateway": "httproutes", "nginx": "ingresses"} {
		target, asked := permitted(router, nil)
		if err := target.Prepare(t.Context()); err != nil {
			t.Fatal(err)
		}
		got := strings.Join(*asked, ", ")
		if !strings.Contains(got, "patch "+resource) || strings.Contains(got, "ingresses") == (router == "gateway") {
			t.Errorf("router %s: asked for %s", router, got)
		}
	}
}

func TestTheNamespaceIsMadeUnlessItIsThereOrGoing(t *testing.T) {
	now := metav1.Now()
	there := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "ns"}}
	going := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "ns", DeletionTimestamp: &now, Finalizers: []string{"x"}}, Status: corev1.NamespaceStatus{Phase: corev1.NamespaceTerminating}}
	for what, c := range map[string]struct {
		objects []runtime.Object
		want    string
	}{"absent": {nil, ""}, "there": {[]runtime.Object{there}, ""}, "going": {[]runtime.Object{going}, "namespace/ns is being deleted (since "}} {
		target, _ := permitted("gateway", nil, c.objects...)
		err := target.Prepare(t.Context())
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", what, err)
		}
		if _, err := target.Clients.Kube.CoreV1().Namespaces().Get(t.Context(), "ns", metav1.GetOptions{}); err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
}
