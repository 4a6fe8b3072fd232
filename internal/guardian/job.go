package guardian

import (
	"strconv"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
)

// job is the Job of a release's guardian. Its pod is let in by the Pod Security Standard "restricted".
func (g *Guardian) job(meta metav1.ObjectMeta, number int) *batchv1.Job {
	container := corev1.Container{
		Name: "guardian", Image: g.Image,
		Args: []string{"guard", "--namespace", g.Namespace, "--service", g.Service, "--env", g.Environment, "--release", strconv.Itoa(number)},
		// Why one has ended is told in the pod's status: reading logs may not be allowed.
		TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError,
		// Helm and Kubernetes' client want a place for caches; there is no home in the image.
		Env:          []corev1.EnvVar{{Name: "HOME", Value: "/tmp"}, {Name: "USER", Value: "slipway"}},
		VolumeMounts: []corev1.VolumeMount{{Name: "tmp", MountPath: "/tmp"}},
		ReadinessProbe: &corev1.Probe{PeriodSeconds: 1, FailureThreshold: 3,
			ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Path: "/readyz", Port: intstr.FromInt32(ProbePort)}}},
		Resources: corev1.ResourceRequirements{
			Requests: corev1.ResourceList{corev1.ResourceCPU: resource.MustParse("10m"), corev1.ResourceMemory: resource.MustParse("64Mi")},
			Limits:   corev1.ResourceList{corev1.ResourceMemory: resource.MustParse("256Mi")},
		},
		SecurityContext: &corev1.SecurityContext{
			AllowPrivilegeEscalation: ptr.To(false), ReadOnlyRootFilesystem: ptr.To(true),
			Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		},
	}
	pod := corev1.PodSpec{
		ServiceAccountName: meta.Name,
		// A container that died is begun again by the kubelet, a pod that is gone by the Job.
		RestartPolicy: corev1.RestartPolicyOnFailure,
		Containers:    []corev1.Container{container},
		Volumes:       []corev1.Volume{{Name: "tmp", VolumeSource: corev1.VolumeSource{EmptyDir: &corev1.EmptyDirVolumeSource{}}}},
		SecurityContext: &corev1.PodSecurityContext{
			RunAsNonRoot: ptr.To(true), RunAsUser: ptr.To[int64](65532), RunAsGroup: ptr.To[int64](65532),
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
		NodeSelector: map[string]string{corev1.LabelOSStable: "linux"},
	}
	if g.Arch != "" {
		pod.NodeSelector[corev1.LabelArchStable] = g.Arch
	}
	return &batchv1.Job{
		ObjectMeta: meta,
		Spec: batchv1.JobSpec{
			BackoffLimit: ptr.To[int32](restarts),
			// When it is done, the cluster removes it and all that it owns.
			TTLSecondsAfterFinished: ptr.To[int32](0),
			Template:                corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: meta.Labels}, Spec: pod},
		},
	}
}
