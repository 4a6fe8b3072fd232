package chart

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/url"
	"regexp"
	"strings"

	"helm.sh/helm/v4/pkg/storage/driver"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// explain makes a typed error of what Helm or the API server said, and says what was being done.
func (c *Client) explain(ctx context.Context, doing, release string, err error) error {
	what := doing + " Helm release " + c.namespace + "/" + release
	if release == "" {
		what = doing + " the Helm releases of namespace " + c.namespace
	}
	if ctx.Err() != nil {
		return fmt.Errorf("%s was cut off: %w (Helm said: %v)", what, context.Cause(ctx), err)
	}
	return fmt.Errorf("%s: %w", what, c.classify(release, err))
}

func (c *Client) classify(release string, err error) error {
	if errors.Is(err, driver.ErrReleaseNotFound) || errors.Is(err, driver.ErrNoDeployedReleases) {
		return ErrNotFound
	}
	if refused := valuesError("", err); refused != nil {
		return refused
	}
	if owned := c.ownership(release, err); owned != nil {
		return owned
	}
	if kinds := unknownKinds(err); kinds != nil {
		return kinds
	}
	var status apierrors.APIStatus
	if errors.As(err, &status) {
		if typed := c.answered(status.Status(), err); typed != nil {
			return typed
		}
	}
	// Not net.Error: a deadline of our own is one as well.
	var (
		network *net.OpError
		address *url.Error
	)
	if status == nil && (errors.As(err, &network) || errors.As(err, &address)) {
		return &UnreachableError{Host: c.host(), Err: rootOf(err)}
	}
	if left := remaining.FindAllStringSubmatch(err.Error(), -1); left != nil {
		e := &RemainsError{Release: release, Namespace: c.namespace, Err: err}
		for _, m := range left {
			e.Objects = append(e.Objects, m[1]+" "+m[2])
		}
		return e
	}
	if m := hookFailure.FindStringSubmatch(err.Error()); m != nil {
		return &HookError{When: m[1] + m[2] + m[3], Err: err}
	}
	if p := problemOf(err); p.File != "" {
		return &RenderError{Chart: release, Problem: p, Err: err}
	}
	return err
}

func (c *Client) host() string {
	if c.rest == nil {
		return ""
	}
	return c.rest.Host
}

var (
	hookFailure = regexp.MustCompile(`failed ((?:pre|post)-install)|((?:pre|post)-upgrade) hooks failed|Hook ((?:pre|post)-[a-z]+) `)
	forbidden   = regexp.MustCompile(`User "([^"]*)" cannot (\S+) resource "([^"]*)" in API group "([^"]*)"(?: in the namespace "([^"]*)")?`)
	conflicts   = regexp.MustCompile(`conflicts? with "([^"]+)"`)
	exists      = regexp.MustCompile(`(\S+) "([^"]+)" in namespace "([^"]*)" exists and cannot be imported into the current release`)
	ownerName   = regexp.MustCompile(`"meta\.helm\.sh/release-name" must equal "[^"]*": current value is "([^"]*)"`)
	ownerSpace  = regexp.MustCompile(`"meta\.helm\.sh/release-namespace" must equal "[^"]*": current value is "([^"]*)"`)
	remaining   = regexp.MustCompile(`resource (\S+?)/\S*?/?([^/\s]+) still exists`)
	noKind      = regexp.MustCompile(`no matches for kind "([^"]+)" in version "([^"]+)"`)
)

func (c *Client) ownership(release string, err error) error {
	m := exists.FindStringSubmatch(err.Error())
	if m == nil {
		return nil
	}
	e := &OwnershipError{Object: m[1] + " " + m[2], Namespace: m[3], Release: release, ReleaseNamespace: c.namespace, Err: err}
	name, space := release, c.namespace
	byName, bySpace := ownerName.FindStringSubmatch(err.Error()), ownerSpace.FindStringSubmatch(err.Error())
	if byName != nil {
		name = byName[1]
	}
	if bySpace != nil {
		space = bySpace[1]
	}
	if byName != nil || bySpace != nil {
		e.Owner = space + "/" + name
	}
	return e
}

func unknownKinds(err error) error {
	var none *meta.NoKindMatchError
	found := noKind.FindAllStringSubmatch(err.Error(), -1)
	if !errors.As(err, &none) && found == nil {
		return nil
	}
	e := &UnknownKindError{Err: err}
	for _, m := range found {
		e.Kinds = append(e.Kinds, m[2]+" "+m[1])
	}
	if none != nil && len(e.Kinds) == 0 {
		e.Kinds = []string{none.GroupKind.String()}
	}
	e.Kinds = unique(e.Kinds)
	return e
}

