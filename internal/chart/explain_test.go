package chart

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

func TestAnswersOfTheAPIServerBecomeTypedErrors(t *testing.T) {
	deployments := schema.GroupResource{Group: "apps", Resource: "deployments"}
	terminating := apierrors.NewForbidden(schema.GroupResource{Resource: "secrets"}, "x", errors.New("namespace is being terminated"))
	terminating.ErrStatus.Details.Causes = []metav1.StatusCause{{Type: corev1.NamespaceTerminatingCause}}
	conflict := apierrors.NewApplyConflict([]metav1.StatusCause{{Type: metav1.CauseTypeFieldManagerConflict,
		Field: ".spec.replicas", Message: `conflict with "kubectl-scale" using apps/v1`}}, "Apply failed with 1 conflict")
	kind := schema.GroupKind{Group: "apps", Kind: "StatefulSet"}
	for _, test := range []struct {
		name string
		err  error
		as   any
		says []string
	}{
		{"RBAC", apierrors.NewForbidden(deployments, "web", errors.New(
			`User "system:serviceaccount:ci:deployer" cannot patch resource "deployments" in API group "apps" in the namespace "shop"`)),
			new(*ForbiddenError), []string{"system:serviceaccount:ci:deployer may not patch deployments.apps web in namespace shop", `verb "patch" on "deployments.apps"`}},
		{"RBAC for the whole cluster", apierrors.NewForbidden(schema.GroupResource{Resource: "namespaces"}, "", errors.New(
			`User "ci" cannot create resource "namespaces" in API group "" at the cluster scope`)),
			new(*ForbiddenError), []string{"create namespaces at cluster scope"}},
		{"Pod Security is no RBAC", apierrors.NewForbidden(schema.GroupResource{Resource: "pods"}, "web", errors.New(`violates PodSecurity "restricted:latest"`)),
			new(*RejectedError), []string{"violates PodSecurity"}},
		{"quota is no RBAC", apierrors.NewForbidden(schema.GroupResource{Resource: "services"}, "web", errors.New(`exceeded quota: small`)),
			new(*RejectedError), []string{"exceeded quota"}},
		{"terminating", terminating, new(*NamespaceError), []string{"shop is being deleted"}},
		{"credentials", apierrors.NewUnauthorized("Unauthorized"), new(*UnauthorizedError), []string{"log in again"}},
		{"StatefulSet", apierrors.NewInvalid(kind, "db", field.ErrorList{field.Forbidden(field.NewPath("spec"), "updates to statefulset spec for fields other than 'replicas' are forbidden")}),
			new(*ImmutableError), []string{"StatefulSet.apps db", "spec"}},
		{"conflict", fmt.Errorf("conflict occurred while applying object shop/web apps/v1, Kind=Deployment: %w", conflict),
			new(*ConflictError), []string{"Deployment web", "spec.replicas", "kubectl-scale"}},
		{"joined with others", errors.Join(errors.New("first"), apierrors.NewInvalid(kind, "db", field.ErrorList{field.Required(field.NewPath("spec", "serviceName"), "")})),
			new(*RejectedError), []string{"StatefulSet.apps db", "spec.serviceName"}},
		{"object that Helm did not make", errors.New(`unable to continue with install: Service "web" in namespace "shop" exists and cannot be imported into the current release: ` +
			`invalid ownership metadata; label validation error: missing key "app.kubernetes.io/managed-by": must be set to "Helm"; ` +
			`annotation validation error: missing key "meta.helm.sh/release-name": must be set to "web"`),
			new(*OwnershipError), []string{"Service web in namespace shop exists and was not made by Helm"}},
		{"hook", errors.New("pre-upgrade hooks failed: resource Job/shop/migrate not ready. status: Failed"), new(*HookError), []string{"pre-upgrade hook failed"}},
		{"hook at installation", errors.New("failed post-install: 1 error"), new(*HookError), []string{"post-install hook failed"}},
		{"still there", errors.New("uninstallation completed with 1 error(s): resource Service/shop/web still exists. status: Terminating, message: x\ncontext deadline exceeded"),
			new(*RemainsError), []string{"Service web is still there", "finalizers"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := offline(t).explain(t.Context(), "upgrading", "web", test.err)
			if !errors.As(err, test.as) {
				t.Fatalf("got %v", err)
			}
			if !strings.HasPrefix(err.Error(), "upgrading Helm release shop/web: ") {
				t.Errorf("%q does not say what was being done", err)
			}
			for _, part := range test.says {
				if !strings.Contains(err.Error(), part) {
					t.Errorf("%q does not say %q", err, part)
				}
			}
		})
	}
}

func TestAnErrorAfterTheEndOfTheContextNamesTheCause(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("the lease was lost")
	cancel(why)
	if err := offline(t).explain(ctx, "upgrading", "web", errors.New("something")); !errors.Is(err, why) {
		t.Errorf("got %v", err)
	}
}
