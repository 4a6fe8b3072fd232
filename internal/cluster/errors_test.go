package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

func TestWhatTheAPIServerRefusesIsToldInWords(t *testing.T) {
	deploy := schema.GroupResource{Group: "apps", Resource: "deployments"}
	denied := func(s string) error { return apierrors.NewForbidden(deploy, "web", errors.New(s)) }
	terminating := apierrors.NewForbidden(deploy, "web", errors.New(`unable to create new content in namespace shop because it is being terminated`))
	terminating.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: corev1.NamespaceTerminatingCause}}
	for name, c := range map[string]struct {
		err  error
		kind Kind
		say  []string
	}{
		"a missing permission in a namespace": {denied(`User "system:serviceaccount:ci:runner" cannot patch resource "deployments" in API group "apps" in the namespace "shop"`),
			Forbidden, []string{"may not patch deployments.apps in namespace shop",
				"kubectl create role slipway-patch-deployments-apps --namespace=shop --verb=patch --resource=deployments.apps",
				"kubectl create rolebinding slipway-patch-deployments-apps --namespace=shop --role=slipway-patch-deployments-apps --serviceaccount=ci:runner"}},
		"a missing permission in the cluster": {denied(`User "ann" cannot get resource "gatewayclasses" in API group "gateway.networking.k8s.io" at the cluster scope`),
			Forbidden, []string{"in the whole cluster", "kubectl create clusterrole ", "--user=ann"}},
		"a missing permission for a subresource": {denied(`User "ann" cannot update resource "deployments/scale" in API group "apps" in the namespace "shop"`),
			Forbidden, []string{"--resource=deployments.apps/scale"}},
		"a missing permission that Helm passed on as text": {errors.New(`query: failed to query: secrets is forbidden: User "ann" cannot list resource "secrets" in API group "" in the namespace "shop"`),
			Forbidden, []string{"ann may not list secrets in namespace shop"}},
		"a namespace that goes": {terminating, Terminating, []string{"being deleted"}},
		"a quota":               {denied("exceeded quota: small, requested: pods=1"), Quota, []string{"exceeded quota: small"}},
		"a policy":              {denied(`violates PodSecurity "restricted:latest"`), Denied, []string{"PodSecurity"}},
		"not there":             {apierrors.NewNotFound(deploy, "web"), NotFound, []string{"deployments.apps web does not exist"}},
		"there already":         {apierrors.NewAlreadyExists(deploy, "web"), Exists, []string{"exists already"}},
		"changed meanwhile":     {fmt.Errorf("wrapped: %w", apierrors.NewConflict(deploy, "web", errors.New("modified"))), Conflict, nil},
		"not valid":             {apierrors.NewInvalid(schema.GroupKind{Group: "apps", Kind: "Deployment"}, "web", nil), Invalid, nil},
		"credentials":           {apierrors.NewUnauthorized("token expired"), Unauthorized, []string{"log in again"}},
		"too busy":              {apierrors.NewTooManyRequests("slow down", 1), Busy, nil},
		"failed inside":         {apierrors.NewInternalError(errors.New("etcd")), Busy, nil},
		"a kind nobody knows":   {&meta.NoKindMatchError{GroupKind: schema.GroupKind{Group: "gateway.networking.k8s.io", Kind: "HTTPRoute"}}, NotInstalled, []string{"HTTPRoute", "CRDs"}},
	} {
		t.Run(name, func(t *testing.T) {
			err := Explain(c.err, "deploying web")
			if !IsKind(err, c.kind) || !errors.Is(err, c.err) {
				t.Fatalf("err = %v", err)
			}
			for _, s := range append(c.say, "deploying web: ") {
				if !strings.Contains(err.Error(), s) {
					t.Errorf("%q is not in: %v", s, err)
				}
			}
			if again := Explain(err, "releasing"); !IsKind(again, c.kind) {
				t.Errorf("explaining twice lost the kind: %v", again)
			}
		})
	}
}

func TestAnAPIServerThatCannotBeReachedIsNoRefusal(t *testing.T) {
	err := Explain(&url.Error{Op: "Get", URL: "https://aks.example:443/api", Err: errors.New("connection refused")}, "reading")
	var ue *UnreachableError
	if !errors.As(err, &ue) || ue.Address != "https://aks.example:443" {
		t.Errorf("err = %v", err)
	}
}

func TestOtherErrorsKeepTheirIdentity(t *testing.T) {
	if Explain(nil, "x") != nil {
		t.Error("nil became an error")
	}
	if err := Explain(context.Canceled, "x"); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	own := errors.New("own")
	if err := Explain(own, "x"); !errors.Is(err, own) {
		t.Error(err)
	}
}
