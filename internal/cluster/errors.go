package cluster

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// ConfigError says that a kubeconfig cannot be used. Nothing was touched: exit code 2.
type ConfigError struct {
	Path    string // the file or files looked at
	Context string // the context asked for, if any
	What    string // what is wrong
	Next    string // what to do
	Err     error  // the cause, may be nil
}

func (e *ConfigError) Error() string {
	s := fmt.Sprintf("%s (%s)", e.What, e.Path)
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s + "; " + e.Next
}

// Unwrap returns the cause.
func (e *ConfigError) Unwrap() error { return e.Err }

// UnreachableError says that the API server did not answer. Whether a request that was under way took effect is
// unknown; a first request, as [Open] makes, touches nothing.
type UnreachableError struct {
	Doing   string // what was being done
	Address string // the API server's address, may be empty when it is not known
	Err     error
}

func (e *UnreachableError) Error() string {
	at := e.Address
	if at == "" {
		at = "its address"
	}
	return fmt.Sprintf("%s: the Kubernetes API server does not answer at %s: %v; check the address in the kubeconfig, the network or VPN, and (on AKS) that the cluster is started",
		e.Doing, at, e.Err)
}

// Unwrap returns the cause.
func (e *UnreachableError) Unwrap() error { return e.Err }

// Kind says what an API server's refusal means.
type Kind string

// The kinds of refusal that are told apart.
const (
	Forbidden    Kind = "forbidden"     // RBAC: a permission is missing
	Unauthorized Kind = "unauthorized"  // credentials are missing, wrong or expired
	Terminating  Kind = "terminating"   // the namespace is being deleted
	Quota        Kind = "quota"         // a ResourceQuota is used up
	Denied       Kind = "denied"        // an admission policy or webhook refused
	NotFound     Kind = "not-found"     // the object is not there
	Exists       Kind = "exists"        // the object is there already
	Conflict     Kind = "conflict"      // another writer changed the object, or owns the field
	Invalid      Kind = "invalid"       // the object breaks its schema
	NotInstalled Kind = "not-installed" // the cluster does not know the kind (a CRD is missing)
	Busy         Kind = "busy"          // the API server is overloaded, timed out or failed inside
)

// Error is an API server's refusal in words: what was being done, what came, what to do next.
type Error struct {
	Kind  Kind
	Doing string // what was being done, as a phrase: "installing chart web"
	What  string // what happened, one sentence without a full stop
	Next  string // what to do; may hold several lines of commands
	Err   error
}

func (e *Error) Error() string {
	s := e.Doing + ": " + e.What
	if e.Next != "" {
		s += "; " + e.Next
	}
	return s
}

// Unwrap returns the API server's own error.
func (e *Error) Unwrap() error { return e.Err }

// IsKind reports whether err is, or wraps, an *[Error] of that kind.
func IsKind(err error, k Kind) bool {
	var e *Error
	return errors.As(err, &e) && e.Kind == k
}

// Explain turns an error of a Kubernetes client into *[Error] or *[UnreachableError]; doing says what was being done.
// Errors that it does not know, errors that are explained already and context errors are wrapped as they are.
// A nil err gives nil.
func Explain(err error, doing string) error { return explainAt(err, doing, "") }

// rbac matches the API server's sentence, which is the only place where verb, resource and user stand together. Helm
// passes it on as text, so it is matched in text and not in a type.
var rbac = regexp.MustCompile(`User "([^"]*)" cannot (\S+) (?:resource|path) "([^"]+)"(?: in API group "([^"]*)")?(?: in the namespace "([^"]+)")?`)

