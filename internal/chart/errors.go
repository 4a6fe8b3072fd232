package chart

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// ErrNotFound says that there is no such Helm release.
var ErrNotFound = errors.New("no such Helm release")

// PendingError says that an operation on the release is under way, or was when its process died. Nothing was touched.
type PendingError struct {
	Release, Namespace string
	Revision           int
	Status             Status
	Since              time.Time // UTC
}

func (e *PendingError) Error() string {
	return fmt.Sprintf("Helm release %s/%s is %s (revision %d) since %s: someone is working on it, or its process died; "+
		"nothing was touched; if nobody is, `helm rollback -n %s %s` or Slipway's own unlocking frees it",
		e.Namespace, e.Release, e.Status, e.Revision, e.Since.Format(time.RFC3339), e.Namespace, e.Release)
}

// ExistsError says that a release of that name is there already, or half removed. Nothing was touched.
type ExistsError struct {
	Release, Namespace string
	Revision           int
	Status             Status
}

func (e *ExistsError) Error() string {
	next := "upgrade it, or uninstall it first"
	if e.Status == Uninstalling {
		next = "an uninstall of it began and did not end; uninstall it again"
	}
	return fmt.Sprintf("Helm release %s/%s exists (revision %d, %s); nothing was touched; %s",
		e.Namespace, e.Release, e.Revision, e.Status, next)
}

// RevisionError says that the revision to go back to is not kept. Nothing was touched.
type RevisionError struct {
	Release, Namespace string
	Revision           int
	Kept               []int
}

func (e *RevisionError) Error() string {
	return fmt.Sprintf("Helm release %s/%s has no revision %d; nothing was touched; kept are %v",
		e.Namespace, e.Release, e.Revision, e.Kept)
}

// ForbiddenError says that RBAC does not allow a request.
type ForbiddenError struct {
	// User as the API server sees us.
	User string
	// Verb and Resource ("deployments.apps") are what a Role would have to allow.
	Verb, Resource string
	// Namespace is empty for what belongs to the whole cluster.
	Namespace string
	// Name of the object; may be empty.
	Name string
	Err  error
}

func (e *ForbiddenError) Error() string {
	where := "at cluster scope"
	if e.Namespace != "" {
		where = "in namespace " + e.Namespace
	}
	object := e.Resource
	if e.Name != "" {
		object += " " + e.Name
	}
	return fmt.Sprintf("%s may not %s %s %s; grant it with a Role that allows verb %q on %q",
		cmp.Or(e.User, "this user"), e.Verb, object, where, e.Verb, e.Resource)
}

// Unwrap gives the API server's answer.
func (e *ForbiddenError) Unwrap() error { return e.Err }

// UnauthorizedError says that the API server does not know who we are.
type UnauthorizedError struct {
	Host string
	Err  error
}

func (e *UnauthorizedError) Error() string {
	return fmt.Sprintf("the API server %s does not accept these credentials; log in again (%v)", e.Host, e.Err)
}

// Unwrap gives the API server's answer.
func (e *UnauthorizedError) Unwrap() error { return e.Err }

// ImmutableError says that an upgrade would change a field that Kubernetes never lets change.
type ImmutableError struct {
	// Object as "Deployment.apps web".
	Object string
	// Fields as "spec.selector".
	Fields []string
	Err    error
}

func (e *ImmutableError) Error() string {
	return fmt.Sprintf("%s cannot be upgraded in place: %s cannot be changed once it is there; "+
		"undo the change in the chart, or uninstall the release and install it anew", e.Object, strings.Join(e.Fields, ", "))
}

// Unwrap gives the API server's answer.
func (e *ImmutableError) Unwrap() error { return e.Err }

// OwnershipError says that the chart has an object that exists and is not this release's. Nothing was touched.
type OwnershipError struct {
	// Object as "Service web", in Namespace.
	Object, Namespace string
	// Release and ReleaseNamespace want the object.
	Release, ReleaseNamespace string
	// Owner is the release that has it, as namespace/name where known; empty when Helm did not make it.
	Owner string
	Err   error
}

func (e *OwnershipError) Error() string {
	owner := "was not made by Helm"
	if e.Owner != "" {
		owner = "belongs to Helm release " + e.Owner
	}
	return fmt.Sprintf("%s in namespace %s exists and %s, so release %s/%s cannot have it; nothing was touched; "+
		"rename it in the chart (with the release's name in it) or remove the other", e.Object, e.Namespace, owner, e.ReleaseNamespace, e.Release)
}

