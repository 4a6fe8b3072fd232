package kube

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"

	"github.com/slipway-cd/slipway/internal/cluster"
)

// crashLoopRestarts is how many restarts make a crash loop final: by then the kubelet has waited 10 s and 20 s between
// attempts, so whatever the container may have raced with at its start has had half a minute.
const crashLoopRestarts = 3

// podFindings says what keeps one pod from being ready; nothing when it is simply on its way.
func podFindings(p *corev1.Pod, events []*corev1.Event) []Finding {
	obj := "Pod/" + p.Name
	var out []Finding
	add := func(pr Problem, container, message string, final bool) {
		out = append(out, Finding{Problem: pr, Object: obj, Container: container, Message: message, Final: final})
	}
	if p.Status.Phase == corev1.PodFailed {
		reason := strings.TrimSpace(p.Status.Reason + " " + short(p.Status.Message))
		add(PodFailed, "", "ended as failed: "+orElse(reason, "no reason given"), false)
		return out
	}
	if p.Status.Phase == corev1.PodUnknown || p.Status.Reason == "NodeLost" {
		add(NodeLost, "", "its node "+p.Spec.NodeName+" does not report any more", false)
		return out
	}
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse && c.Reason == corev1.PodReasonUnschedulable {
			add(Unschedulable, "", "no node takes it: "+scheduling(c.Message), false)
			return out
		}
	}
	for _, cs := range containers(p) {
		if f, ok := containerFinding(cs, p, events); ok {
			f.Object, f.Container = obj, cs.Name
			out = append(out, f)
		}
	}
	if len(out) > 0 {
		return out
	}
	// The kubelet tells volumes and probes only in events.
	warnings := latest(p, events)
	for _, e := range warnings {
		switch e.Reason {
		case "FailedMount", "FailedAttachVolume":
			if f, ok := volume(p, e); ok && (telling(p, e) || !slices.ContainsFunc(warnings, func(o *corev1.Event) bool { return telling(p, o) })) {
				f.Object = obj
				return append(out, f)
			}
		case "Unhealthy":
			if !creating(p) {
				add(ProbeFailing, container(e), short(e.Message), false)
				return out
			}
		case "NodeNotReady":
			add(NodeLost, "", "its node "+p.Spec.NodeName+" is not ready", false)
			return out
		case "FailedCreatePodSandBox":
			if creating(p) {
				add(CannotStart, "", short(e.Message), false)
				return out
			}
		}
	}
	return out
}

func containerFinding(cs corev1.ContainerStatus, p *corev1.Pod, events []*corev1.Event) (Finding, bool) {
	if w := cs.State.Waiting; w != nil {
		switch w.Reason {
		case "CrashLoopBackOff":
			return crashed(cs, cs.LastTerminationState.Terminated), true
		case "ErrImagePull", "ImagePullBackOff", "RegistryUnavailable", "ImageInspectError", "ErrImageNeverPull", "SignatureValidationFailed":
			return image(cs.Image, w, pullEvent(p, cs.Image, events)), true
		case "InvalidImageName":
			return Finding{Problem: InvalidImage, Message: fmt.Sprintf("%q is no valid image name", cs.Image), Final: true}, true
		case "CreateContainerConfigError":
			m := strings.ToLower(w.Message)
			// "failed to sync secret cache" passes; a name or key that is not there does not.
			final := strings.Contains(m, "not found") && !comes(p, m) || strings.Contains(m, "couldn't find key") || strings.Contains(m, "non-existent") ||
				strings.Contains(m, "runasnonroot") || strings.Contains(m, "run as root")
			pr := MissingConfig
			if strings.Contains(m, "root") {
				pr = CannotStart
			}
			return Finding{Problem: pr, Message: short(w.Message), Final: final}, true
		case "CreateContainerError", "RunContainerError":
			return Finding{Problem: CannotStart, Message: start(w.Message), Final: noCommand(w.Message)}, true
		}
	}
	if t := cs.State.Terminated; t != nil && t.ExitCode != 0 {
		return crashed(cs, t), true
	}
	return Finding{}, false
}