// answered makes a typed error of an API server's refusal; nil for one that deserves none.
func (c *Client) answered(status metav1.Status, err error) error {
	var (
		details = metav1.StatusDetails{}
		object  string
	)
	if status.Details != nil {
		details = *status.Details
		object = details.Kind
		if details.Group != "" {
			object += "." + details.Group
		}
		if details.Name != "" {
			object += " " + details.Name
		}
	}
	switch status.Reason {
	case metav1.StatusReasonUnauthorized:
		return &UnauthorizedError{Host: c.host(), Err: err}
	case metav1.StatusReasonForbidden:
		if hasCause(details, corev1.NamespaceTerminatingCause) {
			return &NamespaceError{Namespace: c.namespace, Terminating: true, Err: err}
		}
		if m := forbidden.FindStringSubmatch(status.Message); m != nil {
			resource := m[3]
			if m[4] != "" {
				resource += "." + m[4]
			}
			return &ForbiddenError{User: m[1], Verb: m[2], Resource: resource, Namespace: m[5], Name: details.Name, Err: err}
		}
		// Admission says "forbidden" as well: quotas, Pod Security.
		return &RejectedError{Object: object, Reason: status.Message, Err: err}
	case metav1.StatusReasonNotFound:
		if details.Kind == "namespaces" {
			return &NamespaceError{Namespace: details.Name, Err: err}
		}
	case metav1.StatusReasonInvalid:
		if fields := immutableFields(details); len(fields) > 0 {
			return &ImmutableError{Object: object, Fields: fields, Err: err}
		}
		return &RejectedError{Object: object, Reason: reasons(status), Err: err}
	case metav1.StatusReasonConflict:
		e := &ConflictError{Object: object, Err: err}
		for _, cause := range details.Causes {
			if cause.Type != metav1.CauseTypeFieldManagerConflict {
				continue
			}
			e.Fields = append(e.Fields, strings.TrimPrefix(cause.Field, "."))
			if m := conflicts.FindStringSubmatch(cause.Message); m != nil {
				e.Managers = append(e.Managers, m[1])
			}
		}
		if len(e.Fields) > 0 {
			e.Fields, e.Managers = unique(e.Fields), unique(e.Managers)
			if object == "" {
				e.Object = objectIn(err)
			}
			return e
		}
	case metav1.StatusReasonBadRequest:
		return &RejectedError{Object: object, Reason: status.Message, Err: err}
	}
	// Fields that the schema does not know come without a reason, as an internal error.
	if _, reason, ok := strings.Cut(status.Message, "failed to create typed patch object ("); ok {
		if _, after, ok := strings.Cut(reason, "): "); ok {
			reason = after
		}
		return &RejectedError{Object: objectIn(err), Reason: reason, Err: err}
	}
	return nil
}

func hasCause(details metav1.StatusDetails, cause metav1.CauseType) bool {
	for _, c := range details.Causes {
		if c.Type == cause {
			return true
		}
	}
	return false
}

func immutableFields(details metav1.StatusDetails) []string {
	var fields []string
	for _, cause := range details.Causes {
		if strings.Contains(cause.Message, "immutable") || strings.Contains(cause.Message, "may not change once set") ||
			strings.Contains(cause.Message, "updates to statefulset spec") {
			fields = append(fields, cause.Field)
		}
	}
	return unique(fields)
}

// reasons joins the causes, or takes the message where there are none.
func reasons(status metav1.Status) string {
	if status.Details == nil || len(status.Details.Causes) == 0 {
		return status.Message
	}
	var all []string
	for _, cause := range status.Details.Causes {
		all = append(all, cause.Field+": "+cause.Message)
	}
	return strings.Join(all, "; ")
}

var namedObject = regexp.MustCompile(`object (?:[^/\s]*/)?(\S+) \S+, Kind=([A-Za-z0-9]+)`)

// objectIn finds the object that Helm names around a server-side apply's conflict, whose status names none.
func objectIn(err error) string {
	if m := namedObject.FindStringSubmatch(err.Error()); m != nil {
		return m[2] + " " + m[1]
	}
	return ""
}

// rootOf is the network's own words, without the URL and Helm's preambles around them.
func rootOf(err error) error {
	var (
		op      *net.OpError
		address *url.Error
	)
	switch {
	case errors.As(err, &op):
		return op
	case errors.As(err, &address):
		return address.Err
	default:
		return err
	}
}
