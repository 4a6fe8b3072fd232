package kube

import (
	"fmt"
	"sort"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	discoveryv1 "k8s.io/api/discovery/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"

	"github.com/slipway-cd/slipway/internal/cluster"
)

// Snapshot is what the cluster says about a namespace at one instant. It may hold objects of other releases.
type Snapshot struct {
	Deployments  []*appsv1.Deployment
	ReplicaSets  []*appsv1.ReplicaSet
	StatefulSets []*appsv1.StatefulSet
	DaemonSets   []*appsv1.DaemonSet
	Jobs         []*batchv1.Job
	Pods         []*corev1.Pod
	// Events of type Warning; without them probe failures and some pull errors are told less exactly.
	Events []*corev1.Event
	// Service and Slices of Target.Service; Service is nil when it does not exist.
	Service *corev1.Service
	Slices  []discoveryv1.EndpointSlice
}

// judgement carries what Judge gathers.
type judgement struct {
	t       Target
	s       Snapshot
	r       Report
	waiting []string
	// owners are the controllers whose pods count; revision narrows them where old and new pods share one.
	owners   map[types.UID]bool
	revision map[types.UID]revision
}

// revision is the label by which a StatefulSet's or DaemonSet's newest pods are known; an empty value matches all.
type revision struct{ label, value string }

// Judge tells how the release's pods are. It is a pure function: no I/O, no clock, and it changes nothing. Pods of older
// revisions of a Deployment, StatefulSet or DaemonSet are on their way out and are not judged; neither are pods that are
// being deleted, Helm's test pods and pods of Helm's hooks.
func Judge(t Target, s Snapshot) Report {
	j := &judgement{t: t, s: s, owners: map[types.UID]bool{}, revision: map[types.UID]revision{}}
	done := true
	for _, d := range s.Deployments {
		if j.mine("Deployment", &d.ObjectMeta) {
			done = j.deployment(d) && done
		}
	}
	for _, x := range s.StatefulSets {
		if j.mine("StatefulSet", &x.ObjectMeta) {
			j.owners[x.UID] = true
			j.revision[x.UID] = revision{appsv1.ControllerRevisionHashLabelKey, x.Status.UpdateRevision}
			j.r.Wanted += int(ptr.Deref(x.Spec.Replicas, 1))
			done = j.workload("StatefulSet/"+x.Name, cluster.Ready(x)) && done
		}
	}
	for _, x := range s.DaemonSets {
		if j.mine("DaemonSet", &x.ObjectMeta) {
			j.owners[x.UID] = true
			j.revision[x.UID] = revision{"pod-template-generation", x.Annotations[appsv1.DeprecatedTemplateGeneration]}
			j.r.Wanted += int(x.Status.DesiredNumberScheduled)
			done = j.workload("DaemonSet/"+x.Name, cluster.Ready(x)) && done
		}
	}
	for _, x := range s.Jobs {
		if j.mine("Job", &x.ObjectMeta) {
			// A Job's pods come and go as it retries; only its own word counts.
			done = j.workload("Job/"+x.Name, cluster.Ready(x)) && done
		}
	}
	for _, p := range s.Pods {
		j.pod(p)
	}
	if t.Service != "" {
		done = j.service() && done
	}
	j.r.Done = done && j.r.Found
	if !j.r.Done && len(j.waiting) > 0 {
		j.r.Waiting = j.waiting[0]
	}
	// What cannot heal comes first, then in a fixed order, so that the same state always reads the same.
	sort.SliceStable(j.r.Findings, func(a, b int) bool {
		x, y := j.r.Findings[a], j.r.Findings[b]
		if x.Final != y.Final {
			return x.Final
		}
		return x.Object < y.Object
	})
	return j.r
}

// mine says whether a workload belongs to the release. Helm's annotation decides where it is; a label is a convention
// that charts may leave out or hard-code.
func (j *judgement) mine(kind string, m *metav1.ObjectMeta) bool {
	if m.Annotations["helm.sh/hook"] != "" {
		return false
	}
	for _, w := range j.t.Workloads {
		if w.Kind == kind && w.Name == m.Name {
			return true
		}
	}
	if rel := m.Annotations["meta.helm.sh/release-name"]; rel != "" {
		return rel == j.t.Release
	}
	return j.t.Release != "" && m.Labels["app.kubernetes.io/instance"] == j.t.Release
}

func (j *judgement) deployment(d *appsv1.Deployment) bool {
	j.r.Wanted += int(ptr.Deref(d.Spec.Replicas, 1))
	obj := "Deployment/" + d.Name
	rev := d.Annotations["deployment.kubernetes.io/revision"]
	for _, rs := range j.s.ReplicaSets {
		if !metav1.IsControlledBy(rs, d) {
			continue
		}
		// Until the controller has seen the newest template, no ReplicaSet is the candidate's.
		if d.Status.ObservedGeneration >= d.Generation && rs.Annotations["deployment.kubernetes.io/revision"] == rev {
			j.owners[rs.UID] = true
		}
	}
	for _, c := range d.Status.Conditions {
		switch {
		case c.Type == appsv1.DeploymentReplicaFailure && c.Status == corev1.ConditionTrue:
			j.add(refusal(obj, c.Message))
		case c.Type == appsv1.DeploymentProgressing && c.Reason == "ProgressDeadlineExceeded" && d.Status.ObservedGeneration >= d.Generation:
			j.add(Finding{Problem: ProgressDeadline, Object: obj, Final: true,
				Message: fmt.Sprintf("made no progress for %ds, its own deadline", ptr.Deref(d.Spec.ProgressDeadlineSeconds, 600))})
		}
	}
	st := cluster.Ready(d)
	st.Failed = false // the only failure is the deadline, which is told above with its figure
	return j.workload(obj, st)
}

