// Package kube tells how a candidate's pods are: what is ready, what is on its way, what went wrong and whether that can
// heal by itself. [Judge] is a pure function of what the cluster says; [Source] reads it once ([Source.Inspect]) or follows
// it ([Source.Watch]).
package kube

import (
	"fmt"
	"strings"
	"time"
)

// WorkloadRef names one workload that the chart rendered.
type WorkloadRef struct {
	Kind string `json:"kind"` // Deployment, StatefulSet, DaemonSet or Job
	Name string `json:"name"`
}

// Target says which pods are meant.
type Target struct {
	Namespace string
	// Release is the Helm release. Its workloads are found by Helm's own annotation meta.helm.sh/release-name, else by the
	// label app.kubernetes.io/instance; their pods are found by ownership.
	Release string
	// Workloads are found by name even where chart and Helm left neither.
	Workloads []WorkloadRef
	// Service, if set, must have a ready endpoint before the report is ready.
	Service string
	// Since is when the candidate was deployed; restarts before it do not count. Zero: all count.
	Since time.Time
}

// Problem is something that keeps a pod from being ready, told apart by what a person would do about it.
type Problem string

// The problems.
const (
	CrashLoop         Problem = "crash-loop"         // the container ends again and again
	OOMKilled         Problem = "oom-killed"         // the container used more memory than its limit
	CannotStart       Problem = "cannot-start"       // the container's command cannot be run
	ImageNotFound     Problem = "image-not-found"    // the registry says that there is no such image
	ImageUnauthorized Problem = "image-unauthorized" // the registry refuses the node's credentials
	ImageUnreachable  Problem = "image-unreachable"  // the registry does not answer
	InvalidImage      Problem = "invalid-image"      // the image's name is no valid reference
	MissingConfig     Problem = "missing-config"     // a Secret, ConfigMap or key, or the service account, does not exist
	VolumeNotReady    Problem = "volume-not-ready"   // a volume cannot be mounted yet
	Unschedulable     Problem = "unschedulable"      // no node takes the pod
	ProbeFailing      Problem = "probe-failing"      // the kubelet's probe is not answered as it should be
	QuotaExceeded     Problem = "quota-exceeded"     // a ResourceQuota refuses the pod
	Refused           Problem = "refused"            // an admission policy or webhook refuses the pod
	ProgressDeadline  Problem = "progress-deadline"  // the Deployment's own deadline has passed
	NodeLost          Problem = "node-lost"          // the pod's node does not report any more
	PodFailed         Problem = "pod-failed"         // the pod ended as failed (evicted, say)
	WorkloadFailed    Problem = "workload-failed"    // the workload itself says that it failed
)

// Finding is one problem of one object.
type Finding struct {
	Problem Problem `json:"problem"`
	// Object is kind/name, Container the container's name where there is one.
	Object    string `json:"object"`
	Container string `json:"container,omitempty"`
	// Message is one sentence for a person.
	Message string `json:"message"`
	// Final says that waiting cannot help: without a change by somebody this will not heal.
	Final bool `json:"final,omitempty"`
}

// Report is how a candidate is at one instant.
type Report struct {
	// Wanted and Ready count pods over all of the release's workloads. Only pods of the workloads' newest revision
	// are counted as ready.
	Wanted, Ready int
	// Endpoints counts the Service's ready endpoints; 0 when no Service was asked for.
	Endpoints int
	// Restarts counts container restarts since Target.Since.
	Restarts int
	// OOMKills counts those containers whose last end since Target.Since was for want of memory.
	OOMKills int
	// Found says that any workload or pod of the release was seen at all.
	Found bool
	// Done says that every workload is ready and the Service, if asked for, has a ready endpoint.
	Done bool
	// Waiting says in one phrase what is still missing when Done is false and nothing is wrong.
	Waiting  string
	Findings []Finding
	// Notes say what could not be looked at (a missing permission for events, say).
	Notes []string
}

// Final returns the first finding that cannot heal.
func (r Report) Final() (Finding, bool) {
	for _, f := range r.Findings {
		if f.Final {
			return f, true
		}
	}
	return Finding{}, false
}

// Summary is the report in one line: pods, restarts, and the first thing that is wrong or missing.
func (r Report) Summary() string {
	if !r.Found {
		return strings.TrimSpace("no pods of the release were found " + paren(r.Waiting))
	}
	s := fmt.Sprintf("%d of %d pods ready", r.Ready, r.Wanted)
	if r.Restarts > 0 {
		s += fmt.Sprintf(", %d restarts", r.Restarts)
	}
	if r.OOMKills > 0 {
		s += fmt.Sprintf(", %d killed for want of memory", r.OOMKills)
	}
	switch {
	case len(r.Findings) > 0:
		f := r.Findings[0]
		if final, ok := r.Final(); ok {
			f = final
		}
		s += ": " + f.String()
		if n := len(r.Findings) - 1; n > 0 {
			s += fmt.Sprintf(" (and %d more)", n)
		}
	case !r.Done && r.Waiting != "":
		s += ": " + r.Waiting
	}
	return s
}

func (f Finding) String() string {
	where := f.Object
	if f.Container != "" {
		where += " container " + f.Container
	}
	return where + ": " + f.Message
}

func paren(s string) string {
	if s == "" {
		return ""
	}
	return "(" + s + ")"
}