// crashed words a container that ended; t may be nil when the kubelet has dropped it.
func crashed(cs corev1.ContainerStatus, t *corev1.ContainerStateTerminated) Finding {
	times := fmt.Sprintf("ended %d times", cs.RestartCount+1)
	if cs.RestartCount == 0 {
		times = "ended"
	}
	f := Finding{Problem: CrashLoop, Message: times, Final: cs.RestartCount >= crashLoopRestarts}
	if t == nil {
		return f
	}
	switch {
	case t.Reason == "OOMKilled":
		f.Problem, f.Message = OOMKilled, times+", killed for want of memory"
	case t.Reason == "StartError", t.Reason == "ContainerCannotRun":
		f.Problem, f.Message, f.Final = CannotStart, start(t.Message), f.Final || noCommand(t.Message)
	default:
		f.Message = fmt.Sprintf("%s, last with exit code %d", times, t.ExitCode)
		if m := lastWords(t.Message); m != "" {
			f.Message += ": " + m
		}
	}
	return f
}

// lastWords is the line that says why a container ended: what it wrote to its termination message, or the end of its log
// where the pod's terminationMessagePolicy is FallbackToLogsOnError. A panic's line stands above its stack; of a JSON log
// line only the words are kept.
func lastWords(message string) string {
	var last string
	for line := range strings.Lines(message) {
		if line = strings.TrimSpace(line); line != "" {
			last = line
		}
		if strings.HasPrefix(line, "panic: ") || strings.HasPrefix(line, "fatal error: ") {
			break
		}
	}
	var fields map[string]any
	if json.Unmarshal([]byte(last), &fields) != nil {
		return short(last)
	}
	var words []string
	for _, key := range []string{"msg", "message", "error", "err"} {
		if s, ok := fields[key].(string); ok && s != "" {
			words = append(words, s)
		}
	}
	return short(orElse(strings.Join(words, ": "), last))
}

// start drops the runtime's layers from the sentence that says why a container could not be started.
func start(m string) string {
	if _, cause, ok := strings.Cut(m, "unable to start container process: "); ok {
		m = cause
	}
	return "the container cannot be started: " + short(m)
}

func noCommand(message string) bool {
	m := strings.ToLower(message)
	return strings.Contains(m, "no such file or directory") || strings.Contains(m, "executable file not found") ||
		strings.Contains(m, "exec format error") || strings.Contains(m, "permission denied")
}

// image reads why an image cannot be had. Reaching the registry is judged first: its sentences quote names in which any
// word may stand.
func image(name string, w *corev1.ContainerStateWaiting, event string) Finding {
	message := w.Message
	if message == "" || strings.HasPrefix(message, "Back-off pulling image") && !strings.Contains(message, "Err") {
		message = event
	}
	m := strings.ToLower(message)
	has := func(words ...string) bool {
		for _, x := range words {
			if strings.Contains(m, x) {
				return true
			}
		}
		return false
	}
	switch {
	case w.Reason == "ErrImageNeverPull":
		return Finding{Problem: ImageNotFound, Message: fmt.Sprintf("image %s is not on the node and may not be pulled", name), Final: true}
	case has("connection refused", "i/o timeout", "no such host", "dial tcp", "tls handshake", "x509:", "context deadline exceeded", "connection reset",
		"unexpected eof", ": eof", "500 internal", "502 bad", "503 service", "504 gateway", "429 too many", "toomanyrequests"), w.Reason == "RegistryUnavailable":
		return Finding{Problem: ImageUnreachable, Message: fmt.Sprintf("the registry of image %s does not answer: %s", name, tail(message))}
	case has("unauthorized", "authorization failed", "pull access denied", "403 forbidden", "insufficient_scope", "no basic auth", "authentication required", "access denied"):
		// Final only once the kubelet backs off: a role that was granted a moment ago takes effect late.
		return Finding{Problem: ImageUnauthorized, Final: w.Reason == "ImagePullBackOff",
			Message: fmt.Sprintf("the registry refuses the node's credentials for image %s: %s", name, tail(message))}
	case has("not found", "notfound", "manifest unknown", "manifest_unknown", "name_unknown", "no match for platform"):
		what := "does not exist"
		if has("no match for platform") {
			what = "has no variant for the node's platform"
		}
		return Finding{Problem: ImageNotFound, Message: fmt.Sprintf("image %s %s", name, what), Final: true}
	}
	return Finding{Problem: ImageUnreachable, Message: fmt.Sprintf("image %s cannot be pulled: %s", name, orElse(tail(message), w.Reason))}
}