func (j *judgement) workload(obj string, st cluster.Status) bool {
	j.r.Found = true
	if st.Failed {
		j.add(Finding{Problem: WorkloadFailed, Object: obj, Message: st.Reason, Final: true})
	}
	if !st.Ready {
		j.waiting = append(j.waiting, obj+": "+st.Reason)
	}
	return st.Ready
}

func (j *judgement) service() bool {
	obj := "Service/" + j.t.Service
	if j.s.Service == nil {
		j.waiting = append(j.waiting, obj+" does not exist")
		return false
	}
	st := cluster.ServiceReady(j.s.Service, j.s.Slices)
	j.r.Endpoints = cluster.ReadyEndpoints(j.s.Slices)
	if st.Failed {
		j.add(Finding{Problem: WorkloadFailed, Object: obj, Message: st.Reason, Final: true})
	}
	if !st.Ready {
		j.waiting = append(j.waiting, obj+": "+st.Reason)
	}
	return st.Ready
}

// counts says whether a pod is one of the release's newest, and whether any workload that we know wants it.
func (j *judgement) counts(p *corev1.Pod) (ok, bare bool) {
	if p.DeletionTimestamp != nil || p.Annotations["helm.sh/hook"] != "" {
		return false, false
	}
	owner := metav1.GetControllerOf(p)
	if owner == nil {
		return j.mine("Pod", &p.ObjectMeta), true
	}
	if j.owners[owner.UID] {
		r := j.revision[owner.UID]
		return r.value == "" || p.Labels[r.label] == "" || p.Labels[r.label] == r.value, false
	}
	switch owner.Kind {
	case "ReplicaSet", "StatefulSet", "DaemonSet", "Job":
		return false, false // another release's, an older revision's, or a Job's
	}
	// A controller of a kind that we do not read: the label is all there is.
	return p.Labels["app.kubernetes.io/instance"] == j.t.Release, true
}

func (j *judgement) pod(p *corev1.Pod) {
	ok, bare := j.counts(p)
	if !ok {
		return
	}
	j.r.Found = true
	ready := cluster.Ready(p).Ready
	if bare {
		j.r.Wanted++
		if !ready {
			j.waiting = append(j.waiting, "Pod/"+p.Name+": not ready yet")
		}
	}
	if ready {
		j.r.Ready++
	}
	restarts, ooms := restarts(p, j.t.Since)
	j.r.Restarts += restarts
	j.r.OOMKills += ooms
	if !ready {
		for _, f := range podFindings(p, j.s.Events) {
			j.add(f)
		}
	}
}

func (j *judgement) add(f Finding) { j.r.Findings = append(j.r.Findings, f) }

// restarts counts since. The API keeps no history: of a pod older than since, a container whose last end was after since
// counts once.
func restarts(p *corev1.Pod, since time.Time) (n, ooms int) {
	old := !since.IsZero() && p.CreationTimestamp.Time.Before(since.Truncate(time.Second))
	for _, cs := range containers(p) {
		last := cs.LastTerminationState.Terminated
		ended := last != nil && !(old && last.FinishedAt.Time.Before(since.Truncate(time.Second)))
		if now := cs.State.Terminated; now != nil && now.Reason == "OOMKilled" || ended && last.Reason == "OOMKilled" {
			ooms++
		}
		switch {
		case !old:
			n += int(cs.RestartCount)
		case ended:
			n++
		}
	}
	return n, ooms
}

func containers(p *corev1.Pod) []corev1.ContainerStatus {
	return append(append([]corev1.ContainerStatus{}, p.Status.InitContainerStatuses...), p.Status.ContainerStatuses...)
}

// refusal reads why a controller could not create pods.
func refusal(obj, message string) Finding {
	f := Finding{Problem: Refused, Object: obj, Message: "its pods are refused: " + short(message)}
	switch m := strings.ToLower(message); {
	case strings.Contains(m, "status unknown for quota"):
		f.Problem = QuotaExceeded // the quota is only just being counted
	case strings.Contains(m, "exceeded quota"), strings.Contains(m, "failed quota"):
		f.Problem, f.Final = QuotaExceeded, true
	case strings.Contains(m, "failed calling webhook"), strings.Contains(m, "failed to call webhook"):
		// The webhook may come back.
	case strings.Contains(m, "serviceaccount") && strings.Contains(m, "not found"):
		f.Problem = MissingConfig // may be created a moment later by the same chart
	case strings.Contains(m, "is forbidden"), strings.Contains(m, "denied the request"), strings.Contains(m, "is invalid"):
		f.Final = true
	}
	return f
}