func explainAt(err error, doing, address string) error {
	if err == nil {
		return nil
	}
	var (
		done        *Error
		unreachable *UnreachableError
		cfgErr      *ConfigError
		noKind      *meta.NoKindMatchError
		noRes       *meta.NoResourceMatchError
		status      apierrors.APIStatus
	)
	if errors.As(err, &done) || errors.As(err, &unreachable) || errors.As(err, &cfgErr) {
		return fmt.Errorf("%s: %w", doing, err)
	}
	say := func(k Kind, what, next string) error {
		return &Error{Kind: k, Doing: doing, What: what, Next: next, Err: err}
	}
	text := err.Error()
	switch {
	case strings.Contains(text, "because it is being terminated"), apierrors.HasStatusCause(err, corev1.NamespaceTerminatingCause):
		return say(Terminating, "the namespace is being deleted and takes no new objects ("+trim(text)+")",
			"wait until it is gone and release again, or use another namespace")
	case strings.Contains(text, "exceeded quota"):
		return say(Quota, "a ResourceQuota is used up ("+trim(text)+")", "raise the quota or lower the chart's requests")
	case rbac.MatchString(text):
		what, next := forbidden(rbac.FindStringSubmatch(text))
		return say(Forbidden, what, next)
	case errors.As(err, &noKind), errors.As(err, &noRes), strings.Contains(text, "no matches for kind"),
		strings.Contains(text, "the server could not find the requested resource"):
		return say(NotInstalled, "the cluster does not know this kind ("+trim(text)+")",
			"install the CRDs that define it, or check the API version")
	}
	if errors.As(err, &status) {
		s := status.Status()
		obj := object(s)
		switch {
		case apierrors.IsUnauthorized(err):
			return say(Unauthorized, "the API server does not accept the credentials (missing, wrong or expired)",
				"log in again (for AKS: az login, then az aks get-credentials) and check with: kubectl auth whoami")
		case apierrors.IsForbidden(err):
			return say(Denied, "the API server refused "+obj+" ("+trim(s.Message)+")", "change the object or the policy that refuses it")
		case apierrors.IsNotFound(err):
			return say(NotFound, obj+" does not exist", "check its name and namespace")
		case apierrors.IsAlreadyExists(err):
			return say(Exists, obj+" exists already", "check who made it; Slipway does not take over what it did not make")
		case apierrors.IsConflict(err):
			return say(Conflict, "another writer changed or owns "+obj+" ("+trim(s.Message)+")", "see who writes it with: kubectl get --show-managed-fields -o yaml")
		case apierrors.IsInvalid(err), apierrors.IsBadRequest(err):
			next := "correct the chart or its values"
			if strings.Contains(s.Message, "admission webhook") {
				return say(Denied, "an admission webhook refused "+obj+" ("+trim(s.Message)+")", next)
			}
			return say(Invalid, obj+" is not valid ("+trim(s.Message)+")", next)
		case apierrors.IsTooManyRequests(err), apierrors.IsServerTimeout(err), apierrors.IsTimeout(err),
			apierrors.IsInternalError(err), apierrors.IsServiceUnavailable(err), s.Code >= 500:
			return say(Busy, "the API server could not answer now ("+trim(s.Message)+")", "try again; if it lasts, check the cluster's control plane")
		}
		return fmt.Errorf("%s: %w", doing, err)
	}
	if u, ok := networkError(err); ok {
		if address == "" {
			address = u
		}
		return &UnreachableError{Doing: doing, Address: address, Err: shortNetwork(err)}
	}
	return fmt.Errorf("%s: %w", doing, err)
}

// forbidden words a missing permission: m is user, verb, resource, API group, namespace.
func forbidden(m []string) (what, next string) {
	user, verb, res, group, ns := m[1], m[2], m[3], m[4], m[5]
	full := res
	if group != "" {
		// kubectl writes deployments.apps/status; the API server says deployments/status in group apps.
		base, sub, hasSub := strings.Cut(res, "/")
		full = base + "." + group
		if hasSub {
			full += "/" + sub
		}
	}
	where, role, bind, scope := "in the whole cluster", "clusterrole", "clusterrolebinding", ""
	if ns != "" {
		where, role, bind, scope = "in namespace "+ns, "role", "rolebinding", " --namespace="+ns
	}
	name := "slipway-" + verb + "-" + strings.NewReplacer("/", "-", ".", "-").Replace(full)
	subject := "--user=" + user
	if sa, ok := strings.CutPrefix(user, "system:serviceaccount:"); ok {
		subject = "--serviceaccount=" + sa
	}
	what = fmt.Sprintf("%s may not %s %s %s", user, verb, full, where)
	next = fmt.Sprintf("an administrator can allow it:\n  kubectl create %s %s%s --verb=%s --resource=%s\n  kubectl create %s %s%s --%s=%s %s",
		role, name, scope, verb, full, bind, name, scope, role, name, subject)
	return what, next
}

func object(s metav1.Status) string {
	if s.Details == nil || s.Details.Kind == "" {
		return "the object"
	}
	kind := s.Details.Kind
	if s.Details.Group != "" {
		kind += "." + s.Details.Group
	}
	if s.Details.Name == "" {
		return kind
	}
	return kind + " " + s.Details.Name
}

// networkError reports whether err is about reaching the API server, and the address if the error names it.
func networkError(err error) (string, bool) {
	address := ""
	var ue *url.Error
	if errors.As(err, &ue) {
		if u, perr := url.Parse(ue.URL); perr == nil {
			address = u.Scheme + "://" + u.Host
		}
	}
	var ne net.Error
	var ca x509.UnknownAuthorityError
	var host x509.HostnameError
	switch {
	case errors.Is(err, context.Canceled):
		return "", false
	case errors.As(err, &ne), errors.As(err, &ca), errors.As(err, &host), ue != nil:
		return address, true
	}
	return "", errors.Is(err, context.DeadlineExceeded)
}

// shortNetwork drops the method and URL that net/http puts first; the address is told by itself.
func shortNetwork(err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("no answer within %v: %w", ConnectTimeout, err)
	}
	return err
}

// trim keeps an API server's sentence to a length that fits a line or two.
func trim(s string) string { return OneLine(s, 300) }