// mountAttempts is how often the kubelet must have said that a volume's Secret or ConfigMap is missing before that is
// final. An event is not a state: the object may have come since. Five attempts are some 15 s.
const mountAttempts = 5

// volume reads a mount's failure; false when it is only the kubelet's cache that is late, as at many a normal start.
func volume(p *corev1.Pod, e *corev1.Event) (Finding, bool) {
	if !creating(p) || strings.Contains(e.Message, "failed to sync") || strings.Contains(e.Message, "not registered") ||
		strings.Contains(e.Message, `"kube-root-ca.crt"`) {
		return Finding{}, false
	}
	f := Finding{Problem: VolumeNotReady, Message: mount(e.Message)}
	if strings.Contains(e.Message, "not found") {
		f.Problem, f.Final = MissingConfig, e.Count >= mountAttempts && !comes(p, e.Message)
	}
	return f, true
}

// secretsStore is the CSI driver that makes Secrets of what pods mount.
const secretsStore = "secrets-store.csi.k8s.io"

// comes says that a message is about a Secret that may still come: the pod itself mounts what it is made of.
func comes(p *corev1.Pod, message string) bool {
	return strings.Contains(message, `secret "`) && slices.ContainsFunc(p.Spec.Volumes, func(v corev1.Volume) bool {
		return v.CSI != nil && v.CSI.Driver == secretsStore
	})
}

// layers stand around the words of the Secrets Store CSI driver and of its provider.
var layers = regexp.MustCompile(`rpc error: code = \w+ desc = |failed to mount secrets store objects for pod [^,]+, err: |failed to mount objects, error: |kubernetes\.io/csi: mounter\.SetupAt failed: |-{8,}`)

// mount words why a volume cannot be mounted; what a CSI driver says without the layers, and longer: the vault's own words
// stand behind the whole address that was asked.
func mount(m string) string {
	if own := layers.ReplaceAllString(m, ""); own != m {
		return cluster.OneLine(own, 480)
	}
	return short(m)
}

// telling says that an event tells why a mount fails: not only for which volumes the kubelet has waited in vain, or for a
// Secret that comes with another volume.
func telling(p *corev1.Pod, e *corev1.Event) bool {
	return (e.Reason == "FailedMount" || e.Reason == "FailedAttachVolume") && !strings.HasPrefix(e.Message, "Unable to attach or mount volumes") && !comes(p, e.Message)
}

// scheduling keeps the scheduler's reasons and drops what it says about preemption.
func scheduling(m string) string {
	for _, aside := range []string{" preemption:", " no new claims to deallocate"} {
		m, _, _ = strings.Cut(m, aside)
	}
	return short(strings.TrimSuffix(m, "."))
}

// creating says that no container of the pod has started yet.
func creating(p *corev1.Pod) bool {
	for _, cs := range containers(p) {
		if cs.State.Running != nil || cs.State.Terminated != nil || cs.RestartCount > 0 {
			return false
		}
	}
	return true
}

// latest are the pod's warnings, newest first.
func latest(p *corev1.Pod, events []*corev1.Event) []*corev1.Event {
	var out []*corev1.Event
	for _, e := range events {
		if e.InvolvedObject.UID == p.UID && e.Type == corev1.EventTypeWarning {
			out = append(out, e)
		}
	}
	slices.SortStableFunc(out, func(a, b *corev1.Event) int { return cluster.EventTime(b).Compare(cluster.EventTime(a)) })
	return out
}

func pullEvent(p *corev1.Pod, image string, events []*corev1.Event) string {
	for _, e := range latest(p, events) {
		if e.Reason == "Failed" && strings.Contains(e.Message, image) {
			return e.Message
		}
	}
	return ""
}

// container reads spec.containers{name} of an event.
func container(e *corev1.Event) string {
	_, rest, ok := strings.Cut(e.InvolvedObject.FieldPath, "{")
	if !ok {
		return ""
	}
	return strings.TrimSuffix(rest, "}")
}

// short is one line of at most 240 bytes.
func short(s string) string { return cluster.OneLine(s, 240) }

// tail is the end of a wrapped error, where the cause stands.
func tail(s string) string {
	s = strings.Join(strings.Fields(s), " ")
	if len(s) > 160 {
		s = "…" + strings.ToValidUTF8(s[len(s)-160:], "")
	}
	return s
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