// Unwrap gives Helm's own error.
func (e *OwnershipError) Unwrap() error { return e.Err }

// NamespaceError says that the namespace is missing or terminating.
type NamespaceError struct {
	Namespace string
	// Terminating: it is being deleted. Otherwise it does not exist.
	Terminating bool
	Err         error
}

func (e *NamespaceError) Error() string {
	if e.Terminating {
		return fmt.Sprintf("namespace %s is being deleted and takes nothing new; wait until it is gone, then create it again", e.Namespace)
	}
	return fmt.Sprintf("namespace %s does not exist; create it with `kubectl create namespace %s`", e.Namespace, e.Namespace)
}

// Unwrap gives the API server's answer.
func (e *NamespaceError) Unwrap() error { return e.Err }

// ConflictError says that someone else has set fields that the chart sets, since it was last applied.
type ConflictError struct {
	// Object as "Deployment.apps web"; may be empty.
	Object string
	// Managers are the others, Fields what they have set.
	Managers, Fields []string
	Err              error
}

func (e *ConflictError) Error() string {
	return fmt.Sprintf("%s: fields %s were set by %s since the chart was last applied; take them out of the chart, "+
		"or let the chart win by forcing conflicts", cmp.Or(e.Object, "an object of the chart"),
		strings.Join(e.Fields, ", "), strings.Join(e.Managers, ", "))
}

// Unwrap gives the API server's answer.
func (e *ConflictError) Unwrap() error { return e.Err }

// RejectedError says that the API server does not take an object: invalid fields, a policy, a quota, a webhook.
type RejectedError struct {
	// Object as "Deployment.apps web"; may be empty.
	Object string
	Reason string
	Err    error
}

func (e *RejectedError) Error() string {
	return fmt.Sprintf("the cluster rejects %s: %s", cmp.Or(e.Object, "an object of the chart"), e.Reason)
}

// Unwrap gives the API server's answer.
func (e *RejectedError) Unwrap() error { return e.Err }

// UnknownKindError says that the chart has objects of a kind that the cluster does not know.
type UnknownKindError struct {
	// Kinds as "apiVersion Kind".
	Kinds []string
	Err   error
}

func (e *UnknownKindError) Error() string {
	return fmt.Sprintf("the cluster does not know %s; install the custom resource definitions, or correct apiVersion and kind in the chart",
		strings.Join(e.Kinds, ", "))
}

// Unwrap gives Helm's own error.
func (e *UnknownKindError) Unwrap() error { return e.Err }

// RemainsError says that a release was uninstalled but objects of it are still there.
type RemainsError struct {
	Release, Namespace string
	// Objects as "Service web".
	Objects []string
	Err     error
}

func (e *RemainsError) Error() string {
	return fmt.Sprintf("Helm release %s/%s is uninstalled, but %s still there: %v; look at their finalizers with `kubectl -n %s get … -o yaml`",
		e.Namespace, e.Release, strings.Join(e.Objects, ", ")+map[bool]string{true: " is", false: " are"}[len(e.Objects) == 1],
		e.Err, e.Namespace)
}

// Unwrap gives what Helm said.
func (e *RemainsError) Unwrap() error { return e.Err }

// HookError says that a hook of the chart failed.
type HookError struct {
	// When is "pre-install", "post-upgrade" and so on.
	When string
	Err  error
}

func (e *HookError) Error() string {
	return fmt.Sprintf("the chart's %s hook failed: %v; read its pod's log", e.When, e.Err)
}

// Unwrap gives Helm's own error.
func (e *HookError) Unwrap() error { return e.Err }

// UnreachableError says that the API server did not answer.
type UnreachableError struct {
	Host string
	Err  error
}

func (e *UnreachableError) Error() string {
	return fmt.Sprintf("the API server %s cannot be reached: %v; check the kubeconfig, the network and that the cluster runs", e.Host, e.Err)
}

// Unwrap gives the network's error.
func (e *UnreachableError) Unwrap() error { return e.Err }

// unique sorts and drops repetitions and empty strings.
func unique(s []string) []string {
	s = slices.DeleteFunc(s, func(item string) bool { return item == "" })
	slices.Sort(s)
	return slices.Compact(s)
}
